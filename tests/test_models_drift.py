"""What moved since training: features by their spread, verdicts by what people said, labels by who spoke last."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model_card import Figure, ModelCard
from hypocenter.stores.records import Opinion, Says
from hypocenter_workers.learn.drift import (
    LEAST_SHARE,
    accuracy_by_month,
    bins_of,
    drift_of,
    feature_drift,
    since,
    stability,
)
from hypocenter_workers.learn.examples import Label
from hypocenter_workers.learn.labels import latest, relabelled
from hypocenter_workers.learn.spread import columns_of, spread_of
from hypocenter_workers.scoring import share_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CARD = ModelCard("1 incident", False, NOON, "ab", 400, 0, 1)
numbers = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=60)


def naive_stability(then: Sequence[float], values: Sequence[float], edges: Sequence[float]) -> float:
    """The index by counting, one bin after the other."""
    bounds = [-math.inf, *edges, math.inf]
    total = 0.0
    for place in range(len(bounds)):
        if place == len(bounds) - 1:
            held = sum(math.isnan(value) for value in values)
        else:
            held = sum(bounds[place] <= value < bounds[place + 1] for value in values)
        now, was = max(held / max(len(values), 1), LEAST_SHARE), max(then[place], LEAST_SHARE)
        total += (now - was) * math.log(now / was)
    return total


@settings(max_examples=60)
@given(training=numbers, recent=numbers)
def test_the_index_is_what_counting_gives(training: list[float], recent: list[float]) -> None:
    bins = bins_of(np.array(training, dtype=float))
    assert len(bins.shares) == len(bins.edges) + 2
    found = stability(bins, np.array(recent, dtype=float))
    assert found == pytest.approx(naive_stability(bins.shares, recent, bins.edges))
    assert found >= 0
    assert stability(bins, np.array(training, dtype=float)) == pytest.approx(0, abs=1e-9)


def test_a_feature_that_moved_is_told_and_one_that_did_not_is_not() -> None:
    draw = np.random.default_rng(7)
    training = {name: draw.normal(size=400) for name in ("still", "moved")}
    card = replace(CARD, features={name: bins_of(values) for name, values in training.items()})
    recent = {"still": draw.normal(size=60), "moved": draw.normal(1.5, size=60), "new": draw.normal(size=60)}
    drift = drift_of(card, (), recent=recent)
    assert [item.feature for item in drift.features] == ["moved", "still"]
    (reason,) = drift.reasons
    assert reason.startswith("moved of 60 recent incidents is unlike training")


def test_few_incidents_are_no_drift_by_chance() -> None:
    draw = np.random.default_rng(7)
    card = replace(CARD, features={f"f{n}": bins_of(draw.normal(size=400)) for n in range(40)})
    for _ in range(20):
        drift = drift_of(card, (), recent={f"f{n}": draw.normal(size=8) for n in range(40)})
        assert drift.reasons == ()
    assert feature_drift(card, {}) == ()


def said(incident: str, says: Says, days: float = 1, component: str = "", fault_type: str = "") -> Opinion:
    return Opinion(incident, says, "Ada", NOON + timedelta(days=days), component, fault_type)


def test_accuracy_is_by_month_and_the_latest_opinion_counts() -> None:
    opinions = [
        said("a", Says.WRONG),
        said("a", Says.RIGHT, 2),
        said("b", Says.CAUSE, component="db"),
        said("c", Says.NOT_AN_INCIDENT),
        said("d", Says.RIGHT, 40),
    ]
    march, april = accuracy_by_month(opinions)
    assert (march.month, march.right, march.judged) == ("2026-03", 1, 2)
    assert (april.month, april.right, april.judged) == ("2026-04", 1, 1)
    assert march.low < 0.5 < march.high


def test_verdicts_less_right_than_measured_are_a_reason_where_no_doubt_is_left() -> None:
    card = replace(CARD, figures=(Figure("root cause first", 0.9, 0.85, 0.95, 100),))
    wrong = [said(f"w{n}", Says.WRONG) for n in range(6)]
    right = [said(f"r{n}", Says.RIGHT) for n in range(6)]
    (reason,) = drift_of(card, [*wrong, *right]).reasons
    assert reason == "of 12 verdicts judged since, 6 were right; measured in training were 90%"
    assert drift_of(card, [*wrong[:1], *right]).reasons == ()
    assert drift_of(card, [replace(opinion, at=NOON - timedelta(days=1)) for opinion in wrong]).reasons == ()
    assert drift_of(CARD, wrong).reasons == ()


@pytest.mark.parametrize(
    ("simulated", "labelled", "proposed"), [(True, 20, True), (False, 99, False), (False, 100, True)]
)
def test_more_history_is_a_reason(simulated: bool, labelled: int, proposed: bool) -> None:
    assert bool(drift_of(replace(CARD, simulated=simulated), (), labelled).reasons) is proposed
    assert drift_of(replace(CARD, simulated=True), (), 19).reasons == ()


@given(st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_the_share(counts: tuple[int, int]) -> None:
    low, high = share_interval(*counts)
    assert 0 <= low <= (counts[0] / counts[1] if counts[1] else 0.5) <= high <= 1


def test_later_than_training_is_after_its_last_incident() -> None:
    card = replace(CARD, last_at=NOON - timedelta(days=9))
    assert since(card, NOON - timedelta(days=8))
    assert not since(CARD, NOON - timedelta(days=8))
    assert not since(card, None)


def test_the_spread_is_of_the_commonest_features() -> None:
    rows = [{f"f{n}": 1.0 for n in range(50) if n % (row + 1) == 0} for row in range(10)]
    spread = spread_of(rows)
    assert len(spread) == 40
    assert "f0" in spread
    assert stability(spread["f0"], columns_of(rows, ["f0"])["f0"]) == 0
    assert spread_of([]) == {}


class Incident:
    """As much of an example as relabelling looks at."""

    def __init__(self, incident_id: str, system: str = "") -> None:
        self.incident_id, self.system = incident_id, system


def labels(label: Label, *opinions: Opinion) -> list[Label]:
    example: Any = Incident("a")
    return [known for _, known in relabelled([(example, label)], opinions)]


KNOWN = Label(("db",), "cpu", "history", "restarted")


@pytest.mark.parametrize(
    ("opinion", "known"),
    [
        (said("a", Says.CAUSE, component="payment"), [Label(("payment",), None, "feedback", "restarted")]),
        (said("a", Says.CAUSE, component="db"), [Label(("db",), "cpu", "feedback", "restarted")]),
        (said("a", Says.CAUSE, component="db", fault_type="disk"), [Label(("db",), "disk", "feedback", "restarted")]),
        (said("a", Says.RIGHT, component="payment"), [Label(("payment",), None, "feedback", "restarted")]),
        (said("a", Says.RIGHT), [KNOWN]),
        (said("a", Says.RIGHT, fault_type="disk"), [replace(KNOWN, fault_type="disk")]),
        (said("a", Says.WRONG), [KNOWN]),
        (said("a", Says.WRONG, component="web"), [KNOWN]),
        (said("a", Says.WRONG, component="db"), [replace(KNOWN, roots=(), fault_type=None)]),
        (said("a", Says.NOT_AN_INCIDENT), []),
        (said("b", Says.NOT_AN_INCIDENT), [KNOWN]),
    ],
)
def test_what_people_say_goes_before_other_labels(opinion: Opinion, known: list[Label]) -> None:
    assert labels(KNOWN, opinion) == known


def test_the_latest_opinion_counts_whatever_the_order() -> None:
    early, late = said("a", Says.NOT_AN_INCIDENT, 1), said("a", Says.CAUSE, 2, "payment")
    assert latest([early, late]) == latest([late, early]) == {("a", ""): late}
    assert labels(KNOWN, late, early)[0].roots == ("payment",)
    again = replace(late, component="web")
    assert latest([late, again])["a", ""] == again
