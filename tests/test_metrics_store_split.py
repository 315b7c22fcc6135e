"""Increments on their way from the file beside a server to those that read the server alone: each of them once."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import dying_forwarder
import numpy as np
import pytest
from hypothesis import settings
from split_store import BIN, MINUTE, NOW, NOW_MS, OPTIONS, alone

from hypocenter.batches import Batch, Samples
from hypocenter.errors import SourceError
from hypocenter.readers.selectors import parse_selector
from hypocenter.remote_write_sending import Patience
from hypocenter.stores import prometheus_writing
from hypocenter.stores.forwarding_reading import ForwardedMetrics
from hypocenter.stores.opening_metrics import BEFORE_SETTLED, open_beside, open_metrics_server
from hypocenter.stores.prometheus_metrics import PrometheusMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.split import SplitMetrics

AFTER = timedelta(seconds=30) - BEFORE_SETTLED
HOUR = 60 * MINUTE
HASTY = Patience(attempts=1)
IS_LONG = settings.get_current_profile_name() == "soak"
KILLS = [["persisted", "sent"] * 5, ["sent", "persisted", "persisted"] * 3] if IS_LONG else [["persisted"], ["sent"]]


class Server(NamedTuple):
    """A server's address, and how to have it show what it took a moment ago."""

    url: str
    show: Callable[[], None]


@pytest.fixture(params=["prometheus", "victoria"])
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "victoria":
        victoria = request.getfixturevalue("victoria_metrics")
        return Server(victoria.url, victoria.flush)
    return Server(request.getfixturevalue("prometheus_server"), lambda: None)


