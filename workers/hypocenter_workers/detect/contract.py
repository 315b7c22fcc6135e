"""What every detector keeps: a block of many series and a state go in, scores and the next state come out."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hypocenter.errors import InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypocenter.telemetry import Times, Values

Array = NDArray[np.generic]
# An array whose last axis is the series, or its rows one by one: successive states share the rows that did not change.
Rows = Array | tuple[Array, ...]
Flags = NDArray[np.uint8]
# Single precision where a detector has no more to say: writing the answer is most of the work of a fast one.
Scores = NDArray[np.float32] | NDArray[np.float64]

MOST_STATE_BYTES = 2_000_000_000
VERSION = "version"
ROWS = "rows:"


class Flag(IntFlag):
    """What a detector knows of one sample beside its score; none of them is an anomaly."""

    WARMING = 1
    """Too little history to call anything unusual; the score is 0."""
    MISSING = 2
    """No sample here; the score is NaN and nothing is learned."""
    CONSTANT = 4
    """The series has never moved so far."""
    DRIFTED = 8
    """The normal of the series has moved and is being learned anew."""
    SUPPRESSED = 16
    """Unusual, but not to be told: its event has been told already, or somebody asked for quiet."""


@dataclass(frozen=True, eq=False)
class State:
    """All that a detector remembers of a block of series: flat arrays under a name, and the version of their meaning.

    The last axis of every array is the series, or of length one where all share a value. Nothing in it is ever written
    to: a new state is a new one.
    """

    detector: str
    version: int
    arrays: Mapping[str, Rows]

    def to_bytes(self) -> bytes:
        """Return the state in NumPy's npz format, without pickles."""
        flat = {ROWS + k if isinstance(v, tuple) else k: np.asarray(v) for k, v in self.arrays.items()}
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **{f"{self.detector}:{VERSION}": np.array(self.version)}, **flat)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, detector: str, version: int) -> State:
        """Read a state back.

        Raises InputError when the bytes are no state, or one of another detector or version: such a state is a stale
        cache and is learned anew from samples. Raises LimitError when it would unpack to more than 2 GB.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > MOST_STATE_BYTES:
                    raise LimitError(f"a detector state may unpack to at most {MOST_STATE_BYTES:,} bytes")
            with np.load(io.BytesIO(data), allow_pickle=False) as flat:
                arrays = {name: flat[name] for name in flat.files}
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"these bytes are not a detector state: {error}") from error
        found = arrays.pop(f"{detector}:{VERSION}", None)
        if found is None or found.shape != () or int(found) != version:
            raise InputError(f"the state is not one of detector {detector}, version {version}: learn it anew")
        rows = {k.removeprefix(ROWS): tuple(v) if k.startswith(ROWS) else v for k, v in arrays.items()}
        return cls(detector, version, rows)


class Scored(NamedTuple):
    """A scored block; `scores`, `expected`, `scale` and `flags` are [time, series].

    `scores` is -log10 of the probability of a sample at least this unusual, 0 while warming up, NaN without a sample;
    `expected` and `scale` are in the unit of the series; `flags` holds `Flag` bits; `state` has learned the block.
    """

    scores: Scores
    expected: Values
    scale: Scores
    flags: Flags
    state: State


class Detector(Protocol):
    """Scores each sample against what came before it, then learns from it.

    The laws, each tested on every detector: scoring changes nothing it was given; a state survives the way through
    bytes; a state's size does not grow with time; gaps are never alarms; another unit or zero point changes no score; a
    block gives what its rows one by one give; a score depends on no later row.
    """

    @property
    def name(self) -> str:
        """A short name that states are marked with."""

    @property
    def version(self) -> int:
        """The version of the meaning of its state: another one is learned anew."""

    def begin(self, series: int) -> State:
        """Return the state of a number of series of which nothing is known yet."""

    def score_block(self, values: Values, times: Times, state: State) -> Scored:
        """Score [time, series] at strictly rising UTC times, NaN where there is no sample; score before learn."""
