"""What every place of dead letters promises, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from hypocenter.stores.dead_letters import LONGEST, DeadLetter

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypocenter.stores.opening import SqlRecords
    from hypocenter.stores.sql_dead_letters import SqlDeadLetters

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LETTER = DeadLetter("0-1", "hypocenter.tick", "[3] \0 \ud800", "SourceError: Zeit um", NOON + MINUTE / 7, "detect")


@pytest.fixture
def letters(records: SqlRecords) -> SqlDeadLetters:
    """The dead letters, none so far, of a tenant in each kind of place in turn."""
    return records.dead_letters


def test_a_letter_comes_back_as_it_was_told_and_the_first_of_a_key_stays(letters: SqlDeadLetters) -> None:
    assert letters.add(LETTER)
    assert not letters.add(replace(LETTER, error="else", at=NOON + MINUTE))
    assert letters.newest() == (LETTER,)
    assert letters.count() == 1


def test_the_newest_come_first_and_no_more_than_asked_for(letters: SqlDeadLetters) -> None:
    for number in (2, 0, 3, 1):
        letters.add(replace(LETTER, key=f"{number}", at=NOON + number * MINUTE))
    assert [letter.key for letter in letters.newest(3)] == ["3", "2", "1"]
    assert letters.count() == 4


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", "x" * 9999], ids=ascii)
def test_any_text_is_a_key(letters: SqlDeadLetters, key: str) -> None:
    assert letters.add(replace(LETTER, key=key))
    assert not letters.add(replace(LETTER, key=key))


def test_what_is_long_is_cut(letters: SqlDeadLetters) -> None:
    letters.add(replace(LETTER, arguments="a" * 10**6, error="e" * 10**6))
    assert letters.newest() == (replace(LETTER, arguments="a" * LONGEST, error="e" * LONGEST),)


def test_those_of_before_a_time_are_forgotten(letters: SqlDeadLetters) -> None:
    for number in range(4):
        letters.add(replace(LETTER, key=f"{number}", at=NOON + number * MINUTE))
    assert letters.forget(NOON + 2 * MINUTE) == 2
    assert [letter.key for letter in letters.newest()] == ["3", "2"]


def test_tenants_do_not_meet(records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str]) -> None:
    mine, other = (records_at(new_tenant()).dead_letters for _ in range(2))
    mine.add(LETTER)
    assert other.count() == 0
    assert other.newest() == ()
    assert other.forget(NOON + MINUTE) == 0
    assert other.add(LETTER)
    assert mine.count() == 1
