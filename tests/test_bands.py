"""Scores and bands that are computed anew are those by which ticks told of anomalies."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from shifting_system import CALM, END, START, START_MS, STEP, STEP_MS, STEPS, fill

from hypocenter.errors import InputError
from hypocenter.rhythm import Rhythm
from hypocenter.stores.matching import Matcher
from hypocenter.stores.opening import open_records
from hypocenter_workers.bands import Listings, Wanted, bands, listed
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import FileStates
from hypocenter_workers.ticks.tick import Place, tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EVERY = ((Matcher("component", "=~", ".+"),),)


def at(component: str, **more: str) -> tuple[tuple[Matcher, ...], ...]:
    return (tuple(Matcher(name, "=", value) for name, value in {"component": component, **more}.items()),)


@pytest.fixture
def place(new_metrics: Callable[..., Any], tmp_path: Path, new_tenant: Callable[[], str]) -> Iterator[Place]:
    store = new_metrics("duckdb", lambda: END + timedelta(hours=1))
    fill(store)
    with closing(open_records(str(tmp_path / "records.db"), new_tenant())) as records:
        rhythm = Rhythm(learn=timedelta(days=2), shards=4)
        yield Place(store, records.detections, FileStates(tmp_path / "states"), Roster(store, 4), rhythm)


def wanted(first: int, last: int, step: int = 1, back: int = 0, match: Any = EVERY) -> Wanted:
    return Wanted(
        match,
        START_MS + first * STEP_MS,
        START_MS + last * STEP_MS,
        step * STEP_MS,
        back * STEP_MS,
        START_MS + STEPS * STEP_MS,
    )


def test_scores_and_bands_are_those_that_ticks_told(place: Place) -> None:
    for end in [0, CALM, *range(CALM + 1, STEPS + 1, 12)]:
        for shard in range(4):
            tick(place, shard, START + end * STEP + timedelta(seconds=30))
    told = [kept.anomaly for kept in place.detections.anomalies(START, END)]
    assert {each.series.component for each in told} >= {"service-3", "service-5"}
    for each in told:
        step = (each.peak - START) // STEP
        match = at(each.series.component, metric=each.series.metric, stat=each.series.stat)
        (one,) = bands(Listings(place), wanted(240, STEPS - 1, match=match))
        row = {name: one[name][step - 240] for name in ("value", "score", "lower", "upper")}
        assert row == {"value": each.value, "score": each.score, "lower": each.low, "upper": each.high}


def test_where_a_question_begins_does_not_matter(place: Place) -> None:
    whole = bands(Listings(place), wanted(0, STEPS - 1))
    part = bands(Listings(place), wanted(255, 260))
    for name in ("value", "score", "lower", "upper"):
        assert [one[name] for one in part] == [one[name][255:261] for one in whole]


def test_a_coarse_step_says_the_last_value_and_hides_no_score(place: Place) -> None:
    match = at("service-3", metric="queue_length")
    (fine,), (coarse,) = (bands(Listings(place), wanted(240, 270, step, match=match)) for step in (1, 10))
    assert coarse["value"] == fine["value"][::10]
    assert coarse["score"][1:] == [max(fine["score"][first + 1 : first + 11]) for first in (0, 10, 20)]
    assert max(coarse["score"]) == max(fine["score"])


def test_a_gap_is_none_or_the_last_value_for_as_long_as_is_asked(place: Place) -> None:
    match = at("service-6", metric="queue_length")
    (bare,) = bands(Listings(place), wanted(98, 108, match=match))
    (filled,) = bands(Listings(place), wanted(98, 108, back=5, match=match))
    assert [value is None for value in bare["value"]] == [False] * 2 + [True] * 9
    assert filled["value"] == bare["value"][:2] + [bare["value"][1]] * 4 + [None] * 5


def test_steps_that_are_not_settled_are_not_looked_at(place: Place) -> None:
    match = at("service-3", metric="queue_length")
    (whole,) = bands(Listings(place), wanted(245, 255, back=3, match=match))
    (some,) = bands(Listings(place), wanted(245, 255, back=3, match=match)._replace(until_ms=START_MS + 250 * STEP_MS))
    assert some["value"] == [*whole["value"][:6], *[whole["value"][5]] * 2, None, None, None]
    (none,) = bands(Listings(place), wanted(245, 255, match=match)._replace(until_ms=START_MS))
    assert none["value"] == none["score"] == [None] * 11


def test_signals_are_listed_by_what_their_labels_say(place: Place) -> None:
    question = wanted(0, STEPS - 1, 0)
    every = listed(Listings(place), question)
    assert len(every) == 30
    assert {labels["component"] for labels in every} == {f"service-{number}" for number in range(10)}
    some = listed(Listings(place), question._replace(selectors=(*at("service-3"), *at("service-7"), *at("none"))))
    assert {labels["component"] for labels in some} == {"service-3", "service-7"}
    gauges = ((Matcher("metric", "=", "queue_length"), Matcher("component", "!=", "service-3")),)
    assert len(listed(Listings(place), question._replace(selectors=gauges))) == 9


def test_more_than_can_be_drawn_are_refused(place: Place) -> None:
    with pytest.raises(InputError, match="30 series match, and at most 29"):
        bands(Listings(place), wanted(0, 9), 29)
