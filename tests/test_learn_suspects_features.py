"""Features of suspects: the same in training and in serving, blind to the label and to later alerts, and name-free."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Alert, ChangeEvent, Component, Dependency, DependencyType
from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter.telemetry import Case
from hypocenter_workers.learn.from_history import example_of, examples
from hypocenter_workers.learn.habits import NAMES, Habits
from hypocenter_workers.learn.local_signs import Operations, marks_of
from hypocenter_workers.learn.signs import Sign
from hypocenter_workers.learn.suspect_features import CORE, suspects_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMPONENTS = ("cart", "db", "node", "pay", "web")
EDGES = (
    Dependency("web", "cart"),
    Dependency("web", "pay"),
    Dependency("cart", "db"),
    Dependency("db", "node", DependencyType.RUNS_ON),
)
any_alert = st.builds(
    Alert,
    component=st.sampled_from(COMPONENTS),
    name=st.sampled_from(["cpu_usage", "latency_p95", "heap", "GET /", "template-7"]),
    modality=st.sampled_from(["metric", "trace", "log"]),
    state=st.sampled_from(["up", "down", "500", ""]),
    peer=st.sampled_from([None, *COMPONENTS]),
)
many_alerts = st.lists(any_alert, min_size=1, max_size=12)


def case(alerts, components=COMPONENTS, edges=EDGES):
    return Case(
        "a-case", "shop", alerts=tuple(alerts), components=tuple(map(Component, components)), dependencies=edges
    )


def core_of(made):
    suspects = suspects_of(example_of(made))
    return dict(zip(suspects.components, suspects.core, strict=True))


@given(alerts=many_alerts, order=st.permutations(COMPONENTS), names=st.permutations(("a", "b", "c", "d", "e")))
@settings(max_examples=25)
def test_the_core_knows_no_name_and_no_order(alerts, order, names):
    named = dict(zip(COMPONENTS, names, strict=True)) | {None: None}
    renamed = [dataclasses.replace(a, component=named[a.component], peer=named[a.peer]) for a in reversed(alerts)]
    edges = [dataclasses.replace(e, caller=named[e.caller], callee=named[e.callee]) for e in reversed(EDGES)]
    other = core_of(case(renamed, [named[c] for c in order], tuple(edges)))
    for component, features in core_of(case(alerts)).items():
        np.testing.assert_allclose(other[named[component]], features, rtol=1e-9, atol=1e-12)


def test_every_feature_has_its_name():
    suspects = suspects_of(example_of(case([Alert("cart", "cpu_usage", state="up")])))
    assert suspects.core.shape == (5, len(CORE))
    assert len(set(CORE)) == len(CORE)
    column = dict(zip(CORE, suspects.core.T, strict=True))
    assert column["metric"].tolist() == [1, 0, 0, 0, 0]
    assert column["cpu up"].tolist() == [1, 0, 0, 0, 0]
    assert column["caller most metric"][1] == 1, "the database's caller is the cart"
    assert np.isnan(column["caller most metric"][4]), "nobody calls the web"
    assert np.isnan(column["channel cpu"]).all(), "what was not observed is not zero"


@given(alerts=many_alerts)
@settings(max_examples=15)
def test_alerts_of_another_time_change_nothing(alerts):
    dated = [dataclasses.replace(alert, at=AT) for alert in alerts]
    later = [dataclasses.replace(a, at=AT + timedelta(hours=5), component="pay") for a in alerts]
    alone, among = (dataclasses.replace(case(each), started_at=AT) for each in (dated, [*dated, *later]))
    one, other = core_of(alone), core_of(among)
    assert all(np.array_equal(one[c], other[c], equal_nan=True) for c in COMPONENTS)


def test_a_case_with_its_label_and_without_give_the_same_numbers(tmp_path):
    simulation = simulate(generate_scenario("mesh", services=6, seed=4, fault="cpu_hog"), seed=4)
    folder = write_case(simulation, tmp_path / "case")
    [(trained, _)] = examples([folder])
    for path in folder.glob("truth*"):
        path.write_bytes(b"\x00 nobody may read this")
    from hypocenter.readers import read_cases

    [served] = [example_of(found) for found in read_cases(folder)]
    one, other = suspects_of(trained), suspects_of(served)
    assert one.components == other.components
    assert one.signs == other.signs
    np.testing.assert_array_equal(one.core, other.core)


@given(incidents=st.lists(many_alerts, min_size=3, max_size=6))
@settings(max_examples=20)
def test_habits_of_a_known_incident_are_those_of_a_new_one(incidents):
    """In training an incident is left out of what is counted: so it looks as it will when it is new."""
    history = [suspects_of(example_of(case(alerts))) for alerts in incidents]
    habits, without = Habits.learn(history), Habits.learn(history[1:])
    if habits.operations != without.operations:
        return
    np.testing.assert_allclose(habits.features(history[0], known=True), without.features(history[0]), atol=1e-9)


def test_habits_are_the_same_from_json_and_have_names():
    history = [suspects_of(example_of(case([Alert(c, "cpu_usage", state="up")]))) for c in ("cart", "cart", "db")]
    habits = Habits.learn(history)
    again = Habits.from_json(json.loads(json.dumps(habits.to_json())))
    found = habits.features(history[2])
    np.testing.assert_array_equal(again.features(history[2]), found)
    column = dict(zip(NAMES, found.T, strict=True))
    assert column["novelty metric"][1] > 0, "the database seldom alerts"
    assert column["absence metric"][0] > 0, "the cart usually does"
    assert not Habits.learn([]).features(history[0])[:, -2:].any()


def test_an_operation_belongs_to_the_one_that_serves_it():
    served = Sign("cart", "trace", "GET /items", "slow", "web")
    felt_by_caller = Sign("web", "trace", "GET /items", "slow", "web")
    operations = Operations.learn([[served]] * 3)
    assert operations.server == {"GET /items": "cart"}
    assert marks_of([felt_by_caller], operations)["cart"] == {("served", "", "slow", "unfelt")}
    assert ("served", "", "slow", "felt") in marks_of([served, felt_by_caller], operations)["cart"]


def test_an_operation_that_several_serve_belongs_to_nobody():
    calls = [Sign(server, "trace", "POST", "slow", "web") for server in ("cart", "pay")]
    assert Operations.learn([calls]).server == {}


@pytest.mark.parametrize("alerts", [[Alert("ghost", "cpu")], [Alert("cart", "")]])
def test_odd_alerts_are_counted_all_the_same(alerts):
    found = core_of(case(alerts))
    assert np.nansum(found[alerts[0].component]) > 0


@given(alerts=many_alerts, later=many_alerts)
@settings(max_examples=15)
def test_what_comes_after_the_decision_changes_neither_suspects_nor_ranking(alerts, later):
    due = AT + timedelta(minutes=5)
    early = tuple(dataclasses.replace(alert, at=AT) for alert in alerts)
    late = tuple(dataclasses.replace(alert, at=due + timedelta(seconds=1)) for alert in later)
    then = dataclasses.replace(case(early), started_at=AT)
    now = dataclasses.replace(then, alerts=(*early, *late), changes=(ChangeEvent("db", due + timedelta(seconds=1)),))
    known, told = example_of(then), example_of(now, decided_at=due)
    assert told.ranking.scored == known.ranking.scored
    given_whole = dataclasses.replace(known, case=now, decided_at=due)
    for example in (told, given_whole):
        one, other = suspects_of(example), suspects_of(known)
        assert (one.components, one.prior, one.signs) == (other.components, other.prior, other.signs)
        np.testing.assert_array_equal(one.core, other.core)


def test_modalities_are_of_what_was_seen(tmp_path):
    alerted = example_of(case([Alert("cart", "cpu_usage", state="up")]))
    assert suspects_of(alerted).modalities == {"alert"}
    simulation = simulate(generate_scenario("mesh", services=6, seed=4, fault="cpu_hog"), seed=4)
    [(watched, _)] = examples([write_case(simulation, tmp_path / "case")])
    assert suspects_of(dataclasses.replace(watched, case=case([]))).modalities == {"metric", "trace", "log"}
