"""Tables of `timestamp,value...` to series: any names, one or many columns of numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.errors import InputError
from hypocenter.readers.frames import is_table, read_frame
from hypocenter.readers.limits import limits_from_settings
from hypocenter.readers.tables import TIME_COLUMNS, Notes, as_numbers, in_order, numbers_of
from hypocenter.readers.time_columns import to_times

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hypocenter.telemetry import Times, Values


@dataclass(frozen=True)
class SeriesOfTable:
    """Series by the names of their columns: `values` is [time, series], NaN where there is no sample.

    `times` is UTC, strictly rising; `stamps` are the same times as the file writes them; `notes` say what was bent.
    """

    names: tuple[str, ...]
    stamps: tuple[str, ...]
    times: Times
    values: Values
    notes: Notes


def read_series(path: Path) -> SeriesOfTable:
    """Return the series in a CSV or Parquet table: a column of times and one or more of numbers.

    The times are in the column named `timestamp`, `time`, `date` or the like, else in the first. Rows are sorted, of
    equal times the last is kept, rows without a time and columns without a number are left out; notes say so. Raises
    InputError that names the column and the fix, LimitError for a table that is too large.
    """
    if not is_table(path):
        raise InputError(f"{path}: not a .csv, .csv.gz or .parquet file; write a table `timestamp,value`")
    frame = read_frame(path, limits_from_settings(), lambda names: [_time_column(names)] if names else [])
    found = series_of(frame, str(path))
    return replace(found, notes=tuple(note.removeprefix(f"{path.parent}/") for note in found.notes))


def series_of(frame: pd.DataFrame, where: str) -> SeriesOfTable:
    """Return the series of a data frame as `read_series` does; `where` begins every message."""
    names = [str(name) for name in frame.columns]
    _check_columns(names, where)
    if frame.empty:
        raise InputError(f"{where}: no rows; give at least one sample")
    column = _time_column(names)
    times, time_notes = to_times(frame[column], f"{where}: column {column!r}")
    kept, column_notes = _numeric(frame.drop(columns=column), where)
    values, value_notes = numbers_of(kept, where)
    # The number of each row goes along, so that its time can be written as it was read.
    numbered = np.column_stack([np.arange(len(values), dtype=np.float64), values])
    times, numbered, order_notes = in_order(times, numbered, where)
    # Beside a column of names even two rows a time are one row per series; without one, the table may be written twice.
    most_rows = len(times) * (1.5 if column_notes else 2.0)
    if np.isfinite(values).any(axis=1).sum() > most_rows:
        raise InputError(f"{where}: most times come again; write one row per time and one column per series")
    stamps = frame[column].astype("string").iloc[numbered[:, 0].astype(np.int64)]
    return SeriesOfTable(
        names=tuple(str(name) for name in kept.columns),
        stamps=tuple(str(stamp) for stamp in stamps),
        times=times,
        values=numbered[:, 1:],
        notes=time_notes + column_notes + value_notes + order_notes,
    )


def _time_column(names: list[str]) -> str:
    by_name = {name.strip().lower(): name for name in reversed(names)}
    return next((by_name[name] for name in TIME_COLUMNS if name in by_name), names[0])


def _check_columns(names: list[str], where: str) -> None:
    if len(names) < 2:
        raise InputError(f"{where}: {len(names)} columns; give a column of times and one of numbers: `time,value`")
    if all(name[:1].isdigit() for name in names) and _is_number(names[-1]):
        raise InputError(f"{where}: the first line, {names[0]!r}, is no header; name the columns, as `time,value`")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numeric(frame: pd.DataFrame, where: str) -> tuple[pd.DataFrame, Notes]:
    """Return the columns that hold a number, and a note of the others; raises InputError when none does."""
    empty = [str(name) for name in frame.columns if np.isnan(as_numbers(frame[name])[0]).all()]
    if len(empty) == frame.shape[1]:
        raise InputError(f"{where}: no column of numbers beside the time; column {empty[0]!r} holds none")
    if not empty:
        return frame, ()
    note = f"{where}: column {empty[0]!r}" + (f" and {len(empty) - 1} more" if len(empty) > 1 else "")
    return frame.drop(columns=empty), (f"{note} left out: not one number",)
