"""Records full of incidents, verdicts and anomalies, written through their stores, and the same in PostgreSQL."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from hypocenter.model import Anomaly, Direction, MetricKind, Series
from hypocenter.readers import read_cases
from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.stores.opening import open_records
from hypocenter.stores.tables import METADATA
from hypocenter.verdict_json import investigation_to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from hypocenter.simulator.simulation import Simulation
    from hypocenter.stores.records import Records

EVERY = timedelta(minutes=1)
COMPONENTS, METRICS, SHARDS, OPEN = 50, 20, 16, 20
WHOLE_EVERY = 10
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is; incidents begin a minute apart, the last before `end`, for what is old is forgotten."""

    incidents: int
    anomalies: int
    end: datetime

    def onset(self, number: int) -> datetime:
        """Return when an incident begins, by its number from 0."""
        return self.end - (self.incidents - number) * EVERY


def system() -> Simulation:
    """Return the run of a system of 50 components, with one fault."""
    return simulate(generate_scenario("mesh", services=34, seed=1), seed=1)


def document(simulation: Simulation) -> Mapping[str, Any]:
    """Return what is kept of the investigation of a run."""
    from hypocenter_workers.investigate import Options, investigate

    with tempfile.TemporaryDirectory() as folder:
        case = next(iter(read_cases(write_case(simulation, Path(folder) / "case"))))
        return investigation_to_json(investigate(case, Options(at=case.started_at)))


def fill(place: str, size: Size, verdict: Mapping[str, Any]) -> Sequence[str]:
    """Write records to a new SQLite file; return the ids of the incidents whose verdict has all its charts."""
    incidents, each, before = size.incidents, size.anomalies // size.incidents, None
    with closing(open_records(place)) as records:
        for first in range(0, incidents, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, incidents))
            signs = {number: list(_anomalies(size.onset(number), number, each)) for number in numbers}
            after = Position(size.onset(numbers.stop), numbers.stop)
            found = [one for many in signs.values() for one in many]
            assert records.detections.commit(0, before, after, found)
            before = after
            for number in numbers:
                _add(records, _incident(number, signs[number], is_open=number >= incidents - OPEN), verdict)
    return [_id(number) for number in range(0, incidents, WHOLE_EVERY)]


def _id(number: int) -> str:
    return f"{number:016x}"


def _anomalies(onset: datetime, number: int, count: int) -> Iterator[KeptAnomaly]:
    """Yield the anomalies of one incident: each of another series, a second after the one before."""
    for place in range(count):
        component, metric = f"service-{place % COMPONENTS:02d}", f"metric_{(number + place // COMPONENTS) % METRICS}"
        series = Series(component, metric, MetricKind.LATENCY, "s", "p99")
        at = onset + timedelta(seconds=place)
        told = Anomaly(series, at, at + timedelta(seconds=60), 12.0, 0.9, 0.1, 0.05, 0.2, Direction.UP)
        yield KeptAnomaly(told, at + timedelta(minutes=15), place % SHARDS)


def _incident(number: int, signs: Sequence[KeptAnomaly], *, is_open: bool) -> LiveIncident:
    onset = signs[0].anomaly.onset
    ended = None if is_open else onset + timedelta(minutes=30)
    return LiveIncident(
        _id(number),
        Status.OPEN if is_open else Status.RESOLVED,
        onset,
        onset,
        ended or onset,
        tuple(sorted({one.anomaly.series.component for one in signs})),
        tuple(one.key for one in signs),
        resolved_at=ended,
    )


def _add(records: Records, incident: LiveIncident, verdict: Mapping[str, Any]) -> None:
    assert records.incidents.save(incident)
    told = verdict if int(incident.incident_id, 16) % WHOLE_EVERY == 0 else {**verdict, "charts": []}
    assert records.incidents.add_revision(Revision(incident.incident_id, 1, incident.onset, 1, told))


def copy_to_postgres(place: str, url: str, password: str) -> None:
    """Write all rows of a SQLite file to a PostgreSQL database in which there are none."""
    open_records(url).close()
    address = f"{url}?password={password}"
    with closing(sqlite3.connect(place)) as source, psycopg.connect(address) as target, target.cursor() as cursor:
        for table in METADATA.sorted_tables:
            columns = ", ".join(column.name for column in table.columns)
            kinds = [str(column.type).lower() for column in table.columns]
            with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:  # names of ours
                for row in source.execute(f"SELECT {columns} FROM {table.name}"):
                    copy.write_row(
                        [bool(value) if kind == "boolean" else value for kind, value in zip(kinds, row, strict=True)]
                    )
    with psycopg.connect(address, autocommit=True) as target:
        target.execute("ANALYZE")
