"""The forest of shapes in continuous detection, off and on: what it finds of a fault, what else it tells, its cost."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import live_day
import numpy as np
import results
from live_day import LASTS_S, SETTLE, STEP

from hypocenter.batches import Batch, Samples
from hypocenter.events import KeptAlert, Origin
from hypocenter.rhythm import Rhythm
from hypocenter.simulator import simulate
from hypocenter.simulator.send import millis_of
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.opening import open_records
from hypocenter_workers.ticks.plan import read_block
from hypocenter_workers.ticks.shapes import Pointers
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import FileStates
from hypocenter_workers.ticks.steps import milliseconds
from hypocenter_workers.ticks.tick import Place, Plans, tick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.model import Alert, Series
    from hypocenter.simulator.simulation import Simulation
    from hypocenter.stores.opening import SqlRecords
    from hypocenter.telemetry import RawTable, Values

SCENARIOS = Path(__file__).parents[1] / "fixtures" / "scenarios"
FAULTS = (
    *("cache_outage", "consumer_stall", "cpu_hog", "disk_stall"),
    *("lock_contention", "memory_leak", "network_delay", "slow_query"),
)
START = datetime(2026, 3, 3, tzinfo=UTC)
WARM_S = 8 * 3600.0
MOST = 80
BEFORE, AFTER, BETWEEN = timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=5)
DIFFERENT, LEAST_STEPS = 3.0, 3
NOTE = (
    "A simulated shop of 20 components in one shard, with a sample a minute, seen for eight hours, then eight of the "
    "scenarios' faults for 20 min. From 5 min before the fault until 10 min after it the shard is ticked every 5 min, "
    f"without the forest and with it on {MOST} series of the components that an anomaly or an alert points to "
    f"(`HYPOCENTER_SHAPE_SERIES={MOST}`). `reached`: signals that in three steps or more lie more than three standard "
    "deviations of the hours before from the fault-free twin of the simulation, which met the same load and the same "
    "chance, or miss samples. `found`: of these, those with an anomaly since the fault began; `others`: series with "
    "one that the fault did not reach. `components`: with at least one that was found. `CPU ms`: of a tick, the first "
    "left out, which learns."
)


@dataclass(frozen=True, slots=True)
class Told:
    """What ticks told of since the fault began, and the CPU milliseconds of each."""

    series: frozenset[Series]
    cpu_ms: float


def main() -> None:
    """Tick through every incident both ways and keep what came of it."""
    rows = [_row(fault) for fault in FAULTS]
    results.keep("forest", [*rows, _summed(rows)], note=NOTE)


def _row(fault: str) -> results.Row:
    print(fault, file=sys.stderr)
    simulation = simulate(live_day.day_of([SCENARIOS / f"{fault}.scenario"], START, WARM_S))
    with tempfile.TemporaryDirectory() as folder:
        reached = _reached(Path(folder), simulation)
        off, on = (_told(Path(folder) / str(most), simulation, most) for most in (0, MOST))
    found = {"": off.series, ", forest": on.series}
    counts: dict[str, results.Cell] = {}
    for way, told in found.items():
        counts[f"found{way}"], counts[f"others{way}"] = len(told & reached), len(told - reached)
        counts[f"components{way}"] = len({each.component for each in told & reached})
    costs: results.Row = {"CPU ms": off.cpu_ms, "CPU ms, forest": on.cpu_ms}
    return {"table": "faults", "fault": fault, "reached": len(reached), **dict(sorted(counts.items())), **costs}


def _summed(rows: Sequence[results.Row]) -> results.Row:
    """Return what all faults come to: counts added up, medians of times."""
    columns = {name: [float(row[name] or 0) for row in rows] for name in rows[0] if name not in {"table", "fault"}}
    whole = {name: median(own) if name.startswith("CPU") else round(sum(own)) for name, own in columns.items()}
    return {"table": "faults", "fault": "all", **whole}


def _reached(folder: Path, simulation: Simulation) -> frozenset[Series]:
    """Return the series that the fault reached: those that differ from their fault-free twin."""
    real = _signals(folder / "real", simulation.metrics)
    twin = _signals(folder / "twin", simulation.truth.metrics)
    both = real.keys() & twin.keys()
    return frozenset(real.keys() ^ twin.keys() | {series for series in both if _differs(real[series], twin[series])})


def _signals(folder: Path, table: RawTable) -> dict[Series, Values]:
    """Return the signals of a table by steps, as ticks see them."""
    with closing(_metrics(folder, table)) as metrics:
        start_ms, end_ms, step_ms = milliseconds(START), milliseconds(_end()), Rhythm().step_ms
        plan = Plans().of(0, Roster(metrics, 1), end_ms)
        block = read_block(metrics, plan, start_ms, (end_ms - start_ms) // step_ms, step_ms)
        return dict(zip(plan.series, block.values.T, strict=True))


def _differs(real: Values, twin: Values) -> bool:
    before = int(WARM_S / STEP.total_seconds())
    usual = np.nanstd(twin[:before]) if np.isfinite(twin[:before]).any() else 0.0
    apart = np.abs(real - twin)[before:] > DIFFERENT * max(usual, 1e-9)
    missing = (np.isnan(real) != np.isnan(twin))[before:]
    return int((apart | missing).sum()) >= LEAST_STEPS


def _told(folder: Path, simulation: Simulation, most: int) -> Told:
    """Tick through an incident with a forest on so many series, none for 0."""
    began = START + timedelta(seconds=WARM_S)
    with ExitStack() as opened:
        metrics = opened.enter_context(closing(_metrics(folder, simulation.metrics)))
        records = opened.enter_context(closing(open_records(str(folder / "records.db"))))
        records.alerts.add_alerts([_kept(alert) for alert in simulation.alerts])
        cpu_ms = _ticked(_place(folder, metrics, records, most), began - BEFORE, _end())
        found = records.detections.anomalies(began, _end())
        return Told(frozenset(each.anomaly.series for each in found if each.anomaly.onset >= began), cpu_ms)


def _place(folder: Path, metrics: DuckDbMetrics, records: SqlRecords, most: int) -> Place:
    usual = Place(metrics, records.detections, FileStates(folder / "states"), Roster(metrics, 1))
    return replace(usual, pointers=Pointers(records, most)) if most else usual


def _ticked(place: Place, first: datetime, end: datetime) -> float:
    """Tick up to an end and return the CPU milliseconds of a tick, on the average; the first is not counted."""
    tick(place, 0, first + SETTLE)
    begun, count, now = time.process_time(), 0, first
    while now < end:
        now, count = now + BETWEEN, count + 1
        assert tick(place, 0, now + SETTLE).is_committed
    return 1000 * (time.process_time() - begun) / count


def _end() -> datetime:
    return START + timedelta(seconds=WARM_S + LASTS_S) + AFTER


def _kept(alert: Alert) -> KeptAlert:
    return KeptAlert(alert, Origin(f"{alert.component}/{alert.name}/{alert.at}"))


def _metrics(folder: Path, table: RawTable) -> DuckDbMetrics:
    """Return a store of a table's samples, one a minute: a step is told from its last one."""
    metrics = DuckDbMetrics(folder / "metrics", lambda: START + timedelta(days=1))
    numbers = metrics.number([tuple(sorted(labels.items())) for labels in table.labels])
    millis = np.array(millis_of(table))
    rows, columns = np.nonzero(np.isfinite(table.values) & (millis % 60_000 == 0)[:, None])
    metrics.append([Batch(Samples(numbers[columns], millis[rows], table.values[rows, columns]))])
    return metrics


if __name__ == "__main__":
    main()
