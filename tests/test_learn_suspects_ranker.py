"""The learned order of suspects: better where history teaches, the prior where it does not, and the same from texts."""

from __future__ import annotations

import dataclasses
import json
import math
import random

import pytest

from hypocenter.errors import InputError
from hypocenter.model import Alert, Component, Dependency
from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter.telemetry import Case
from hypocenter_graph.calibration import probabilities
from hypocenter_workers.learn.examples import Label
from hypocenter_workers.learn.from_history import example_of
from hypocenter_workers.learn.from_history import examples as examples_of
from hypocenter_workers.learn.modalities import KnownModalities
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


@pytest.fixture(scope="module")
def with_metrics(tmp_path_factory):
    """An incident of a system that the alerts of the history are about, seen by its series."""
    simulation = simulate(generate_scenario("chain", services=len(SERVICES), seed=1, fault="cpu_hog"), seed=1)
    [(example, _)] = examples_of([write_case(simulation, tmp_path_factory.mktemp("chain") / "case")])
    return example


def alerts_on(names, count=40):
    """Incidents of alerts alone, on components of these names."""
    rng, renamed = random.Random(5), dict(zip(SERVICES, names, strict=True))
    found, roots = [], []
    for number in range(count):
        case, root = incident(number, rng)
        alerts = tuple(
            dataclasses.replace(a, component=renamed[a.component], peer=a.peer and renamed[a.peer]) for a in case.alerts
        )
        calls = tuple(Dependency(renamed[call.caller], renamed[call.callee]) for call in CALLS)
        components = tuple(Component(renamed[name]) for name in SERVICES)
        case = dataclasses.replace(case, alerts=alerts, dependencies=calls, components=components)
        found.append(suspects_of(example_of(case)))
        roots.append((renamed[root],))
    return found, roots


def test_what_alerts_alone_taught_leaves_an_incident_with_metrics_as_it_is(with_metrics):
    names = suspects_of(with_metrics).components[: len(SERVICES)]
    ranker = SuspectRanker.fit_suspects(*alerts_on(names))
    suspects = suspects_of(with_metrics)
    assert ranker.level != "prior"
    assert len(names) >= 0.25 * len(suspects.components)
    assert suspects.modalities >= {"metric", "trace"}
    assert not ranker.speaks_of(suspects)
    assert ranker.rescore(with_metrics) is with_metrics.ranking


@pytest.mark.parametrize(("with_series", "speaks"), [(0, False), (3, False), (4, True), (37, False), (36, True)])
def test_a_modality_must_have_been_there_and_not_there_in_a_fair_share(with_series, speaks):
    """A tenth of forty is four: so many had to have what an incident has, and to lack what it lacks."""
    alone, roots = alerts_on(SERVICES)
    both = frozenset({"alert", "metric"})
    mixed = [dataclasses.replace(one, modalities=both) if at < with_series else one for at, one in enumerate(alone)]
    ranker = SuspectRanker.fit_suspects(mixed, roots, "core")
    again = SuspectRanker.from_parts(ranker.to_parts())
    asked = dataclasses.replace(alone[0], modalities=both if with_series < 20 else frozenset({"alert"}))
    assert ranker.level == "core"
    assert ranker.speaks_of(asked) is speaks
    assert again.speaks_of(asked) is speaks


def test_twenty_incidents_are_a_fair_share_of_any_history():
    bare = [frozenset({"alert"})] * 980
    for count, covered in ((19, False), (20, True)):
        known = KnownModalities.of([*bare, *[frozenset({"alert", "log"})] * count])
        assert known.covers(frozenset({"alert", "log"})) is covered


def test_a_model_that_does_not_say_what_it_learned_from_is_refused(history):
    examples, labels = history
    parts = SuspectRanker.fit(examples[:30], labels[:30], "core").to_parts()
    older = {name: value for name, value in json.loads(parts["suspects.json"]).items() if name != "modalities"}
    with pytest.raises(InputError, match="which modalities it learned from; train it again"):
        SuspectRanker.from_parts(parts | {"suspects.json": json.dumps(older)})
    nothing = json.loads(SuspectRanker().to_parts()["suspects.json"])
    del nothing["modalities"]
    assert SuspectRanker.from_parts({"suspects.json": json.dumps(nothing)}).level == "prior"
