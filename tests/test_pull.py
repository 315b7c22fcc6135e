"""Telemetry that is fetched from a real Prometheus: all of it once, through outages, stops and servers in trouble."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from own_prometheus import OwnPrometheus
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.utils import floatToGoString
from scripted_prometheus import Reply, failure, running, success

from hypocenter.api.intake import Intake
from hypocenter.api.pull import Pull, PullPlan
from hypocenter.api.pull_marks import FILE, Marks
from hypocenter.api.pull_metrics import PullMetrics
from hypocenter.api.pulling import new_pull
from hypocenter.errors import InputError, LimitError, SourceError
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.group_commit import GroupCommit
from hypocenter.stores.metrics import BusyError
from hypocenter.stores.opening import open_records
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scripted_prometheus import Server

    from hypocenter.batches import Batch, Taken
    from hypocenter.events import KeptAlert
    from hypocenter.stores.opening import SqlRecords

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
OPTIONS = PrometheusOptions(timeout_s=20.0, attempts=2)
MINUTE = timedelta(minutes=1)
WAIT_S = 60.0


@dataclass
class Place:
    """Stores of one pull in a folder, and a clock that a test sets."""

    folder: Path
    metrics: DuckDbMetrics
    records: SqlRecords
    intake: Intake
    now: list[datetime]

    def pull(self, url: str, **plan: Any) -> Pull:
        made = PullPlan(url, **{"selectors": ("up{}",), "options": OPTIONS, **plan})
        return Pull(made, self.intake, Marks(self.folder, url))

    def samples(self) -> dict[str, list[tuple[float, float]]]:
        """Seconds from NOW and values, by pod."""
        series = self.metrics.series([parse_selector("up")], 0, NOW_MS * 2)
        pods = {one.number: dict(one.labels)["pod"] for one in series}
        return {
            pods[found.series]: list(zip(((found.at_ms - NOW_MS) / 1000).tolist(), found.values.tolist(), strict=True))
            for found in self.metrics.read(list(pods), 0, NOW_MS * 2)
        }


@contextmanager
def opened(folder: Path) -> Iterator[Place]:
    now = [NOW]
    folder.mkdir(exist_ok=True)
    with (
        closing(DuckDbMetrics(folder, lambda: now[0])) as metrics,
        closing(open_records(str(folder / "records.db"), "shop")) as records,
        closing(MemoryStore()) as graph,
        closing(GroupCommit(metrics)) as writer,
    ):
        yield Place(folder, metrics, records, Intake(metrics, writer, records, graph, lambda: now[0]), now)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path / "data") as one:
        yield one


@contextmanager
def stopping(pull: Pull) -> Iterator[Pull]:
    try:
        yield pull
    finally:
        pull.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, a moment at a time."""
    deadline = time.monotonic() + WAIT_S
    waiting = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        waiting.wait(0.01)


def matrix(*series: tuple[dict[str, str], list[tuple[float, float]]]) -> Reply:
    result = [{"metric": labels, "values": [[at, str(value)] for at, value in values]} for labels, values in series]
    return success({"resultType": "matrix", "result": result})


def vector(*labels: dict[str, str]) -> Reply:
    return success({"resultType": "vector", "result": [{"metric": one, "value": [0, "1"]} for one in labels]})


def span_of(params: dict[str, str]) -> tuple[float, float]:
    """Return after when and up to when a question about a range asks."""
    end = float(params["time"])
    return end - int(params["query"].rpartition("[")[2].removesuffix("ms]")) / 1000, end


