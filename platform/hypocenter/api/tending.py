"""What a server does again and again for a tenant: what is too old is forgotten."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from hypocenter.stores.runtime_settings import setting

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from hypocenter.stores.records import Records


# Detection looks back as far to tell what belongs to which incident.
LEAST = timedelta(days=1)


class Tended(Protocol):
    """A store of metrics that has to be looked after."""

    def tick(self) -> None:
        """Drop what is too old or too much."""

    def keep_days(self, days: float) -> None:
        """Keep what is younger than so many days, from now on."""


def tend(metrics: Tended, records: Records, now: datetime, reports: Path | None = None) -> None:
    """Forget what is older than the settings say that metrics, records and the audit log are kept, as they are now.

    `reports` is the folder of reports, where there is one.
    """
    metrics.tick()
    changed = records.settings.changed()
    metrics.keep_days(setting(changed, "retention_days"))
    before = now - max(timedelta(days=setting(changed, "records_days")), LEAST)
    forget_old(records, before)
    if reports is not None:
        forget_reports(reports, records, before)
    records.audit.forget(now - timedelta(days=setting(changed, "audit_retention_days")))


def forget_reports(reports: Path, records: Records, before: datetime) -> int:
    """Remove what was last written before a time of incidents that are kept no more; return of how many."""
    if not reports.is_dir():
        return 0
    old = [each for each in reports.iterdir() if each.lstat().st_mtime < before.timestamp()]
    gone = [each for each in old if records.incidents.incident(each.name) is None]
    for each in gone:
        shutil.rmtree(each)
    return len(gone)


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
