"""The robustness ladder: which rungs there are, what each one says, and that it leaves the verdict alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hypocenter.model import Alert, Dependency, MetricKind, Series, Target, Trial
from hypocenter.simulator import read_scenario, simulate, write_case
from hypocenter.telemetry import SeriesTable
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.rank import Assumed, Context
from hypocenter_graph.topology import build_topology
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.robustness import Basis, Rung, ladder, robustness

SCENARIOS = Path(__file__).parent.parent / "fixtures" / "scenarios"
START = np.datetime64("2026-03-01T12:00", "ns")
CPU = Series("db", "cpu_usage", MetricKind.CPU, "cores")
SLOW = Series("web", "latency_p95", MetricKind.LATENCY, "s", "p95")
LOST = Series("cart", "template:sold", MetricKind.LOG_LINES, "1/s", "rate")
GRAPH = build_topology([], [Dependency(*edge) for edge in (("web", "cart"), ("cart", "db"), ("web", "ads"))])
LINES = "without log lines"


def table(series, modality="metrics", step_s=60):
    times = START + np.arange(-10, 10) * np.timedelta64(step_s, "s")
    return SeriesTable((series,), times, np.ones((20, 1)), modality)


def basis(*deviations, topology=GRAPH, **known):
    return Basis((Assumed(None, deviations),), topology, Context(Target("web"), **known))


FULL_CPU = Deviation(CPU, 0.1, 2.0, 60.0)
SLOW_WEB = Deviation(SLOW, 0.1, 0.3, 20.0)
MISSING_LINES = Deviation(LOST, 2.0, 0.0, -60.0)


def same(*deviations):
    return lambda _: (Assumed(None, deviations),)


def climbed(first, known, tables, measured_from=None, start=START):
    measured_from = measured_from or same()
    return {trial.change: trial for trial in robustness(first, ladder(known, tables, start, measured_from))}


def test_what_only_one_modality_shows_is_not_found_without_it():
    known = basis(MISSING_LINES, SLOW_WEB)
    trials = climbed("cart", known, [table(LOST, "logs"), table(SLOW)], same(MISSING_LINES, SLOW_WEB))
    assert trials[LINES] == Trial(LINES, "web", holds=False)
    assert trials["without metrics"] == Trial("without metrics", "cart", holds=True)
    assert "without traces" not in trials


def test_the_only_modality_is_not_taken_away():
    trials = climbed("db", basis(FULL_CPU, SLOW_WEB), [table(CPU), table(SLOW)], same(FULL_CPU))
    assert list(trials) == [
        "with the start 2 min earlier",
        "with the start 2 min later",
        "with a fifth of the edges wrong",
        "without the graph",
    ]


def test_another_start_is_measured_anew():
    asked = []

    def measured_from(at):
        asked.append(at)
        return (Assumed(None, (FULL_CPU,) if at < START else ()),)

    trials = climbed("db", basis(FULL_CPU), [table(CPU)], measured_from)
    assert trials["with the start 2 min earlier"].holds
    assert trials["with the start 2 min later"] == Trial("with the start 2 min later", None, holds=False)
    assert asked == [START - np.timedelta64(120, "s"), START + np.timedelta64(120, "s")]


def test_a_start_is_off_by_a_row_at_least():
    trials = climbed("db", basis(FULL_CPU), [table(CPU, step_s=300)], same(FULL_CPU))
    assert [change for change in trials if "start" in change] == [
        "with the start 5 min earlier",
        "with the start 5 min later",
    ]


def test_without_a_start_or_a_graph_neither_is_tried():
    alone = basis(FULL_CPU, MISSING_LINES, topology=build_topology([], ()))
    trials = climbed("db", alone, [table(CPU), table(LOST, "logs")], start=None)
    assert list(trials) == [LINES, "without metrics"]


def test_the_graph_takes_the_series_of_calls_along():
    gap = Series("cart", "gap_mean", MetricKind.EDGE_GAP, "s", "mean", "server", "web")
    known = basis(Deviation(gap, 0.001, 0.5, 50.0), Deviation(CPU, 0.1, 0.11, 3.5))
    trials = climbed("cart", known, [table(gap, "traces"), table(CPU)], same())
    assert not trials["without the graph"].holds


def test_edges_that_only_spans_show_go_with_the_spans():
    shown = build_topology([], [Dependency("web", "db", source="spans")])
    client = Series("web", "duration_mean", MetricKind.LATENCY, "s", "mean")
    known = basis(FULL_CPU, Deviation(client, 0.1, 0.2, 20.0), topology=shown)
    rungs = {rung.change: rung.bases for rung in ladder(known, [table(client, "traces"), table(CPU)], None, same())}
    (left,) = rungs["without traces"]
    assert left.topology.dependencies == ()
    assert left.starts[0].deviations == (FULL_CPU,)


def test_alerts_are_taken_away_by_their_modality():
    alerts = (Alert("db", "cpu", modality="metric"), Alert("cart", "error", modality="log"))
    rungs = {rung.change: rung.bases for rung in ladder(basis(alerts=alerts), [], None, same())}
    assert list(rungs) == [LINES, "without metrics", "with a fifth of the edges wrong", "without the graph"]
    assert [alert.component for alert in rungs[LINES][0].context.alerts] == ["db"]


def test_where_chance_decides_the_most_frequent_answer_counts():
    one, other = basis(FULL_CPU), basis(MISSING_LINES)
    assert robustness("db", [Rung("by lot", (other, one, one))]) == (Trial("by lot", "db", holds=True),)
    assert robustness("db", [Rung("by lot", (other, one, other))]) == (Trial("by lot", "cart", holds=False),)


def test_a_verdict_without_a_suspect_has_no_ladder():
    assert robustness(None, [Rung("anything", (basis(FULL_CPU),))]) == ()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A simulated incident with metrics, spans and log lines, read back from its files, and its truth."""
    from hypocenter.readers import read_cases

    simulation = simulate(read_scenario(SCENARIOS / "cpu_hog.scenario"))
    folder = tmp_path_factory.mktemp("simulated") / "cpu"
    write_case(simulation, folder)
    return next(read_cases(folder)), simulation.truth


def test_a_clear_fault_survives_all_that_leaves_its_series(simulated):
    case, truth = simulated
    verdict = investigate(case, Options(at=truth.started_at)).verdict
    trials = {trial.change: trial for trial in verdict.robustness}
    assert verdict.suspects[0].component in truth.root_components
    assert all(trial.holds == (trial.cause == verdict.suspects[0].component) for trial in trials.values())
    assert trials["with the start 2 min earlier"].holds
    assert trials["with a fifth of the edges wrong"].holds


def test_the_ladder_changes_nothing_else_and_can_be_left_out(simulated):
    case, truth = simulated
    bare = investigate(case, Options(at=truth.started_at, ladder=False)).verdict
    full = investigate(case, Options(at=truth.started_at)).verdict
    assert bare.robustness == ()
    assert full.robustness
    assert replace(full, robustness=()) == bare