class Script:
    """A server with one series that has a sample each 15 s; remembers which times it was asked for."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self.largest_s = float("inf")
        self.reply: Reply | None = None

    def __call__(self, _: str, params: dict[str, str]) -> Reply:
        if self.reply is not None:
            return self.reply
        if params["query"].startswith("ALERTS{"):
            return vector()
        start, end = span_of(params)
        if "ALERTS" in params["query"]:
            return matrix()
        if end - start > self.largest_s:
            return failure(422, "too many samples")
        self.spans.append((start, end))
        first = int(start // 15) + 1
        values = [(at * 15.0, float(at % 1000)) for at in range(first, int(end // 15) + 1)]
        return matrix(({"__name__": "up", "pod": "cart-0"}, values))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def server(script: Script) -> Iterator[Server]:
    with running() as one:
        one.script = script
        yield one


def seconds(place: Place) -> list[float]:
    return [at for at, _ in place.samples()["cart-0"]]


def test_the_first_turn_reads_an_hour_and_the_next_what_is_new(place: Place, server: Server, script: Script) -> None:
    with stopping(place.pull(server.url)) as pull:
        pull.turn()
        assert seconds(place) == list(np.arange(-3645, 1, 15.0))
        script.spans.clear()
        place.now[0] += MINUTE
        pull.turn()
        assert script.spans == [(NOW.timestamp() - 60, NOW.timestamp() + 60)]
        assert seconds(place) == list(np.arange(-3645, 61, 15.0))
        assert pull.status.series == 1
        assert pull.status.last_success == place.now[0]


def test_a_new_process_goes_on_where_the_last_one_ended(tmp_path: Path, server: Server, script: Script) -> None:
    with opened(tmp_path / "data") as place, stopping(place.pull(server.url)) as pull:
        pull.turn()
    script.spans.clear()
    with opened(tmp_path / "data") as place:
        place.now[0] += 20 * MINUTE
        with stopping(place.pull(server.url)) as pull:
            pull.turn()
        assert script.spans[0][0] == NOW.timestamp() - 60
        assert seconds(place) == list(np.arange(-3645, 1201, 15.0))
        with stopping(place.pull(server.url + "/prometheus")) as pull:
            script.spans.clear()
            pull.turn()
        assert script.spans[0][0] == NOW.timestamp() - 40 * 60 - 60, "of another server nothing was read yet"


def test_an_outage_longer_than_the_limit_leaves_a_gap_that_is_told(
    place: Place, server: Server, script: Script
) -> None:
    with stopping(place.pull(server.url, most_behind=timedelta(hours=2))) as pull:
        pull.turn()
        place.now[0] += timedelta(hours=5)
        script.spans.clear()
        pull.turn()
        assert script.spans[0][0] == NOW.timestamp() + 3 * 3600 - 60
        assert pull.status.skipped == timedelta(hours=3)
        assert max(seconds(place)) == 5 * 3600


def test_what_is_too_much_for_the_server_is_asked_in_shorter_pieces(
    place: Place, server: Server, script: Script
) -> None:
    script.largest_s = 40
    with stopping(place.pull(server.url)) as pull:
        pull.turn()
    assert max(end - start for start, end in script.spans) <= 40
    assert seconds(place) == list(np.arange(-3645, 1, 15.0))


def test_answers_of_little_are_asked_for_in_longer_pieces(place: Place, server: Server, script: Script) -> None:
    with stopping(place.pull(server.url, first=timedelta(hours=6))) as pull:
        pull.turn()
    lengths = [end - start for start, end in script.spans]
    assert lengths[0] == 120
    assert max(lengths) == 1800
    assert len(lengths) < 20


def test_questions_go_one_after_another(place: Place, server: Server) -> None:
    with stopping(place.pull(server.url)) as pull:
        pull.turn()
    assert server.most_in_flight == 1


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
    place: Place, server: Server, script: Script, reply: Reply, error: type[Exception], words: str
) -> None:
    options = replace(OPTIONS, max_response_bytes=1_000_000)
    with stopping(place.pull(server.url, options=options)) as pull:
        pull.turn()
        place.now[0] += MINUTE
        script.reply, kept = reply, (place.folder / FILE).read_text()
        with pytest.raises(error, match=words):
            pull.turn()
        assert (place.folder / FILE).read_text() == kept
        script.reply = None
        pull.turn()
    assert seconds(place) == list(np.arange(-3645, 61, 15.0))


def test_a_server_in_trouble_is_told_of_and_read_again(place: Place, server: Server, script: Script) -> None:
    script.reply = failure(500, "compacting")
    with stopping(place.pull(server.url, interval_s=0.01)) as pull:
        pull.start()
        until(lambda: pull.status.failures >= 2)
        assert "compacting" in pull.status.error
        script.reply = None
        until(lambda: pull.status.error == "")
    assert max(seconds(place)) == 0


def test_a_busy_server_is_asked_when_it_says(place: Place, server: Server, script: Script) -> None:
    """The client's own pauses are held to by the tests of reading; here a stop ends one at once."""
    script.reply = failure(429, "later", Retry_After="50")
    with stopping(place.pull(server.url)) as pull:
        pull.start()
        until(lambda: bool(server.asked))
        begun = time.monotonic()
    assert len(server.asked) == 1
    assert time.monotonic() - begun < 40
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


