"""Long tables: one row per sample, the series named by its own columns."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hypocenter.errors import InputError
from hypocenter.readers.columns import check_components, labels_of
from hypocenter.readers.finite import finite
from hypocenter.readers.frames import read_frame
from hypocenter.readers.grid import on_grid, sampling_interval
from hypocenter.readers.limits import check_cells
from hypocenter.readers.tables import TIME_COLUMNS, Notes, as_numbers, time_column, wide_table, wrong_cells
from hypocenter.readers.time_columns import to_times
from hypocenter.telemetry import RawTable, Times, Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from hypocenter.readers.limits import Limits

VALUE_COLUMNS = ("value", "val")
METRIC_COLUMNS = ("__name__", "metric", "metric_name", "name")
SERIES_COLUMNS = ("series", "column")
COMPONENT_COLUMNS = ("component", "service")
_Rows = tuple[Times, Values, NDArray[np.int64]]


def read_metrics(path: Path, limits: Limits, component_labels: Sequence[str] | None = None) -> tuple[RawTable, Notes]:
    """Return the metrics in a wide or long table and notes; raises InputError when `path` holds neither."""
    frame = read_frame(path, limits, label_columns)
    if label_columns(list(frame.columns)):
        return long_table(frame, str(path), limits, component_labels or COMPONENT_COLUMNS)
    return wide_table(frame, str(path))


def label_columns(columns: Sequence[str]) -> list[str]:
    """Return the columns that hold labels, none when the table is not a long one.

    A long table has a column of values and one that names what they measure.
    """
    value = first_named(columns, VALUE_COLUMNS)
    if value is None or first_named(columns, METRIC_COLUMNS + SERIES_COLUMNS) is None:
        return []
    return [name for name in columns if name not in (value, first_named(columns, TIME_COLUMNS))]


def long_table(
    frame: pd.DataFrame, where: str, limits: Limits, component_columns: Sequence[str] = COMPONENT_COLUMNS
) -> tuple[RawTable, Notes]:
    """Return `frame`, one row per sample, as a raw table.

    Columns beside time and value are labels: `series` is a column name of the wide layout, `metric` is `__name__`,
    the first of `component_columns` is `component`. Series that are sampled at different moments are laid on the grid
    of their sampling interval. Raises InputError when there are no rows or not one number.
    """
    if frame.empty:
        raise InputError(f"{where}: no rows; give at least one sample")
    time, value = time_column(frame, where), str(first_named(frame.columns, VALUE_COLUMNS))
    times, time_notes = to_times(frame[time], where)
    values, wrong = as_numbers(frame[value])
    values, infinite_notes = finite(values, where)
    if np.isnan(values).all():
        raise InputError(f"{where}: not one cell of {value!r} is a number")
    codes, labels = _series(frame.drop(columns=[time, value]), component_columns, where)
    dated = ~np.isnat(times)
    table, grid_notes = _pivoted((times[dated], values[dated], codes[dated]), labels, where, limits)
    notes = time_notes + infinite_notes + wrong_cells({value: wrong} if wrong else {}, where) + grid_notes
    notes += check_components(labels, where)
    undated = int((~dated).sum())
    return table, notes + ((f"{where}: {undated} rows without a time were left out",) if undated else ())


def first_named(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """Return the column that goes by the first of `names` that any goes by, whatever its case; None for none."""
    by_name = {str(column).strip().lower(): str(column) for column in reversed(list(columns))}
    return next((by_name[name] for name in names if name in by_name), None)


def _series(
    frame: pd.DataFrame, component_columns: Sequence[str], where: str
) -> tuple[NDArray[np.int64], list[dict[str, str]]]:
    """Return the series number of each row and the labels of each series."""
    text = frame.astype("string").fillna("")
    groups = text.groupby(list(text.columns), sort=False)
    codes: NDArray[np.int64] = np.asarray(groups.ngroup(), dtype=np.int64)
    rows = text.drop_duplicates().to_dict("records")
    series, metric = first_named(frame.columns, SERIES_COLUMNS), first_named(frame.columns, METRIC_COLUMNS)
    component = first_named(frame.columns, component_columns)
    stated = labels_of((str(row[series]) for row in rows), where) if series else ({},) * len(rows)
    renamed = {metric: "__name__", component: "component"}
    labels = [
        {str(renamed.get(str(name), name)): str(cell) for name, cell in row.items() if cell and name != series}
        for row in rows
    ]
    return codes, [{**each, **own} for each, own in zip(stated, labels, strict=True)]


def _pivoted(rows: _Rows, labels: list[dict[str, str]], where: str, limits: Limits) -> tuple[RawTable, Notes]:
    (times, values, codes), notes = _in_order(rows, where)
    grid = np.unique(times)
    if len(times) * 2 < len(grid) * len(labels):
        times, values, step = _gridded((times, values, codes), len(labels), limits)
        text = f"{where}: series are sampled at different moments and were laid on a grid of {step:g} s"
        return RawTable(tuple(labels), times, values), (*notes, text)
    check_cells(where, len(grid), len(labels), limits)
    matrix = np.full((len(grid), len(labels)), np.nan)
    matrix[np.searchsorted(grid, times), codes] = values
    return RawTable(tuple(labels), grid, matrix), notes


def _in_order(rows: _Rows, where: str) -> tuple[_Rows, Notes]:
    """Return rows by series and time, the last of equal ones kept, and notes."""
    times, values, codes = (each[np.argsort(rows[2], kind="stable")] for each in rows)
    notes = []
    if ((np.diff(times) < np.timedelta64(0)) & (np.diff(codes) == 0)).any():
        notes.append(f"{where}: rows were not in order of time and were sorted")
        order = np.lexsort((np.arange(len(times)), times, codes))
        times, values, codes = times[order], values[order], codes[order]
    last = np.append((times[1:] != times[:-1]) | (codes[1:] != codes[:-1]), True)[: len(times)]
    if not last.all():
        notes.append(f"{where}: {int((~last).sum())} samples of a time that comes again were left out, the last kept")
    return (times[last], values[last], codes[last]), tuple(notes)


def _gridded(rows: _Rows, series: int, limits: Limits) -> tuple[Times, Values, float]:
    """Return the rows on the grid of their sampling interval, and the interval in seconds."""
    times, values, codes = rows
    moments = times.astype(np.int64)
    bounds = np.searchsorted(codes, np.arange(series + 1))
    samples = [(moments[first:end], values[first:end]) for first, end in pairwise(bounds)]
    interval = sampling_interval([each for each, _ in samples])
    return *on_grid(samples, interval, limits.cells), interval / 1e9
