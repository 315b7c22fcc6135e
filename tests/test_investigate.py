"""Investigations end to end: simulated incidents through files, as a user would run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from hypocenter.catalog import FAULT_TYPES
from hypocenter.errors import InputError
from hypocenter.model import Alert, Dependency, Target
from hypocenter.readers import read_cases
from hypocenter.simulator import read_scenario, simulate, write_case
from hypocenter.verdict_json import investigation_to_json, verdict_to_json
from hypocenter_workers.investigate import Options, investigate

ROOT = Path(__file__).parent.parent
SCENARIOS = ROOT / "fixtures" / "scenarios"
SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "verdict.schema.json").read_text()))
FAULTS = ("cpu_hog", "noisy_neighbour", "network_delay", "error_burst", "consumer_stall", "crash_loop", "dead_exporter")


@pytest.fixture(scope="session")
def incidents(tmp_path_factory):
    """Simulated cases, written to files and read back, each with its truth."""
    folder = tmp_path_factory.mktemp("incidents")
    found = {}
    for fault in FAULTS:
        simulation = simulate(read_scenario(SCENARIOS / f"{fault}.scenario"))
        write_case(simulation, folder / fault)
        found[fault] = next(read_cases(folder / fault)), simulation.truth, folder / fault
    return found


@pytest.fixture(scope="session")
def told(incidents):
    """The investigation of each case from its true start."""
    return {fault: investigate(case, Options(at=truth.started_at)) for fault, (case, truth, _) in incidents.items()}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_true_component_is_first_when_the_start_is_known(incidents, told, fault):
    _, truth, _ = incidents[fault]
    assert told[fault].verdict.suspects[0].component in truth.root_components


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_among_the_first_three_when_the_start_is_found(incidents, fault):
    case, truth, _ = incidents[fault]
    verdict = investigate(case, Options()).verdict
    assert {s.component for s in verdict.suspects[:3]} & set(truth.root_components)
    assert abs(verdict.onset - truth.started_at) <= timedelta(minutes=15)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_one_story(told, fault):
    verdict = told[fault].verdict
    suspects = verdict.suspects
    assert sum(s.probability for s in suspects) < 1
    assert [s.probability for s in suspects] == sorted((s.probability for s in suspects), reverse=True)
    assert verdict.abstained == (verdict.cause is None)
    assert verdict.causes == ((verdict.cause,) if verdict.cause else ())
    assert verdict.cause in {None, suspects[0].component}
    assert not verdict.cause or verdict.propagation[0].component == verdict.cause
    assert verdict.cause not in {r.component for r in verdict.ruled_out}
    assert {n.component for n in verdict.graph.nodes if n.state == "cause"} == set(verdict.causes)
    assert all(s.path == () or s.path[-1] == verdict.target.component for s in suspects)
    assert all(0 <= e.share <= 1 for s in suspects for e in s.evidence)
    assert all(s.fault_type in FAULT_TYPES for s in suspects)
    assert [entry.at for entry in verdict.timeline] == sorted(entry.at for entry in verdict.timeline)
    assert verdict.summary


@pytest.mark.parametrize("fault", FAULTS)
def test_its_json_is_as_documented(told, fault):
    assert list(SCHEMA.iter_errors(verdict_to_json(told[fault].verdict))) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_charts_show_the_suspects(told, fault):
    charts = told[fault].charts
    assert 0 < len(charts) <= 8
    first = told[fault].verdict.suspects[0].component
    assert first in {name for chart in charts for name in (chart.series.component, chart.series.peer)}


def as_bytes(investigation):
    return json.dumps(investigation_to_json(investigation)).encode()


def test_the_same_case_gives_the_same_bytes(incidents, told):
    case, truth, folder = incidents["cpu_hog"]
    again = next(read_cases(folder))
    assert as_bytes(told["cpu_hog"]) == as_bytes(investigate(case, Options(at=truth.started_at)))
    assert as_bytes(told["cpu_hog"]) == as_bytes(investigate(again, Options(at=truth.started_at)))


PROGRAM = """
import json, sys
from pathlib import Path
from hypocenter.readers import read_cases
from hypocenter.verdict_json import investigation_to_json
from hypocenter_workers.investigate import Options, investigate
case = next(read_cases(Path(sys.argv[1])))
sys.stdout.write(json.dumps(investigation_to_json(investigate(case, Options()))))
"""


def test_another_process_with_other_hashes_gives_the_same_bytes(incidents):
    _, _, folder = incidents["network_delay"]
    run = [sys.executable, "-c", PROGRAM, str(folder)]
    first, second = (
        subprocess.run(run, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    )
    assert first == second
    assert json.loads(first)["verdict"]["suspects"]


@pytest.mark.parametrize("shift", [timedelta(days=7), timedelta(days=-700)])
def test_the_same_incident_on_another_week_has_the_same_suspects(incidents, told, shift):
    case, truth, _ = incidents["error_burst"]
    metrics = replace(case.metrics, times=case.metrics.times + np.timedelta64(shift))
    later = Options(at=truth.started_at + shift)
    moved = investigate(replace(case, metrics=metrics, spans=None, log_lines=None, alerts=(), changes=()), later)
    stayed = investigate(replace(case, spans=None, log_lines=None, alerts=(), changes=()), Options(at=truth.started_at))
    assert [s.component for s in moved.verdict.suspects[:3]] == [s.component for s in stayed.verdict.suspects[:3]]
    assert moved.verdict.onset - stayed.verdict.onset == shift


@pytest.mark.parametrize("fault", ["cpu_hog", "error_burst"])
def test_the_order_of_columns_is_of_no_account(incidents, told, fault):
    case, truth, _ = incidents[fault]
    order = range(len(case.metrics.labels))[::-1]
    metrics = replace(
        case.metrics, labels=tuple(case.metrics.labels[j] for j in order), values=case.metrics.values[:, list(order)]
    )
    turned = investigate(replace(case, metrics=metrics), Options(at=truth.started_at))
    named = [s.component for s in told[fault].verdict.suspects[:3]]
    assert [s.component for s in turned.verdict.suspects[:3]] == named


def test_precision_decides_between_a_cause_and_abstaining(incidents, told):
    case, truth, _ = incidents["cpu_hog"]
    best = told["cpu_hog"].verdict.suspects[0]
    sure = investigate(case, Options(at=truth.started_at, precision=0.5)).verdict
    strict = investigate(case, Options(at=truth.started_at, precision=1.0)).verdict
    assert (sure.cause, sure.abstained) == (best.component, False)
    assert (strict.cause, strict.causes, strict.abstained, strict.propagation) == (None, (), True, ())
    assert strict.suspects == sure.suspects
    assert best.component in strict.summary


def test_a_target_is_where_paths_end(incidents):
    case, truth, _ = incidents["cpu_hog"]
    verdict = investigate(case, Options(at=truth.started_at, target=Target("checkout"))).verdict
    assert verdict.target == Target("checkout")
    payment = next(s for s in verdict.suspects if s.component == "payment")
    assert payment.path == ("payment", "checkout")


def test_an_unknown_target_is_refused_by_name(incidents):
    case, _, _ = incidents["cpu_hog"]
    with pytest.raises(InputError, match="'chekout' is no component"):
        investigate(case, Options(target=Target("chekout")))


STRANGE = (
    Dependency("checkout", "payment"),
    Dependency("payment", "checkout"),
    Dependency("payment", "payment"),
    Dependency("checkout", "payment"),
    Dependency("nobody", "payment"),
    Dependency("checkout", "<b>nowhere</b>"),
)


def test_a_stated_graph_may_have_cycles_self_calls_and_strangers(incidents):
    case, truth, _ = incidents["cpu_hog"]
    verdict = investigate(case, Options(at=truth.started_at, dependencies=STRANGE)).verdict
    SCHEMA.validate(verdict_to_json(verdict))
    assert verdict.suspects[0].component == "payment"
    assert {"nobody", "<b>nowhere</b>"} <= {s.component for s in verdict.suspects}
    assert any("nobody" in spot for spot in verdict.blind_spots)
    assert ("payment", "payment") not in {(d.caller, d.callee) for d in verdict.graph.edges}


def test_without_any_graph_the_verdict_says_so(incidents):
    case, truth, _ = incidents["cpu_hog"]
    verdict = investigate(case, Options(at=truth.started_at, dependencies=())).verdict
    assert any("no dependency graph" in spot for spot in verdict.blind_spots)
    assert "payment" in {s.component for s in verdict.suspects[:3]}


@pytest.mark.parametrize("days", [-1, 1])
def test_a_start_outside_the_recording_is_a_blind_spot_and_no_cause(incidents, days):
    case, truth, _ = incidents["cpu_hog"]
    bare = replace(case, spans=None, log_lines=None, alerts=(), changes=())
    verdict = investigate(bare, Options(at=truth.started_at + timedelta(days=days))).verdict
    assert verdict.abstained
    assert any("onset" in spot for spot in verdict.blind_spots)


@pytest.mark.parametrize("known", [True, False], ids=["start known", "start found"])
def test_an_alert_that_fires_for_months_is_not_the_symptom(incidents, known):
    case, truth, _ = incidents["cpu_hog"]
    stale = Alert("frontend", "certificate expires", truth.started_at - timedelta(days=90))
    options = Options(at=truth.started_at if known else None)
    plain, beside = (investigate(replace(case, alerts=(*alerts,)), options).verdict for alerts in ((), (stale,)))
    assert beside == plain
