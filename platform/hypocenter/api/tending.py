"""What a server does again and again for a tenant: what is too old is forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from hypocenter.stores.runtime_settings import setting

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter.stores.records import Records


# Detection looks back as far to tell what belongs to which incident.
LEAST = timedelta(days=1)


class Tended(Protocol):
    """A store of metrics that has to be looked after."""

    def tick(self) -> None:
        """Drop what is too old or too much."""

    def keep_days(self, days: float) -> None:
        """Keep what is younger than so many days, from now on."""


def tend(metrics: Tended, records: Records, now: datetime) -> None:
    """Forget what is older than the settings say that metrics, records and the audit log are kept, as they are now."""
    metrics.tick()
    changed = records.settings.changed()
    metrics.keep_days(setting(changed, "retention_days"))
    forget_old(records, now - max(timedelta(days=setting(changed, "records_days")), LEAST))
    records.audit.forget(now - timedelta(days=setting(changed, "audit_retention_days")))


def forget_old(records: Records, before: datetime) -> int:
    """Forget what was over before a time and return how many; what is open, lasts or runs stays."""
    stores = (
        records.alerts,
        records.changes,
        records.detections,
        records.incidents,
        records.investigations,
        records.dead_letters,
    )
    return sum(store.forget(before) for store in stores)
