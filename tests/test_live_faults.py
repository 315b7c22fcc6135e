"""What production does to the whole platform: no anomaly is lost or doubled, nothing needs a hand, verdicts come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from waiting import awaited
from whole_platform import TELLING, LivePlatform

from hypocenter_workers.ticks.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from native_neo4j import Neo4j
    from native_postgres import Postgres

pytestmark = [pytest.mark.redis, pytest.mark.neo4j, pytest.mark.postgres]
often = pytest.mark.usefixtures("again")
IS_LONG = settings.get_current_profile_name() == "soak"
ROUNDS = 30 if IS_LONG else 1
CUT = timedelta(seconds=60)
SYSTEMS, EVERY = (200, timedelta(seconds=40)) if IS_LONG else (16, timedelta(seconds=12))


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory,
    require: Callable[[str], str],
    neo4j_of_the_module: Neo4j,
    postgres_restartable: Postgres,
) -> Iterator[LivePlatform]:
    """One platform for all tests: each finds it as the faults before left it."""
    for program in ("redis-server", "victoria-metrics"):
        require(program)
    prepare()
    neo4j_of_the_module.start()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(postgres_restartable.password_file))
        folder = tmp_path_factory.mktemp("live")
        with LivePlatform(folder, neo4j_of_the_module, postgres_restartable, (SYSTEMS, EVERY)) as running:
            running.recovers()
            yield running


@pytest.fixture(params=range(ROUNDS))
def again(request: pytest.FixtureRequest) -> int:
    """Have a test done once a round."""
    number: int = request.param
    return number


@often
def test_a_worker_is_killed_amid_a_task(platform: LivePlatform) -> None:
    number = platform.busy_worker()
    platform.kill_worker(number)
    platform.workers[number] = platform.start_worker()
    assert platform.recovers()


@often
@pytest.mark.parametrize("keeps", [True, False], ids=["with-persistence", "without"])
def test_redis_dies_and_comes_back(platform: LivePlatform, keeps: bool) -> None:
    platform.redis.kill()
    if not keeps:
        platform.forget_redis()
    platform.stall()
    platform.start_redis()
    assert platform.recovers()


@often
def test_redis_is_full(platform: LivePlatform) -> None:
    platform.client.config_set("maxmemory", 1)
    platform.stall()
    platform.client.config_set("maxmemory", 0)
    assert platform.recovers()


@often
def test_the_network_passes_nothing(platform: LivePlatform) -> None:
    platform.redis_line.cut()
    platform.metrics_line.cut()
    platform.stall(CUT)
    platform.redis_line.mend()
    platform.metrics_line.mend()
    assert platform.recovers()


@often
def test_metrics_are_slow(platform: LivePlatform) -> None:
    platform.metrics_line.delay_s = 2.0
    platform.stall()
    platform.metrics_line.delay_s = 0.0
    assert platform.recovers()


@often
def test_a_second_beat_takes_over(platform: LivePlatform) -> None:
    other = platform.start_beat()
    platform.beat.kill()
    platform.beat = other
    assert platform.recovers()


@often
def test_messages_that_are_none(platform: LivePlatform) -> None:
    before = platform.records.dead_letters.count()
    platform.client.lpush("detect", b"no message at all")
    platform.app.send_task("hypocenter.no_such_task", [1], queue="detect")
    platform.app.send_task("hypocenter.tick", ["no shard"])
    awaited(lambda: platform.records.dead_letters.count() >= before + 2, platform.said)
    assert platform.recovers()


@often
def test_the_graph_is_away_for_a_while(platform: LivePlatform) -> None:
    platform.neo4j.kill()
    assert platform.recovers(), "ticks need no graph"
    platform.neo4j.start()


@often
def test_the_records_are_away_for_a_while(platform: LivePlatform) -> None:
    platform.postgres.stop()
    platform.postgres.start()
    assert platform.recovers()


@often
def test_clocks_are_an_hour_ahead(platform: LivePlatform, require: Callable[[str], str]) -> None:
    require("faketime")
    platform.end([platform.beat, *platform.workers])
    platform.workers[0], platform.beat = platform.start_worker("+1h"), platform.start_beat("+1h")
    assert platform.recovers()
    platform.workers[1] = platform.start_worker()
    assert platform.recovers()
    assert platform.watermark <= datetime.now(UTC)


@often
def test_the_work_is_divided_among_another_number_of_shards(platform: LivePlatform) -> None:
    platform.end([platform.beat, *platform.workers])
    platform.shards = 7 - platform.shards
    platform.workers = [platform.start_worker(), platform.start_worker()]
    platform.beat = platform.start_beat()
    assert platform.recovers()
    assert platform.records.detections.shards() == platform.shards


def test_after_all_of_it_nothing_is_lost_or_doubled_and_each_incident_has_its_verdict(
    platform: LivePlatform, tmp_path: Path
) -> None:
    stream = platform.stream
    until = platform.watermark - TELLING
    ill = {frozenset(pair) for pair in stream.ill_before(until)}
    told = platform.told(until)
    assert told == platform.undisturbed(until, tmp_path)
    assert len(told) >= 2 * len(ill) > 0
    awaited(lambda: len(platform.incidents()) >= len(ill), lambda: f"{platform.incidents()} {platform.said()}")
    found = [frozenset(each.components) for each in platform.incidents()]
    assert set(found) >= ill
    assert len(found) == len(set(found))
    assert [part.exit_code for part in (platform.api, platform.beat, *platform.workers)] == [None] * 4
