"""Spans to claims: who calls whom, by which queue, on which host; when, and how often."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.claims import Discovered
from hypocenter_graph.discover.sightings import Sighting, gathered, intervals_of, is_name
from hypocenter_graph.discover.span_facts import distinct, sorts_of
from hypocenter_graph.discover.span_peers import links_of, other_names, services_behind
from hypocenter_graph.discover.span_places import place_links, places_of, within_namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from hypocenter.signals.spans import SpanTree
    from hypocenter_graph.discover.sightings import Link
    from hypocenter_graph.discover.span_facts import SpanFacts

SOURCE = "spans"
COLUMNS = ("time", "trace", "span", "parent", "service", "operation", "duration_us")
UNNAMED = "unknown_service"
# A rate over less than this says how fast one trace ran, not how often calls are made.
LEAST_WINDOW_S = 1.0


def discover_spans(frame: pd.DataFrame, where: str) -> Discovered:
    """Return what a frame of spans (the columns of `telemetry.Case.spans`) shows: components, calls, and notes.

    Services and pods are called `namespace/name` where the column `namespace` has one other than `default`. A call is a
    span whose parent belongs to another service. Its rate is the number of such spans over the seconds
    between the first and the last span of the caller: unknown when that is under one second, and of what was sampled
    when traces were sampled. Order of rows does not matter. Raises InputError when a column is missing.
    """
    from hypocenter.readers.frames import require
    from hypocenter.signals.spans import read_tree

    require(frame, COLUMNS, where)
    spans, notes = _usable(frame, where)
    if spans.empty:
        return Discovered(notes=tuple(notes))
    spans, meant = within_namespaces(spans)
    # Operations show no dependency, and masking a million of them takes a second.
    tree = read_tree(spans.assign(operation=""))
    notes += _tree_notes(spans, tree, where)
    calls, answering = _calls(spans, tree)
    aliases = other_names(answering, meant)
    seen = intervals_of(tree.service, tree.at_ns)
    alone = {name: seen[place] for place, name in enumerate(tree.names)}
    found = gathered(SOURCE, where, [*calls, *_places(spans, tree)], alone, aliases)
    return replace(found, notes=(*notes, *found.notes))


def _usable(frame: pd.DataFrame, where: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave out spans of nobody, without a time, or recorded twice."""
    from hypocenter.signals.grid import is_dated

    dated = is_dated(frame["time"])
    named = frame["service"].isin([name for name in frame["service"].unique() if _is_service(name)]).to_numpy()
    kept = frame if (dated & named).all() else frame[dated & named]
    once, shared = _once(kept)
    counts = (
        (int((~dated).sum()), "without a time after 1970 left out"),
        (int((dated & ~named).sum()), "without a service name that can be one left out"),
        (len(kept) - len(once), "recorded twice counted once"),
        (shared, "share an id: the earliest is taken to be the parent"),
    )
    return once, [_count_note(count, len(frame), text, where) for count, text in counts if count]


def _once(spans: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return each span once, in order of time if some of them still share an id, and how many do."""
    again = spans.duplicated(["trace", "span"], keep=False).to_numpy(copy=True)
    # Comparing whole spans is dear; where no id is there twice there is nothing to compare.
    if not again.any():
        return spans, 0
    again[again] = spans[again].duplicated(["trace", "span", "parent", "service", "operation", "time"]).to_numpy()
    once = spans[~again].sort_values(["time", "service"], kind="stable")
    return once, int(once.duplicated(["trace", "span"], keep=False).sum())


def _is_service(name: object) -> bool:
    """Whether a name is a service's own; one that OpenTelemetry makes up is shared by all that have none."""
    return is_name(name) and not str(name).startswith(UNNAMED)


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


def _calls(spans: pd.DataFrame, tree: SpanTree) -> tuple[list[Sighting], dict[str, str]]:
    """Return when which call was seen, and the service that answers at each address or peer name."""
    sorts, sort = sorts_of(spans, tree)
    above = np.where(tree.parent_row >= 0, sort[tree.parent_row], -1)
    known = services_behind(_answers(tree, sorts, above), tree.names)
    taking = np.array([facts.kind == "consumer" for facts in sorts])
    group, rows = distinct([sort, np.where(taking[sort], above, -1)])
    links = [links_of(sorts[sort[row]], sorts[above[row]] if above[row] >= 0 else None, known) for row in rows]
    return list(_sightings(group, tree, links)), known


def _answers(tree: SpanTree, sorts: list[SpanFacts], above: NDArray[np.int64]) -> Iterator[tuple[SpanFacts, str]]:
    """Yield each (sort of a client's span, service that answers it)."""
    asking = np.array([facts.kind == "client" for facts in sorts])
    answered = np.flatnonzero(tree.crosses & asking[above])
    for row in answered[distinct([above[answered], tree.service[answered]])[1]]:
        yield sorts[above[row]], tree.names[tree.service[row]]


def _places(spans: pd.DataFrame, tree: SpanTree) -> Iterator[Sighting]:
    places, place = places_of(spans)
    for sighting in _sightings(place, tree, [place_links(each) for each in places]):
        yield sighting._replace(calls_per_s=None)


def _sightings(group: NDArray[np.int64], tree: SpanTree, links: list[tuple[Link, ...]]) -> Iterator[Sighting]:
    """Yield each link of each group of spans, with the intervals in which the group was seen and its rate."""
    linked = np.array([bool(each) for each in links])[group]
    seen = intervals_of(group[linked], tree.at_ns[linked])
    counts = np.bincount(group, minlength=len(links))
    windows = dict(zip(tree.names, _windows_s(tree).tolist(), strict=True))
    for place, each in enumerate(links):
        for link in each:
            yield Sighting(link, seen[place], _rate(int(counts[place]), windows.get(link.caller, 0.0)))


def _windows_s(tree: SpanTree) -> NDArray[np.float64]:
    """Seconds between the first and the last span of each service."""
    first = np.full(len(tree.names), np.iinfo(np.int64).max)
    last = np.zeros(len(tree.names), dtype=np.int64)
    np.minimum.at(first, tree.service, tree.at_ns)
    np.maximum.at(last, tree.service, tree.at_ns)
    return np.asarray((last - first) / 1e9)


def _rate(calls: int, window_s: float) -> float | None:
    return calls / window_s if window_s >= LEAST_WINDOW_S else None