class Writing:
    """The store of the process that counts, whose clock is moved by hand, and that of another which reads."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.now, self.show = NOW, server.show
        self._server, self._folder = server, folder
        self.reader = ForwardedMetrics(PrometheusMetrics(server.url, OPTIONS, now=lambda: self.now))
        self.store = self._opened()

    def _opened(self) -> SplitMetrics:
        remote = PrometheusMetrics(self._server.url, OPTIONS, now=lambda: self.now)
        return open_beside(remote, self._folder, lambda: self.now)

    def count(self, name: str, tenant: str, *gained: tuple[int, float], receipt: bytes = b"") -> None:
        number = self.store.number(alone(name, 1, tenant))
        at_ms, values = (np.array(column) for column in zip(*gained, strict=True))
        rows = Samples(number.repeat(len(gained)), NOW_MS + at_ms, values.astype(np.float64))
        self.store.append([Batch(increments=rows, receipt=receipt)])

    def forward(self, until_ms: int) -> None:
        """Let the clock be where all up to a time from NOW is due, and send it."""
        self.now = NOW + timedelta(milliseconds=until_ms) + AFTER
        self.store.forwarder.turn()
        assert self.store.forwarder.refused == 0
        self.show()

    def reopen(self) -> None:
        self.store.close()
        self.store = self._opened()

    def close(self) -> None:
        self.store.close()
        self.reader.close()


@pytest.fixture
def writing(server: Server, tmp_path: Path) -> Iterator[Writing]:
    with closing(Writing(server, tmp_path)) as opened:
        yield opened


def gained(store: MetricsStore, tenant: str, start: int = -HOUR, end: int = HOUR) -> dict[tuple[str, int], float]:
    """What was gained by name and time, in ms from NOW."""
    series = store.series([parse_selector(f'{{run="{tenant}"}}')], NOW_MS - HOUR, NOW_MS + HOUR)
    names = {each.number: dict(each.labels)["__name__"] for each in series}
    found = store.read_columns(sorted(names), NOW_MS + start, NOW_MS + end)
    sums: dict[tuple[str, int], float] = {}
    for number, at_ms, value, is_gained in zip(
        found.series.tolist(), found.at_ms.tolist(), found.values.tolist(), found.gained.tolist(), strict=True
    ):
        assert is_gained
        key = names[number], at_ms - NOW_MS
        sums[key] = sums.get(key, 0.0) + value
    return sums


def totals(store: MetricsStore, tenant: str, start: int = -HOUR) -> dict[str, list[tuple[int, float]]]:
    series = store.series([parse_selector(f'{{run="{tenant}"}}')], NOW_MS - HOUR, NOW_MS + HOUR)
    names = {each.number: dict(each.labels)["__name__"] for each in series}
    return {
        names[one.series]: list(zip((one.at_ms - NOW_MS).tolist(), one.values.tolist(), strict=True))
        for one in store.read(sorted(names), NOW_MS + start, NOW_MS + HOUR)
    }


def test_who_reads_the_server_sees_what_the_file_has_counted(writing: Writing, tenant: str) -> None:
    """Steadily, with pauses, at any millisecond, nothing at all, and for the first time late."""
    steady = [(at * BIN, float(at % 7)) for at in range(60)]
    writing.count("steady_total", tenant, *steady)
    writing.count("seldom_total", tenant, (3 * BIN, 4.0), (40 * BIN, 1.0))
    writing.count("deltas_total", tenant, *((at * 60_003 + 17, 0.5 * at) for at in range(10)))
    for until in (10, 11, 40, 45):
        writing.forward(until * BIN)
    writing.count("late_total", tenant, (20 * BIN, 2.0), (50 * BIN, 3.0))
    writing.forward(70 * BIN)
    everything = gained(writing.store, tenant)
    assert len(everything) == 60 + 2 + 10 + 2
    assert gained(writing.reader, tenant) == everything
    for start, end in ((3 * BIN, 3 * BIN), (10 * BIN + 1, 45 * BIN), (60_003 + 17, 50 * BIN)):
        expected = {key: value for key, value in everything.items() if start <= key[1] <= end}
        assert gained(writing.reader, tenant, start, end) == expected
    assert totals(writing.reader, tenant) == totals(writing.store, tenant)
    assert totals(writing.reader, tenant, 30 * BIN) == totals(writing.store, tenant, 30 * BIN), "whatever the window"


def test_series_are_listed_by_their_own_labels_and_once(writing: Writing, tenant: str) -> None:
    writing.count("calls_total", tenant, (0, 1.0))
    gauge = writing.store.number(alone("up", 1, tenant))
    writing.store.append([Batch(Samples(gauge, np.array([NOW_MS]), np.array([7.0])))])
    writing.forward(BIN)
    selectors = [parse_selector(f'{{run="{tenant}"}}'), parse_selector("calls_total")]
    for store in (writing.store, writing.reader):
        listed = [each for each in store.series(selectors, NOW_MS, NOW_MS) if dict(each.labels)["run"] == tenant]
        assert sorted(each.labels for each in listed) == sorted(
            alone("calls_total", 1, tenant) + alone("up", 1, tenant)
        )
        assert len({each.component for each in listed}) == 1
    found = writing.reader.read_columns([each.number for each in listed], NOW_MS, NOW_MS)
    assert sorted(zip(found.values.tolist(), found.gained.tolist(), strict=True)) == [(1.0, True), (7.0, False)]


def test_what_came_as_samples_hides_what_came_as_increments(writing: Writing, tenant: str) -> None:
    writing.count("calls_total", tenant, (0, 1.0), (BIN, 1.0))
    number = writing.store.number(alone("calls_total", 1, tenant))
    writing.store.append([Batch(Samples(number, np.array([NOW_MS]), np.array([7.0])))])
    writing.forward(BIN)
    assert totals(writing.reader, tenant) == {"calls_total": [(0, 7.0)]}


def test_what_is_not_due_waits(writing: Writing, tenant: str) -> None:
    writing.count("calls_total", tenant, (BIN, 1.0), (2 * BIN, 2.0))
    writing.forward(2 * BIN - 1)
    assert gained(writing.reader, tenant) == {("calls_total", BIN): 1.0}
    writing.forward(2 * BIN)
    assert gained(writing.reader, tenant) == {("calls_total", BIN): 1.0, ("calls_total", 2 * BIN): 2.0}


def test_what_comes_late_is_in_the_next_total_and_lost_to_nobody(writing: Writing, tenant: str) -> None:
    writing.count("calls_total", tenant, (BIN, 1.0), receipt=b"one")
    writing.forward(BIN)
    writing.count("calls_total", tenant, (BIN, 4.0), (-BIN, 2.0), receipt=b"two")
    writing.count("calls_total", tenant, (BIN, 4.0), (-BIN, 2.0), receipt=b"two")
    writing.forward(BIN + 1)
    assert sum(gained(writing.reader, tenant).values()) == 1
    writing.forward(3 * BIN)
    assert gained(writing.reader, tenant) == {("calls_total", BIN): 1.0, ("calls_total", 3 * BIN): 6.0}
    assert gained(writing.store, tenant) == {("calls_total", -BIN): 2.0, ("calls_total", BIN): 5.0}


def test_totals_begin_anew_with_the_process_and_no_gain_is_lost_or_doubled(writing: Writing, tenant: str) -> None:
    writing.count("calls_total", tenant, (BIN, 5.0), (2 * BIN, 1.0))
    writing.forward(2 * BIN)
    writing.reopen()
    writing.count("calls_total", tenant, (2 * BIN, 2.0), (3 * BIN, 8.0), (4 * BIN, 1.0))
    writing.forward(4 * BIN)
    assert [value for _, value in sorted(gained(writing.reader, tenant).items())] == [5.0, 1.0, 8.0, 3.0]
    assert [value for _, value in totals(writing.reader, tenant)["calls_total"]] == [5.0, 6.0, 14.0, 17.0]


@pytest.mark.parametrize("stages", KILLS)
def test_a_process_that_is_killed_amid_sending_doubles_and_loses_nothing(
    server: Server, tmp_path: Path, tenant: str, stages: Sequence[str]
) -> None:
    script = str(Path(dying_forwarder.__file__))
    for number, stage in enumerate(stages):
        command = [sys.executable, script, str(tmp_path), server.url, tenant, stage, str(number)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == -9, ended.stderr
    with closing(Writing(server, tmp_path)) as writing:
        rounds = len(stages) + 1
        for number in range(rounds):
            dying_forwarder.count(writing.store, tenant, number)
        writing.forward(2 * rounds * BIN)
        found = gained(writing.reader, tenant)
        assert sum(found.values()) == sum(dying_forwarder.gained(number).sum() for number in range(rounds))
        expected = gained(writing.store, tenant)
        assert found == expected


def test_a_server_that_is_away_costs_time_alone(server: Server, tmp_path: Path, tenant: str) -> None:
    now = [NOW]
    away = PrometheusMetrics(
        "http://127.0.0.1:1", OPTIONS, writing=prometheus_writing.Writing(patience=HASTY), now=lambda: now[0]
    )
    with closing(open_beside(away, tmp_path, lambda: now[0])) as store:
        number = store.number(alone("calls_total", 1, tenant))
        for at in range(20):
            rows = Samples(number, np.array([NOW_MS + at * BIN]), np.ones(1))
            store.append([Batch(increments=rows)])
            now[0] = NOW + timedelta(milliseconds=(at + 1) * BIN) + AFTER
            with pytest.raises(SourceError):
                store.forwarder.turn()
        assert store.forwarder.lag_s() > 200
        assert "wait to be sent" in store.forwarder.problem()
    with closing(Writing(server, tmp_path)) as writing:
        writing.forward(30 * BIN)
        assert writing.store.forwarder.problem() == ""
        assert gained(writing.reader, tenant) == {("calls_total", at * BIN): 1.0 for at in range(20)}


def test_a_clock_that_jumped_holds_nothing_up_for_long(writing: Writing, tenant: str) -> None:
    writing.count("calls_total", tenant, (BIN, 1.0))
    writing.forward(24 * HOUR)
    writing.count("calls_total", tenant, (3 * BIN, 2.0), (9 * BIN, 4.0))
    writing.forward(10 * BIN)
    assert gained(writing.reader, tenant) == {("calls_total", at * BIN): at and v for at, v in ((1, 1), (3, 2), (9, 4))}


def test_who_only_reads_a_server_refuses_none_of_its_series(
    writing: Writing, server: Server, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing.store.append([Batch(Samples(writing.store.number(alone("up", 3, tenant)), np.full(3, NOW_MS), np.ones(3)))])
    server.show()
    monkeypatch.setenv("HYPOCENTER_MAX_SERIES", "1")
    with closing(open_metrics_server(server.url)) as reader:
        assert len(reader.series([parse_selector(f'{{run="{tenant}"}}')], NOW_MS, NOW_MS)) == 3