def test_what_is_not_durable_when_the_pull_stops_is_read_again(place: Place, server: Server) -> None:
    held = Held(place.intake.writer)
    place.intake = replace(place.intake, writer=held)
    with stopping(place.pull(server.url)) as pull:
        pull.start()
        assert held.submitted.wait(WAIT_S)
    assert not (place.folder / FILE).exists()
    held.released.set()
    with stopping(place.pull(server.url)) as pull:
        pull.turn()
    assert seconds(place) == list(np.arange(-3645, 1, 15.0))


def test_a_writer_that_is_full_is_tried_again(place: Place, server: Server) -> None:
    class Full:
        def submit(self, _: Batch) -> Future[Taken]:
            raise BusyError("enough waits")

    kept, place.intake = place.intake, replace(place.intake, writer=Full())
    with stopping(place.pull(server.url)) as pull, pytest.raises(BusyError):
        pull.turn()
    place.intake = kept
    with stopping(place.pull(server.url)) as pull:
        pull.turn()
    assert len(seconds(place)) == len(np.arange(-3645, 1, 15))


FIRING = {"alertname": "Slow", "alertstate": "firing", "service": "cart", "severity": "page"}


class Alerts(Script):
    """A server whose rule fires at some minutes of NOW, each time since a time of its own."""

    def __init__(self, times: dict[float, list[float]], fires_yet: bool) -> None:
        super().__init__()
        self.times, self.fires_yet = times, fires_yet

    def __call__(self, endpoint: str, params: dict[str, str]) -> Reply:
        if params["query"].startswith("ALERTS{"):
            return vector({"__name__": "ALERTS", **FIRING}) if self.fires_yet else vector()
        if "ALERTS" not in params["query"]:
            return super().__call__(endpoint, params)
        start, end = span_of(params)
        moments = [
            (at, began)
            for began, minutes in self.times.items()
            for at in (NOW.timestamp() + 60 * minute for minute in minutes)
            if start < at <= end
        ]
        since = {name: value for name, value in FIRING.items() if name != "alertstate"}
        return matrix(
            ({"__name__": "ALERTS", **FIRING}, [(at, 1.0) for at, _ in moments]),
            ({"__name__": "ALERTS_FOR_STATE", **since}, moments),
        )


def alerts(place: Place) -> list[tuple[str, float, float | None]]:
    """Component, first and last minute from NOW of each alert."""
    kept = place.records.alerts.alerts(NOW - timedelta(days=1), NOW + timedelta(days=1))
    return [
        (
            one.alert.component,
            (one.starts_at - NOW) / MINUTE,
            None if one.ends_at is None else (one.ends_at - NOW) / MINUTE,
        )
        for one in kept
    ]


def test_alerts_of_the_servers_rules_are_kept_with_their_lives(place: Place, server: Server) -> None:
    server.script = script = Alerts({100.0: [-30, -29, -28], 200.0: [-2, -1, 0]}, fires_yet=True)
    with stopping(place.pull(server.url)) as pull:
        pull.turn()
        assert alerts(place) == [("cart", -30, -28), ("cart", -2, None)]
        place.now[0] += MINUTE
        script.times[200.0].append(1)
        pull.turn()
        assert alerts(place) == [("cart", -30, -28), ("cart", -2, None)]
        place.now[0] += 10 * MINUTE
        script.fires_yet = False
        pull.turn()
    assert alerts(place) == [("cart", -30, -28), ("cart", -2, 1)]
    assert place.records.alerts.alerts(NOW, NOW)[0].alert.severity == "page"
    assert list(place.samples()) == ["cart-0"]


