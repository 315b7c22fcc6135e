"""Spans and log lines that were counted as they came tell the same as those that are read from files."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from counted_store import CountedStore
from otlp_bodies import kinds_of, line_bodies, span_bodies

from hypocenter.signals.increments import BOUNDS_S
from hypocenter.signals.resolve import resolve
from hypocenter.signals.spans import read_tree
from hypocenter.simulator.read import read_scenario
from hypocenter.simulator.simulation import simulate
from hypocenter.telemetry import Case
from hypocenter_workers.investigate import Options, investigate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypocenter.batches import Labels
    from hypocenter.model import Series
    from hypocenter.readers.grid import Samples
    from hypocenter.simulator.simulation import Simulation
    from hypocenter.telemetry import SeriesTable, Values

SCENARIOS = Path(__file__).parents[1] / "fixtures" / "scenarios"
# What lies in the same bucket differs by less than its width, and below the first bound by less than that.
WIDEST = BOUNDS_S[1] / BOUNDS_S[0]
QUANTILES = ("p50", "p95", "min")


@pytest.fixture(scope="module")
def broken() -> Simulation:
    """Return an incident, cut to half an hour, in which both ways count in bins of ten seconds."""
    simulation = simulate(read_scenario(SCENARIOS / "network_delay.scenario"), 0)
    return replace(simulation, spans=_half_an_hour(simulation.spans), log_lines=_half_an_hour(simulation.log_lines))


def _half_an_hour(events: pd.DataFrame) -> pd.DataFrame:
    kept = events["time"] > events["time"].max() - timedelta(minutes=29)
    return events.loc[kept].reset_index(drop=True)


@pytest.fixture(scope="module", params=["kinds stated", "no kinds"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, broken: Simulation
) -> Iterator[CountedStore]:
    """Return a store into which the incident was counted."""
    kinds = kinds_of(broken.spans) if request.param == "kinds stated" else np.zeros(len(broken.spans), np.int64)
    store = CountedStore(
        tmp_path_factory.mktemp("counted"), broken.spans["time"].max().to_pydatetime() + timedelta(minutes=1)
    )
    assert store.take(span_bodies(broken.spans, kinds, 30), line_bodies(broken.log_lines, 30)) == 0
    yield store
    store.close()


def test_what_was_counted_is_what_the_events_themselves_give(store: CountedStore, broken: Simulation) -> None:
    """Every series of the one is one of the other, at the same times, and the same but for the width of a bucket."""
    live = resolve(Case("live", metrics=store.table()))
    read = resolve(Case("read", spans=broken.spans, log_lines=broken.log_lines))
    assert set(live.dependencies) == set(read.dependencies)
    assert [table.modality for table in live.tables] == ["traces", "logs"]
    for mine, theirs in zip(live.tables, read.tables, strict=True):
        np.testing.assert_array_equal(mine.times, theirs.times)
        counted, known = _by_series(mine), _by_series(theirs)
        assert counted.keys() == known.keys()
        for series in (each for each in known if each.stat not in QUANTILES):
            np.testing.assert_allclose(counted[series], known[series], rtol=1e-6, atol=1e-9, err_msg=str(series))


def test_quantiles_lie_in_the_bucket_of_the_observation_that_they_are(store: CountedStore, broken: Simulation) -> None:
    """The 95th percentile of each call in each bin, of which the spans themselves tell the neighbours."""
    (traces, _) = resolve(Case("live", metrics=store.table())).tables
    counted = _by_series(traces)
    checked = 0
    for series, least, most in _call_p95s(broken.spans, traces):
        seen = counted[series][~np.isnan(least)]
        low, high = least[~np.isnan(least)], most[~np.isnan(most)]
        assert (seen >= low / WIDEST - BOUNDS_S[0]).all(), series
        assert (seen <= high * WIDEST + BOUNDS_S[0]).all(), series
        checked += len(seen)
    assert checked > 500


def _call_p95s(spans: pd.DataFrame, table: SeriesTable) -> Iterator[tuple[Series, Values, Values]]:
    """Yield per call the observations next to the 95th percentile in each of the table's bins, below and above."""
    tree = read_tree(spans)
    rows = np.flatnonzero(tree.crosses)
    calls = pd.DataFrame(
        {
            "bin": (tree.at_ns[rows] // 10**10 * 10**10).astype("datetime64[ns]"),
            "callee": [tree.names[place] for place in tree.service[rows]],
            "caller": [tree.names[place] for place in tree.service[tree.parent_row[rows]]],
            "seconds": tree.duration_s[rows],
        }
    )
    for series in (each for each in table.series if each.metric == "call_duration_p95"):
        own = calls[(calls["callee"] == series.component) & (calls["caller"] == series.peer)]
        by_bin = own.groupby("bin")["seconds"]
        least, most = (by_bin.quantile(0.95, way).reindex(table.times).to_numpy() for way in ("lower", "higher"))
        yield series, least, most


def _by_series(table: SeriesTable) -> Mapping[Series, Values]:
    return {series: table.values[:, place] for place, series in enumerate(table.series)}


@pytest.mark.parametrize("name", ["network_delay", "slow_query"])
def test_an_investigation_of_what_was_counted_names_the_same_cause(tmp_path: Path, name: str) -> None:
    """Scraped metrics beside counted spans and lines, against the same metrics beside the spans and lines."""
    simulation = simulate(read_scenario(SCENARIOS / f"{name}.scenario"), 0)
    read = Case(
        name,
        metrics=simulation.metrics,
        spans=simulation.spans,
        log_lines=simulation.log_lines,
        alerts=simulation.alerts,
        changes=simulation.changes,
        components=simulation.components,
        dependencies=simulation.dependencies,
        target=simulation.target,
    )
    store = CountedStore(tmp_path, simulation.spans["time"].max().to_pydatetime() + timedelta(minutes=1))
    store.take(span_bodies(simulation.spans, kinds_of(simulation.spans), 60), line_bodies(simulation.log_lines, 60))
    live = replace(read, metrics=store.table(_samples(simulation)), spans=None, log_lines=None)
    store.close()
    verdicts = [investigate(case, Options()).verdict for case in (read, live)]
    assert [verdict.cause for verdict in verdicts] == [simulation.truth.root_components[0]] * 2


def _samples(simulation: Simulation) -> dict[Labels, Samples]:
    """Return scraped series as a store would give them: those samples that are there."""
    table = simulation.metrics
    times = table.times.astype("datetime64[ns]").astype(np.int64)
    found = {}
    for labels, values in zip(table.labels, table.values.T, strict=True):
        there = ~np.isnan(values)
        found[tuple(sorted(labels.items()))] = times[there], values[there]
    return found
