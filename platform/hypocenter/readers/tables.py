"""Data frames to raw tables: wide (one column per series) and long (one row per sample)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hypocenter.errors import InputError
from hypocenter.readers.columns import check_components, labels_of
from hypocenter.readers.finite import LARGEST, finite
from hypocenter.readers.time_columns import to_times
from hypocenter.telemetry import RawTable, Times, Values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Notes = tuple[str, ...]
TIME_COLUMNS = ("time", "timestamp", "ts", "datetime", "date", "index")


def time_column(frame: pd.DataFrame, where: str) -> str:
    """Return the name of the column that holds the time; raises InputError when there is none."""
    by_name = {str(column).strip().lower(): str(column) for column in reversed(frame.columns)}
    found = next((by_name[name] for name in TIME_COLUMNS if name in by_name), None)
    if found is None:
        raise InputError(f"{where}: no time column; name one of its columns `time`")
    return found


def wide_table(frame: pd.DataFrame, where: str) -> tuple[RawTable, Notes]:
    """Return `frame`, one column per series beside the time, as a raw table: sorted, later duplicates kept.

    Raises InputError when it has no rows, no series or not one number.
    """
    column = time_column(frame, where)
    if frame.empty:
        raise InputError(f"{where}: no rows; give at least one sample")
    series = frame.drop(columns=column)
    if series.shape[1] == 0:
        raise InputError(f"{where}: no series beside the time; name columns `component|metric`")
    times, time_notes = to_times(frame[column], where)
    values, value_notes = numbers_of(series, where)
    times, values, order_notes = in_order(times, values, where)
    labels = labels_of((str(name) for name in series.columns), where)
    notes = time_notes + value_notes + order_notes + check_components(labels, where)
    return RawTable(labels, times, values), notes


def in_order(times: Times, values: Values, where: str) -> tuple[Times, Values, Notes]:
    """Return rows in strictly rising time, the last of equal times kept, rows without a time left out, and notes."""
    notes = []
    dated = ~np.isnat(times)
    if not dated.all():
        notes.append(f"{where}: {int((~dated).sum())} rows without a time were left out")
        times, values = times[dated], values[dated]
    if (np.diff(times) < np.timedelta64(0)).any():
        notes.append(f"{where}: rows were not in order of time and were sorted")
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    last = np.append(times[1:] != times[:-1], True)[: len(times)]
    if not last.all():
        notes.append(f"{where}: {int((~last).sum())} rows with a time that comes again were left out, the last kept")
        times, values = times[last], values[last]
    if len(times) == 1:
        notes.append(f"{where}: only one row, too little to know what is normal")
    return times, values, tuple(notes)


def as_numbers(column: pd.Series[Any]) -> tuple[Values, int]:
    """Return a column as numbers, NaN where a cell is none, and how many cells held something else."""
    if column.dtype.kind in "iufb":
        return column.to_numpy(dtype="float64", na_value=np.nan), 0
    if column.dtype.kind in "mM" or isinstance(column.dtype, pd.DatetimeTZDtype):
        return np.full(len(column), np.nan), int(column.notna().sum())
    # Text first, since cells that are lists or dictionaries make pandas raise instead of coercing.
    numbers = pd.to_numeric(column.astype("string").str.strip(), errors="coerce").astype("float64")
    values: Values = np.asarray(numbers, dtype=np.float64)
    return values, int((column.notna().to_numpy() & np.isnan(values)).sum())


def numbers_of(frame: pd.DataFrame, where: str) -> tuple[Values, Notes]:
    """Return every cell as a number, NaN where it is none or infinite, and notes; InputError when none is one."""
    values, wrong = _cells(frame)
    values, notes = finite(values, where)
    if np.isnan(values).all():
        names = f"{str(frame.columns[0])!r}" + (" or its neighbours" if frame.shape[1] > 1 else "")
        wanted = f"number of at most {LARGEST:g}; use a larger unit" if notes else "number; give a column of numbers"
        raise InputError(f"{where}: not one cell of {names} is a {wanted}")
    return values, notes + wrong_cells(wrong, where)


def _cells(frame: pd.DataFrame) -> tuple[Values, dict[str, int]]:
    """Return a frame as numbers and how many cells of which column are none."""
    if all(kind.kind in "iufb" for kind in frame.dtypes):
        return frame.to_numpy(dtype="float64", na_value=np.nan), {}
    values: Values = np.empty(frame.shape, dtype="float64")
    wrong = {}
    for position, name in enumerate(frame.columns):
        values[:, position], count = as_numbers(frame.iloc[:, position])
        if count:
            wrong[str(name)] = count
    return values, wrong


def wrong_cells(wrong: dict[str, int], where: str) -> Notes:
    """Return a note that counts the cells that are no numbers, by column, or none."""
    if not wrong:
        return ()
    worst = max(wrong, key=lambda name: wrong[name])
    return (f"{where}: {sum(wrong.values())} cells are no numbers and were left out, most of them in {worst!r}",)


def portable(notes: Sequence[str], folder: Path) -> Notes:
    """Return notes without the folder's own place: a verdict says the same wherever its case lies."""
    return tuple(note.removeprefix(f"{folder}/").removeprefix(f"{folder.parent}/") for note in notes)
