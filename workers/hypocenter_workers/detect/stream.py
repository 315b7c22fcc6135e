"""Any detector, one sample at a time or on pandas' own tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
import pandas as pd

from hypocenter.errors import InputError
from hypocenter_workers.detect.contract import State

if TYPE_CHECKING:
    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.contract import Detector, Scored

Data = TypeVar("Data", "pd.Series[float]", pd.DataFrame)
COLUMNS = "stream:columns"
LAST = "stream:last"
VALUE = "value"
NOTHING = np.datetime64("NaT", "ns")


class Stream:
    """A detector and what it has learned so far, of one series or of the columns of a table.

    Scoring changes nothing, learning does; score a sample before it is learned. Times without a zone are UTC.

    >>> from hypocenter_workers.detect.seasonal import Seasonal
    >>> index = pd.date_range("2026-03-02", periods=2000, freq="5min", tz="UTC")
    >>> calm = pd.Series(50 + np.random.default_rng(0).normal(size=2000), index=index)
    >>> stream = Stream(Seasonal()).fit(calm)
    >>> later = datetime(2026, 3, 8, 22, 40, tzinfo=UTC)
    >>> stream.score_one(50.0, later) < 2, stream.score_one(70.0, later) > 5
    (True, True)
    >>> stream.learn_one(50.0, later)
    """

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self._forget([VALUE])

    def _forget(self, columns: list[str]) -> None:
        self._columns = columns
        self._state = self.detector.begin(len(columns))
        self._last = NOTHING

    def score_one(self, value: float, time: datetime | np.datetime64) -> float:
        """Return the score of the next sample of one series, NaN for a NaN.

        Raises InputError when `time` is not after what was learned, or the stream is one of several series.
        """
        return float(self._scored(*self._sample(value, time)).scores[0, 0])

    def learn_one(self, value: float, time: datetime | np.datetime64) -> None:
        """Learn the next sample of one series; raises InputError as `score_one` does."""
        self._take(*self._sample(value, time))

    def fit(self, data: pd.Series[float] | pd.DataFrame) -> Self:
        """Forget what was known and learn a series, or each column of a table, indexed by rising times.

        Raises InputError that names what is wrong with the index or a column.
        """
        fresh = Stream(self.detector)
        values, times = fresh._block(_frame(data))
        self._forget(fresh._columns)
        self._take(values, times)
        return self

    def learn(self, data: pd.Series[float] | pd.DataFrame) -> Self:
        """Learn later rows of the same columns; raises InputError as `fit` does, and for rows that are not later."""
        self._take(*self._block(_frame(data)))
        return self

    def score(self, data: Data) -> Data:
        """Return the score of each sample, each against all rows before it, of the shape and index of `data`.

        Nothing is kept of it: the next call scores from the same state. Before anything was learned the columns are
        taken as they come. Raises InputError as `learn` does.
        """
        frame = _frame(data)
        names = [str(name) for name in frame.columns]
        known = Stream(self.detector) if np.isnat(self._last) else self
        values, times = known._block(frame)
        scores = known._scored(values, times).scores[:, [known._columns.index(name) for name in names]]
        if isinstance(data, pd.Series):
            return pd.Series(scores[:, 0], index=data.index, name=data.name)
        return pd.DataFrame(scores, index=data.index, columns=data.columns)

    def to_bytes(self) -> bytes:
        """Return all that was learned, in NumPy's npz format, without pickles."""
        mine = {COLUMNS: np.array(self._columns, dtype=str), LAST: np.array(self._last)}
        return replace(self._state, arrays={**self._state.arrays, **mine}).to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes, detector: Detector) -> Self:
        """Return the stream that `to_bytes` kept; `detector` must have the settings it had then.

        Raises InputError when the bytes are those of another detector or version, or of no stream.
        """
        state = State.from_bytes(data, detector.name, detector.version)
        arrays = dict(state.arrays)
        if not {COLUMNS, LAST} <= arrays.keys():
            raise InputError("these bytes hold a detector's state and no stream's: keep them with Stream.to_bytes")
        stream = cls(detector)
        stream._columns = [str(name) for name in arrays.pop(COLUMNS)]
        stream._last = np.datetime64(np.asarray(arrays.pop(LAST)).item(), "ns")
        stream._state = replace(state, arrays=arrays)
        return stream

    def _sample(self, value: float, time: datetime | np.datetime64) -> tuple[Values, Times]:
        if len(self._columns) != 1:
            raise InputError(f"the stream has {len(self._columns)} series; give a table with a row for `learn`")
        try:
            values = np.array([[float(value)]])
        except (TypeError, ValueError) as error:
            raise InputError(f"{value!r} is no number; give a number, NaN where there is no sample") from error
        _check_values(values, self._columns)
        return values, self._later(np.array([_moment(time)]))

    def _block(self, frame: pd.DataFrame) -> tuple[Values, Times]:
        frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
        if np.isnat(self._last):
            self._forget(list(frame.columns))
        missing = [name for name in self._columns if name not in frame.columns]
        if missing or len(frame.columns) != len(self._columns):
            wrong = f"no column {missing[0]!r}" if missing else f"{frame.shape[1]} columns"
            raise InputError(f"the table has {wrong}; give the columns that were learned: {', '.join(self._columns)}")
        values, times = _arrays(frame[self._columns])
        return values, self._later(times)

    def _later(self, times: Times) -> Times:
        if len(times) and times[0] <= self._last:
            raise InputError(f"time {times[0]} is not after {self._last}, which was learned; give later samples")
        return times

    def _scored(self, values: Values, times: Times) -> Scored:
        return self.detector.score_block(values, times, self._state)

    def _take(self, values: Values, times: Times) -> None:
        self._state = self._scored(values, times).state
        self._last = times[-1] if len(times) else self._last


