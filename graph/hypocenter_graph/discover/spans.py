"""Spans to claims: who calls whom, when, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.errors import InputError
from hypocenter.model import DependencyType
from hypocenter_graph.claims import SOURCES, ComponentClaim, DependencyClaim, Discovered, check_name
from hypocenter_graph.discover.sightings import intervals_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hypocenter.signals.spans import SpanTree

SOURCE = "spans"
COLUMNS = ("time", "trace", "span", "parent", "service", "operation", "duration_us")
# A rate over less than this says how fast one trace ran, not how often calls are made.
LEAST_WINDOW_S = 1.0


def discover_spans(frame: pd.DataFrame, where: str) -> Discovered:
    """Return what a frame of spans (the columns of `telemetry.Case.spans`) shows: components, calls, and notes.

    A call is a span whose parent belongs to another service. Its rate is the number of such spans over the seconds
    between the first and the last span of the caller: unknown when that is under one second, and of what was sampled
    when traces were sampled. Order of rows does not matter. Raises InputError when a column is missing.
    """
    from hypocenter.readers.frames import require
    from hypocenter.signals.spans import read_tree

    require(frame, COLUMNS, where)
    spans, notes = _usable(frame, where)
    if spans.empty:
        return Discovered(notes=tuple(notes))
    tree = read_tree(spans)
    notes += _tree_notes(spans, tree, where)
    return Discovered(_components(tree), _calls(tree), tuple(notes))


def _usable(frame: pd.DataFrame, where: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave out spans of nobody, without a time, or recorded twice."""
    from hypocenter.signals.grid import is_dated

    dated = is_dated(frame["time"])
    named = frame["service"].isin([name for name in frame["service"].unique() if _is_name(name)]).to_numpy()
    kept = frame[dated & named]
    once = kept[~kept.duplicated(["trace", "span", "parent", "service", "operation", "time"])]
    counts = (
        (int((~dated).sum()), "without a time after 1970 left out"),
        (int((dated & ~named).sum()), "without a service name that can be one left out"),
        (len(kept) - len(once), "recorded twice counted once"),
    )
    return once, [_count_note(count, len(frame), text, where) for count, text in counts if count]


def _is_name(name: object) -> bool:
    try:
        check_name(name, "")
    except InputError:
        return False
    return True


def _count_note(count: int, of: int, text: str, where: str) -> str:
    return f"{where}: {count:,} of {of:,} spans {text}"


def _tree_notes(spans: pd.DataFrame, tree: SpanTree, where: str) -> list[str]:
    orphans = int(np.count_nonzero((tree.parent_row < 0) & ~_is_root(spans["parent"])))
    cyclic = int(np.count_nonzero(_in_cycle(tree.parent_row)))
    counts = (
        (orphans, "name a parent that was not recorded: the calls they answer are not seen"),
        (cyclic, "are their own ancestors: ids repeat, so some calls may be wrong"),
    )
    return [_count_note(count, len(spans), text, where) for count, text in counts if count]


def _is_root(parent: pd.Series) -> NDArray[np.bool_]:
    """Whether a parent's id says that there is none: empty, all zeros in hexadecimal, or -1."""
    text = parent.astype("string").fillna("").str.strip()
    return (text.isin(["", "-1", "-1.0", "nan", "None"]) | text.str.fullmatch("0{8,}")).to_numpy(dtype=bool)


def _in_cycle(parent_row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether going from parent to parent never reaches a root: each round doubles the steps gone."""
    above = parent_row.copy()
    for _ in range(len(above).bit_length()):
        above = np.where(above >= 0, above[above], -1)
    return np.asarray(above >= 0)


def _components(tree: SpanTree) -> tuple[ComponentClaim, ...]:
    seen = intervals_of(tree.service, tree.at_ns)
    return tuple(ComponentClaim(name, SOURCE, seen[place]) for place, name in enumerate(tree.names))


def _calls(tree: SpanTree) -> tuple[DependencyClaim, ...]:
    rows = np.flatnonzero(tree.crosses)
    size = len(tree.names)
    pairs, group, counts = np.unique(
        tree.service[tree.parent_row[rows]] * size + tree.service[rows], return_inverse=True, return_counts=True
    )
    seen = intervals_of(group, tree.at_ns[rows])
    windows = _windows_s(tree)
    return tuple(
        DependencyClaim(
            tree.names[pair // size],
            tree.names[pair % size],
            DependencyType.CALLS,
            SOURCE,
            seen[place],
            SOURCES[SOURCE].confidence,
            _rate(int(counts[place]), windows[pair // size]),
        )
        for place, pair in enumerate(pairs)
    )


def _windows_s(tree: SpanTree) -> NDArray[np.float64]:
    """Seconds between the first and the last span of each service."""
    first = np.full(len(tree.names), np.iinfo(np.int64).max)
    last = np.zeros(len(tree.names), dtype=np.int64)
    np.minimum.at(first, tree.service, tree.at_ns)
    np.maximum.at(last, tree.service, tree.at_ns)
    return np.asarray((last - first) / 1e9)


def _rate(calls: int, window_s: float) -> float | None:
    return calls / window_s if window_s >= LEAST_WINDOW_S else None
