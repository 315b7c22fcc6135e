"""Spans and log lines in RCAEval's layout: `traces.csv` with Jaeger's names of columns, and `logs.csv`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.readers import records
from hypocenter.readers.frames import find_table, read_frame

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from hypocenter.readers.limits import Limits
    from hypocenter.readers.tables import Notes

# Each column of ours by the names it may have there, the first that is there counting.
_SPANS: Mapping[str, tuple[str, ...]] = {
    "time": ("startTime",),
    "trace": ("traceID",),
    "span": ("spanID",),
    "parent": ("parentSpanID",),
    "service": ("serviceName",),
    "operation": ("methodName", "operationName"),
    "duration_us": ("duration",),
}
_LOG_LINES: Mapping[str, tuple[str, ...]] = {
    "time": ("timestamp", "time"),
    "service": ("container_name",),
    "severity": ("level", "severity"),
    "message": ("message",),
}
_OPTIONAL = {"parent": "-1", "severity": "", "operation": "", "message": ""}
_NUMBERS = ("startTime", "duration", "timestamp", "time")


def read_spans(folder: Path, limits: Limits) -> tuple[pd.DataFrame | None, Notes]:
    """Return the spans of `traces.csv`, times and durations in µs there, None when there is none, and notes."""
    return _read(folder, "traces", _SPANS, records.SPANS, limits)


def read_log_lines(folder: Path, limits: Limits) -> tuple[pd.DataFrame | None, Notes]:
    """Return the lines of `logs.csv`, None when there is none, and notes."""
    return _read(folder, "logs", _LOG_LINES, records.LOG_LINES, limits)


def _read(
    folder: Path, stem: str, names: Mapping[str, tuple[str, ...]], wanted: tuple[str, ...], limits: Limits
) -> tuple[pd.DataFrame | None, Notes]:
    path = find_table(folder, stem)
    if path is None:
        return None, ()
    frame = read_frame(path, limits, lambda columns: [name for name in columns if name not in _NUMBERS])
    missing = [there for ours, there in names.items() if ours not in _OPTIONAL and not _present(frame, there)]
    if missing:
        return None, (f"{path}: left out, for it has no column {missing[0][0]}",)
    if frame.empty:
        return None, (f"{path}: left out, for it has no rows",)
    return records.as_records(_renamed(frame, names), wanted, str(path))


def _renamed(frame: pd.DataFrame, names: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    import pandas as pd

    columns = {}
    for ours, there in names.items():
        column = pd.Series(pd.NA, index=frame.index, dtype="object")
        for name in _present(frame, there):
            column = column.fillna(frame[name].astype("object"))
        columns[ours] = column.fillna(_OPTIONAL[ours]) if ours in _OPTIONAL else column.infer_objects()
    return pd.DataFrame(columns)


def _present(frame: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in frame.columns]
