"""Steps of time as numbers: milliseconds since 1970, and NumPy's times."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hypocenter.telemetry import Times

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MS = timedelta(milliseconds=1)


def milliseconds(moment: datetime) -> int:
    """Return a time as ms since 1970."""
    return (moment - EPOCH) // MS


def times_of(start_ms: int, steps: int, step_ms: int) -> Times:
    """Return when steps begin."""
    times: Times = ((start_ms + step_ms * np.arange(steps)) * 1_000_000).astype("datetime64[ns]")
    return times