def _moment(time: datetime | np.datetime64) -> np.datetime64:
    """Return one UTC time; raises InputError when it is none."""
    if isinstance(time, pd.Timestamp):
        time = (time.tz_convert("UTC").tz_localize(None) if time.tzinfo else time).to_datetime64()
    if isinstance(time, datetime):
        time = np.datetime64(time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time)
    if not isinstance(time, np.datetime64) or np.isnat(time):
        raise InputError(f"{time!r} is no time; give a datetime, which is UTC without a zone")
    moment: np.datetime64 = time.astype("datetime64[ns]")
    return moment


def _frame(data: pd.Series[float] | pd.DataFrame) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        twice = data.columns[data.columns.map(str).duplicated()]
        if len(twice):
            raise InputError(f"column {str(twice[0])!r} is there more than once; keep one of them")
        return data
    if not isinstance(data, pd.Series):
        raise InputError(f"a {type(data).__name__} is no series or table; give a pandas Series or DataFrame")
    return data.to_frame(VALUE)


def _arrays(frame: pd.DataFrame) -> tuple[Values, Times]:
    """Return a table's values and UTC times; raises InputError that names what is wrong."""
    times = _times(frame.index)
    kinds = [kind.kind for kind in frame.dtypes]
    wrong = [str(name) for name, kind in zip(frame.columns, kinds, strict=True) if kind not in "iufb"]
    if wrong:
        raise InputError(f"column {wrong[0]!r} is not one of numbers; give numbers, NaN where there is no sample")
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    _check_values(values, [str(name) for name in frame.columns])
    return values, times


def _check_values(values: Values, columns: list[str]) -> None:
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        raise InputError(f"column {columns[int(infinite.argmax())]!r} has an infinite value; give NaN for no sample")


def _times(index: pd.Index) -> Times:
    if not isinstance(index, pd.DatetimeIndex):
        raise InputError(f"the index holds {index.dtype} and no times; give a DatetimeIndex, as by pd.to_datetime")
    utc = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    times: Times = utc.as_unit("ns").to_numpy()
    if np.isnat(times).any():
        raise InputError(f"row {int(np.isnat(times).argmax())} has no time (NaT); leave it out")
    falling = np.diff(times) <= np.timedelta64(0)
    if falling.any():
        row = int(falling.argmax()) + 1
        raise InputError(f"row {row}, {times[row]}, is not after the row before it; sort the index and drop doubles")
    return times
