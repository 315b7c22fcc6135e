"""Waiting for what other processes do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 120.0


def awaited(condition: Callable[[], object], why: Callable[[], str] = str) -> None:
    """Return once the condition holds; raises AssertionError, with `why`, when it does not within PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"what is waited for did not come: {why()}"
        time.sleep(0.05)
