"""Reading from a real Prometheus: what was scraped is what the case holds, and silence is seen."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import cramjam
import httpx
import numpy as np
import pytest

from hypocenter.errors import InputError, LimitError, SourceError
from hypocenter.readers.prometheus import PrometheusOptions, read_prometheus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypocenter.telemetry import Case

pytestmark = pytest.mark.prometheus

STEP = 15
END = 1_790_000_000 // 3600 * 3600
START = END - 7200
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
OPTIONS = PrometheusOptions(lookahead=timedelta(0))
SHOP = ('{namespace="shop"}',)
MOMENTS = range(START, END + 1, STEP)
Written = tuple[dict[str, str], list[tuple[float, float]]]


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    groups = []
    while True:
        groups.append((number & 0x7F) | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(groups)


def message(field: int, body: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(body)) + body


def encoded(labels: Mapping[str, str], samples: Iterable[tuple[float, float]]) -> bytes:
    """One series as remote write 1.0 wants it."""
    pairs = b"".join(
        message(1, message(1, name.encode()) + message(2, value.encode())) for name, value in sorted(labels.items())
    )
    points = b"".join(
        message(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(round(at * 1000))) for at, value in samples
    )
    return message(1, pairs + points)


def write(url: str, series: Sequence[Written]) -> None:
    for first in range(0, len(series), 500):
        body = b"".join(encoded(labels, samples) for labels, samples in series[first : first + 500])
        answer = httpx.post(
            f"{url}/api/v1/write",
            content=bytes(cramjam.snappy.compress_raw(body)),
            headers={"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"},
        )
        assert answer.status_code == 204, answer.text


def named(metric: str, job: str, **labels: str) -> dict[str, str]:
    return {"__name__": metric, "job": job, "namespace": "shop", **labels}


def shop() -> list[Written]:
    """Counters and gauges of three jobs scraped at different phases; `cart` dies an hour before the end."""
    series: list[Written] = []
    for phase, job in enumerate(("cart", "pay", "web")):
        until = END - 3600 if job == "cart" else END
        moments = [at + 5.0 * phase + 0.001 * (at % 7) for at in MOMENTS if at + 5 * phase <= until]
        series.append((named("up", job), [(at, 1.0) for at in moments] + [(moments[-1] + 15, STALE)]))
        series.append((named("queue_length", job), [(at, 100.0 * phase + at % 60) for at in moments]))
        for code in ("200", "500"):
            labels = named("http_requests_total", job, code=code, instance=f"{job}-0:80", path='/a"b\\c')
            series.append((labels, [(at, 2.0 * number) for number, at in enumerate(moments)]))
    series.append(
        (named("ALERTS", "web", alertname="Slow", alertstate="firing", severity="page"), [(END - 600.0, 1.0)])
    )
    series.append((named("ratio", "web"), [(float(at), np.inf) for at in MOMENTS]))
    return series


def many(instances: int = 60) -> list[Written]:
    """One counter with many instances, each growing by 3 a step from its own beginning."""
    moments = range(END - 1800, END + 1, STEP)
    return [
        (
            {"__name__": "calls_total", "job": "big", "crowd": "yes", "instance": f"i{number}", "code": "200"},
            [(float(at), 3.0 * (step + number)) for step, at in enumerate(moments)],
        )
        for number in range(instances)
    ]


@pytest.fixture(scope="module")
def server(prometheus_server: str) -> str:
    write(prometheus_server, shop() + many())
    return prometheus_server


def read(server: str, match: Sequence[str] = SHOP, hours: float = 2, options: PrometheusOptions = OPTIONS) -> Case:
    at = datetime.fromtimestamp(END, tz=UTC)
    return read_prometheus(server, at, timedelta(hours=hours), match, options=options)


def column(case: Case, **labels: str) -> np.ndarray:
    assert case.metrics is not None
    found = [at for at, each in enumerate(case.metrics.labels) if labels.items() <= each.items()]
    assert len(found) == 1, found
    return case.metrics.values[:, found[0]]


def test_series_come_back_with_their_labels_and_their_interval(server: str) -> None:
    case = read(server)
    assert case.metrics is not None
    assert set(np.diff(case.metrics.times)) == {np.timedelta64(STEP, "s")}
    written = {tuple(sorted(labels.items())) for labels, _ in shop() if labels["__name__"] != "ALERTS"}
    assert {tuple(sorted(labels.items())) for labels in case.metrics.labels} == written
    assert case.case_id.startswith("prometheus-2026-09-21T")


def test_each_sample_is_there_once_whatever_the_phase_of_its_scrape(server: str) -> None:
    case = read(server)
    for job, phase in (("pay", 1), ("web", 2)):
        values = column(case, __name__="http_requests_total", job=job, code="200")
        seen = values[~np.isnan(values)]
        assert seen.tolist() == [2.0 * number for number in range(len(MOMENTS) - 1)], (job, phase)
        assert not np.isnan(values[1:-2]).any()


def test_a_series_that_stops_is_silent_at_once_and_not_five_minutes_later(server: str) -> None:
    case = read(server)
    assert case.metrics is not None
    last = case.metrics.times[np.flatnonzero(~np.isnan(column(case, __name__="up", job="cart")))[-1]]
    assert abs(last.astype("datetime64[s]").astype(int) - (END - 3600)) <= STEP


def test_a_firing_alert_is_an_alert_and_no_series(server: str) -> None:
    alerts = read(server).alerts
    assert [(alert.component, alert.name, alert.severity) for alert in alerts] == [("web", "Slow", "page")]
    assert alerts[0].at == datetime.fromtimestamp(END - 600, tz=UTC)


def test_infinities_are_left_out_and_noted(server: str) -> None:
    case = read(server)
    assert np.isnan(column(case, __name__="ratio")).all()
    assert any("infinite" in note for note in case.notes)


def test_small_questions_bring_the_same_samples_as_large_ones(server: str) -> None:
    whole, part = read(server), read(server, ('{namespace="shop",job="pay"}', "up", "nothing_like_it"))
    np.testing.assert_array_equal(
        column(whole, __name__="queue_length", job="pay")[:-3], column(part, __name__="queue_length", job="pay")[:-3]
    )


def test_what_breaks_the_budget_is_added_up_at_the_server(server: str) -> None:
    case = read(server, ('{crowd="yes"}',), hours=0.5, options=replace(OPTIONS, max_points=1000))
    assert case.metrics is not None
    assert [dict(labels) for labels in case.metrics.labels] == [
        {"__name__": "calls_total", "code": "200", "job": "big"}
    ]
    seconds = np.diff(case.metrics.times).astype("timedelta64[s]").astype(float)
    rates = np.diff(case.metrics.values[:, 0]) / seconds
    assert np.nanmedian(rates) == pytest.approx(60 * 3.0 / STEP, rel=0.02)
    assert any("added up at the server" in note for note in case.notes)


def test_what_breaks_the_budget_even_then_is_refused_with_the_setting_named(server: str) -> None:
    with pytest.raises(LimitError, match="HYPOCENTER_PROMETHEUS_MAX_POINTS"):
        read(server, options=replace(OPTIONS, max_points=10))


def test_an_earlier_window_is_a_reference(server: str) -> None:
    case = read(server, hours=0.5, options=replace(OPTIONS, baselines=(timedelta(hours=1), timedelta(days=400))))
    assert len(case.reference) == 1
    assert case.metrics is not None
    assert case.reference[0].times[-1] < case.metrics.times[0]
    assert {labels["job"] for labels in case.reference[0].labels} == {"cart", "pay", "web"}
    assert any("knows nothing" in note for note in case.notes)


def test_nothing_that_matches_is_an_error_that_names_the_selector(server: str) -> None:
    with pytest.raises(InputError, match="no series matches"):
        read(server, ('{namespace="elsewhere"}',))


def test_a_selector_that_the_server_refuses_is_one_line(server: str) -> None:
    with pytest.raises(SourceError, match="refused the question") as caught:
        read(server, ('{job=~".*"}',))
    assert "\n" not in str(caught.value)


def test_the_default_selectors_find_services_and_leave_the_server_out(server: str) -> None:
    at = datetime.fromtimestamp(END, tz=UTC)
    case = read_prometheus(server, at, timedelta(minutes=30), options=OPTIONS)
    assert case.metrics is not None
    assert {"http_requests_total", "up"} <= {labels["__name__"] for labels in case.metrics.labels}
