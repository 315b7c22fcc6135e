"""Time cut into steps: which are settled, which a tick scores, and when samples were too late for theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from hypocenter.telemetry import Times

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """How time is cut: steps of `tick_s` seconds since 1970, each settled `settle_s` seconds after its end.

    A sample belongs to the step in which its time lies. At most `most_steps` are scored at once; what is relearned
    begins at most `learn` before the watermark. Raises InputError when a setting makes no sense.
    """

    tick_s: int = 60
    settle_s: int = 30
    most_steps: int = 60
    learn: timedelta = timedelta(days=3)

    def __post_init__(self) -> None:
        if self.tick_s < 1 or self.settle_s < 0 or self.most_steps < 1 or self.learn < timedelta(0):
            raise InputError("tick_s and most_steps must be at least 1, settle_s and learn not below 0")

    @property
    def step_ms(self) -> int:
        """The length of a step."""
        return self.tick_s * 1000

    def settled(self, now: datetime) -> datetime:
        """Return the end of the last step that is settled now."""
        since = (now - EPOCH) // timedelta(seconds=1) - self.settle_s
        return EPOCH + timedelta(seconds=since // self.tick_s * self.tick_s)

    def due(self, watermark: datetime, now: datetime) -> int:
        """Return how many steps after a watermark are settled now; none when the clock was set back."""
        return max((self.settled(now) - watermark) // timedelta(seconds=self.tick_s), 0)

    def after(self, watermark: datetime, steps: int) -> datetime:
        """Return the time that lies so many steps after a watermark."""
        return watermark + timedelta(seconds=self.tick_s * steps)

    def learned_from(self, watermark: datetime) -> datetime:
        """Return the first step that is relearned for a watermark."""
        return watermark - self.learn // timedelta(seconds=self.tick_s) * timedelta(seconds=self.tick_s)


def milliseconds(moment: datetime) -> int:
    """Return a time as ms since 1970."""
    return (moment - EPOCH) // MS


def times_of(start_ms: int, steps: int, step_ms: int) -> Times:
    """Return when steps begin."""
    times: Times = ((start_ms + step_ms * np.arange(steps)) * 1_000_000).astype("datetime64[ns]")
    return times
