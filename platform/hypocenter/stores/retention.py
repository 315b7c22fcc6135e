"""How long metrics are kept and how much room they may take, and when that is too much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypocenter.stores.duckdb_file import Space

DAY_MS = 86_400_000
SPARE_SHARE, SPARE_BYTES = 0.05, 1 << 30
LONGEST_DAYS = 36_500.0


@dataclass(frozen=True, slots=True)
class MetricsLimits:
    """What an embedded store of metrics keeps, for how long, and with how much memory and disk.

    `disk_bytes` None means: leave 5 % of the disk free, or 1 GiB where that is less. `ahead` is how far a sample may be
    in the future of our clock.
    """

    retention_days: float = 15.0
    ahead: timedelta = timedelta(minutes=10)
    max_series: int = 2_000_000
    disk_bytes: int | None = None
    memory_bytes: int = 256 << 20
    threads: int = 2


def limits_of_settings(environ: Mapping[str, str] | None = None) -> MetricsLimits:
    """Return the limits that the settings tell; raises InputError for one that cannot be.

    >>> limits_of_settings({"HYPOCENTER_DISK_LIMIT_BYTES": "1000000000"}).disk_bytes
    1000000000
    """
    days = float(settings.read("retention_days", environ) or 0)
    if not 0 < days <= LONGEST_DAYS:
        raise InputError(f"HYPOCENTER_RETENTION_DAYS={days:g}: write a number above 0, {LONGEST_DAYS:g} at most")
    return MetricsLimits(
        retention_days=days,
        max_series=_whole("max_series", environ) or 0,
        disk_bytes=_whole("disk_limit_bytes", environ),
        memory_bytes=_whole("metrics_memory_bytes", environ) or 0,
    )


def _whole(name: str, environ: Mapping[str, str] | None) -> int | None:
    value = settings.read(name, environ)
    if value is None:
        return None
    if not str(value).isdecimal() or int(value) == 0:
        raise InputError(f"HYPOCENTER_{name.upper()}={value}: write a whole number above 0")
    return int(value)


def fullness(space: Space, limits: MetricsLimits) -> str:
    """Say why no more can be taken, "" while it can."""
    # To move the log into the file takes as much room again.
    spare = min(SPARE_SHARE * space.disk, SPARE_BYTES) + space.log
    if space.free < spare:
        return f"the disk has {space.free >> 20} MiB left, and {int(spare) >> 20} MiB are kept free; make room there"
    if limits.disk_bytes is not None and space.used >= limits.disk_bytes:
        return (
            f"{space.used:,} bytes are used and HYPOCENTER_DISK_LIMIT_BYTES is {limits.disk_bytes:,};"
            " raise it, or lower HYPOCENTER_RETENTION_DAYS"
        )
    return ""


def first_kept_ms(now_ms: int, limits: MetricsLimits) -> int:
    """Return the time of the oldest sample that is kept."""
    return max(now_ms - int(limits.retention_days * DAY_MS), 0)
