"""What earlier versions kept is opened, brought up to date and answered as it was; what newer ones kept is refused."""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypocenter_server import HypocenterServer

from hypocenter.client import Client
from hypocenter.errors import ClientError, InputError
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.investigations import Stage
from hypocenter.stores.opening import open_records
from hypocenter.stores.opening_metrics import open_metrics
from hypocenter.stores.schema import NEWEST

FIXTURES = Path(__file__).parents[1] / "fixtures" / "upgrade"
VERSIONS = sorted(path.name.removeprefix("schema-").removesuffix(".tar.gz") for path in FIXTURES.glob("schema-*"))
WITH_SERVER, WITH_INCIDENTS, WITH_ASKED, WITH_SETTINGS = VERSIONS[1:], VERSIONS[2:], VERSIONS[4:], VERSIONS[5:]
BEGIN = datetime(2026, 11, 21, 10, tzinfo=UTC)
ALWAYS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def unpacked(version: str, folder: Path) -> Path:
    with tarfile.open(FIXTURES / f"schema-{version}.tar.gz") as archive:
        archive.extractall(folder / "data", filter="data")
    return folder / "data"


def test_there_is_one_of_each_schema_that_came_to_its_end() -> None:
    made = [f"{number:04}" for number in range(1, int(NEWEST) + 1)]
    assert VERSIONS in (made, made[:-1])


@pytest.mark.parametrize("version", VERSIONS)
def test_history_is_as_it_was(version: str, tmp_path: Path) -> None:
    data = unpacked(version, tmp_path)
    for _ in range(2):
        with closing(open_records(str(data / "records.db"))) as records:
            (past,) = records.history.incidents()
    assert (past.incident_id, past.root_components, past.fault_type) == ("INC-7", ("cart-db",), "cpu")


@pytest.mark.parametrize("version", WITH_SERVER)
def test_events_and_samples_are_as_they_were(version: str, tmp_path: Path) -> None:
    data = unpacked(version, tmp_path)
    with closing(open_records(str(data / "records.db"))) as records:
        assert [each.alert.name for each in records.alerts.alerts(*ALWAYS)] == ["Slow"]
        assert [each.change.title for each in records.changes.changes(*ALWAYS)] == ["cart 1.4.2"]
    start = int(BEGIN.timestamp() * 1000)
    with closing(open_metrics(data, now=lambda: BEGIN + timedelta(hours=1))) as metrics:
        (series,) = metrics.series([parse_selector("requests_total")], start, start + 60_000)
        (found,) = metrics.read([series.number], start, start + 60_000)
        assert found.values.tolist() == [10.0 * at for at in range(30)]
        (counted,) = metrics.series([parse_selector("orders_total")], start - 60_000, start + 60_000)
        (gained,) = metrics.read([counted.number], start - 60_000, start + 60_000)
        assert gained.values.sum() == 4.0
    assert series.component == counted.component == "cart"


@pytest.mark.parametrize("version", WITH_INCIDENTS)
def test_incidents_are_answered_as_they_were(version: str, tmp_path: Path) -> None:
    data = unpacked(version, tmp_path)
    token = (data / "token.txt").read_text(encoding="utf-8").strip()
    with HypocenterServer(data) as server:
        with Client(server.url, token) as sender, pytest.raises(ClientError, match="403"):
            # A token to send is one still, and does not read.
            next(sender.incidents())
        server.stop()
        (data / "tokens.json").unlink()
        server.start()
        with Client(server.url) as client:
            (incident,) = client.incidents()
            found = client.suspects(incident.incident_id)
            assert (incident.incident_id, incident.onset, incident.status) == ("3a83faf42cc901f6", BEGIN, "resolved")
            assert found.cause == "catalog-db"
            assert incident.verdict is not None
            assert incident.verdict.cause == "catalog-db"
            assert [each.series.component for each in client.anomalies(incident.incident_id)] == ["catalog-db"]
            assert "catalog-db" in client.report(incident.incident_id)
            (listed,) = client.incidents(component="catalog-db", since=BEGIN, until=BEGIN + timedelta(minutes=1))
            assert listed == incident


@pytest.mark.parametrize("version", WITH_ASKED)
def test_answers_are_as_they_were(version: str, tmp_path: Path) -> None:
    data = unpacked(version, tmp_path)
    with closing(open_records(str(data / "records.db"))) as records:
        (asked,) = records.investigations.investigations(10)
        document = records.investigations.document(asked.investigation_id)
        assert (asked.stage, asked.asked_at, asked.by) == (Stage.DONE, BEGIN + timedelta(hours=1), "sender")
        assert document is not None
        assert document["verdict"]["cause"] == "catalog-db"
        # What charts are made of is where it was told from, whether or not it lies apart by now.
        told = records.incidents.revision("3a83faf42cc901f6")
        assert told is not None
        assert told.document == document


@pytest.mark.parametrize("version", WITH_SETTINGS)
def test_settings_and_who_changed_them_are_as_they_were(version: str, tmp_path: Path) -> None:
    data = unpacked(version, tmp_path)
    with closing(open_records(str(data / "records.db"))) as records:
        assert records.settings.changed() == {"precision": "0.9"}
        (kept,) = records.audit.newest(10)
    assert (kept.entry.action, kept.entry.details, kept.entry.outcome) == (
        "PATCH /api/v1/settings",
        "precision=0.9",
        "done",
    )


def test_what_a_newer_version_kept_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    place = unpacked(VERSIONS[-1], tmp_path) / "records.db"
    with closing(sqlite3.connect(place)) as file, file:
        file.execute("UPDATE hypocenter_schema SET version_num = '9999'")
    before = place.read_bytes()
    with pytest.raises(InputError, match="newer version of Hypocenter"):
        open_records(str(place))
    assert place.read_bytes() == before
