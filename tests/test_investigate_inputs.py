"""Whatever is given, an investigation ends with a verdict that says what it could not see, or with one clear line."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jsonschema import Draft202012Validator

from hypocenter.errors import InputError
from hypocenter.model import Alert, ChangeEvent, Dependency, DependencyType, Target
from hypocenter.telemetry import Case, RawTable
from hypocenter.verdict_json import verdict_to_json
from hypocenter_workers.investigate import Options, investigate

START = np.datetime64("2026-03-03T06:00:00", "ns")
BEGAN = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
STEP = timedelta(minutes=1)
SCHEMA = Draft202012Validator(json.loads((Path(__file__).parent.parent / "docs" / "verdict.schema.json").read_text()))
COMPONENTS = st.sampled_from(["web", "cart", "db", "<script>", "__entry__", "Straße 9", "a|b"])
METRICS = st.sampled_from(
    [
        "latency_p95_s",
        "error_rate",
        "cpu",
        "memory_bytes",
        "requests_total",
        "http_server_duration_seconds_sum",
        "http_server_duration_seconds_count",
        "up",
        "restarts_total",
        "queue_depth",
        "figure",
        "",
    ]
)
LABELS = st.fixed_dictionaries(
    {"component": COMPONENTS, "__name__": METRICS},
    optional={"code": st.sampled_from(["200", "500", "?"]), "service": COMPONENTS, "server": COMPONENTS},
)
SAMPLES = st.sampled_from([0.0, 1.0, 250.0, math.nan]) | st.floats(-1e9, 1e9)


@st.composite
def tables(draw, most_rows=12):
    labels = draw(st.lists(LABELS, max_size=6, unique_by=lambda found: tuple(sorted(found.items()))))
    rows = draw(st.integers(0, most_rows))
    values = draw(arrays(float, (rows, len(labels)), elements=SAMPLES))
    return RawTable(tuple(labels), START + np.arange(rows) * np.timedelta64(60, "s"), values)


MOMENTS = st.integers(-30, 60).map(lambda minutes: BEGAN + minutes * STEP)
DEPENDENCIES = st.lists(st.builds(Dependency, COMPONENTS, COMPONENTS, st.sampled_from(DependencyType)), max_size=6)
CASES = st.builds(
    lambda metrics, reference, **rest: Case(
        "tiny",
        metrics=metrics,
        reference=tuple(reference),
        **{name: None if value is None else tuple(value) for name, value in rest.items()},
    ),
    st.none() | tables(),
    st.lists(tables(), max_size=1),
    alerts=st.lists(st.builds(Alert, COMPONENTS, st.just("slow"), st.none() | MOMENTS), max_size=2),
    changes=st.lists(st.builds(ChangeEvent, COMPONENTS, MOMENTS), max_size=2),
    masked=st.lists(MOMENTS, max_size=2),
    dependencies=st.none() | DEPENDENCIES,
)
OPTIONS = st.builds(
    Options,
    at=st.none() | MOMENTS,
    dependencies=st.none() | DEPENDENCIES.map(tuple),
    target=st.none() | COMPONENTS.map(Target),
    precision=st.none() | st.floats(0, 1),
)


def answer(case, options):
    """The verdict and no refusal, or no verdict and the line that refuses."""
    try:
        return investigate(case, options).verdict, None
    except InputError as error:
        return None, str(error)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CASES, OPTIONS)
def test_any_tiny_case_ends_with_a_valid_verdict_or_one_clear_line(case, options):
    verdict, refused = answer(case, options)
    if verdict is None:
        assert "tiny" in refused
        assert "\n" not in refused
        return
    SCHEMA.validate(verdict_to_json(verdict))
    assert sum(s.probability for s in verdict.suspects) < 1
    assert verdict.abstained == (verdict.cause is None)
    assert verdict.blind_spots, "twelve rows of metrics without spans or log lines are never all there is to see"


CHAIN = (Dependency("web", "cart"), Dependency("cart", "db"))


def case_of(values, names=("web", "cart", "db"), metric="latency_p95_s", **rest):
    """One column per component, one row a minute."""
    values = np.asarray(values, dtype=float)
    labels = tuple({"component": name, "__name__": metric} for name in names)
    times = START + np.arange(len(values)) * np.timedelta64(60, "s")
    return Case("made", metrics=RawTable(labels, times, values), **rest)


@pytest.mark.parametrize("level", [0.0, 0.2, 1e9, math.nan])
@pytest.mark.parametrize("rows", [1, 2, 60])
@pytest.mark.parametrize("at", [None, BEGAN + 30 * STEP])
def test_what_never_changes_has_no_cause(level, rows, at):
    verdict = investigate(case_of(np.full((rows, 3), level)), Options(at=at)).verdict
    assert (verdict.cause, verdict.abstained) == (None, True)
    assert "No confident cause" in verdict.summary
    assert "no traces were given" in verdict.blind_spots
    assert "no dependency graph: suspects are ranked by their own trouble alone" in verdict.blind_spots


def test_one_row_says_how_little_it_is():
    verdict = investigate(case_of(np.full((1, 3), 0.2)), Options(at=BEGAN)).verdict
    assert "no metrics before the onset to learn normal from" in verdict.blind_spots


def test_missing_samples_are_said_to_be_missing():
    missing = case_of(np.full((60, 3), math.nan), dependencies=CHAIN)
    verdict = investigate(missing, Options(at=BEGAN + 30 * STEP)).verdict
    assert any("no telemetry" in spot and "cart" in spot for spot in verdict.blind_spots)


@pytest.mark.parametrize(
    "case",
    [
        Case("made"),
        Case("made", metrics=RawTable((), START + np.arange(3) * np.timedelta64(60, "s"), np.empty((3, 0)))),
        case_of(np.empty((0, 0)), names=()),
    ],
    ids=["nothing", "no columns", "no rows"],
)
def test_nothing_to_look_at_is_refused_in_one_line(case):
    with pytest.raises(InputError, match=r"^made: no series, spans, log lines or alerts"):
        investigate(case, Options())


def test_an_unknown_target_is_refused_and_the_known_ones_are_named():
    with pytest.raises(InputError, match="--target: 'shop' is no component of made; it has cart, db, web"):
        investigate(case_of(np.ones((5, 3))), Options(target=Target("shop")))


def slow_db(rows=60, began=40):
    values = 0.1 * (1 + 0.02 * np.random.default_rng(2).standard_normal((rows, 3)))
    values[began:] += [0.30, 0.31, 0.31]
    return values


@pytest.mark.parametrize("at", [None, BEGAN + 40 * STEP])
def test_a_table_and_a_graph_are_enough_for_a_cause(at):
    verdict = investigate(case_of(slow_db()), Options(at=at, dependencies=CHAIN, target=Target("web"))).verdict
    assert verdict.cause == "db"
    assert [step.component for step in verdict.propagation] == ["db", "cart", "web"]
    assert abs(verdict.onset - (BEGAN + 40 * STEP)) <= 2 * STEP
    assert {"web", "cart"} & {r.component for r in verdict.ruled_out} or len(verdict.suspects) == 3


def test_the_first_dated_alert_is_the_symptom_when_none_is_stated():
    alerts = (Alert("cart", "late", BEGAN + 45 * STEP), Alert("web", "slow", BEGAN + 42 * STEP), Alert("db", "old"))
    case = case_of(slow_db(), dependencies=CHAIN, alerts=alerts)
    verdict = investigate(case, Options()).verdict
    assert verdict.target == Target("web", "slow")
    assert verdict.onset <= BEGAN + 42 * STEP


def test_alerts_alone_are_investigated():
    alerts = (Alert("db", "slow"), Alert("db", "full"), Alert("web", "slow"))
    verdict = investigate(Case("made", alerts=alerts, dependencies=CHAIN), Options()).verdict
    assert verdict.suspects[0].component == "db"
    assert verdict.onset is None
    assert {"no metrics were given", "no traces were given", "no log lines were given"} <= set(verdict.blind_spots)


def test_a_late_reference_is_a_blind_spot():
    reference = RawTable(
        case_of(slow_db()).metrics.labels,
        START + np.timedelta64(7, "D") + np.arange(60) * np.timedelta64(60, "s"),
        slow_db(began=60),
    )
    case = case_of(slow_db(), reference=(reference,))
    verdict = investigate(case, Options(at=BEGAN + 40 * STEP)).verdict
    assert "the fault-free reference of metrics was recorded after the incident" in verdict.blind_spots


def test_every_component_is_called_something_else_and_the_verdict_is_the_same():
    other = {"web": "front", "cart": "Korb", "db": "9"}
    chain = tuple(Dependency(other[d.caller], other[d.callee]) for d in CHAIN)
    here = investigate(case_of(slow_db()), Options(dependencies=CHAIN)).verdict
    there = investigate(case_of(slow_db(), names=tuple(other.values())), Options(dependencies=chain)).verdict
    assert [(other[s.component], s.score) for s in here.suspects] == [(s.component, s.score) for s in there.suspects]
    assert there.onset == here.onset


def test_dated_alerts_alone_are_investigated_with_the_ladder():
    fired = (Alert("db", "cpu", BEGAN), Alert("web", "slow", BEGAN + STEP), Alert("db", "memory", BEGAN + STEP))
    case = Case("alerts", dependencies=(Dependency("web", "db"),), alerts=fired)
    verdict = investigate(case, Options()).verdict
    assert verdict.suspects[0].component == "db"
    assert verdict.onset == BEGAN
    assert "with the start 2 min earlier" not in {trial.change for trial in verdict.robustness}
