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
_SECOND, _NOTHING = timedelta(seconds=1), timedelta(0)
_RANGES = {"tick_seconds": (1, 3600), "settle_seconds": (0, 3600), "shards": (1, 4096)}


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How time is cut: steps since 1970, each settled some time after its end; and how much is done of it at once.

    A sample belongs to the step in which its time lies. The work is divided among `shards`; of a shard at most
    `most_steps` are scored at once, and what is relearned begins at most `learn` before its watermark. Raises
    InputError where that makes no sense.
    """

    step: timedelta = timedelta(seconds=60)
    settle: timedelta = timedelta(seconds=30)
    shards: int = 16
    most_steps: int = 60
    learn: timedelta = timedelta(days=3)

    def __post_init__(self) -> None:
        if self.step < _SECOND or self.shards < 1 or self.most_steps < 1 or min(self.settle, self.learn) < _NOTHING:
            raise InputError(
                "step must be at least 1 s, shards and most_steps at least 1, settle and learn not below 0"
            )

    @property
    def step_ms(self) -> int:
        """The length of a step."""
        return self.step // timedelta(milliseconds=1)

    def settled(self, now: datetime) -> datetime:
        """Return the end of the newest settled step.

        >>> Rhythm().settled(datetime(2026, 3, 1, 12, 2, 29, tzinfo=UTC)).minute
        1
        """
        return now - self.settle - (now - self.settle - _EPOCH) % self.step

    def due(self, watermark: datetime, now: datetime) -> int:
        """Return how many steps after a watermark are settled now; none when the clock was set back."""
        return max((self.settled(now) - watermark) // self.step, 0)

    def lag(self, position: Position | None, now: datetime) -> timedelta:
        """Return how much settled time is not scored yet, by whole steps; none where nothing was ever scored."""
        missing = _NOTHING if position is None else self.settled(now) - position.watermark
        return max(missing, _NOTHING)

    def is_due(self, position: Position | None, now: datetime) -> bool:
        """Whether a settled step is not scored yet, or nothing ever was."""
        return position is None or self.due(position.watermark, now) > 0

    def learned_from(self, watermark: datetime) -> datetime:
        """Return the first step that is relearned for a watermark."""
        return watermark - self.learn // self.step * self.step


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
