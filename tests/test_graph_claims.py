"""Claims: what makes a name, how intervals are united, how claims on one thing are joined, ended and believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import (
    LEARNED,
    LONGEST_NAME,
    SOURCES,
    ComponentClaim,
    DependencyClaim,
    Discovered,
    Interval,
    check_name,
    is_active,
    is_held,
    join_claims,
    joined_component,
    joined_dependency,
    merge_intervals,
    precedence,
    retracted_claims,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
GAPS = st.integers(0, 4).map(lambda hours: hours * HOUR)
INTERVALS = st.builds(
    lambda first, hours: Interval(START + first * HOUR, None if hours is None else START + (first + hours) * HOUR),
    st.integers(0, 20),
    st.sampled_from([0, 1, 3, None]),
)


def hours(first, last):
    return Interval(START + first * HOUR, None if last is None else START + last * HOUR)


CART = ComponentClaim("cart", "spans", (hours(0, 1),), ComponentType.CACHE, "crew", ("https://x",), ("cart.svc",))
CALL = DependencyClaim("web", "cart", DependencyType.CALLS, "spans", (hours(0, 1),), 0.9, 5.0)


@given(st.lists(INTERVALS, max_size=6), GAPS, st.randoms())
def test_intervals_are_united_alike_in_any_order(intervals, gap, random):
    mixed = random.sample(intervals, len(intervals))
    assert merge_intervals(mixed, gap) == merge_intervals(intervals, gap)


@given(st.lists(INTERVALS, max_size=6), st.lists(INTERVALS, max_size=6), GAPS)
def test_intervals_are_united_alike_bit_by_bit(some, others, gap):
    whole = merge_intervals(some + others, gap)
    assert merge_intervals(whole, gap) == whole
    assert merge_intervals([*merge_intervals(some, gap), *merge_intervals(others, gap)], gap) == whole


@given(st.lists(INTERVALS, min_size=1, max_size=6), GAPS, st.integers(-1, 24))
def test_united_intervals_hold_all_that_was_seen_and_no_more_than_gaps(intervals, gap, hour):
    at, united = START + hour * HOUR, merge_intervals(intervals, gap)
    if is_active(tuple(intervals), at, timedelta(0)):
        assert is_active(united, at, timedelta(0))
    if is_active(united, at, timedelta(0)):
        assert is_active(tuple(intervals), at, gap)
    for before, after in pairwise(united):
        assert after.first - before.last > gap


def test_an_interval_that_has_no_end_swallows_what_comes_after():
    assert merge_intervals([hours(9, 10), hours(2, None), hours(0, 1)], HOUR) == (hours(0, None),)


@pytest.mark.parametrize(
    ("at", "expiry", "active"),
    [
        (START - INSTANT, HOUR, False),
        (START, HOUR, True),
        (START + 2 * HOUR, HOUR, True),
        (START + 2 * HOUR + INSTANT, HOUR, False),
        (START + HOUR, timedelta(0), True),
        (START + HOUR + INSTANT, timedelta(0), False),
        (None, timedelta(0), True),
    ],
)
def test_what_was_seen_expires_at_the_instant(at, expiry, active):
    assert is_active((hours(0, 1),), at, expiry) is active


def test_what_was_never_seen_is_never_active():
    assert not is_active((), None, HOUR)
    assert not is_active((), START, HOUR)


def test_what_was_seen_last_holds_whenever_it_arrives():
    late = ComponentClaim("cart", "spans", (hours(5, 6),), ComponentType.DATABASE, "", (), ("cart:80",))
    for one, other in ((CART, late), (late, CART)):
        assert joined_component(one, other, HOUR) == ComponentClaim(
            "cart",
            "spans",
            (hours(0, 1), hours(5, 6)),
            ComponentType.DATABASE,
            "crew",
            ("https://x",),
            ("cart.svc", "cart:80"),
        )


def test_of_two_seen_last_at_one_time_the_later_to_arrive_holds():
    busier = replace(CALL, confidence=0.5, calls_per_s=7.0)
    assert joined_dependency(CALL, busier, HOUR) == busier
    assert joined_dependency(busier, CALL, HOUR) == CALL


def test_what_holds_is_later_than_what_has_ended():
    holds = replace(CALL, seen=(hours(0, None),), confidence=0.2, calls_per_s=None)
    ended = replace(CALL, seen=(hours(90, 91),))
    assert joined_dependency(holds, ended, HOUR).confidence == 0.2
    assert joined_dependency(holds, ended, HOUR).calls_per_s == 5.0


def test_a_claim_joined_with_itself_is_itself():
    assert joined_component(CART, CART, HOUR) == CART
    assert joined_dependency(CALL, CALL, HOUR) == CALL


def test_only_what_changes_is_returned():
    there = {("cart", "spans"): CART}
    same = join_claims(Discovered((CART,), (CALL,)), there, {}, HOUR)
    assert same == Discovered((), (CALL,))


def test_a_claim_that_is_there_twice_is_joined_once():
    twice = Discovered((CART, replace(CART, seen=(hours(5, 6),))))
    (claim,) = join_claims(twice, {}, {}, HOUR).components
    assert claim.seen == (hours(0, 1), hours(5, 6))


def test_only_what_a_source_declared_and_says_no_more_is_retracted():
    holds = (hours(0, None),)
    kept, gone = replace(CALL, source="declared", seen=holds), replace(CALL, source="declared", callee="db", seen=holds)
    other = replace(CALL, source="kubernetes", seen=holds)
    there = replace(CART, source="declared", seen=(hours(-9, -8), hours(0, None), hours(8, None)))
    ended = retracted_claims((there, CART), (kept, gone, other), "declared", START + HOUR, Discovered((), (kept,)))
    assert ended == Discovered(
        (replace(there, seen=(hours(-9, -8), hours(0, 1))),), (replace(gone, seen=(hours(0, 1),)),)
    )


def test_sources_are_believed_in_their_order_and_unknown_ones_before_the_learned():
    assert sorted(sorted(SOURCES), key=precedence) == list(SOURCES)
    assert sorted([LEARNED, "zoo", "a", "backstage"], key=precedence) == ["backstage", "a", "zoo", LEARNED]


def test_what_declares_is_told_from_what_observes():
    assert [name for name, source in SOURCES.items() if not source.observed] == ["declared", "kubernetes", "backstage"]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=LONGEST_NAME))
def test_any_text_of_some_letters_is_a_name(name):
    if name.strip():
        assert check_name(name, "here") == name


@pytest.mark.parametrize("name", ["", " \t\n", None, 7, ["cart"], "x" * (LONGEST_NAME + 1), "\ud800", "a\udfff"])
def test_what_is_no_name_is_refused_where_it_is(name):
    with pytest.raises(InputError, match=r"^a\.csv: row 2: "):
        check_name(name, "a.csv: row 2")


def test_a_declaration_ends_when_it_is_retracted_and_holds_anew_when_it_is_made_again():
    declared = DependencyClaim("web", "db", DependencyType.CALLS, "declared", (hours(0, None),))
    (ended,) = retracted_claims((), (declared,), "declared", START + 2 * HOUR, Discovered()).dependencies
    assert is_held(ended, START + 2 * HOUR, 99 * HOUR)
    assert not is_held(ended, START + 3 * HOUR, 99 * HOUR)
    again = joined_dependency(ended, replace(declared, seen=(hours(5, None),)), 99 * HOUR)
    assert again.seen == (hours(0, 2), hours(5, None))
    observed = replace(ended, source="spans")
    assert is_held(observed, START + 3 * HOUR, 99 * HOUR)


def test_of_two_declarations_that_hold_the_one_made_later_counts_whatever_comes_first():
    old = DependencyClaim("web", "db", DependencyType.CALLS, "declared", (hours(0, None),), confidence=0.2)
    new = replace(old, seen=(hours(5, None),), confidence=0.8)
    assert joined_dependency(old, new, HOUR).confidence == 0.8
    assert joined_dependency(new, old, HOUR).confidence == 0.8


def test_many_claims_on_one_thing_are_joined_in_one_go():
    many = tuple(replace(CALL, seen=(hours(2 * n, 2 * n),)) for n in range(20_000))
    (joined,) = join_claims(Discovered(dependencies=many), {}, {}, HOUR / 2).dependencies
    assert len(joined.seen) == 20_000
    names = tuple(replace(CART, aliases=(f"cart-{n}",)) for n in range(20_000))
    (named,) = join_claims(Discovered(components=names), {}, {}, HOUR).components
    assert len(named.aliases) == 20_000
