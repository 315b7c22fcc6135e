"""What a worker does with a question: told step by step, and ended when it fails, is cancelled or takes too long."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from band_server import NOW
from shifting_system import END, START, STEP, fill

from hypocenter.stores.investigations import AskedInvestigation, Stage
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.retention import MetricsLimits
from hypocenter.verdict_json import investigation_from_json
from hypocenter_workers.asked import MOST_ATTEMPTS, answer
from hypocenter_workers.limits import ASKED_LIMIT_S
from hypocenter_workers.live import Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SPIKED = START + 250 * STEP
SPAN = {"start": START.isoformat(), "end": END.isoformat(), "onset": SPIKED.isoformat()}
STEPS_DONE = ["samples", "signals", "graph", "ranking", "anomalies", "robustness"]


@pytest.fixture(scope="module")
def metrics() -> MemoryMetrics:
    store = MemoryMetrics(lambda: NOW, MetricsLimits())
    fill(store)
    return store


@pytest.fixture
def sources(metrics: MemoryMetrics, tmp_path: Path) -> Iterator[Sources]:
    with closing(open_records(str(tmp_path / "records.db"), "asking")) as records:
        yield Sources(metrics, records)


def ask(sources: Sources, request: dict[str, object], **more: object) -> AskedInvestigation:
    asked = replace(AskedInvestigation("q", NOW, request), **more)
    sources.records.investigations.add(asked)
    return asked


def answered(sources: Sources, now: Callable[[], datetime] = lambda: NOW) -> AskedInvestigation:
    answer("q", sources, now)
    found = sources.records.investigations.investigation("q")
    assert found is not None
    return found


def test_a_question_is_answered_step_by_step(sources: Sources) -> None:
    ask(sources, SPAN)
    found = answered(sources)
    assert (found.stage, found.attempts, found.ended_at) == (Stage.DONE, 1, NOW)
    assert [step["step"] for step in found.steps] == STEPS_DONE
    assert found.steps[1]["count"] == 30
    document = sources.records.investigations.document("q")
    assert document is not None
    assert investigation_from_json(document).verdict.suspects[0].component == "service-3"


def test_only_the_components_that_are_named_are_looked_at(sources: Sources) -> None:
    ask(sources, {**SPAN, "components": ["service-3", "service-5"], "robustness": False})
    found = answered(sources)
    assert [step["step"] for step in found.steps] == STEPS_DONE[:-1]
    assert found.steps[1]["count"] == 6


def test_what_cannot_be_answered_fails_and_says_why(sources: Sources) -> None:
    ask(sources, {"at": "2020-01-01T00:00:00Z"})
    found = answered(sources)
    assert (found.stage, found.steps) == (Stage.FAILED, ())
    assert "nothing that matches was kept" in found.error
    assert sources.records.investigations.document("q") is None


def test_one_that_takes_too_long_is_ended(sources: Sources) -> None:
    moments = iter([NOW, NOW, NOW, NOW + timedelta(seconds=ASKED_LIMIT_S + 1)])
    ask(sources, SPAN)
    found = answered(sources, lambda: next(moments, NOW))
    assert (found.stage, len(found.steps)) == (Stage.FAILED, 1)
    assert f"longer than {ASKED_LIMIT_S} s" in found.error


def test_one_that_is_cancelled_meanwhile_goes_no_further(sources: Sources) -> None:
    store = sources.records.investigations
    ask(sources, SPAN)

    def cancelling() -> datetime:
        now = store.investigation("q")
        if now is not None and len(now.steps) == 2 and not now.stage.is_final:
            store.save(replace(now, stage=Stage.CANCELLED, ended_at=NOW, version=now.version + 1))
        return NOW

    found = answered(sources, cancelling)
    assert (found.stage, len(found.steps)) == (Stage.CANCELLED, 2)
    assert answered(sources) == found, "what is over is not begun again"


def test_one_that_workers_die_of_is_given_up(sources: Sources) -> None:
    ask(sources, SPAN, attempts=MOST_ATTEMPTS, stage=Stage.RUNNING)
    found = answered(sources)
    assert (found.stage, "workers died" in found.error) == (Stage.FAILED, True)


def test_one_that_is_not_there_is_no_work(sources: Sources) -> None:
    answer("none", sources, lambda: NOW)
    assert sources.records.investigations.investigations(9) == ()
