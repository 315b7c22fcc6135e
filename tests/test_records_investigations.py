"""What every place of asked investigations promises, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from hypocenter.stores.investigations import AskedInvestigation, Place, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypocenter.stores.opening import SqlRecords
    from hypocenter.stores.sql_investigations import SqlInvestigations

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ASKED = AskedInvestigation("q-1", NOON + MINUTE / 7, {"at": "2026-03-01T12:00:00Z", "components": ["\ud800 \0 ü"]})
STEP = {"step": "read", "count": 3, "at": "2026-03-01T12:00:01+00:00"}
RUNNING = replace(ASKED, stage=Stage.RUNNING, steps=(STEP,), attempts=1, version=2)
DONE = replace(RUNNING, stage=Stage.DONE, ended_at=NOON + MINUTE, version=3)
ANSWER = {"verdict": {"cause": "ü \0", "suspects": [{"probability": 0.1 + 0.2}]}}


@pytest.fixture
def asked(records: SqlRecords) -> SqlInvestigations:
    """The investigations, none so far, of a tenant in each kind of place in turn."""
    return records.investigations


def test_one_comes_back_as_it_was_saved_with_its_answer(asked: SqlInvestigations) -> None:
    assert asked.add(ASKED)
    assert (asked.investigation("q-1"), asked.document("q-1")) == (ASKED, None)
    assert asked.save(RUNNING)
    assert asked.save(DONE, ANSWER)
    assert (asked.investigation("q-1"), asked.document("q-1")) == (DONE, ANSWER)
    assert asked.investigation("q-2") is None


def test_the_first_of_an_id_stays_and_what_is_not_the_next_version_changes_nothing(asked: SqlInvestigations) -> None:
    asked.add(ASKED)
    assert not asked.add(replace(ASKED, by="another"))
    assert not asked.save(DONE, ANSWER)
    assert asked.save(RUNNING)
    assert not asked.save(replace(RUNNING, stage=Stage.CANCELLED))
    assert (asked.investigation("q-1"), asked.document("q-1")) == (RUNNING, None)


def test_they_are_listed_newest_first_from_a_place_on_also_while_more_are_added(asked: SqlInvestigations) -> None:
    for number in (3, 1, 2, 0):
        asked.add(replace(ASKED, investigation_id=f"q-{number}", asked_at=NOON + number // 2 * MINUTE))
    everyone = asked.investigations(10)
    assert [each.asked_at for each in everyone] == [NOON + MINUTE] * 2 + [NOON] * 2
    asked.add(replace(ASKED, investigation_id="newer", asked_at=NOON + 5 * MINUTE))
    for at, each in enumerate(everyone, 1):
        assert asked.investigations(10, Place(each.asked_at, each.investigation_id)) == everyone[at:]
    assert asked.investigations(1)[0].investigation_id == "newer"


def test_versions_and_what_is_unfinished_are_told(asked: SqlInvestigations) -> None:
    asked.add(ASKED)
    asked.add(replace(ASKED, investigation_id="q-0", asked_at=NOON - MINUTE))
    asked.save(RUNNING)
    assert asked.versions(["q-1", "q-0", "none"]) == {"q-1": 2, "q-0": 1}
    assert asked.versions([]) == {}
    assert asked.unfinished(NOON - MINUTE, NOON + MINUTE) == ("q-0", "q-1")
    assert asked.unfinished(NOON, NOON + MINUTE) == ("q-1",)
    assert asked.unfinished(NOON - MINUTE, NOON) == ("q-0",)
    asked.save(DONE)
    assert asked.unfinished(NOON - MINUTE, NOON + MINUTE) == ("q-0",)


def test_what_was_asked_long_ago_is_forgotten_unless_it_waits_or_runs(asked: SqlInvestigations) -> None:
    for number, stage in enumerate(Stage):
        asked.add(replace(ASKED, investigation_id=str(number), stage=stage, asked_at=NOON))
    asked.add(replace(ASKED, stage=Stage.DONE, asked_at=NOON + MINUTE))
    assert asked.forget(NOON + MINUTE) == 3
    assert {each.stage for each in asked.investigations(9)} == {Stage.QUEUED, Stage.RUNNING, Stage.DONE}


def test_tenants_do_not_meet(records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str]) -> None:
    mine, other = (records_at(new_tenant()).investigations for _ in range(2))
    mine.add(ASKED)
    assert other.investigation("q-1") is None
    assert (other.versions(["q-1"]), other.unfinished(NOON, NOON + MINUTE), other.investigations(9)) == ({}, (), ())
    assert other.forget(NOON + 9 * MINUTE) == 0
    assert other.add(ASKED)
    assert other.save(DONE) is False
    assert mine.investigation("q-1") == ASKED
