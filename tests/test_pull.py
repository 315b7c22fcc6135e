"""Telemetry that is fetched from a real Prometheus: all of it once, through outages, stops and servers in trouble."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from own_prometheus import OwnPrometheus
from pull_place import (
    MINUTE,
    NOW,
    OPTIONS,
    Place,
    Script,
    opened,
    seconds,
    stopping,
)
from scripted_prometheus import Reply, failure, success
from waiting import awaited

from hypocenter.api.pull_marks import FILE
from hypocenter.errors import LimitError, SourceError
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.metrics import BusyError
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter.stores.retention import MetricsLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scripted_prometheus import Server

    from hypocenter.batches import Batch, Taken
    from hypocenter.events import KeptAlert
    from hypocenter.stores.group_commit import GroupCommit


def test_the_first_turn_reads_an_hour_and_the_next_what_is_new(
    pull_place: Place, pull_server: Server, pull_script: Script
) -> None:
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
        assert seconds(pull_place) == list(np.arange(-3645, 1, 15.0))
        pull_script.spans.clear()
        pull_place.now[0] += MINUTE
        pull.turn()
        assert pull_script.spans == [(NOW.timestamp() - 60, NOW.timestamp() + 60)]
        assert seconds(pull_place) == list(np.arange(-3645, 61, 15.0))
        assert pull.status.series == 1
        assert pull.status.last_success == pull_place.now[0]


def test_a_new_process_goes_on_where_the_last_one_ended(
    tmp_path: Path, pull_server: Server, pull_script: Script
) -> None:
    with opened(tmp_path / "data") as pull_place, stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
    pull_script.spans.clear()
    with opened(tmp_path / "data") as pull_place:
        pull_place.now[0] += 20 * MINUTE
        with stopping(pull_place.pull(pull_server.url)) as pull:
            pull.turn()
        assert pull_script.spans[0][0] == NOW.timestamp() - 60
        assert seconds(pull_place) == list(np.arange(-3645, 1201, 15.0))
        with stopping(pull_place.pull(pull_server.url + "/prometheus")) as pull:
            pull_script.spans.clear()
            pull.turn()
        assert pull_script.spans[0][0] == NOW.timestamp() - 40 * 60 - 60, "of another server nothing was read yet"


def test_an_outage_longer_than_the_limit_leaves_a_gap_that_is_told(
    pull_place: Place, pull_server: Server, pull_script: Script
) -> None:
    with stopping(pull_place.pull(pull_server.url, most_behind=timedelta(hours=2))) as pull:
        pull.turn()
        pull_place.now[0] += timedelta(hours=5)
        pull_script.spans.clear()
        pull.turn()
        assert pull_script.spans[0][0] == NOW.timestamp() + 3 * 3600 - 60
        assert pull.status.skipped == timedelta(hours=3)
        assert max(seconds(pull_place)) == 5 * 3600


def test_series_beyond_the_limit_are_left_out_and_the_others_go_on(
    tmp_path: Path, pull_server: Server, pull_script: Script
) -> None:
    with opened(tmp_path / "few", MetricsLimits(max_series=1)) as place, stopping(place.pull(pull_server.url)) as pull:
        pull.turn()
        pull_script.pods = ["cart-0", "cart-1"]
        place.now[0] += MINUTE
        pull.turn()
        assert place.samples().keys() == {"cart-0"}
        assert seconds(place)[-1] == 60
        assert (pull.status.error, pull.status.refused) == ("", 8)


def test_what_is_too_much_for_the_server_is_asked_in_shorter_pieces(
    pull_place: Place, pull_server: Server, pull_script: Script
) -> None:
    pull_script.largest_s = 40
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
    assert max(end - start for start, end in pull_script.spans) <= 40
    assert seconds(pull_place) == list(np.arange(-3645, 1, 15.0))


def test_answers_of_little_are_asked_for_in_longer_pieces(
    pull_place: Place, pull_server: Server, pull_script: Script
) -> None:
    with stopping(pull_place.pull(pull_server.url, first=timedelta(hours=6))) as pull:
        pull.turn()
    lengths = [end - start for start, end in pull_script.spans]
    assert lengths[0] == 120
    assert max(lengths) == 1800
    assert len(lengths) < 20


def test_questions_go_one_after_another(pull_place: Place, pull_server: Server) -> None:
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
    assert pull_server.most_in_flight == 1


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (failure(422, "too many samples"), SourceError, "too many samples"),
        (failure(401), SourceError, "refuses access"),
        (success({"resultType": "vector", "result": []}), SourceError, "not shaped"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), SourceError, "redirect"),
        (success("x" * 2_000_000), LimitError, "longer than the limit"),
    ],
)
def test_a_turn_that_fails_moves_nothing(
    pull_place: Place, pull_server: Server, pull_script: Script, reply: Reply, error: type[Exception], words: str
) -> None:
    options = replace(OPTIONS, max_response_bytes=1_000_000)
    with stopping(pull_place.pull(pull_server.url, options=options)) as pull:
        pull.turn()
        pull_place.now[0] += MINUTE
        pull_script.reply, kept = reply, (pull_place.folder / FILE).read_text()
        with pytest.raises(error, match=words):
            pull.turn()
        assert (pull_place.folder / FILE).read_text() == kept
        pull_script.reply = None
        pull.turn()
    assert seconds(pull_place) == list(np.arange(-3645, 61, 15.0))


def test_a_server_in_trouble_is_told_of_and_read_again(
    pull_place: Place, pull_server: Server, pull_script: Script
) -> None:
    pull_script.reply = failure(500, "compacting")
    with stopping(pull_place.pull(pull_server.url, interval_s=0.01)) as pull:
        pull.start()
        awaited(lambda: pull.status.failures >= 2)
        assert "compacting" in pull.status.error
        pull_script.reply = None
        awaited(lambda: pull.status.error == "")
    assert max(seconds(pull_place)) == 0


def test_a_busy_server_is_asked_when_it_says(pull_place: Place, pull_server: Server, pull_script: Script) -> None:
    """The client's own pauses are held to by the tests of reading; here a stop ends one at once."""
    pull_script.reply = failure(429, "later", Retry_After="50")
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.start()
        awaited(lambda: bool(pull_server.asked))
    assert len(pull_server.asked) == 1
    assert pull.status.failures == 0


