"""What every place of records promises, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.history.past_incident import Counts, PastIncident
from hypocenter.stores.records import ModelEvent, NewModel, Opinion, Says, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypocenter.stores.opening import SqlRecords

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEPT = PastIncident(
    incident_id="INC-7",
    source="pagerduty",
    key="PABC123",
    title="Zahlung hängt \0 \ud800",
    system="shop",
    started_at=NOON,
    resolved_at=NOON + timedelta(hours=1, microseconds=3),
    root_components=("payment", "db"),
    labels=("team:core", "sev1"),
    telemetry="/cases/7",
)
OTHER = replace(KEPT, key="PXYZ", incident_id="INC-8", started_at=None)
times = st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3000)
incidents = st.builds(
    PastIncident,
    incident_id=st.text(),
    source=st.sampled_from(["jira", "csv"]),
    key=keys,
    title=st.text(),
    started_at=times,
    resolved_at=times,
    root_components=st.lists(st.text(), max_size=3).map(tuple),
)


def test_an_incident_comes_back_as_it_was_saved(records: SqlRecords) -> None:
    assert records.history.save_incidents([KEPT]) == Counts(new=1)
    assert list(records.history.incidents()) == [KEPT]


def test_saving_again_changes_nothing(records: SqlRecords) -> None:
    records.history.save_incidents([KEPT, OTHER])
    assert records.history.save_incidents(iter([OTHER, KEPT])) == Counts(same=2)
    assert records.history.older_versions("pagerduty", "PABC123") == ()


def test_what_changed_is_a_new_version_and_the_old_ones_stay(records: SqlRecords) -> None:
    renamed, healed = replace(KEPT, title="Payment hangs"), replace(KEPT, notes="restarted")
    records.history.save_incidents([KEPT])
    assert records.history.save_incidents([renamed, OTHER]) == Counts(new=1, changed=1)
    assert records.history.save_incidents([healed]) == Counts(changed=1)
    assert list(records.history.incidents()) == [OTHER, healed]
    assert records.history.older_versions("pagerduty", "PABC123") == (KEPT, renamed)


def test_what_went_back_to_an_older_version_is_a_change(records: SqlRecords) -> None:
    for version in (KEPT, replace(KEPT, title="else"), KEPT):
        records.history.save_incidents([version])
    assert len(records.history.older_versions("pagerduty", "PABC123")) == 2


def test_a_dry_run_counts_and_saves_nothing(records: SqlRecords) -> None:
    records.history.save_incidents([KEPT])
    changed = replace(KEPT, title="else")
    assert records.history.save_incidents([changed, OTHER], dry_run=True) == Counts(new=1, changed=1)
    assert list(records.history.incidents()) == [KEPT]


@pytest.mark.parametrize("before", [[], [KEPT], [KEPT, replace(KEPT, title="earlier")]], ids=len)
@pytest.mark.parametrize("between", [0, 700], ids=["in one chunk", "in two chunks"])
def test_of_two_in_one_call_the_later_is_kept_alone(
    records: SqlRecords, between: int, before: list[PastIncident]
) -> None:
    for version in before:
        records.history.save_incidents([version])
    many = [replace(KEPT, key=f"k{number}") for number in range(between)]
    last = replace(KEPT, title="later")
    counts = Counts(new=between, changed=1) if before else Counts(new=1 + between)
    assert records.history.save_incidents([replace(KEPT, title="soon wrong"), *many, last]) == counts
    assert records.history.older_versions("pagerduty", "PABC123") == tuple(before)
    assert [one for one in records.history.incidents() if one.key == KEPT.key] == [last]
    assert records.history.save_incidents([last]) == Counts(same=1)


def test_a_stream_that_fails_leaves_nothing(records: SqlRecords) -> None:
    def broken() -> Iterator[PastIncident]:
        yield from (replace(KEPT, key=f"k{number}") for number in range(1200))
        raise InputError("line 1201 is no incident")

    with pytest.raises(InputError, match="1201"):
        records.history.save_incidents(broken())
    assert list(records.history.incidents()) == []


def test_incidents_are_in_order_of_start_then_source_then_key(records: SqlRecords) -> None:
    mixed = [
        replace(KEPT, source=source, key=key, started_at=start)
        for start in (NOON + timedelta(microseconds=1), None, NOON)
        for source in ("jira", "Jira", "a b", "a-b")
        for key in ("b", "B", "ä", "_")
    ]
    unique = [replace(one, key=f"{one.key}{number % 3}") for number, one in enumerate(mixed)]
    records.history.save_incidents(unique)
    found = list(records.history.incidents())
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert found == sorted(found, key=lambda i: (i.started_at or epoch, i.source.encode(), i.key.encode()))


@pytest.mark.parametrize("field", ["source", "key"])
@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_key_that_no_database_holds_is_refused(records: SqlRecords, field: str, text: str) -> None:
    with pytest.raises(InputError, match=f"its {field} holds characters"):
        records.history.save_incidents([replace(KEPT, **{field: text})])


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(incidents, max_size=6))
def test_any_incidents_come_back_and_the_same_again_is_the_same(
    records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str], batch: list[PastIncident]
) -> None:
    history = records_at(new_tenant()).history
    last = {(one.source, one.key): one for one in batch}
    assert history.save_incidents(batch) == Counts(new=len(last))
    assert {(one.source, one.key): one for one in history.incidents()} == last
    assert history.save_incidents(last.values()) == Counts(same=len(last))


def test_tenants_never_meet(records: SqlRecords, records_at: Callable[[str], SqlRecords], tenant: str) -> None:
    records.history.save_incidents([KEPT])
    records.feedback.add_opinion(Opinion("INC-7", Says.RIGHT, "Ada", NOON))
    records.models.add_model(MODEL)
    other = records_at(f"{tenant}-other")
    assert (list(other.history.incidents()), other.feedback.opinions(), other.models.models()) == ([], (), ())
    assert other.models.add_model(MODEL) == 1
    assert list(records_at(tenant).history.incidents()) == [KEPT]


def test_one_may_write_while_another_reads(records: SqlRecords) -> None:
    many = [replace(KEPT, key=f"k{number:04}") for number in range(1500)]
    records.history.save_incidents(many)
    walk = records.history.incidents()
    first = next(walk)
    records.history.save_incidents([KEPT])
    assert len([first, *walk]) == 1500
    assert len(list(records.history.incidents())) == 1501


def test_writers_of_one_tenant_take_turns(records: SqlRecords) -> None:
    batches = [[replace(KEPT, key=str(key), title=str(writer)) for key in range(20)] for writer in range(4)]
    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(records.history.save_incidents, batches))
    assert sum(count.new for count in counts) == 20
    assert sum(count.changed for count in counts) == 60
    assert len(records.history.older_versions("pagerduty", "0")) == 3


def test_opinions_are_added_and_all_kept(records: SqlRecords) -> None:
    said = [
        Opinion("INC-7", Says.WRONG, "Ada", NOON, component="db"),
        Opinion("INC-8", Says.NOT_AN_INCIDENT, "Ben", NOON),
        Opinion(
            "INC-7", Says.CAUSE, "Ada", NOON + timedelta(days=1), "payment", "cpu", "the deploy, after all", "shop"
        ),
    ]
    for opinion in said:
        records.feedback.add_opinion(opinion)
    assert records.feedback.opinions() == tuple(said)
    assert records.feedback.opinions("INC-7") == (said[0], said[2])
    assert records.feedback.opinions("INC-9") == ()
    assert [type(one.says) for one in records.feedback.opinions()] == [Says] * 3


MODEL = NewModel("shop", "incidents", NOON, "abc", {"figures": [0.5], "words": "ä"}, {"ranker.txt": "tree\n", "a": ""})


def test_a_model_comes_back_as_it_was_added(records: SqlRecords) -> None:
    assert [records.models.add_model(MODEL), records.models.add_model(replace(MODEL, data_hash="def"))] == [1, 2]
    first, second = records.models.models()
    assert (first.name, first.version, first.status, first.data_hash) == ("shop", 1, Status.CANDIDATE, "abc")
    assert (first.created_at, first.card, second.data_hash) == (NOON, MODEL.card, "def")
    assert records.models.model_parts("shop", 2) == MODEL.parts


def test_one_version_serves_and_its_events_are_kept(records: SqlRecords) -> None:
    for _ in range(3):
        records.models.add_model(MODEL)
    other = replace(MODEL, name="other")
    records.models.add_model(other)
    events = [ModelEvent("shop", 1, "promoted", NOON, "Ada"), ModelEvent("shop", 3, "promoted", NOON, "Ada", "x", True)]
    for event, instead_of in zip(events, (None, 1), strict=True):
        records.models.serve(event, instead_of)
    records.models.serve(ModelEvent("other", 1, "promoted", NOON), None)
    statuses = {(model.name, model.version): model.status for model in records.models.models()}
    assert statuses == {
        ("other", 1): "serving",
        ("shop", 1): "retired",
        ("shop", 2): "candidate",
        ("shop", 3): "serving",
    }
    assert records.models.model_events("shop") == tuple(events)


@pytest.mark.parametrize(("name", "version"), [("shop", 2), ("shop", 0), ("nothing", 1)])
def test_a_version_that_is_not_there_is_refused(records: SqlRecords, name: str, version: int) -> None:
    records.models.add_model(MODEL)
    with pytest.raises(InputError, match=f"no model {name} version {version}"):
        records.models.model_parts(name, version)
    with pytest.raises(InputError, match=f"no model {name} version {version}"):
        records.models.serve(ModelEvent(name, version, "promoted", NOON), None)
    assert [model.status for model in records.models.models()] == [Status.CANDIDATE]
    assert records.models.model_events(name) == ()


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_model_without_a_name_is_refused(records: SqlRecords, name: str) -> None:
    with pytest.raises(InputError, match="a name is text"):
        records.models.add_model(replace(MODEL, name=name))


@pytest.mark.parametrize("field", ["incident_id", "by", "component", "fault_type", "note", "system"])
@pytest.mark.parametrize("text", ["a\0b", "a\ud800"], ids=["zero", "half"])
def test_an_opinion_of_what_is_no_text_is_refused(records: SqlRecords, field: str, text: str) -> None:
    with pytest.raises(InputError, match=f"{field} .* cannot be kept"):
        records.feedback.add_opinion(replace(Opinion("INC-7", Says.RIGHT, "Ada", NOON), **{field: text}))
    assert records.feedback.opinions() == ()


@pytest.mark.parametrize("instead_of", [None, 2])
def test_what_serves_now_is_compared_where_it_is_replaced(records: SqlRecords, instead_of: int | None) -> None:
    for _ in range(3):
        records.models.add_model(MODEL)
    records.models.serve(ModelEvent("shop", 1, "promoted", NOON), None)
    with pytest.raises(InputError, match="another version of shop serves by now"):
        records.models.serve(ModelEvent("shop", 3, "promoted", NOON), instead_of)
    assert [model.status for model in records.models.models()] == ["serving", "candidate", "candidate"]
    assert len(records.models.model_events("shop")) == 1
