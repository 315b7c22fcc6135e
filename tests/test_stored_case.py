"""What was kept comes back as a case that tells the same story."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypocenter.api.data_directory import owned
from hypocenter.batches import Batch, Samples
from hypocenter.cli import main
from hypocenter.errors import InputError, LimitError
from hypocenter.events import KeptAlert, KeptChange, Origin
from hypocenter.simulator import read_scenario, simulate
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.opening import FILE, open_records
from hypocenter.stores.stored_case import read_stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hypocenter.simulator.simulation import Simulation
    from hypocenter.telemetry import RawTable

HOUR = timedelta(hours=1)
MS = np.timedelta64(1, "ms")
EPOCH = np.datetime64(0, "ns")


@pytest.fixture(scope="module")
def simulation(pytestconfig: pytest.Config) -> Simulation:
    return simulate(read_scenario(pytestconfig.rootpath / "fixtures" / "scenarios" / "shop.scenario"), 0)


def end_of(table: RawTable) -> datetime:
    return datetime.fromtimestamp(float(table.times[-1].astype("int64")) / 1e9, tz=UTC)


def window_of(table: RawTable) -> tuple[datetime, datetime]:
    return datetime.fromtimestamp(float(table.times[0].astype("int64")) / 1e9, tz=UTC), end_of(table)


def keep(folder: Path, simulation: Simulation) -> None:
    """Keep a simulation's metrics, alerts and changes as a server would, at the end of it."""
    table = simulation.metrics
    with closing(DuckDbMetrics(folder, lambda: end_of(table))) as metrics:
        numbers = metrics.number([tuple(sorted(labels.items())) for labels in table.labels])
        rows, columns = np.nonzero(~np.isnan(table.values))
        at_ms = ((table.times - EPOCH) / MS).astype(np.int64)
        metrics.append([Batch(Samples(numbers[columns], at_ms[rows], table.values[rows, columns]))])
    with closing(open_records(str(folder / FILE))) as records:
        records.alerts.add_alerts([KeptAlert(a, Origin(f"{a.component}/{a.name}/{a.at}")) for a in simulation.alerts])
        records.changes.add_changes([KeptChange(c, Origin(f"{c.component}/{c.at}")) for c in simulation.changes])


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, simulation: Simulation) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    keep(folder, simulation)
    return folder


def read(
    folder: Path, simulation: Simulation, match: Sequence[str] = ('{__name__=~".+"}',), moved: timedelta = 0 * HOUR
):
    start, end = window_of(simulation.metrics)
    with (
        closing(DuckDbMetrics(folder, lambda: end_of(simulation.metrics))) as metrics,
        closing(open_records(str(folder / FILE))) as records,
    ):
        return read_stored(metrics, records, (start + moved, end + moved), match)


def test_samples_alerts_and_changes_come_back_as_they_were_sent(data_dir, simulation):
    case = read(data_dir, simulation)
    sent, kept = simulation.metrics, case.metrics
    assert kept is not None
    assert set(case.alerts) == set(simulation.alerts)
    assert set(case.changes) == set(simulation.changes)
    place = {frozenset(labels.items()): at for at, labels in enumerate(kept.labels)}
    order = [place[frozenset(labels.items())] for labels in sent.labels if frozenset(labels.items()) in place]
    seen = ~np.isnan(sent.values).all(axis=0)
    assert len(order) == np.count_nonzero(seen)
    np.testing.assert_array_equal(kept.times, sent.times)
    np.testing.assert_array_equal(kept.values[:, order], sent.values[:, seen])


def test_only_series_that_match_are_read(data_dir, simulation):
    name = simulation.metrics.labels[0]["__name__"]
    case = read(data_dir, simulation, match=[name])
    assert case.metrics is not None
    assert {labels["__name__"] for labels in case.metrics.labels} == {name}


def test_a_time_of_which_nothing_was_kept_is_told(data_dir, simulation):
    with pytest.raises(InputError, match="nothing that matches was kept from"):
        read(data_dir, simulation, moved=-30 * 24 * HOUR)


def test_more_than_the_limit_is_refused_before_it_is_held(data_dir, simulation, monkeypatch):
    monkeypatch.setenv("HYPOCENTER_MAX_CELLS", "1000")
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_CELLS"):
        read(data_dir, simulation)


def test_an_earlier_time_is_read_as_what_was_normal(data_dir, simulation):
    start, end = window_of(simulation.metrics)
    middle = start + (end - start) / 2
    with (
        closing(DuckDbMetrics(data_dir, lambda: end)) as metrics,
        closing(open_records(str(data_dir / FILE))) as records,
    ):
        case = read_stored(metrics, records, (middle, end), ["up"], [end - middle])
    (reference,) = case.reference
    assert case.metrics is not None
    assert reference.times[-1] <= case.metrics.times[0]


def investigate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["investigate", *map(str, words)])
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


def test_the_command_names_the_cause_from_what_was_kept(data_dir, simulation, capsys):
    at = simulation.truth.started_at
    assert at is not None
    code, out, _ = investigate(capsys, "--data-dir", data_dir, "--at", at.isoformat(), "--json")
    assert code == 0
    verdict = json.loads(out)
    assert verdict["cause"] == simulation.truth.root_components[0]
    assert verdict["case_id"] == f"kept-{at:%Y-%m-%dT%H%M%SZ}", "an incident is called after its own time"


def test_the_command_says_that_a_server_owns_the_folder(data_dir, capsys):
    with owned(data_dir):
        code, _, said = investigate(capsys, "--data-dir", data_dir, "--at", "2026-03-01T10:00:00Z")
    assert code == 2
    assert "owns this folder" in said


def test_the_command_makes_no_folder_to_read_from(tmp_path, capsys):
    code, _, said = investigate(capsys, "--data-dir", tmp_path / "none", "--at", "2026-03-01T10:00:00Z")
    assert code == 2
    assert "no such folder" in said
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--data-dir", "x", "--at", "now", "--prometheus", "http://localhost"], "or --data-dir DIR"),
        (["--data-dir", "x", "--at", "now", "--username", "u"], "--username needs --prometheus"),
    ],
)
def test_what_makes_no_sense_with_a_data_directory_is_refused(words, reason, capsys):
    code, _, said = investigate(capsys, *words)
    assert code == 2
    assert reason in said
