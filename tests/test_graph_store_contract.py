"""The contract of graph stores, on each of them: whatever was written, they answer as a naive twin does."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import (
    LEARNED,
    ComponentClaim,
    DependencyClaim,
    Discovered,
    Interval,
    component_key,
    dependency_key,
)
from hypocenter_graph.stores.contract import HUB, TWO_WAY, Found, View
from hypocenter_graph.stores.file import FileStore
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_graph.stores.neo4j import Neo4jStore
from hypocenter_graph.walks import blame_path, common_causes, impact, incident_subgraph

# Under `make soak` each property is tried on this many times as many graphs.
MANY = 25 if settings.get_current_profile_name() == "soak" else 1
START = datetime(2026, 3, 1, tzinfo=UTC)
HALF_WEEK = timedelta(days=3, hours=12)
WEEK = 2 * HALF_WEEK
INSTANT = timedelta(microseconds=1)
HOSTILE = (
    "'}) DETACH DELETE n //",
    "`) MATCH (n) DETACH DELETE n //",
    '"; DROP TABLE dependencies; --',
    "$q.names",
    "$tenant",
    "{name: 'a'}",
    "new\nline\ttab\r",
    "nul\0nul",
    "\0",
    "\u202egnp.exe",
    "\N{PARTY POPPER}",
    "\N{HALFWIDTH WHITE CIRCLE}",
    "\ue000",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "cafe\N{COMBINING ACUTE ACCENT}",
    "1",
    "01",
    "1.0",
    "null",
    "Cart",
    "cart",
    " cart",
    "cart ",
    "\\u0041",
    "x" * 512,
    "\N{PARTY POPPER}" * 512,
)


DECLARING = ("declared", "kubernetes", "backstage")


class Twin:
    """A graph store that is slow and obvious: a list of claims, looked through from end to end."""

    def __init__(self):
        self.components, self.dependencies, self.ends = {}, {}, set()

    def upsert(self, found):
        for claim in found.components:
            self.ends.add(claim.name)
            if claim.source:
                key = component_key(claim)
                self.components[key] = self.joined(self.components.get(key, claim), claim)
        for claim in found.dependencies:
            self.ends |= {claim.caller, claim.callee}
            key = dependency_key(claim)
            self.dependencies[key] = self.joined(self.dependencies.get(key, claim), claim)

    def joined(self, old, new):
        """What was seen last holds, and where it says nothing what was seen before; intervals are united."""
        late, early = (old, new) if last_seen(old) > last_seen(new) else (new, old)
        both = {"seen": united(old.seen + new.seen, timedelta(0) if old.source in DECLARING else WEEK)}
        for field in ("type", "owner", "links", "calls_per_s"):
            if hasattr(late, field):
                said = getattr(late, field)
                both[field] = getattr(early, field) if said in (None, "", ()) else said
        if hasattr(late, "aliases"):
            both["aliases"] = tuple(sorted(set(old.aliases) | set(new.aliases)))
        return replace(late, **both)

    def retract(self, source, at, but):
        said = {component_key(c) for c in but.components} | {dependency_key(d) for d in but.dependencies}
        ended = 0
        for claims in (self.components, self.dependencies):
            for key, claim in claims.items():
                if claim.source == source and key not in said and any(i.last is None for i in claim.seen):
                    seen = [i for i in claim.seen if i.last or i.first <= at]
                    claims[key] = replace(claim, seen=tuple(Interval(i.first, i.last or at) for i in seen))
                    ended += 1
        return ended

    def remove(self, names):
        self.ends -= set(names)
        self.components = {key: c for key, c in self.components.items() if c.name not in names}
        self.dependencies = {k: d for k, d in self.dependencies.items() if not {d.caller, d.callee} & set(names)}

    def claims(self, names=None, view=None):
        known = self.ends if names is None else self.ends & set(names)
        told = [c for c in self.components.values() if c.name in known]
        told += [ComponentClaim(name, "") for name in known - {claim.name for claim in told}]
        edges = [d for d in self.dependencies.values() if {d.caller, d.callee} <= known]
        shown = [d for d in edges if view is None or is_shown(d, view)]
        return Discovered(tuple(sorted(told, key=component_key)), tuple(sorted(shown, key=dependency_key)))

    def names(self, after, most):
        return sorted(name for name in self.ends if name > after)[:most]

    def named(self, names):
        bearers = {name: {c.name for c in self.components.values() if name in c.aliases} for name in names}
        return {name: min(found) for name, found in bearers.items() if len(found) == 1 and name not in self.ends}

    def passed(self, view):
        for claim in self.dependencies.values():
            if is_shown(claim, view) and claim.caller != claim.callee:
                yield claim.caller, claim.callee, claim
                if claim.type in TWO_WAY:
                    yield claim.callee, claim.caller, claim

    def steps(self, names, view, *, up=False):
        near = {}
        for start, end, _ in self.passed(view):
            near.setdefault(end if up else start, set()).add(start if up else end)
        return {name: sorted(near[name]) for name in names if name in near}

    def nearest(self, above, below, known, most, view):
        found = []
        for start, end, claim in self.passed(view):
            upon = sum(d.callee == end for d in self.dependencies.values())
            found += [(end, claim)] if start in above and end not in known else []
            found += [(start, claim)] if end in below and start not in known and upon <= HUB else []
        names = {name for name, _ in found}
        return Found(tuple(ranked(names, found)[:most]), len(names))


def ranked(names, found):
    def worth(name):
        claims = [claim for other, claim in found if other == name]
        return -max(c.confidence for c in claims), -max(c.calls_per_s or 0.0 for c in claims), name

    return sorted(names, key=worth)


def last_seen(claim):
    """When it was last seen; what holds is later than all, and then the later it was declared."""
    holding = [interval.first for interval in claim.seen if interval.last is None]
    if holding:
        return True, max(holding)
    return False, max((interval.last for interval in claim.seen), default=START - 99 * WEEK)


def united(seen, gap):
    """Join two intervals that are at most `gap` apart, until no two are left."""
    seen = list(dict.fromkeys(seen))
    for one in seen:
        for other in seen:
            ends = one.last is None or other.first - one.last <= gap
            if one is not other and one.first <= other.first and ends:
                last = None if None in (one.last, other.last) else max(one.last, other.last)
                rest = [interval for interval in seen if interval not in (one, other)]
                return united([*rest, Interval(one.first, last)], gap)
    return tuple(sorted(seen))


def is_shown(claim, view):
    if claim.source == LEARNED and not view.learned:
        return False
    if view.at is None:
        return claim.seen != ()
    more = timedelta(0) if claim.source in DECLARING else view.expiry
    return any(i.first <= view.at and (i.last is None or view.at <= i.last + more) for i in claim.seen)


@pytest.fixture(scope="module")
def new_file(tmp_path_factory):
    folder, number = tmp_path_factory.mktemp("graphs"), count()
    return lambda: folder / f"{next(number)}.graph"


# What is written, and what is asked.

MOMENTS = st.builds(
    lambda weeks, instants: START + weeks * HALF_WEEK + instants * INSTANT, st.integers(0, 12), st.integers(-1, 1)
)
INTERVALS = st.builds(
    lambda first, halves: Interval(first, None if halves is None else first + halves * HALF_WEEK),
    MOMENTS,
    st.sampled_from([0, 0, 1, 2, None]),
)
SEEN = st.lists(INTERVALS, max_size=3).map(tuple)
VIEWS = st.builds(
    View, st.none() | MOMENTS, st.sampled_from([timedelta(0), HALF_WEEK, WEEK, WEEK + INSTANT]), st.booleans()
)
POOLS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", *HOSTILE]), min_size=2, max_size=8, unique=True)
# Few of each, so that claims meet in their keys and tie in their worth.
SOURCE = st.sampled_from(["declared", "spans", "labels", LEARNED, "'}) //"])
WORTH = {"confidence": st.sampled_from([0, -0.0, 0.5, 0.9, 1]), "calls_per_s": st.sampled_from([None, 0, 0.5, 0.5, 7])}


def component_claims(pool):
    told = {
        "seen": SEEN,
        "type": st.none() | st.sampled_from(ComponentType),
        "owner": st.sampled_from(["", "crew", *HOSTILE[:3]]),
        "links": st.lists(st.sampled_from(HOSTILE), max_size=2).map(tuple),
        "aliases": st.lists(pool, max_size=2, unique=True).map(sorted).map(tuple),
    }
    return st.builds(ComponentClaim, pool, SOURCE, **told) | st.builds(ComponentClaim, pool, st.just(""))


def found(pool, most):
    edges = st.builds(DependencyClaim, pool, pool, st.sampled_from(DependencyType), SOURCE, SEEN, **WORTH)
    return st.builds(
        Discovered,
        st.lists(component_claims(pool), max_size=most // 2).map(tuple),
        st.lists(edges, max_size=most).map(tuple),
    )


def changes(pool):
    """One thing done to a store, as a function that does it."""
    return st.one_of(
        found(pool, 12).map(lambda claims: partial(do, "upsert", claims)),
        st.builds(partial, st.just(do), st.just("retract"), SOURCE, MOMENTS, found(pool, 3)),
        st.sets(pool, max_size=2).map(lambda names: partial(do, "remove", names)),
    )


def do(what, *words, to):
    return getattr(to, what)(*words)


@st.composite
def histories(draw):
    """What is done to a store, and the views that it is looked at with; some names stay unknown to it."""
    pool = draw(POOLS)
    name = st.sampled_from(pool)
    first = partial(do, "upsert", draw(found(name, 12)))
    return [first, *draw(st.lists(changes(name), max_size=3))], draw(st.lists(VIEWS, min_size=1, max_size=2)), pool


def answers(store, view, pool, most):
    """What a store says of a view: every method, and every walk above them."""
    one, other = pool[:2]
    near = [found_of(store.nearest([one], [other], [one], few, view)) for few in (0, most, 99)]
    return {
        "claims": [store.claims(), store.claims(view=view), store.claims(pool[::2], view), store.claims(pool[1:])],
        "names": [store.names("", most), store.names(one, 1), store.names(other, 99)],
        "named": [dict(store.named(pool)), dict(store.named(pool[:1]))],
        "steps": [store.steps(pool, view), store.steps(pool, view, up=True), store.steps([], view)],
        "nearest": [*near, found_of(store.nearest(pool, pool, [], most, view))],
        "subgraph": [incident_subgraph(store, [one], view), incident_subgraph(store, [other, one], view, most)],
        "path": [blame_path(store, one, other, view), blame_path(store, other, one, view)],
        "impact": [impact(store, one, view), impact(store, other, view, most)],
        "causes": [common_causes(store, pool[:3], view), common_causes(store, [one, other], view, most)],
    }


def found_of(found):
    return set(found.names), found.total


def check(store, history):
    """Do everything to a store and to a twin, and compare what they say after each thing done."""
    done, views, pool = history
    twin = Twin()
    for change in done:
        assert change(to=store) == change(to=twin)
        assert store.claims() == twin.claims()
    for view in views:
        said, known = answers(store, view, pool, 2), answers(twin, view, pool, 2)
        for question, answer in known.items():
            assert said[question] == answer, question


@settings(max_examples=80 * MANY, deadline=None)
@given(histories())
def test_memory_answers_as_the_twin(history):
    check(MemoryStore(), history)


@settings(max_examples=25 * MANY, deadline=None)
@given(history=histories())
def test_a_file_answers_as_the_twin_and_again_when_it_is_opened_anew(new_file, history):
    path = new_file()
    with closing(FileStore(path)) as first, closing(FileStore(path)) as second:
        check(first, history)
        there = first.claims()
        assert second.claims() == there
    with closing(FileStore(path)) as store:
        assert store.claims() == there


@pytest.mark.neo4j
@settings(max_examples=10 * MANY, deadline=None)
@given(history=histories())
def test_neo4j_answers_as_the_twin(neo4j_connection, new_tenant, history):
    with closing(Neo4jStore(neo4j_connection, new_tenant())) as store:
        check(store, history)
