"""Incidents on real records and a real graph: followed, found due, and investigated once for each change."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import live_day
import pytest
from live_platform import running

from hypocenter.errors import SourceError
from hypocenter.events import KeptAlert, Origin
from hypocenter.incidents import Happened
from hypocenter.model import Alert, Anomaly, DependencyType, Direction, Series
from hypocenter.simulator import read_scenario, simulate
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.stores.opening import open_records
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_workers.known_graph import KnownGraph
from hypocenter_workers.live import LOOKS, Sources, due, follow, investigate_incident, write_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter.stores.opening import SqlRecords

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
# As the scenario of the shop says.
BEGAN = datetime(2026, 3, 3, 11, 35, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SqlRecords]:
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        yield records


def graph(*calls: tuple[str, str]) -> KnownGraph:
    store = MemoryStore()
    edges = tuple(
        DependencyClaim(*ends, DependencyType.CALLS, "declared", (Interval(NOON - DAY, None),)) for ends in calls
    )
    store.upsert(Discovered((), edges))
    return KnownGraph(store, View())


def told(records: SqlRecords, *components: str, at: datetime = NOON, ended_at: datetime | None = None) -> None:
    """Tell of an anomaly of each component, as a tick would."""
    before = records.detections.position(0)
    after = Position(at, before.version + 1 if before else 1)
    found = [
        KeptAnomaly(Anomaly(Series(name, "latency_p99"), at, at, 9.0, 2.0, 1.0, 0.5, 1.5, Direction.UP), ended_at)
        for name in components
    ]
    assert records.detections.commit(0, before, after, found)


SHOP = graph(("web", "cart"), ("cart", "cart-db"), ("mail", "queue"))


def test_anomalies_that_a_path_of_the_graph_joins_become_one_incident(kept: SqlRecords) -> None:
    told(kept, "web", "cart-db", "mail", "queue")
    found = follow(kept, SHOP, NOON + 5 * MINUTE)
    assert {change.incident.components for change in found} == {("cart-db", "web"), ("mail", "queue")}
    assert follow(kept, SHOP, NOON + 6 * MINUTE) == ()


def test_two_callers_of_nothing_common_that_is_ill_are_two(kept: SqlRecords) -> None:
    beside = graph(("web", "cart"), ("app", "cart"), ("web", "ads"), ("app", "push"))
    told(kept, "web", "ads", "app", "push")
    assert len(follow(kept, beside, NOON + 5 * MINUTE)) == 2


def test_without_a_graph_what_begins_together_is_one(kept: SqlRecords) -> None:
    told(kept, "web", "mail")
    (change,) = follow(kept, None, NOON + 5 * MINUTE)
    assert change.incident.components == ("mail", "web")


def test_a_graph_that_cannot_be_asked_makes_no_incident(kept: SqlRecords) -> None:
    told(kept, "web", "cart")
    with pytest.raises(SourceError):
        follow(kept, KnownGraph(SourceError("no answer"), View()), NOON + 5 * MINUTE)
    assert kept.incidents.incidents() == []


def test_alerts_and_anomalies_meet_and_end(kept: SqlRecords) -> None:
    told(kept, "cart-db", ended_at=NOON + 10 * MINUTE)
    alert = KeptAlert(Alert("web", "Slow", NOON + MINUTE), Origin("k"), NOON + 20 * MINUTE, resolved=True)
    kept.alerts.add_alerts([alert])
    happened = [
        (minute, change.happened) for minute in range(60) for change in follow(kept, SHOP, NOON + minute * MINUTE)
    ]
    assert happened == [(1, Happened.OPENED), (35, Happened.RESOLVED)]
    (incident,) = kept.incidents.incidents()
    assert (incident.alerts, len(incident.anomalies)) == (("k",), 1)


def test_one_that_grows_each_minute_is_judged_while_it_grows(kept: SqlRecords) -> None:
    told(kept, "web", "cart")
    (change,) = follow(kept, SHOP, NOON + 2 * MINUTE)
    judged_at, name = NOON + 2 * MINUTE, change.incident.incident_id
    assert kept.incidents.add_revision(Revision(name, 1, judged_at, change.incident.version, {}))
    seen = []
    for minute in (3, 4, 5):
        now = NOON + minute * MINUTE
        before = kept.incidents.incident(name)
        assert before is not None
        assert kept.incidents.save(replace(before, updated_at=now, version=before.version + 1))
        seen.append((minute, due(kept, now, now - MINUTE)))
    assert seen == [(3, ()), (4, (name,)), (5, (name,))]


def test_nothing_costs_nothing(kept: SqlRecords) -> None:
    assert follow(kept, KnownGraph(SourceError("nobody asks"), View()), NOON) == ()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Sources]:
    """A kept shop in which orders-db became slow, with an open incident of that."""
    simulation = simulate(read_scenario(pytestconfig.rootpath / "fixtures" / "scenarios" / "shop.scenario"), 0)
    end = simulation.scenario.start + timedelta(seconds=simulation.scenario.length)
    with running(tmp_path_factory.mktemp("live"), end) as platform:
        platform.graph.upsert(live_day.discovered(simulation))
        live_day.Feed(platform, simulation).send(end)
        stores = platform.stores
        yield Sources(stores.metrics, stores.records, stores.graph)


def test_an_incident_is_judged_when_it_opens_and_looked_at_again(sources: Sources, tmp_path: Path) -> None:
    records = sources.records
    first = min(kept.starts_at for kept in records.alerts.alerts(NOON - timedelta(days=9), NOON + timedelta(days=9)))
    now = first + 5 * MINUTE
    (change,) = follow(records, sources.graph, now)
    name = change.incident.incident_id
    assert due(records, now, now - MINUTE) == (name,)
    judgement = investigate_incident(name, sources, now)
    assert judgement is not None
    assert judgement.investigation.verdict.suspects[0].component == "orders-db"
    # An alert was the first sign; its rule had waited.
    assert judgement.investigation.verdict.onset is not None
    assert BEGAN - MINUTE <= judgement.investigation.verdict.onset < change.incident.onset
    assert due(records, now, now - MINUTE) == ()
    assert "orders-db" in write_report(tmp_path, judgement).read_text(encoding="utf-8")
    for look in LOOKS:
        later = change.incident.onset + look
        assert due(records, later + MINUTE / 2, later - MINUTE / 2) == (name,)
    # Nothing new is known: there is nothing new to say.
    assert investigate_incident(name, sources, now) is None
    assert [revision.number for revision in records.incidents.revisions(name)] == [1]
    assert records.incidents.incidents(Status.OPEN)[0].version == 1


def incident(name: str, onset: datetime, resolved_at: datetime | None = None) -> LiveIncident:
    status = Status.OPEN if resolved_at is None else Status.RESOLVED
    return LiveIncident(name, status, onset, onset, onset, ("payment",), resolved_at=resolved_at)


def test_what_an_incident_did_while_it_lasted_is_not_learned_as_normal(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Requests of payment fail for the third time; each time was longer than the minutes in which it is noticed."""
    folder = pytestconfig.rootpath / "fixtures" / "scenarios"
    names = ("dependency_outage", "dependency_outage", "error_burst")
    simulation = simulate(live_day.day_of([folder / f"{name}.scenario" for name in names], NOON, 1.5 * 3600.0))
    *before, onset = (NOON + timedelta(seconds=fault.at) for fault in simulation.scenario.faults)
    now = onset + 30 * MINUTE
    with running(tmp_path, NOON) as platform:
        platform.graph.upsert(live_day.discovered(simulation))
        live_day.Feed(platform, simulation).send(now)
        incidents = platform.stores.records.incidents
        assert incidents.save(incident("now", onset))
        for number, began in enumerate(before):
            assert incidents.save(incident(f"before-{number}", began, began + 35 * MINUTE))
        sources = Sources(platform.stores.metrics, platform.stores.records, platform.stores.graph)
        judgement = investigate_incident("now", sources, now)
    assert judgement is not None
    assert judgement.investigation.verdict.cause == "payment"


def test_an_incident_that_is_not_there_is_no_work(sources: Sources) -> None:
    assert investigate_incident("none", sources, NOON) is None
