"""Shapes of series are looked at where an anomaly or an alert points to their component, and told once."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypocenter.batches import Batch, Samples
from hypocenter.events import KeptAlert, Origin
from hypocenter.model import Alert
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import SqlRecords, open_records
from hypocenter_workers.ticks.shapes import Pointers
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import FileStates
from hypocenter_workers.ticks.tick import Place, tick

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(minutes=1)
STEPS, CALM, TURNED = 700, 600, 620
CART, MAIL = ("cart", "queue_length"), ("mail", "queue_length")


@pytest.fixture(scope="module")
def metrics() -> MemoryMetrics:
    """Two series that repeat a shape, and from one step on have it backwards; one more of cart spikes before that."""
    kept = MemoryMetrics(lambda: START + timedelta(days=1))
    labels = [(*CART, 0), (*MAIL, 0), ("cart", "workers_busy", 5)]
    numbers = kept.number([(("__name__", name), ("service_name", who)) for who, name, _ in labels])
    saw = 50 + 4 * (np.arange(STEPS) % 8.0)
    saw[TURNED:] = saw[TURNED:][::-1]
    noise = np.random.default_rng(5).normal(size=(3, STEPS))
    values = np.array([saw, saw, np.full(STEPS, 20.0)]) + noise * np.array([[0.2], [0.2], [1.0]])
    values[2, CALM + 5] += 90
    at_ms = int(START.timestamp() * 1000) + 60_000 * np.arange(STEPS) + 7_000
    kept.append([Batch(Samples(np.repeat(numbers, STEPS), np.tile(at_ms, 3), values.ravel()))])
    return kept


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqlRecords]:
    with closing(open_records(str(tmp_path / "records.db"))) as opened:
        yield opened


def place(metrics: MemoryMetrics, records: SqlRecords, folder: Path, most: int = 9) -> Place:
    roster = Roster(metrics, 1)
    return Place(metrics, records.detections, FileStates(folder / "states"), roster, pointers=Pointers(records, most))


def settled(step: int) -> datetime:
    return START + step * STEP + timedelta(seconds=30)


def told(records: SqlRecords) -> dict[tuple[str, str], list[datetime]]:
    found: dict[tuple[str, str], list[datetime]] = {}
    for kept in records.detections.anomalies(START, START + timedelta(days=1)):
        found.setdefault((kept.anomaly.series.component, kept.anomaly.series.metric), []).append(kept.anomaly.onset)
    return found


def ticked(place: Place, *steps: int) -> None:
    for step in steps:
        assert tick(place, 0, settled(step)).is_committed


def test_what_an_anomaly_points_to_is_looked_at(metrics: MemoryMetrics, records: SqlRecords, tmp_path: Path) -> None:
    ticked(place(metrics, records, tmp_path), CALM, CALM + 10, TURNED + 30)
    found = told(records)
    assert any(onset >= START + TURNED * STEP for onset in found[CART])
    assert MAIL not in found


def test_what_an_alert_points_to_is_looked_at(metrics: MemoryMetrics, records: SqlRecords, tmp_path: Path) -> None:
    alert = KeptAlert(Alert("mail", "Late", START + (CALM + 6) * STEP), Origin("k"))
    records.alerts.add_alerts([alert])
    ticked(place(metrics, records, tmp_path, most=2), CALM, CALM + 10, TURNED + 30)
    assert MAIL in told(records)


def test_nothing_is_looked_at_where_nobody_wants_it(
    metrics: MemoryMetrics, records: SqlRecords, tmp_path: Path
) -> None:
    ticked(replace(place(metrics, records, tmp_path), pointers=None), CALM, CALM + 10, TURNED + 30)
    assert set(told(records)) == {("cart", "workers_busy")}


def test_step_by_step_each_is_told_once_and_ends(metrics: MemoryMetrics, records: SqlRecords, tmp_path: Path) -> None:
    one = place(metrics, records, tmp_path)
    ticked(one, CALM, CALM + 10, *range(TURNED + 1, TURNED + 31, 6))
    onsets = told(records)
    ticked(one, STEPS)
    kept = records.detections.anomalies(START, START + timedelta(days=1))
    own = [each for each in kept if each.anomaly.series.component == "cart" and each.anomaly.onset in onsets[CART]]
    assert len(onsets[CART]) == len(set(onsets[CART])) >= 1
    assert all(each.ended_at is not None for each in own)
