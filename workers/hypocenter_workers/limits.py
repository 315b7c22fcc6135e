"""How long tasks may last, in seconds."""

from __future__ import annotations

TIME_LIMIT_S = 600
TICK_LIMIT_S = 100
# Between being told to stop and being stopped.
GRACE_S = 30
# Training lasts longer than anything else, and ends before the broker would hand it out again.
TRAINING_LIMIT_S = 1100
VISIBILITY_S = 2 * TIME_LIMIT_S
