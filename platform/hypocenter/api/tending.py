"""What a server does again and again for a tenant: what is too old is forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from hypocenter.stores.runtime_settings import setting

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter.stores.records import Records


class Tended(Protocol):
    """A store of metrics that has to be looked after."""

    def tick(self) -> None:
        """Drop what is too old or too much."""

    def keep_days(self, days: float) -> None:
        """Keep what is younger than so many days, from now on."""


def tend(metrics: Tended, records: Records, now: datetime) -> None:
    """Forget what is older than the settings say that metrics and the audit log are kept, as they are now."""
    metrics.tick()
    changed = records.settings.changed()
    metrics.keep_days(setting(changed, "retention_days"))
    records.audit.forget(now - timedelta(days=setting(changed, "audit_retention_days")))
