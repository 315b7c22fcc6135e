"""What every list of records promises that is read a part at a time, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from shard_ticks import MINUTE, NOON, SHARD, after, anomaly

from hypocenter.events import KeptAlert, KeptChange, Origin
from hypocenter.history.past_incident import PastIncident
from hypocenter.listing import Listed, Part
from hypocenter.model import Alert, ChangeEvent
from hypocenter.stores.detections import KeptAnomaly
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.stores.records import Opinion, Says

if TYPE_CHECKING:
    from hypocenter.stores.opening import SqlRecords

MANY = 23
STRANGE = "cart \0 \ud800"
Lists = Callable[["SqlRecords", Part], Sequence[Listed[Any]]]


def at(number: int) -> datetime:
    """Three rows each begin at one time."""
    return NOON + number // 3 * MINUTE


def component(number: int) -> str:
    return STRANGE if number % 2 else "db"


@pytest.fixture(scope="module")
def filled(records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str]) -> SqlRecords:
    """Records of a tenant, in each kind of place in turn, which hold some rows of each list; to be read only."""
    records = records_at(new_tenant())
    fill(records)
    return records


def fill(records: SqlRecords) -> None:
    numbers = range(MANY)
    kept = [KeptAnomaly(_anomaly(each), None if each % 5 == 0 else NOON + timedelta(days=1)) for each in numbers]
    assert records.detections.commit(SHARD, None, after(None), kept)
    records.alerts.add_alerts([_alert(each) for each in numbers])
    records.changes.add_changes([_change(each) for each in numbers])
    records.history.save_incidents(PastIncident(str(each), "jira", str(each), started_at=at(each)) for each in numbers)
    for each in numbers:
        assert records.incidents.save(_incident(each))
        records.feedback.add_opinion(Opinion("i", Says.RIGHT, "ann", NOON, note=str(each)))
        assert records.incidents.add_revision(_revision("i1", each + 1, fault_type=f"fault {each}"))


def _anomaly(number: int) -> Any:
    found = anomaly(component(number), 0)
    return replace(found, onset=at(number), series=replace(found.series, metric=f"m{number}"))


def _alert(number: int) -> KeptAlert:
    ends_at = NOON + timedelta(hours=1) if number % 2 else None
    return KeptAlert(
        Alert(component(number), "Slow", at(number)), Origin(str(number)), ends_at, resolved=number % 2 == 1
    )


def _change(number: int) -> KeptChange:
    return KeptChange(ChangeEvent(component(number), at(number)), Origin(str(number)))


def _incident(number: int) -> LiveIncident:
    status = Status.RESOLVED if number % 2 else Status.OPEN
    return LiveIncident(f"i{number}", status, at(number), NOON, NOON, (component(number), f"c{number}"))


def _revision(incident_id: str, number: int, **suspect: object) -> Revision:
    verdict = {"summary": "It was db.", "suspects": [{"component": "db", "probability": 0.5, **suspect}]}
    return Revision(incident_id, number, NOON, number, {"verdict": verdict})


LISTS: dict[str, Lists] = {
    "anomalies": lambda records, part: records.detections.listed(part),
    "alerts": lambda records, part: records.alerts.listed(part),
    "changes": lambda records, part: records.changes.listed(part),
    "incidents": lambda records, part: records.incidents.listed(part),
    "history": lambda records, part: records.history.listed(part),
    "opinions": lambda records, part: records.feedback.listed("i", part),
    "judgements": lambda records, part: records.incidents.judgements("i1", part),
    "named anomalies": lambda records, part: records.detections.named(
        [KeptAnomaly(_anomaly(each)).key for each in range(MANY)] + ["k"] * 1000, part
    ),
    "named alerts": lambda records, part: records.alerts.named(
        ["no"] * 1000 + [str(each) for each in range(MANY)], part
    ),
}
TIMED = {name: LISTS[name] for name in ("anomalies", "alerts", "changes", "incidents", "history")}
CONCERNING = {name: LISTS[name] for name in ("anomalies", "alerts", "changes", "incidents")}


def by_name(lists: dict[str, Lists]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("listed", lists.values(), ids=lists)


@by_name(LISTS)
@pytest.mark.parametrize("most", [1, 4, MANY, 100])
def test_parts_hold_every_row_once_newest_first(listed: Lists, most: int, filled: SqlRecords) -> None:
    whole = listed(filled, Part(100))
    found: list[Listed[Any]] = []
    while rows := listed(filled, Part(most, after=found[-1].place if found else None)):
        assert len(rows) <= most
        found += rows
    assert found == list(whole)
    assert len({row.place for row in found}) == MANY
    assert [row.place for row in found] == sorted((row.place for row in found), reverse=True)


@by_name(TIMED)
def test_times_bound_a_list_both_included(listed: Lists, filled: SqlRecords) -> None:
    whole = listed(filled, Part(100))
    places = [row.place for row in whole]
    some = listed(filled, Part(100, since=at(3), until=at(6)))
    assert [row.place for row in some] == places[-9:-3]
    assert listed(filled, Part(100, since=at(MANY) + MINUTE)) == []


@by_name(CONCERNING)
@pytest.mark.parametrize(("name", "count"), [("db", 12), (STRANGE, 11), ("", 0), ("cart", 0)])
def test_a_list_is_of_one_component_where_that_is_asked(
    listed: Lists, name: str, count: int, filled: SqlRecords
) -> None:
    assert len(listed(filled, Part(100, component=name))) == count


def test_nobody_sees_the_rows_of_others(filled: SqlRecords, records: SqlRecords) -> None:
    assert [len(listed(filled, Part(1))) for listed in LISTS.values()] == [1] * len(LISTS)
    assert [listed(records, Part(9)) for listed in LISTS.values()] == [[]] * len(LISTS)


def test_anomalies_are_those_of_a_metric_and_those_that_last(filled: SqlRecords) -> None:
    (of_metric,) = filled.detections.listed(Part(9), metric="m4")
    assert of_metric.item.anomaly.series.metric == "m4"
    assert [row.item.ended_at for row in filled.detections.listed(Part(9), lasting=True)] == [None] * 5
    assert filled.detections.listed(Part(9), metric="m4", lasting=True) == []


def test_alerts_are_those_that_fire_at_a_time(filled: SqlRecords) -> None:
    assert len(filled.alerts.listed(Part(100), firing_at=NOON)) == 3
    assert len(filled.alerts.listed(Part(100), firing_at=NOON + timedelta(hours=2))) == 12


def test_history_of_unknown_times_comes_last(records: SqlRecords) -> None:
    timed = [PastIncident("a", "jira", "a", started_at=NOON), PastIncident("b", "jira", "b", started_at=NOON - MINUTE)]
    records.history.save_incidents([*timed, *(PastIncident(name, "jira", name) for name in "cde")])
    found: list[Listed[PastIncident]] = []
    while rows := records.history.listed(Part(2, after=found[-1].place if found else None)):
        found += rows
    assert [row.item.incident_id for row in found[:2]] == ["a", "b"]
    assert {row.item.incident_id for row in found[2:]} == set("cde")
    assert len(found) == 5
    assert all(records.history.incident(row.place.name) == row.item for row in found)
    assert records.history.incident("none") is None


def test_history_lists_what_is_current(records: SqlRecords) -> None:
    old = PastIncident("a", "jira", "a", started_at=NOON)
    new = replace(old, title="It was db.")
    for version in (old, new):
        records.history.save_incidents([version])
    ((place, item),) = records.history.listed(Part(9))
    assert item == new
    assert records.history.incident(place.name) == new


def test_an_incident_is_told_with_its_last_verdict(records: SqlRecords) -> None:
    incidents = records.incidents
    incidents.save(_incident(0))
    assert incidents.judged_incident("i0") == (_incident(0), None)
    for number in (1, 3, 2):
        assert incidents.add_revision(_revision("i0", number, fault_type=f"fault {number}"))
    found = incidents.judged_incident("i0")
    assert found is not None
    assert found.judgement is not None
    assert (found.judgement.number, found.judgement.suspect, found.judgement.fault_type) == (3, "db", "fault 3")
    assert [row.item for row in incidents.listed(Part(9))] == [found]
    assert incidents.judged_incident("none") is None


def test_a_verdict_is_found_by_its_number_and_the_last_without(records: SqlRecords) -> None:
    incidents = records.incidents
    first, second = (_revision("i0", number) for number in (1, 2))
    for each in (first, second):
        incidents.add_revision(each)
    assert [incidents.revision("i0", number) for number in (1, 2, 3, None)] == [first, second, None, second]
    assert incidents.revision("none") is None


def test_incidents_are_those_of_a_status_and_of_a_type_of_fault(filled: SqlRecords) -> None:
    listed = filled.incidents.listed
    assert len(listed(Part(100), status=Status.OPEN)) == filled.incidents.count(Status.OPEN) == 12
    assert [row.item.incident.incident_id for row in listed(Part(9), fault_type=f"fault {MANY - 1}")] == ["i1"]
    assert listed(Part(9), fault_type="fault 0") == []
    assert listed(Part(9), fault_type="") == []


def test_an_incident_is_listed_by_the_components_and_the_onset_that_it_has_now(records: SqlRecords) -> None:
    incidents = records.incidents
    incidents.save(_incident(0))
    grown = replace(_incident(0), components=("db", "cart"), onset=NOON - MINUTE, version=2)
    incidents.save(grown)
    assert [len(incidents.listed(Part(9, component=name))) for name in ("db", "cart", "c0")] == [1, 1, 0]
    assert incidents.listed(Part(9, component="db", since=NOON)) == []
    assert incidents.listed(Part(9, since=NOON)) == []


@pytest.mark.parametrize(
    "document",
    [{}, {"verdict": None}, {"verdict": {"suspects": {}}}, {"verdict": {"suspects": [None], "summary": 7}}],
    ids=str,
)
def test_a_document_that_says_nothing_is_kept_all_the_same(document: dict[str, Any], records: SqlRecords) -> None:
    records.incidents.save(_incident(0))
    assert records.incidents.add_revision(Revision("i0", 1, NOON, 1, document))
    ((_, judgement),) = records.incidents.judgements("i0", Part(9))
    assert (judgement.number, judgement.summary, judgement.suspect) == (1, "", None)
