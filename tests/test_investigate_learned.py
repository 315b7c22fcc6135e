"""An investigation that asks what was learned: whose order it takes, from what it names a cause, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from hypocenter.model import Alert, Dependency, FaultTypeChance, LearnedOpinion
from hypocenter.telemetry import Case
from hypocenter_graph.candidates import COVERAGE, first_holding
from hypocenter_workers.investigate import Options, investigate, ranked
from hypocenter_workers.learn.chances import scores_of
from hypocenter_workers.learn.examples import Example
from hypocenter_workers.learn.ranker import SuspectRanker

AT = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
NAMES = ("web", "cart", "db", "ads")
FIRED = [(name, "slow") for name in NAMES] + [("web", "fails")]
CASE = Case(
    "INC-9",
    "shop",
    alerts=tuple(Alert(name, f"{name} {kind}", AT) for name, kind in FIRED),
    dependencies=(Dependency("web", "cart"), Dependency("cart", "db"), Dependency("web", "ads")),
    started_at=AT,
)


@dataclass(frozen=True)
class Experience:
    """Says that components are the root with stated chances, and of what type every fault is."""

    chances: dict[str, float]

    def rescore(self, example):
        components = [one.component for one in example.ranking.scored]
        scores = dict(
            zip(components, scores_of(example.ranking, [self.chances.get(c, 0.001) for c in components]), strict=True)
        )
        scored = (replace(one, score=scores[one.component]) for one in example.ranking.scored)
        return replace(example.ranking, scored=tuple(sorted(scored, key=lambda one: -one.score)))

    def opinion(self, example):
        first = example.ranking.scored[0].component
        return LearnedOpinion(f"{example.incident_id} of {example.system}", True, (FaultTypeChance(first, 1.0),), 0.0)


class OnlyLogs(Experience):
    """Knows a fault by its alerts: without the alerts of web it blames nobody but ads."""

    def rescore(self, example):
        web = any(alert.component == "web" for alert in example.case.alerts)
        return Experience({"db": 0.9} if web else {"ads": 0.9}).rescore(example)


def verdict(learned, **options):
    return investigate(CASE, Options(**options), learned=learned).verdict


def test_without_anything_learned_the_verdict_says_nothing_of_it():
    assert verdict(None).learned is None


def test_suspects_stand_in_the_learned_order_with_the_learned_probabilities_and_keep_their_evidence():
    plain, told = verdict(None), verdict(Experience({"db": 0.9, "cart": 0.05}))
    assert [s.component for s in told.suspects[:2]] == ["db", "cart"]
    assert [s.probability for s in told.suspects[:2]] == pytest.approx([0.9, 0.05], rel=1e-6)
    before = {s.component: s.evidence for s in plain.suspects}
    assert all(s.evidence == before[s.component] for s in told.suspects)


@pytest.mark.parametrize(("precision", "named"), [(0.8, "db"), (0.95, None)])
def test_a_cause_is_named_where_its_learned_probability_is_the_wanted_precision(precision, named):
    told = verdict(Experience({"db": 0.9}), precision=precision)
    assert told.threshold == precision
    assert told.cause == named
    assert told.abstained == (named is None)


def test_the_opinion_is_of_the_incident_in_its_learned_order():
    told = verdict(Experience({"ads": 0.9})).learned
    assert told.model == "INC-9 of shop"
    assert told.fault_types == (FaultTypeChance("ads", 1.0),)


@pytest.mark.parametrize(
    ("chances", "expected"), [({"db": 0.95}, 1), ({"db": 0.6, "cart": 0.35}, 2), ({"db": 0.3, "cart": 0.2}, len(NAMES))]
)
def test_the_candidates_are_the_first_suspects_that_hold_nine_tenths(chances, expected):
    told = verdict(Experience(chances))
    assert len(told.candidates) == expected
    assert told.candidates == first_holding(Experience(chances).rescore(ranked_example()), COVERAGE)
    assert told.candidates == tuple(s.component for s in told.suspects[:expected])


def ranked_example():
    found = ranked(CASE, Options())
    return Example(CASE.case_id, CASE.system, AT, CASE, found.topology, found.ranking)


def test_every_rung_of_the_ladder_is_ranked_as_the_verdict_is():
    told = verdict(Experience({"db": 0.9}))
    assert told.robustness
    assert {trial.cause for trial in told.robustness} == {"db"}
    assert all(trial.holds for trial in told.robustness)


def test_a_rung_shows_the_model_no_more_than_it_holds():
    severed = replace(
        CASE, alerts=tuple(replace(a, modality="log" if a.component == "web" else "metric") for a in CASE.alerts)
    )
    told = investigate(severed, Options(), learned=OnlyLogs({})).verdict
    assert told.suspects[0].component == "db"
    assert {trial.change: trial.cause for trial in told.robustness}["without log lines"] == "ads"


class Novice(Experience):
    """Learned from too few incidents to order suspects."""

    def rescore(self, example):
        return SuspectRanker.fit([], []).rescore(example)


def test_a_ranker_that_learned_nothing_changes_no_verdict():
    assert replace(verdict(Novice({})), learned=None) == verdict(None)
