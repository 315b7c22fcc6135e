"""Detection of several tenants by one process: what is found of one is kept with it alone."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from served import OTHER
from step_work import StepWork, told
from waiting import awaited

from hypocenter.errors import InputError
from hypocenter.rhythm import Rhythm
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.retention import MetricsLimits
from hypocenter.stores.work_board import TASKS, Figure, MemoryBoard
from hypocenter_workers.beat import Beat, Sight
from hypocenter_workers.embedded import crews
from hypocenter_workers.live import Sources
from hypocenter_workers.live_work import live_work_of
from hypocenter_workers.sending import investigation_of, send_once

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from celery import Celery

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RHYTHM = Rhythm(timedelta(seconds=10), timedelta(0), 3)


class Tenants:
    """The work of two tenants whose records are one file, and the app of the workers that do it."""

    def __init__(self, app: Celery, first: StepWork, other: StepWork) -> None:
        self.app, self.first, self.other = app, first, other


@pytest.fixture
def tenants(tmp_path: Path) -> Iterator[Tenants]:
    with ExitStack() as stack:
        works = [
            StepWork(
                stack.enter_context(closing(open_records(str(tmp_path / "records.db"), tenant))),
                MemoryBoard(),
                RHYTHM,
                lambda: datetime.now(UTC),
            )
            for tenant in ("default", OTHER)
        ]
        first, other = works
        app = stack.enter_context(crews(first, {OTHER: other}))
        yield Tenants(app, first, other)


def _beat(tenants: Tenants, work: StepWork, tenant: str | None) -> Beat:
    sight = Sight(work.records, work.board, RHYTHM, lambda: datetime.now(UTC), tenant=tenant, tenants=2)
    return Beat(tenants.app, sight, "one")


def test_what_a_beat_of_a_tenant_sends_is_done_and_counted_for_it(tenants: Tenants) -> None:
    assert _beat(tenants, tenants.other, OTHER).turn()
    awaited(lambda: all(told(tenants.other.records, shard) for shard in range(RHYTHM.shards)))
    done = Figure(TASKS, "hypocenter.tick", "success")
    awaited(lambda: tenants.other.board.totals().get(done) == RHYTHM.shards)
    assert not any(told(tenants.first.records, shard) for shard in range(RHYTHM.shards))
    assert tenants.first.board.totals() == {}
    assert _beat(tenants, tenants.first, None).turn()
    awaited(lambda: tenants.first.board.totals().get(done) == RHYTHM.shards)


def test_what_is_given_up_is_kept_with_its_tenant(tenants: Tenants) -> None:
    assert send_once(tenants.app, tenants.other.board, investigation_of("x", OTHER))
    awaited(lambda: tenants.other.records.dead_letters.count() == 1)
    assert tenants.first.records.dead_letters.count() == 0


def test_a_worker_opens_no_tenant_that_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPOCENTER_TENANTS", OTHER)
    for tenant in ("globex", "default", ""):
        with pytest.raises(InputError, match="HYPOCENTER_TENANTS"):
            live_work_of(tenant)


def test_what_is_wanted_is_read_anew_each_time(tenants: Tenants) -> None:
    metrics = MemoryMetrics(lambda: NOON, MetricsLimits())
    sources = [Sources(metrics, work.records) for work in (tenants.first, tenants.other)]
    assert [each.precision for each in sources] == [0.8, 0.8]
    assert tenants.other.records.settings.change({}, {"precision": "0.95"})
    assert [each.precision for each in sources] == [0.8, 0.95]
