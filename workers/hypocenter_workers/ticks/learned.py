"""What detection has learned of the series of a shard, by series: kept, rearranged, begun and read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.errors import InputError
from hypocenter_workers.detect.contract import State
from hypocenter_workers.detect.events import SPENT, UNDER_WAY, Events
from hypocenter_workers.detect.silence import Silence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hypocenter_workers.detect.contract import Array, Rows
    from hypocenter_workers.detect.ensemble import Ensemble

NAME, VERSION = "tick", 1
KEYS, COUNTS = "keys", "counts"
PARTS = ("detector", "silence", "events")
BETWEEN = ":"
CLOCK = "seasonal/clock"
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Learned:
    """States of the series that `keys` name; `counts` is how many samples each of the last steps had when scored."""

    keys: NDArray[np.uint64]
    detector: State
    silence: State
    events: State
    counts: NDArray[np.int64]

    def to_bytes(self) -> bytes:
        """Return all of it in NumPy's npz format, without pickles."""
        arrays: dict[str, Rows] = {KEYS: self.keys, COUNTS: self.counts}
        for part in PARTS:
            state: State = getattr(self, part)
            named = {part + BETWEEN + name: rows for name, rows in state.arrays.items()}
            arrays |= named | {f"{part}{BETWEEN}": np.array(state.version)}
        return State(NAME, VERSION, arrays).to_bytes()


def learned_from_bytes(data: bytes, begun: Learned) -> Learned:
    """Read back what `to_bytes` wrote of states such as those that `begun` holds.

    Raises InputError where it is of another version: then all is learned anew. Raises LimitError above 2 GB.
    """
    arrays = State.from_bytes(data, NAME, VERSION).arrays
    states = {part: _part(part, getattr(begun, part), arrays) for part in PARTS}
    return Learned(np.asarray(arrays[KEYS], np.uint64), counts=np.asarray(arrays[COUNTS], np.int64), **states)


def _part(part: str, like: State, arrays: Mapping[str, Rows]) -> State:
    own = {name.removeprefix(part + BETWEEN): rows for name, rows in arrays.items() if name.startswith(part + BETWEEN)}
    version: Any = own.pop("", None)
    if version is None or int(version) != like.version or own.keys() != like.arrays.keys():
        raise InputError(f"the {part} of a shard's state is of another version: learn it anew")
    return replace(like, arrays=own)


def begin(
    keys: NDArray[np.uint64], detector: Ensemble, stage: Events, before: np.datetime64, look_back: int
) -> Learned:
    """Return what is known of series at first; `before` is the step before the first that they are looked at.

    With it, steps in which a series had no sample yet teach nothing at all, however many there were.
    """
    state = detector.begin(len(keys))
    clock = np.array([before], "datetime64[ns]")
    return Learned(
        keys,
        replace(state, arrays={**state.arrays, CLOCK: clock}),
        Silence().begin(len(keys)),
        stage.begin(),
        np.zeros(look_back, np.int64),
    )


def arranged(keys: NDArray[np.uint64], parts: Sequence[Learned]) -> Learned:
    """Return the states of series in the order of `keys`, each from the first of the parts that knows it.

    Every series must be known to one. What series share is the first part's.
    """
    first = parts[0]
    if len(parts) == 1 and np.array_equal(first.keys, keys):
        return first
    places = _places(keys, parts)
    joined = {
        part: replace(getattr(first, part), arrays=_arrays([getattr(one, part) for one in parts], places, len(keys)))
        for part in PARTS[:2]
    }
    return Learned(keys, events=_events([one.events for one in parts], places), counts=first.counts, **joined)


def _places(keys: NDArray[np.uint64], parts: Sequence[Learned]) -> list[NDArray[np.int64]]:
    """Return for each part where its series go, NOWHERE for those that are not wanted or were there before."""
    wanted = {key: at for at, key in enumerate(keys.tolist())}
    return [np.array([wanted.pop(key, NOWHERE) for key in part.keys.tolist()], np.int64) for part in parts]


def _arrays(states: Sequence[State], places: Sequence[NDArray[np.int64]], series: int) -> dict[str, Rows]:
    return {name: _rows([state.arrays[name] for state in states], name, places, series) for name in states[0].arrays}


def _rows(found: Sequence[Rows], name: str, places: Sequence[NDArray[np.int64]], series: int) -> Rows:
    if name == CLOCK:
        return found[0]
    if isinstance(found[0], tuple):
        return tuple(_array(list(rows), places, series) for rows in zip(*found, strict=True))
    return _array([np.asarray(rows) for rows in found], places, series)


def _array(found: Sequence[Array], places: Sequence[NDArray[np.int64]], series: int) -> Array:
    whole = np.empty((*found[0].shape[:-1], series), found[0].dtype)
    for rows, to in zip(found, places, strict=True):
        kept = to != NOWHERE
        whole[..., to[kept]] = rows[..., kept]
    return whole


def _events(states: Sequence[State], places: Sequence[NDArray[np.int64]]) -> State:
    arrays: dict[str, Rows] = {}
    for name in (UNDER_WAY, SPENT):
        moved = [_moved(np.asarray(state.arrays[name]), to) for state, to in zip(states, places, strict=True)]
        records: Any = np.concatenate(moved)
        arrays[name] = records[np.argsort(records["series"], kind="stable")]
    return replace(states[0], arrays=arrays)


def _moved(records: Any, to: NDArray[np.int64]) -> Any:
    moved = records.copy()
    moved["series"] = to[records["series"]] if len(records) else records["series"]
    return moved[moved["series"] != NOWHERE]
