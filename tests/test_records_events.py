"""What every place of alerts and changes promises, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.engine import Engine

from hypocenter.events import KeptAlert, KeptChange, Origin
from hypocenter.history.past_incident import Counts
from hypocenter.model import Alert, ChangeEvent
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from hypocenter.stores.opening import SqlRecords

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FIRING = KeptAlert(
    Alert("cart", "HighErrors \0 \ud800", NOON, severity="page", summary="Zahlung hängt"),
    Origin("f00d@noon", "alertmanager", "http://prometheus/graph", {"alertname": "HighErrors", "pod": "cart-0"}),
)
RESOLVED = replace(FIRING, ends_at=NOON + 5 * MINUTE, resolved=True)
DEPLOY = KeptChange(
    ChangeEvent("cart", NOON, "deploy", "cart 1.4.2 \0", "https://ci.example/7"), Origin("ci:7", labels={"env": "prod"})
)


def at(minute: int) -> datetime:
    return NOON + minute * MINUTE


def alert(key: str, start: int, end: int | None = None) -> KeptAlert:
    ended = None if end is None else at(end)
    return KeptAlert(Alert("cart", key, at(start)), Origin(key), ended, resolved=end is not None)


def test_an_alert_comes_back_as_it_was_told(records: SqlRecords) -> None:
    assert records.alerts.add_alerts([FIRING]) == Counts(new=1)
    assert records.alerts.alerts(NOON, NOON) == [FIRING]


def test_told_again_it_changes_nothing(records: SqlRecords) -> None:
    assert records.alerts.add_alerts([FIRING, FIRING]) == Counts(new=1)
    assert records.alerts.add_alerts([FIRING]) == Counts(same=1)


def test_that_it_is_resolved_ends_it_and_an_older_message_does_not_open_it_again(records: SqlRecords) -> None:
    records.alerts.add_alerts([FIRING])
    assert records.alerts.add_alerts([RESOLVED]) == Counts(changed=1)
    assert records.alerts.add_alerts([FIRING, RESOLVED]) == Counts(same=1)
    assert records.alerts.alerts(NOON, at(9)) == [RESOLVED]
    assert records.alerts.alerts(at(6), at(9)) == []


def test_whatever_the_order_of_messages_they_say_the_same(
    records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str]
) -> None:
    later = replace(RESOLVED, ends_at=at(7))
    until = replace(FIRING, ends_at=at(4))
    for order in permutations([FIRING, until, RESOLVED, later]):
        records = records_at(new_tenant())
        for each in order:
            records.alerts.add_alerts([each])
        assert records.alerts.alerts(NOON, NOON) == [later]


def test_an_alert_that_says_until_when_it_fires_fires_longer_when_it_is_told_of_again(records: SqlRecords) -> None:
    for minute in (4, 5, 3):
        records.alerts.add_alerts([replace(FIRING, ends_at=at(minute))])
    assert [each.ends_at for each in records.alerts.alerts(NOON, NOON)] == [at(5)]
    assert records.alerts.alerts(at(6), at(7)) == []


def test_alerts_are_those_that_fired_within_the_time(records: SqlRecords) -> None:
    told = [alert("before", 0, 9), alert("into", 0, 10), alert("through", 0, 99), alert("within", 11, 12)]
    told += [alert("still", 13), alert("out", 20, 30), alert("after", 21)]
    records.alerts.add_alerts(told)
    found = records.alerts.alerts(at(10), at(20))
    assert [each.origin.key for each in found] == ["into", "through", "within", "still", "out"]
    still = records.alerts.alerts(at(10), at(20), firing=True)
    assert [each.origin.key for each in still] == ["through", "still", "out"]


def test_a_change_comes_back_as_it_was_told_and_once(records: SqlRecords) -> None:
    assert records.changes.add_changes([DEPLOY, DEPLOY]) == Counts(new=1)
    altered = replace(DEPLOY, change=replace(DEPLOY.change, title="else"))
    assert records.changes.add_changes([altered]) == Counts(same=1)
    assert records.changes.changes(NOON, NOON) == [DEPLOY]


def test_changes_are_those_within_the_time_in_its_order(records: SqlRecords) -> None:
    told = [KeptChange(ChangeEvent("cart", at(minute)), Origin(f"{minute}")) for minute in (12, 9, 10, 11)]
    records.changes.add_changes(told)
    assert [each.origin.key for each in records.changes.changes(at(10), at(11))] == ["10", "11"]


def test_tenants_do_not_meet(records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str]) -> None:
    mine, other = records_at(new_tenant()), records_at(new_tenant())
    mine.alerts.add_alerts([RESOLVED])
    mine.changes.add_changes([DEPLOY])
    assert other.alerts.add_alerts([FIRING]) == Counts(new=1)
    assert other.changes.changes(NOON, NOON) == []
    assert mine.alerts.alerts(NOON, NOON) == [RESOLVED]


def test_many_at_once_are_kept_once(records: SqlRecords) -> None:
    told = [alert(f"{number}", number) for number in range(1200)]
    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(records.alerts.add_alerts, [told, told[::-1], told, told]))
    assert sum(count.new for count in counts) == 1200
    assert len(records.alerts.alerts(at(0), at(1200))) == 1200


@given(
    name=st.text(max_size=200),
    labels=st.dictionaries(st.text(max_size=50), st.text(max_size=50), max_size=5),
    start=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    seconds=st.none() | st.integers(0, 10**8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_whatever_is_told_comes_back(
    records: SqlRecords, name: str, labels: dict[str, str], start: datetime, seconds: int | None
) -> None:
    end = None if seconds is None else start + timedelta(seconds=seconds)
    told = KeptAlert(Alert("c", name, start), Origin(f"{name}@{start}@{end}", labels=labels), end, end is not None)
    records.alerts.add_alerts([told])
    records.alerts.add_alerts([told])
    # Alerts of one key that an earlier example told are joined with this one, and say the same of its end.
    mine = [each for each in records.alerts.alerts(start, start) if each.origin.key == told.origin.key]
    assert [(each.alert, each.ends_at) for each in mine] == [(told.alert, told.ends_at)]


def _statements(work: Callable[[], object]) -> list[tuple[str, Any]]:
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return [(said, values) for said, values in asked if said.startswith(("SELECT", "UPDATE"))]


def test_what_is_asked_is_found_by_an_index(tmp_path: Path) -> None:
    place = tmp_path / "records.db"
    with closing(open_records(str(place))) as records:
        asked = _statements(lambda: records.alerts.alerts(NOON, NOON))
        asked += _statements(lambda: records.changes.changes(NOON, NOON))
        asked += _statements(lambda: records.changes.add_changes([DEPLOY]))
        records.alerts.add_alerts([FIRING])
        asked += _statements(lambda: records.alerts.add_alerts([RESOLVED]))
    assert len(asked) == 5
    with closing(sqlite3.connect(place)) as database:
        for said, values in asked:
            first = values[0] if isinstance(values, list) else values
            plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {said}", first)]
            assert plan
            assert all("SEARCH" in step for step in plan), (said, plan)
