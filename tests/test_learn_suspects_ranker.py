"""The learned order of suspects: better where history teaches, the prior where it does not, and the same from texts."""

from __future__ import annotations

import dataclasses
import json
import math
import random

import pytest

from hypocenter.errors import InputError
from hypocenter.model import Alert, Component, Dependency
from hypocenter.telemetry import Case
from hypocenter_graph.calibration import probabilities
from hypocenter_workers.learn.examples import Label
from hypocenter_workers.learn.from_history import example_of
from hypocenter_workers.learn.ranker import FEWEST, SuspectRanker
from hypocenter_workers.learn.suspect_features import suspects_of

SERVICES = ("cart", "db", "mail", "pay", "web")
CALLS = tuple(Dependency("web", callee) for callee in SERVICES if callee != "web")
LEVELS = ("prior", "core", "local")


def incident(number, rng):
    """An incident whose root shows one telling alert among louder ones: `web` is always loud."""
    root = rng.choice(SERVICES)
    noise = [Alert(c, rng.choice(["net_in", "net_out", "fs_usage"]), state="up") for c in rng.sample(SERVICES, 3)]
    loud = [Alert("web", f"latency_{p}", state="up") for p in ("p50", "p90", "p99")]
    told = [
        Alert(root, "heap_usage", state="down"),
        Alert(root, "latency_p50", modality="trace", state="slow", peer="web"),
    ]
    components = tuple(Component(name) for name in SERVICES)
    return Case(
        f"case-{number}", "shop", alerts=(*noise, *loud, *told), components=components, dependencies=CALLS
    ), root


@pytest.fixture(scope="module")
def history():
    """Sixty incidents with their labels."""
    rng = random.Random(5)
    pairs = [incident(number, rng) for number in range(60)]
    return [example_of(case) for case, _ in pairs], [Label((root,)) for _, root in pairs]


@pytest.fixture(scope="module", params=LEVELS)
def ranker(request, history):
    """A ranker of each level, fitted on the first forty incidents."""
    examples, labels = history
    return SuspectRanker.fit(examples[:40], labels[:40], request.param)


def first(ranking):
    return ranking.scored[0].component


def hits(ranker, examples, labels):
    return sum(first(ranker.rescore(one)) in label.roots for one, label in zip(examples, labels, strict=True))


def test_what_history_teaches_is_used_on_later_incidents(history):
    examples, labels = history
    prior, local = (SuspectRanker.fit(examples[:40], labels[:40], level) for level in ("prior", "local"))
    assert hits(prior, examples[40:], labels[40:]) <= 12
    assert hits(local, examples[40:], labels[40:]) >= 18


def test_components_and_findings_stay_and_probabilities_are_those_learned(ranker, history):
    example = history[0][50]
    rescored = ranker.rescore(example)
    before = {scored.component: scored.findings for scored in example.ranking.scored}
    assert {scored.component: scored.findings for scored in rescored.scored} == before
    assert [s.score for s in rescored.scored] == sorted((s.score for s in rescored.scored), reverse=True)
    if ranker.level == "prior":
        assert rescored is example.ranking
        return
    said, suspects = probabilities(rescored), suspects_of(example)
    for component, chance in zip(suspects.components, ranker.chances(suspects), strict=True):
        assert said[component] == pytest.approx(chance)
    assert 0.9 < math.fsum(said.values()) < 1.0


def test_a_ranker_read_from_its_texts_says_the_same(ranker, history):
    again = SuspectRanker.from_parts(ranker.to_parts())
    assert again.to_parts() == ranker.to_parts()
    for example in history[0][40:45]:
        assert again.rescore(example).scored == ranker.rescore(example).scored


def test_the_same_history_gives_the_same_model(history):
    examples, labels = history
    one, other = (SuspectRanker.fit(examples[:30], labels[:30]).to_parts() for _ in range(2))
    assert one == other


def test_incidents_of_another_system_are_left_as_they_are(ranker, history):
    case, _ = incident(0, random.Random(1))
    strange = tuple(
        dataclasses.replace(alert, component=f"other-{alert.component}", peer=None) for alert in case.alerts
    )
    names = tuple(Component(f"other-{name}") for name in SERVICES)
    example = example_of(dataclasses.replace(case, alerts=strange, components=names, dependencies=()))
    assert ranker.rescore(example) is example.ranking
    assert not ranker.speaks_of(suspects_of(example))


def test_a_small_history_leaves_the_prior(history):
    examples, labels = history
    few = SuspectRanker.fit(examples[: FEWEST - 1], labels[: FEWEST - 1])
    assert few.level == "prior"
    assert few.rescore(examples[50]) is examples[50].ranking


def test_roots_that_are_no_component_teach_that_it_may_be_none(history):
    examples, labels = history
    astray = [Label(("elsewhere",)) if at % 4 == 0 else label for at, label in enumerate(labels)]
    ranker = SuspectRanker.fit(examples, astray, "core")
    assert ranker.elsewhere == pytest.approx(16 / 62)
    assert math.fsum(ranker.chances(suspects_of(examples[0]))) == pytest.approx(1 - 16 / 62)


def test_an_unlabelled_incident_teaches_nothing(history):
    examples, labels = history
    with_more = SuspectRanker.fit([*examples[:30], examples[40]], [*labels[:30], Label()], "core")
    assert with_more.to_parts() == SuspectRanker.fit(examples[:30], labels[:30], "core").to_parts()


@pytest.mark.parametrize("broken", ["", "[]", "{}", '{"level": "best"}'])
def test_a_broken_part_is_refused(broken):
    with pytest.raises(InputError, match=r"suspects\.json"):
        SuspectRanker.from_parts({"suspects.json": broken})


def test_a_model_of_other_features_is_refused(history):
    examples, labels = history
    parts = SuspectRanker.fit(examples[:30], labels[:30], "core").to_parts()
    stale = json.loads(parts["suspects.json"]) | {"features": ["prior"]}
    with pytest.raises(InputError, match="train it again"):
        SuspectRanker.from_parts(parts | {"suspects.json": json.dumps(stale)})


def test_broken_trees_are_refused(history):
    examples, labels = history
    parts = SuspectRanker.fit(examples[:30], labels[:30], "core").to_parts()
    with pytest.raises(InputError, match=r"suspects-1\.txt"):
        SuspectRanker.from_parts(parts | {"suspects-1.txt": "tree\nnothing more"})
    with pytest.raises(InputError, match=r"suspects\.json"):
        SuspectRanker.from_parts({name: text for name, text in parts.items() if name != "suspects-1.txt"})


def test_an_incident_without_components_stays_as_it_is(ranker, history):
    example = history[0][0]
    empty = dataclasses.replace(example, ranking=dataclasses.replace(example.ranking, scored=()))
    assert ranker.rescore(empty).scored == ()
