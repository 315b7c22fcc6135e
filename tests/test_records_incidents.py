"""What every place of living incidents and their verdicts promises, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.stores.live_incidents import LiveIncident, Revision, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypocenter.stores.opening import SqlRecords
    from hypocenter.stores.sql_live_incidents import SqlIncidents

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OPENED = LiveIncident(
    incident_id="i-7",
    status=Status.OPEN,
    onset=NOON,
    opened_at=NOON + MINUTE,
    updated_at=NOON + MINUTE / 7,
    components=("cart \0 \ud800", "ü"),
    anomalies=("k1",),
    alerts=("f00d@noon",),
)
GROWN = replace(OPENED, components=("cart", "db"), version=2)
RESOLVED = replace(GROWN, status=Status.RESOLVED, resolved_at=NOON + 9 * MINUTE, version=3)
JUDGED = Revision("i-7", 1, NOON, 1, {"cause": "ü \0", "suspects": [{"probability": 0.1 + 0.2, "path": []}], "n": None})
STRANGE = ["", "a\0b", "\ud800", "x" * 9999]


@pytest.fixture
def incidents(records: SqlRecords) -> SqlIncidents:
    """The incidents, none so far, of a tenant in each kind of place in turn."""
    return records.incidents


def test_an_incident_comes_back_as_it_was_saved(incidents: SqlIncidents) -> None:
    for version in (OPENED, GROWN, RESOLVED):
        assert incidents.save(version)
        assert incidents.incident("i-7") == version
        assert incidents.incidents() == [version]


@pytest.mark.parametrize("stale", [OPENED, replace(GROWN, alerts=()), replace(RESOLVED, version=4)], ids=str)
def test_what_is_not_the_next_version_changes_nothing(incidents: SqlIncidents, stale: LiveIncident) -> None:
    incidents.save(OPENED)
    incidents.save(GROWN)
    assert not incidents.save(stale)
    assert incidents.incidents() == [GROWN]


def test_no_incident_begins_with_its_second_version(incidents: SqlIncidents) -> None:
    assert not incidents.save(GROWN)
    assert incidents.incident("i-7") is None


def test_incidents_are_those_of_a_status_by_onset_then_id(incidents: SqlIncidents) -> None:
    later = replace(OPENED, incident_id="a", onset=NOON + MINUTE)
    others = [replace(OPENED, incident_id=name) for name in ("b", "B", "ä")]
    for each in (later, *others, OPENED, GROWN, RESOLVED):
        assert incidents.save(each)
    assert [each.incident_id for each in incidents.incidents()] == ["B", "b", "i-7", "ä", "a"]
    assert [each.incident_id for each in incidents.incidents(Status.OPEN)] == ["B", "b", "ä", "a"]
    assert incidents.incidents(Status.RESOLVED) == [RESOLVED]


def test_those_resolved_before_a_time_are_left_out(incidents: SqlIncidents) -> None:
    for each in (OPENED, GROWN, RESOLVED, replace(OPENED, incident_id="j")):
        incidents.save(each)
    then = NOON + 9 * MINUTE
    assert [each.incident_id for each in incidents.incidents(since=then)] == ["i-7", "j"]
    assert [each.incident_id for each in incidents.incidents(since=then + MINUTE)] == ["j"]
    assert incidents.incidents(Status.RESOLVED, since=then) == [RESOLVED]
    assert incidents.incidents(Status.RESOLVED, since=then + MINUTE) == []


def test_the_last_verdict_is_told_by_its_number(incidents: SqlIncidents) -> None:
    assert incidents.judged("i-7") is None
    incidents.add_revision(replace(JUDGED, number=2, incident_version=5))
    incidents.add_revision(JUDGED)
    assert incidents.judged("i-7") == (2, 5)
    assert incidents.judged("i-8") is None


def test_verdicts_come_back_oldest_first_and_stay(incidents: SqlIncidents) -> None:
    second = replace(JUDGED, number=2, incident_version=5, at=NOON + MINUTE)
    assert incidents.add_revision(second)
    assert incidents.add_revision(JUDGED)
    assert incidents.revisions("i-7") == (JUDGED, second)
    assert incidents.revisions("i-8") == ()


def test_a_verdict_may_be_read_without_its_charts(incidents: SqlIncidents) -> None:
    drawn = replace(JUDGED, number=2, incident_version=5, document={**JUDGED.document, "charts": [{"values": [1.5]}]})
    bare = replace(drawn, document=JUDGED.document)
    assert incidents.add_revision(JUDGED)
    assert incidents.add_revision(drawn)
    assert incidents.revisions("i-7") == (JUDGED, drawn)
    assert incidents.revisions("i-7", charts=False) == (JUDGED, bare)
    assert (incidents.revision("i-7"), incidents.revision("i-7", charts=False)) == (drawn, bare)
    assert incidents.revision("i-7", 1) == incidents.revision("i-7", 1, charts=False) == JUDGED


@pytest.mark.parametrize("again", [{"number": 1}, {"incident_version": 1}, {"number": 1, "incident_version": 1}])
def test_there_is_one_verdict_of_a_number_and_one_on_a_version(incidents: SqlIncidents, again: dict[str, int]) -> None:
    incidents.add_revision(JUDGED)
    other = {"number": 2, "incident_version": 2, "document": {}}
    assert not incidents.add_revision(replace(JUDGED, **{**other, **again}))  # type: ignore[arg-type]
    assert incidents.revisions("i-7") == (JUDGED,)


@pytest.mark.parametrize("name", STRANGE, ids=ascii)
def test_any_text_is_an_id(incidents: SqlIncidents, name: str) -> None:
    assert incidents.incident(name) is None
    named, judged = replace(OPENED, incident_id=name), replace(JUDGED, incident_id=name)
    assert incidents.save(named)
    assert incidents.add_revision(judged)
    assert incidents.incident(name) == named
    assert incidents.revisions(name) == (judged,)


def test_tenants_do_not_meet(records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str]) -> None:
    mine, other = (records_at(new_tenant()).incidents for _ in range(2))
    mine.save(OPENED)
    mine.add_revision(JUDGED)
    assert other.incident("i-7") is None
    assert not other.save(GROWN)
    assert other.save(OPENED)
    assert other.revisions("i-7") == ()
    assert other.add_revision(replace(JUDGED, document={}))
    assert mine.revisions("i-7") == (JUDGED,)


saves = st.builds(
    LiveIncident,
    incident_id=st.sampled_from("ab"),
    status=st.sampled_from(Status),
    onset=st.integers(0, 3).map(lambda minute: NOON + minute * MINUTE),
    opened_at=st.just(NOON),
    updated_at=st.just(NOON),
    components=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    resolved_at=st.none() | st.just(NOON),
    version=st.integers(1, 4),
)


@given(steps=st.lists(saves, max_size=15))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
def test_incidents_are_as_a_dictionary_of_them_would_be(
    records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str], steps: list[LiveIncident]
) -> None:
    naive: dict[str, LiveIncident] = {}
    with closing(records_at(new_tenant())) as records:
        for step in steps:
            is_next = step.version == (naive[step.incident_id].version if step.incident_id in naive else 0) + 1
            assert records.incidents.save(step) == is_next
            if is_next:
                naive[step.incident_id] = step
        ordered = sorted(naive.values(), key=lambda each: (each.onset, each.incident_id))
        assert records.incidents.incidents() == ordered
        assert records.incidents.incidents(Status.OPEN) == [each for each in ordered if each.status is Status.OPEN]
        late = [each for each in ordered if each.resolved_at is None or each.resolved_at > NOON]
        assert records.incidents.incidents(since=NOON + MINUTE) == late


json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(document=st.dictionaries(st.text(max_size=5), json, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
def test_any_document_comes_back(
    incidents: SqlIncidents, new_tenant: Callable[[], str], document: dict[str, Any]
) -> None:
    revision = replace(JUDGED, incident_id=new_tenant(), document=document)
    assert incidents.add_revision(revision)
    assert incidents.revisions(revision.incident_id) == (revision,)