class Held:
    """A writer whose batches become durable when the test says so."""

    def __init__(self, writer: GroupCommit) -> None:
        self._writer, self.released, self.submitted = writer, threading.Event(), threading.Event()

    def submit(self, batch: Batch) -> Future[Taken]:
        self.submitted.set()
        if not self.released.is_set():
            return Future()
        return self._writer.submit(batch)


def test_what_is_not_durable_when_the_pull_stops_is_read_again(pull_place: Place, pull_server: Server) -> None:
    held = Held(pull_place.intake.writer)
    pull_place.intake = replace(pull_place.intake, writer=held)
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.start()
        assert held.submitted.wait(60)
    assert not (pull_place.folder / FILE).exists()
    held.released.set()
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
    assert seconds(pull_place) == list(np.arange(-3645, 1, 15.0))


def test_a_writer_that_is_full_is_tried_again(pull_place: Place, pull_server: Server) -> None:
    class Full:
        def submit(self, _: Batch) -> Future[Taken]:
            raise BusyError("enough waits")

    kept, pull_place.intake = pull_place.intake, replace(pull_place.intake, writer=Full())
    with stopping(pull_place.pull(pull_server.url)) as pull, pytest.raises(BusyError):
        pull.turn()
    pull_place.intake = kept
    with stopping(pull_place.pull(pull_server.url)) as pull:
        pull.turn()
    assert len(seconds(pull_place)) == len(np.arange(-3645, 1, 15))


RULES = """\
groups:
  - name: own
    interval: 1s
    rules:
      - {alert: AlwaysOn, expr: "vector(1)", labels: {service: cart, severity: page}}
"""
CONFIG = """\
global: {scrape_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - {job_name: itself, static_configs: [{targets: ["127.0.0.1:PORT"]}]}
"""


@pytest.fixture
def scraping(require: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """URL of a Prometheus that scrapes itself each second and has a rule that always fires."""
    (tmp_path / "rules.yml").write_text(RULES, encoding="utf-8")
    with OwnPrometheus(require("prometheus"), tmp_path, CONFIG) as pull_server:
        yield pull_server.url


@pytest.mark.prometheus
def test_a_real_prometheus_is_pulled_as_it_scrapes(scraping: str, tmp_path: Path) -> None:
    with opened(tmp_path / "data") as pull_place:
        pull_place.intake = replace(pull_place.intake, now=lambda: datetime.now(UTC))
        pull_place.now[0] = datetime.now(UTC)
        match = ("process_cpu_seconds_total{}",)
        with stopping(pull_place.pull(scraping, selectors=match, interval_s=0.3)) as pull:
            pull.start()
            awaited(lambda: pull.status.samples > 0 and bool(firing(pull_place)))
            first = counter(pull_place)
            awaited(lambda: len(counter(pull_place)) > len(first) + 2)
        assert pull.status.failures == 0
        now = datetime.now(UTC)
        found = counter(pull_place)
        with closing(PrometheusMetrics(scraping, OPTIONS)) as there:
            (series,) = there.series([parse_selector(match[0])], 0, int(now.timestamp() * 1000))
            (expected,) = there.read(
                [series.number], int(now.timestamp() * 1000) - 600_000, int(now.timestamp() * 1000)
            )
        known = dict(zip(expected.at_ms.tolist(), expected.values.tolist(), strict=True))
        assert found == [(at, known[at]) for at in sorted(known) if at <= found[-1][0]]
        (alert,) = firing(pull_place)
    assert (alert.alert.name, alert.alert.component, alert.alert.severity) == ("AlwaysOn", "cart", "page")
    assert alert.ends_at is None


def counter(pull_place: Place) -> list[tuple[int, float]]:
    """Times and values of the only series."""
    end = 2**42
    series = [one.number for one in pull_place.metrics.series([parse_selector('{job="itself"}')], 0, end)]
    return [
        pair
        for one in pull_place.metrics.read(series, 0, end)
        for pair in zip(one.at_ms.tolist(), one.values.tolist(), strict=True)
    ]


def firing(pull_place: Place) -> list[KeptAlert]:
    now = datetime.now(UTC)
    return list(pull_place.records.alerts.alerts(now, now, firing=True))
