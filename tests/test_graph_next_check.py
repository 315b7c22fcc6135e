"""The next check: what was not observed between the first two suspects, and what either outcome would mean."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hypocenter.model import (
    Alert,
    ChangeEvent,
    Component,
    ComponentType,
    Dependency,
    DependencyType,
    Evidence,
    MetricKind,
    Series,
    Suspect,
    Target,
)
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.next_check import next_check
from hypocenter_graph.rank import Context, rank
from hypocenter_graph.suspect_pair import information
from hypocenter_graph.topology import build_topology
from hypocenter_graph.verdict import suspects_of

ONSET = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
UNITS = {MetricKind.CPU: "cores", MetricKind.MEMORY: "bytes", MetricKind.ERRORS: "share", MetricKind.LOG_LINES: "1/s"}
EVERYTHING = (MetricKind.CPU, MetricKind.MEMORY, MetricKind.LOG_LINES, MetricKind.SELF_TIME, MetricKind.LATENCY)
SHARES = st.floats(0, 1)


def measured(component, kind, before=1.0, after=1.0, z=0.0, peer=None):
    series = Series(component, str(kind), kind, UNITS.get(kind, "s"), "mean", "client" if peer else None, peer)
    return Deviation(series, before, after, z)


def slow(component, before, after, z=40.0):
    return measured(component, MetricKind.LATENCY, before, after, z)


def complete(*components):
    """Everything of some components, all as usual."""
    return [measured(c, kind) for c in components for kind in EVERYTHING]


def told(*suspects):
    """Suspects by name, probability and what else is known of them."""
    return [Suspect(name, chance, chance, "latency", **more) for name, chance, more in suspects]


def checked(deviations, dependencies, suspects, components=(), **more):
    topology = build_topology(components, dependencies)
    return next_check(rank(deviations, topology, Context()), topology, suspects, **more)


PAIR = told(("checkout", 0.5, {}), ("payment", 0.4, {}))
CALLS = [Dependency("checkout", "payment")]
SLOW = [slow("checkout", 0.02, 0.398), *complete("payment")]


def test_calls_between_the_two_that_nobody_timed_come_first():
    check = checked([slow("checkout", 0.02, 0.398), measured("payment", MetricKind.LATENCY, 0.012, 0.012)], CALLS, PAIR)
    assert check.components == ("checkout", "payment")
    assert check.text == (
        "Time calls from checkout to payment by hand: near 390 ms means that payment is slow; "
        "near 12 ms means that checkout is slow itself or waits for something else."
    )


def test_numbers_are_left_out_where_they_are_not_known():
    check = checked([slow("checkout", 0.02, 0.41)], CALLS, PAIR)
    assert "near 390 ms means that payment is slow" in check.text
    assert "as little as usual means that checkout" in check.text


def test_failures_are_counted_where_calls_fail():
    failing = measured("checkout", MetricKind.ERRORS, 0.001, 0.075, 40.0)
    check = checked([failing, *complete("checkout", "payment")], CALLS, PAIR)
    assert "Count the calls from checkout to payment that fail: near 7.4 % of its requests" in check.text


def test_what_lies_behind_the_first_step_is_told_from_what_is_slow_itself():
    calls = [Dependency("checkout", "orders"), Dependency("orders", "payment")]
    check = checked([*SLOW, *complete("orders")], calls, PAIR)
    assert "Time calls from checkout to orders by hand" in check.text
    assert "the trouble lies behind it, where payment is" in check.text


def test_of_a_suspect_known_by_alerts_alone_it_is_not_said_that_nothing_was_observed():
    alerted = Context(None, ONSET, (), tuple(Alert(name, "down", ONSET) for name in ("checkout", "payment")))
    topology = build_topology([], CALLS)
    ranking = rank((), topology, alerted)
    check = next_check(ranking, topology, suspects_of(ranking, topology, None, {}, ONSET), (), None)
    assert "for alerts alone tell of it" in check.text


def test_calls_that_were_timed_are_not_asked_for_again():
    edge = measured("checkout", MetricKind.LATENCY, 0.01, 0.01, peer="payment")
    check = checked([*SLOW, edge], CALLS, PAIR)
    assert check.text.startswith("Trace a slow request through checkout, whose own time was not observed: 378 ms more")


@pytest.mark.parametrize(
    ("unseen", "said"),
    [
        (set(EVERYTHING), "nothing of it was observed"),
        ({MetricKind.CPU, MetricKind.MEMORY}, "Look at the processor and memory of payment"),
        ({MetricKind.MEMORY}, "Look at the memory of payment, which was not observed"),
        ({MetricKind.LOG_LINES}, "Read the log of payment"),
        ({MetricKind.LATENCY}, "Ask payment directly, past its callers"),
        (set(), "Take load off checkout"),
    ],
)
def test_what_was_not_observed_of_one_is_looked_at(unseen, said):
    seen = [
        d
        for d in complete("checkout", "payment")
        if (d.series.component, d.series.kind) not in {("payment", k) for k in unseen}
    ]
    assert said in checked(seen, [], PAIR).text


def test_nobody_looks_into_the_machines_of_others():
    outside = [Component("payment", ComponentType.EXTERNAL)]
    text = checked(complete("checkout"), [], PAIR, outside).text
    assert text.startswith("Ask payment directly")


def test_a_change_of_one_is_undone_rather_than_logs_read():
    change = Evidence("change", "payment: deploy 14.3 2 min before the onset", share=0.2)
    suspects = told(("checkout", 0.5, {}), ("payment", 0.4, {"evidence": (change,)}))
    check = checked(complete("checkout", "payment"), [], suspects)
    assert check.text.startswith(
        "Compare an instance of payment without its change (deploy 14.3 2 min before the onset), or undo it"
    )
    both = told(("checkout", 0.5, {"evidence": (change,)}), ("payment", 0.4, {"evidence": (change,)}))
    assert "undo" not in checked(complete("checkout", "payment"), [], both).text


def test_a_host_is_told_from_its_guest_by_the_other_guests():
    runs = [Dependency(guest, "node-1", DependencyType.RUNS_ON) for guest in ("checkout", "cart", "mail")]
    suspects = told(("checkout", 0.5, {}), ("node-1", 0.4, {}))
    text = checked(complete("checkout", "node-1"), runs, suspects).text
    assert text.startswith("See whether what else runs on node-1 (cart, mail) is slow or short of anything too")
    assert "See what uses node-1 up" in checked(complete("checkout", "node-1"), runs[:1], suspects).text


def test_an_instance_is_told_from_its_service_by_the_other_instances():
    pods = [Dependency(f"checkout-{index}", "checkout", DependencyType.INSTANCE_OF) for index in range(3)]
    kinds = [Component(f"checkout-{index}", ComponentType.POD) for index in range(3)]
    suspects = told(("checkout-1", 0.5, {}), ("checkout", 0.4, {}))
    text = checked(complete("checkout", "checkout-1"), pods, suspects, kinds).text
    assert text.startswith("Compare the instances of checkout: if checkout-1 alone is ill")


def test_two_on_one_host_of_which_one_uses_more_are_told_apart_by_waiting():
    runs = [Dependency(guest, "node-1", DependencyType.RUNS_ON) for guest in ("checkout", "payment")]
    burns = Evidence("cpu", "CPU rose", share=0.9)
    suspects = told(("checkout", 0.5, {}), ("payment", 0.4, {"evidence": (burns,)}))
    text = checked(complete("checkout", "payment"), runs, suspects).text
    assert text.startswith("See whether checkout waits for the processor of node-1, which it shares with payment")


def test_the_part_that_the_other_does_not_explain_is_looked_for():
    seen = [slow("checkout", 0.1, 0.5), slow("payment", 0.1, 0.34), *complete("checkout", "payment")]
    edge = measured("checkout", MetricKind.LATENCY, 0.1, 0.34, peer="payment")
    text = checked([*seen, edge], CALLS, PAIR).text
    assert text.startswith("Find the other 160 ms of checkout, of whose +400 ms payment explains 60%")


@pytest.mark.parametrize(("apart", "said"), [(10, True), (300, False)])
def test_an_order_in_time_is_refined_where_it_is_not_known(apart, said):
    times = ONSET, ONSET + timedelta(seconds=apart)
    evidence = [(Evidence("latency", "slow", onset=at),) for at in times]
    suspects = told(("checkout", 0.5, {"evidence": evidence[0]}), ("payment", 0.4, {"evidence": evidence[1]}))
    text = checked(complete("checkout", "payment"), [], suspects, uncertainty_s=60.0).text
    assert ("in finer steps around 07:35:00 UTC" in text) is said


@pytest.mark.parametrize(
    "suspects",
    [[], PAIR[:1], told(("checkout", 0.9, {}), ("payment", 0.019, {})), told(("a", 0.0, {}), ("b", 0.0, {}))],
)
def test_nothing_is_to_be_told_apart_without_a_rival(suspects):
    assert checked(SLOW, CALLS, suspects) is None


def test_a_second_cause_is_no_rival():
    suspects = told(("checkout", 0.5, {}), ("payment", 0.4, {}), ("mail", 0.05, {}))
    assert checked(SLOW, CALLS, suspects, causes=("checkout", "payment")).components == ("checkout", "mail")
    assert checked(SLOW, CALLS, suspects[:2], causes=("checkout", "payment")) is None


@given(SHARES, SHARES, SHARES)
def test_information_is_what_the_joint_distribution_says(prior, shows, strays):
    """Mutual information by its definition, over the four joint outcomes."""
    joint = [[prior * shows, prior * (1 - shows)], [(1 - prior) * strays, (1 - prior) * (1 - strays)]]
    rows, columns = [sum(row) for row in joint], [sum(column) for column in zip(*joint, strict=True)]
    divergence = sum(
        p * (_log2(p) - _log2(rows[i]) - _log2(columns[j])) for i, row in enumerate(joint) for j, p in enumerate(row)
    )
    assert information(prior, shows, strays) == pytest.approx(max(divergence, 0.0), abs=1e-9)


def _log2(chance):
    return math.log2(chance) if chance > 0 else 0.0


NAME = st.sampled_from(["ads", "cart", "db", "node", "pay", "web"])
LEVEL = st.sampled_from([0.0, 0.001, 0.1, 1.0, 50.0])
DEVIATIONS = st.lists(
    st.builds(measured, NAME, st.sampled_from(MetricKind), LEVEL, LEVEL, st.floats(-500, 500), st.none() | NAME),
    max_size=15, unique_by=lambda d: d.series,
)  # fmt: skip
DEPENDENCIES = st.lists(st.builds(Dependency, NAME, NAME, st.sampled_from(DependencyType)), max_size=8)
CHANGES = st.lists(st.builds(ChangeEvent, NAME, st.just(ONSET - timedelta(minutes=2))), max_size=2)


def proposed(deviations, dependencies, changes):
    topology = build_topology([], dependencies)
    ranking = rank(deviations, topology, Context(Target("web"), ONSET, tuple(changes)))
    suspects = suspects_of(ranking, topology, Target("web"), {}, ONSET)
    return next_check(ranking, topology, suspects, (), 30.0), suspects


@given(DEVIATIONS, DEPENDENCIES, CHANGES)
def test_whatever_was_seen_the_check_is_about_the_first_two_and_the_same_in_any_order(seen, edges, changes):
    check, suspects = proposed(seen, edges, changes)
    assume(check is not None)
    assert check.components == (suspects[0].component, suspects[1].component)
    assert all(name in check.text for name in check.components)
    assert check.text.endswith(".")
    assert "nan" not in check.text
    assert proposed(seen[::-1], edges[::-1], changes[::-1])[0] == check


@given(DEVIATIONS, DEPENDENCIES)
def test_new_names_give_the_same_check_under_new_names(seen, edges):
    def renamed(name):
        return f"the-{name}-0"

    again = [
        Deviation(
            Series(renamed(s.component), s.metric, s.kind, s.unit, s.stat, s.side, s.peer and renamed(s.peer)),
            d.before, d.after, d.z,
        )
        for d in seen for s in [d.series]
    ]  # fmt: skip
    check, _ = proposed(seen, edges, ())
    topology = build_topology([], [Dependency(renamed(e.caller), renamed(e.callee), e.type) for e in edges])
    target = Target(renamed("web"))
    ranking = rank(again, topology, Context(target, ONSET))
    other = next_check(ranking, topology, suspects_of(ranking, topology, target, {}, ONSET), (), 30.0)
    assert (other and other.components) == (check and tuple(map(renamed, check.components)))
    assert (other and len(other.text.split())) == (check and len(check.text.split()))