def test_an_alert_that_ended_unseen_ends_when_that_is_seen(place: Place, server: Server) -> None:
    server.script = script = Alerts({200.0: [-2]}, fires_yet=True)
    with stopping(place.pull(server.url)) as pull:
        pull.turn()
        place.now[0] += 30 * MINUTE
        script.fires_yet = False
        pull.turn()
        assert alerts(place) == [("cart", -2, 30)]


def test_an_alert_that_begins_anew_ends_the_one_before(place: Place, server: Server) -> None:
    server.script = script = Alerts({200.0: [-2]}, fires_yet=True)
    with stopping(place.pull(server.url)) as pull:
        pull.turn()
        place.now[0] += 30 * MINUTE
        script.times[300.0] = [29, 30]
        pull.turn()
    assert alerts(place) == [("cart", -2, 30), ("cart", 29, None)]


def test_of_the_server_that_keeps_the_metrics_nothing_is_copied(place: Place, server: Server) -> None:
    server.script = script = Alerts({200.0: [-2]}, fires_yet=True)
    with stopping(place.pull(server.url, copies=False)) as pull:
        original = script.__class__.__call__

        def counting(endpoint: str, params: dict[str, str]) -> Reply:
            if params["query"].startswith("count("):
                return success({"resultType": "vector", "result": [{"metric": {}, "value": [0, "7"]}]})
            return original(script, endpoint, params)

        server.script = counting
        pull.turn()
    assert pull.status.series == 7
    assert place.samples() == {}
    assert alerts(place) == [("cart", -2, None)]


def test_a_pull_tells_how_it_goes(place: Place, server: Server, script: Script) -> None:
    registry = CollectorRegistry()
    with stopping(place.pull(server.url, interval_s=0.01)) as pull:
        registry.register(PullMetrics(pull))
        pull.turn()
        told = generate_latest(registry).decode()
        assert f"hypocenter_pull_last_success_timestamp_seconds {floatToGoString(NOW.timestamp())}" in told
        assert "hypocenter_pull_up 1.0" in told
        assert "hypocenter_pull_series 1.0" in told
        assert f"hypocenter_pull_samples_total {len(seconds(place))}.0" in told
        script.reply = failure(500)
        pull.start()
        until(lambda: pull.status.failures > 0)
    assert "hypocenter_pull_up 0.0" in generate_latest(registry).decode()


@pytest.mark.parametrize("text", ["{", "[]", '{"place": "x"}', '{"place": "x", "until_ms": {"a": "b"}}', "\xff"])
def test_marks_that_cannot_be_read_are_told_before_anything_is_pulled(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"pull\.json: cannot be read"):
        Marks(tmp_path, "x")


def test_marks_are_there_whole_or_as_they_were(tmp_path: Path) -> None:
    Marks(tmp_path, "x").move("up{}", 5)
    Marks(tmp_path, "x").move("down{}", 6)
    again = Marks(tmp_path, "x")
    assert (again.until("up{}"), again.until("down{}"), again.until("other{}")) == (5, 6, None)
    assert Marks(tmp_path, "y").until("up{}") is None
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    for name in ("METRICS", "PULL_URL", "PULL_MATCH", "PULL_INTERVAL", "PULL_TOKEN_FILE", "METRICS_TOKEN_FILE"):
        monkeypatch.delenv(f"HYPOCENTER_{name}", raising=False)

    def set_all(**named: str) -> None:
        for name, value in named.items():
            monkeypatch.setenv(f"HYPOCENTER_{name.upper()}", value)

    return set_all


def test_nothing_is_pulled_unless_a_server_is_named(place: Place, settings_of: Callable[..., None]) -> None:
    settings_of()
    assert new_pull(place.intake, place.folder) is None


