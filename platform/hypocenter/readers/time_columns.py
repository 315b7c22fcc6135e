"""Columns of times in any usual notation to UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from hypocenter.errors import InputError
from hypocenter.readers.times import TIME_FIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.telemetry import Times

# A number below the first bound counts seconds since 1970, below the next milliseconds, and so on: the bounds are
# the year 5138 in each unit, so that no date of the last fifty years is read in the wrong one.
_UNIT_BOUNDS: tuple[tuple[float, Literal["s", "ms", "us", "ns"]], ...] = (
    (1e11, "s"),
    (1e14, "ms"),
    (1e17, "us"),
    (float("inf"), "ns"),
)
_NAIVE = "times without a zone were read as UTC"


def to_times(column: pd.Series[Any] | pd.Index[Any] | Sequence[object], where: str) -> tuple[Times, tuple[str, ...]]:
    """Return `column` as `datetime64[ns]` in UTC, NaT where a cell is no time, and notes.

    Numbers are Unix times in s, ms, us or ns, told apart by their size; text is ISO 8601, with or without a zone,
    also mixed. Raises InputError when no cell is a time or one lies outside the years 1677 to 2262.
    """
    series = pd.Series(column).reset_index(drop=True)
    try:
        times, naive = _parsed(series)
    except (ValueError, OverflowError, TypeError) as error:
        raise InputError(f"{where}: a time lies outside the years 1677 to 2262; {TIME_FIX}") from error
    if len(times) and np.isnat(times).all():
        raise InputError(f"{where}: no cell is a time; {TIME_FIX}")
    return times, (f"{where}: {_NAIVE}",) if naive else ()


def _parsed(series: pd.Series[Any]) -> tuple[Times, bool]:
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return _nanoseconds(series.dt.tz_convert("UTC").dt.tz_localize(None)), False
    if series.dtype.kind == "M":
        return _nanoseconds(series), True
    numbers = pd.to_numeric(series, errors="coerce").astype("float64")
    numbers = numbers.where(np.isfinite(numbers))
    if len(series) and numbers.notna().sum() * 2 > series.notna().sum():
        return _from_numbers(series, numbers), False
    text = series.astype("string")
    # To pandas these words are the time of reading.
    text = text.mask(text.str.strip().str.lower().isin(["now", "today"]))
    parsed = pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601")
    return _nanoseconds(parsed.dt.tz_localize(None)), _has_naive(series[parsed.notna()])


def _from_numbers(series: pd.Series[Any], numbers: pd.Series[float]) -> Times:
    size = float(numbers.abs().median())
    unit = next(unit for bound, unit in _UNIT_BOUNDS if not size >= bound)
    exact = series if series.dtype.kind in "iu" else numbers
    return _nanoseconds(pd.to_datetime(exact, unit=unit))


def _nanoseconds(series: pd.Series[Any]) -> Times:
    times: Times = series.dt.as_unit("ns").to_numpy(dtype="datetime64[ns]")
    return times


def _has_naive(text: pd.Series[Any]) -> bool:
    zoned = text.astype("string").str.contains(r"(?:Z|z|[+-]\d{2}:?\d{0,2})\s*$", regex=True)
    dated = text.astype("string").str.fullmatch(r"\d{4}-\d{2}-\d{2}")
    return bool((~zoned | dated).any())
