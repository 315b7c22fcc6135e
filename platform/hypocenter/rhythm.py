"""How continuous detection cuts time: steps aligned to the epoch, and when each of them is settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypocenter.stores.detections import Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANGES = {"tick_seconds": (1, 3600), "settle_seconds": (0, 3600), "shards": (1, 4096)}


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The length of a step, how long after its end it is settled, and among how many shards the work is divided."""

    step: timedelta = timedelta(seconds=60)
    settle: timedelta = timedelta(seconds=30)
    shards: int = 16

    def settled(self, now: datetime) -> datetime:
        """Return the end of the newest settled step.

        >>> Rhythm().settled(datetime(2026, 3, 1, 12, 2, 29, tzinfo=UTC)).minute
        1
        """
        return now - self.settle - (now - self.settle - _EPOCH) % self.step

    def lag(self, position: Position | None, now: datetime) -> timedelta:
        """Return how much settled time is not scored yet, by whole steps; none where nothing was ever scored."""
        missing = timedelta(0) if position is None else self.settled(now) - position.watermark
        return max(missing, timedelta(0))

    def is_due(self, position: Position | None, now: datetime) -> bool:
        """Whether a settled step is not scored yet, or nothing ever was."""
        return position is None or self.lag(position, now) >= self.step


def rhythm_of_settings(environ: Mapping[str, str] | None = None) -> Rhythm:
    """Return the rhythm that the settings say; raises InputError for one that cannot be.

    >>> rhythm_of_settings({"HYPOCENTER_SHARDS": "4"}).shards
    4
    """
    step, settle, shards = (_number(name, environ) for name in _RANGES)
    return Rhythm(timedelta(seconds=step), timedelta(seconds=settle), shards)


def _number(name: str, environ: Mapping[str, str] | None) -> int:
    value, (least, most) = int(settings.read(name, environ) or 0), _RANGES[name]
    if not least <= value <= most:
        raise InputError(f"{settings.PREFIX}{name.upper()}={value}: write a number from {least} to {most}")
    return value