def test_settings_tell_what_is_pulled(place: Place, server: Server, settings_of: Callable[..., None]) -> None:
    (place.folder / "token").write_text("abc\n")
    settings_of(pull_url=server.url, pull_match='up{a="b c"} {x="y"}', pull_token_file=str(place.folder / "token"))
    pull = new_pull(place.intake, place.folder)
    assert pull is not None
    with stopping(pull):
        pull.turn()
    asked = {params["query"].partition("[")[0] for _, params in server.asked}
    assert {'up{a="b c"}', '{x="y"}'} < asked
    assert server.authorizations == {"Bearer abc"}
    assert max(seconds(place)) == 0


@pytest.mark.parametrize("given", ["setting", "option"])
def test_the_server_that_keeps_the_metrics_is_asked_for_alerts(
    place: Place, server: Server, settings_of: Callable[..., None], given: str
) -> None:
    server.script = lambda _, params: (
        success({"resultType": "vector", "result": []}) if "[" not in params["query"] else matrix()
    )
    if given == "setting":
        settings_of(metrics=server.url, pull_url=server.url + "/")
    pull = new_pull(place.intake, place.folder, server.url if given == "option" else None)
    assert pull is not None
    with stopping(pull):
        pull.turn()
    assert all("ALERTS" in params["query"] or "count(" in params["query"] for _, params in server.asked)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"pull_url": "prometheus:9090"}, "http://"),
        ({"pull_url": "http://h", "pull_match": "up{"}, "selector"),
        ({"pull_url": "http://h", "pull_interval": "0.1"}, "HYPOCENTER_PULL_INTERVAL"),
        ({"pull_url": "http://h", "pull_interval": "nan"}, "HYPOCENTER_PULL_INTERVAL"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    place: Place, settings_of: Callable[..., None], named: dict[str, str], words: str
) -> None:
    settings_of(**named)
    with pytest.raises(InputError, match=words):
        new_pull(place.intake, place.folder)


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
    with OwnPrometheus(require("prometheus"), tmp_path, CONFIG) as server:
        yield server.url


@pytest.mark.prometheus
def test_a_real_prometheus_is_pulled_as_it_scrapes(scraping: str, tmp_path: Path) -> None:
    with opened(tmp_path / "data") as place:
        place.intake = replace(place.intake, now=lambda: datetime.now(UTC))
        place.now[0] = datetime.now(UTC)
        match = ("process_cpu_seconds_total{}",)
        with stopping(place.pull(scraping, selectors=match, interval_s=0.3)) as pull:
            pull.start()
            until(lambda: pull.status.samples > 0 and bool(firing(place)))
            first = counter(place)
            until(lambda: len(counter(place)) > len(first) + 2)
        assert pull.status.failures == 0
        now = datetime.now(UTC)
        found = counter(place)
        with closing(PrometheusMetrics(scraping, OPTIONS)) as there:
            (series,) = there.series([parse_selector(match[0])], 0, int(now.timestamp() * 1000))
            (expected,) = there.read(
                [series.number], int(now.timestamp() * 1000) - 600_000, int(now.timestamp() * 1000)
            )
        known = dict(zip(expected.at_ms.tolist(), expected.values.tolist(), strict=True))
        assert found == [(at, known[at]) for at in sorted(known) if at <= found[-1][0]]
        (alert,) = firing(place)
    assert (alert.alert.name, alert.alert.component, alert.alert.severity) == ("AlwaysOn", "cart", "page")
    assert alert.ends_at is None


def counter(place: Place) -> list[tuple[int, float]]:
    """Times and values of the only series."""
    end = 2**42
    series = [one.number for one in place.metrics.series([parse_selector('{job="itself"}')], 0, end)]
    return [
        pair
        for one in place.metrics.read(series, 0, end)
        for pair in zip(one.at_ms.tolist(), one.values.tolist(), strict=True)
    ]


def firing(place: Place) -> list[KeptAlert]:
    now = datetime.now(UTC)
    return list(place.records.alerts.alerts(now, now, firing=True))
