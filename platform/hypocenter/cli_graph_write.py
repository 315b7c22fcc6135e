"""What was found into the graph, or into nothing where that is only tried."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.cli_graph_store import graph_file, opened
from hypocenter.errors import InputError
from hypocenter.terminal import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.identity_overrides import Overrides
    from hypocenter_graph.importing import Plan
    from hypocenter_graph.replacing import Ending
    from hypocenter_graph.stores.contract import GraphStore


@dataclass(frozen=True)
class Wanted:
    """When what is not declared any more ends, if it does; whether even most of it may; whether all is only tried."""

    replaced_at: datetime | None
    sure: bool
    only_tried: bool


@dataclass(frozen=True)
class Done:
    """What was, or would be, written: the plan, how many declarations ended, and notes on both."""

    plan: Plan
    ended: int
    written: bool
    notes: tuple[str, ...]


def write(where: str | None, sources: Sequence[Discovered], overrides: Overrides, wanted: Wanted) -> Done:
    """Join what sources found with the graph and write it, unless it is only tried or nothing was found.

    Raises InputError where most of what a source declared would end and nobody is sure of that.
    """
    from hypocenter_graph.importing import plan_import, write_import
    from hypocenter_graph.replacing import endings
    from hypocenter_graph.stores.opening import view_as_of

    nothing = not any(one.components or one.dependencies for one in sources)
    writes = not (wanted.only_tried or nothing)
    gap = view_as_of(None).expiry
    progress("opening the graph")
    with opened(where) if writes else _as_it_is(where) as store:
        progress("joining with what is known")
        there = store.claims()
        plan = plan_import(there, sources, gap, overrides)
        ends = endings(there, plan, wanted.replaced_at, gap) if wanted.replaced_at else []
        warnings = [] if wanted.sure else [_warning(each) for each in ends if each.is_most]
        if warnings and writes:
            raise InputError(f"{warnings[0]}; nothing was written. If that is meant, say --yes")
        ended = sum(each.ended for each in ends)
        if writes:
            progress("writing")
            ended = write_import(store, plan, wanted.replaced_at)
    if nothing:
        warnings.append("nothing of a graph was found, and nothing was written")
    notes = (*plan.notes, *warnings, *_notes(there, plan, wanted))
    return Done(plan, ended, writes, notes)


def _as_it_is(where: str | None) -> AbstractContextManager[GraphStore]:
    """Open a graph that nothing is written to: one that is not there is empty."""
    from hypocenter_graph.stores.memory import MemoryStore

    missing = any(not path.exists() for path in graph_file(where))
    return nullcontext(MemoryStore()) if missing else opened(where)


def _warning(ending: Ending) -> str:
    return f"--replace ends {ending.ended:,} of the {ending.said:,} claims that {ending.source} made before"


def _notes(there: Discovered, plan: Plan, wanted: Wanted) -> Iterator[str]:
    from hypocenter_graph.claims import SOURCES
    from hypocenter_graph.oddities import oddities
    from hypocenter_graph.snapshot import by_ends

    names = list(plan.by_source())
    if wanted.replaced_at and names and all(name in SOURCES and SOURCES[name].observed for name in names):
        yield f"--replace finds nothing to replace: {', '.join(names)} only saw, and what was seen ends by itself"
    found = by_ends(plan.found.dependencies)
    yield from oddities([*found, *by_ends(there.dependencies)], found.__contains__)
