"""Claims on components and dependencies as hypothesis draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import SOURCES, ComponentClaim, DependencyClaim, Interval

if TYPE_CHECKING:
    from datetime import datetime, timedelta

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


def intervals(
    times: st.SearchStrategy[datetime], lengths: st.SearchStrategy[timedelta], least: int, most: int
) -> st.SearchStrategy[tuple[Interval, ...]]:
    """Return between `least` and `most` intervals that begin at these times, some of them without an end."""
    one = st.builds(_interval, times, st.none() | lengths)
    return st.lists(one, min_size=least, max_size=most).map(tuple)


def _interval(first: datetime, length: timedelta | None) -> Interval:
    return Interval(first, None if length is None else first + length)


def component_claims(
    names: st.SearchStrategy[str], seen: st.SearchStrategy[tuple[Interval, ...]]
) -> st.SearchStrategy[ComponentClaim]:
    """Return claims on components of any source and type, also of none."""
    aliases = st.sets(names, max_size=2).map(lambda some: tuple(sorted(some)))
    links = st.lists(TEXT, max_size=2).map(tuple)
    types = st.none() | st.sampled_from(ComponentType)
    return st.builds(ComponentClaim, names, st.sampled_from(list(SOURCES)), seen, types, TEXT, links, aliases)


def dependency_claims(
    names: st.SearchStrategy[str], seen: st.SearchStrategy[tuple[Interval, ...]]
) -> st.SearchStrategy[DependencyClaim]:
    """Return claims on dependencies of any source and type, some with a rate of calls."""
    types, rates = st.sampled_from(DependencyType), st.none() | st.floats(0, 1e9)
    return st.builds(DependencyClaim, names, names, types, st.sampled_from(list(SOURCES)), seen, st.floats(0, 1), rates)
