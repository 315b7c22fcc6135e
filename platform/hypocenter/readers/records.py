"""Spans, log lines and per-minute counts: tables whose columns are fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hypocenter.readers.finite import finite
from hypocenter.readers.frames import read_frame, require
from hypocenter.readers.tables import Notes, as_numbers, wrong_cells
from hypocenter.readers.time_columns import to_times

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.readers.limits import Limits

SPANS = ("trace", "span", "parent", "service", "operation", "duration_us")
LOG_LINES = ("service", "severity", "message")
SERVICE_MINUTES = ("service", "spans", "traces", "dur_mean_us", "dur_p50_us", "dur_p95_us")
EDGE_MINUTES = ("caller", "callee", "calls", "dur_mean_us", "dur_p95_us")
_TEXTS = ("service", "operation", "severity", "message", "caller", "callee")
_NUMBERS = ("duration_us", "spans", "traces", "calls")


def read_records(path: Path, columns: tuple[str, ...], limits: Limits) -> tuple[pd.DataFrame, Notes]:
    """Return the table in `path` with `time` in UTC (`datetime64[ns, UTC]`), in order of time, and notes.

    Durations and counts are numbers. Rows without a time are left out. Raises InputError when `time` or one of
    `columns` is missing.
    """
    frame = read_frame(path, limits, lambda names: [name for name in names if name in _TEXTS])
    return as_records(frame, columns, str(path))


def as_records(frame: pd.DataFrame, columns: tuple[str, ...], where: str) -> tuple[pd.DataFrame, Notes]:
    """Return `frame` as `read_records` returns a file's; raises as it does."""
    require(frame, ("time", *columns), where)
    numbers, number_notes = _as_numbers(frame, where)
    times, time_notes = to_times(frame["time"], where)
    dated = ~np.isnat(times)
    utc = pd.Series(times, index=frame.index).dt.tz_localize("UTC")
    frame = frame.assign(time=utc, **numbers)[dated].sort_values("time", kind="stable", ignore_index=True)
    undated = (f"{where}: {int((~dated).sum())} rows without a time were left out",) if not dated.all() else ()
    return frame, time_notes + undated + number_notes


def _as_numbers(frame: pd.DataFrame, where: str) -> tuple[dict[str, pd.Series[float]], Notes]:
    numbers, wrong, notes = {}, {}, Notes()
    for name in (str(column) for column in frame.columns if column in _NUMBERS or str(column).endswith("_us")):
        if frame[name].dtype.kind in "iu":
            continue
        values, count = as_numbers(frame[name])
        values, infinite = finite(values, f"{where}: {name}")
        numbers[name] = pd.Series(values, index=frame.index)
        notes += infinite
        if count:
            wrong[name] = count
    return numbers, notes + wrong_cells(wrong, where)
