"""How long tasks may last, in seconds."""

from __future__ import annotations

from hypocenter import settings
from hypocenter.errors import InputError

TIME_LIMIT_S = 600
# Between being told to stop and being stopped.
GRACE_S = 30
# Somebody waits for what was asked.
ASKED_LIMIT_S = 120
BANDS_LIMIT_S = 30
# Training lasts longer than anything else, and ends before the broker would hand it out again.
TRAINING_LIMIT_S = 1100
VISIBILITY_S = 2 * TIME_LIMIT_S


def tick_limit_s() -> int:
    """Return how long a tick may last by the settings; raises InputError."""
    seconds = int(settings.read("tick_limit_seconds") or 0)
    if not 1 <= seconds <= TIME_LIMIT_S:
        raise InputError(f"HYPOCENTER_TICK_LIMIT_SECONDS={seconds}: write a number from 1 to {TIME_LIMIT_S}")
    return seconds


def tick_grace_s() -> int:
    """Return how long after that it is stopped."""
    return max(1, tick_limit_s() // 5)
