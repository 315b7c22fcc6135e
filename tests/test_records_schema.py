"""Steps between versions of the tables, up and down, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from shard_ticks import anomaly
from sqlalchemy import URL, create_engine, inspect, make_url, text

from hypocenter.errors import InputError
from hypocenter.events import KeptAlert, KeptChange, Origin
from hypocenter.history.past_incident import PastIncident
from hypocenter.listing import Part
from hypocenter.model import Alert, ChangeEvent
from hypocenter.stores import schema
from hypocenter.stores.database import Database
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.stores.opening import open_records
from hypocenter.stores.tables import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from hypocenter.stores.opening import SqlRecords

INCIDENT = PastIncident("INC-7", "jira", "INC-7")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERSIONS = Path(schema.__file__).parent / "migrations" / "versions"


@contextmanager
def connected(place: URL, **options: str) -> Iterator[Connection]:
    """A connection of the test's own."""
    engine = create_engine(place)
    try:
        with engine.execution_options(**options).begin() as connection:
            yield connection
    finally:
        engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> URL:
    """A database that holds nothing, of each kind in turn."""
    if request.param == "sqlite":
        return URL.create("sqlite", database=str(tmp_path / "records.db"))
    server = request.getfixturevalue("postgres_server")
    monkeypatch.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(server.password_file))
    url = make_url(server.url()).set(drivername="postgresql+psycopg", password=server.password)
    name = f"made_{uuid.uuid4().hex}"
    with connected(url, isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return url.set(database=name)


def place(database: URL) -> str:
    """The database as a setting names it."""
    server = f"postgresql://{database.username}@{database.host}:{database.port}/"
    return f"{server if database.host else ''}{database.database}"


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def test_the_steps_come_to_the_tables_that_the_code_uses(empty: URL) -> None:
    open_records(place(empty)).close()
    with connected(empty) as connection:
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []


def test_down_leaves_nothing_and_up_makes_it_anew(empty: URL) -> None:
    open_records(place(empty)).close()
    with connected(empty) as connection:
        schema.migrate(connection, schema.NOTHING)
        assert tables(connection) == {schema.VERSION_TABLE}
        assert schema.revision_of(connection) is None
        schema.migrate(connection)
        assert tables(connection) == {schema.VERSION_TABLE, *METADATA.tables}


def test_what_is_there_outlives_the_next_opening(empty: URL) -> None:
    for saved in ((1, 0, 0), (0, 0, 1)):
        with closing(open_records(place(empty))) as records:
            assert records.history.save_incidents([INCIDENT]) == saved


def test_a_step_back_and_forth_keeps_what_was_there_before_it(empty: URL) -> None:
    alert = KeptAlert(Alert("cart", "HighErrors", NOON), Origin("f00d"))
    with closing(open_records(place(empty))) as records:
        records.history.save_incidents([INCIDENT])
        records.alerts.add_alerts([alert])
    for target in ("0001", schema.NEWEST):
        with connected(empty) as connection:
            schema.migrate(connection, target)
            assert ("alerts" in tables(connection)) == (target == schema.NEWEST)
    with closing(open_records(place(empty))) as records:
        assert list(records.history.incidents()) == [INCIDENT]
        assert records.alerts.alerts(NOON, NOON) == []
        assert records.alerts.add_alerts([alert]).new == 1


def test_lists_are_made_for_what_was_there_before_them(empty: URL) -> None:
    with closing(open_records(place(empty))) as records:
        _keep_some(records)
        before = _lists(records)
    for target in ("0005", schema.NEWEST):
        with connected(empty) as connection:
            schema.migrate(connection, target)
            assert ("judgements" in tables(connection)) == (target == schema.NEWEST)
    with closing(open_records(place(empty))) as records:
        assert all(before)
        assert _lists(records) == before


def test_charts_of_verdicts_outlive_a_step_back_and_forth(empty: URL) -> None:
    chart = {"times": ["2026-03-01T12:00:00Z"], "values": [0.1 + 0.2, None, "NaN"], "caption": "ü \0"}
    documents = [{"charts": [chart, {}], "verdict": {"cause": "db"}}, {"charts": []}, {"charts": None}, {"verdict": {}}]
    # More than are moved at once.
    kept = [Revision("i1", number, NOON, number, documents[number % 4]) for number in range(1, 60)]
    with closing(open_records(place(empty))) as records:
        assert all(records.incidents.add_revision(each) for each in kept)
    with connected(empty) as connection:
        schema.migrate(connection, "0006")
        first = connection.execute(text("SELECT record FROM revisions WHERE number = 4")).scalar_one()
        assert json.loads(first)["document"] == documents[0]
        schema.migrate(connection)
    with closing(open_records(place(empty))) as records:
        assert list(records.incidents.revisions("i1")) == kept
        assert [list(each.document) for each in records.incidents.revisions("i1", charts=False)[3:5]] == [
            ["verdict"],
            [],
        ]


def _keep_some(records: SqlRecords) -> None:
    verdict = {"summary": "It was db.", "suspects": [{"component": "db", "probability": 0.5, "fault_type": "cpu"}]}
    for number in range(1, 4):
        onset = NOON + timedelta(minutes=number)
        kept = KeptAnomaly(replace(anomaly("cart \0", 0), onset=onset))
        assert records.detections.commit(number, None, Position(NOON, 1), [kept])
        records.incidents.save(LiveIncident(f"i{number}", Status.OPEN, onset, NOON, NOON, ("cart \0", "db")))
        records.incidents.add_revision(Revision("i1", number, NOON, number, {"verdict": verdict}))
    records.alerts.add_alerts([KeptAlert(Alert("cart \0", "HighErrors", NOON), Origin("f00d"))])
    records.changes.add_changes([KeptChange(ChangeEvent("cart \0", NOON), Origin("f00d"))])


def _lists(records: SqlRecords) -> list[object]:
    part = Part(9, component="cart \0", since=NOON)
    return [
        records.detections.listed(part, metric="latency_p99"),
        records.alerts.listed(part),
        records.changes.listed(part),
        records.incidents.listed(part),
        records.incidents.listed(part, fault_type="cpu"),
        records.incidents.judgements("i1", Part(9)),
    ]


def _down_until_the_power_fails(database: URL) -> None:
    with closing(Database(database, "it")) as records, records.writing("schema") as connection:
        schema.migrate(connection, schema.NOTHING)
        raise RuntimeError("power is gone")


def test_a_step_that_fails_leaves_all_as_it_was(empty: URL) -> None:
    open_records(place(empty)).close()
    with pytest.raises(RuntimeError, match="power is gone"):
        _down_until_the_power_fails(empty)
    with connected(empty) as connection:
        assert tables(connection) == {schema.VERSION_TABLE, *METADATA.tables}


def test_many_may_open_what_is_not_there_yet(empty: URL) -> None:
    with ThreadPoolExecutor(6) as threads:
        opened = list(threads.map(open_records, [place(empty)] * 6))
    for records in opened:
        records.close()
    with connected(empty) as connection:
        assert schema.revision_of(connection) == schema.NEWEST


def test_records_of_a_newer_version_are_left_alone(empty: URL) -> None:
    open_records(place(empty)).close()
    with connected(empty) as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(InputError, match="newer version of Hypocenter"):
        open_records(place(empty))
    with connected(empty) as connection:
        assert schema.revision_of(connection) == "9999"


def test_tables_of_something_else_are_left_alone(empty: URL) -> None:
    with connected(empty) as connection:
        connection.execute(text("CREATE TABLE models (made_by_others INTEGER)"))
    with pytest.raises(InputError, match="tables of something else"):
        open_records(place(empty))
    with connected(empty) as connection:
        assert tables(connection) == {"models"}


def test_the_newest_step_is_the_last() -> None:
    steps = sorted(path.name for path in VERSIONS.glob("v*.py"))
    assert steps[-1].startswith(f"v{schema.NEWEST}_")
