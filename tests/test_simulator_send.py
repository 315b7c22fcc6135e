"""Replaying a simulation: to a real Prometheus, and to a receiver that is in trouble."""

from __future__ import annotations

import json
import math
import threading
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import cramjam
import numpy as np
import pytest

from hypocenter.case_writing import notation
from hypocenter.errors import InputError, SourceError
from hypocenter.simulator import ending_with_fault_at, fault_as_sent, read_scenario, send, simulate
from hypocenter.simulator.send import Pace

TEXT = """
length 10m
service web cpu=4ms
service back cpu=4ms
web -> back timeout=1s
load web 20/s
fault dead_exporter back at=5m
"""
ENDING = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def simulation():
    return simulate(read_scenario(TEXT))


class Clock:
    """Time that passes only by waiting."""

    def __init__(self):
        self.at = 0.0
        self.waits = []

    def wait(self, seconds):
        self.at += seconds
        self.waits.append(seconds)

    @property
    def pace(self):
        return Pace(lambda: self.at, self.wait, lambda: ENDING.timestamp() + self.at)


class Receiver:
    """A small HTTP server that answers with given codes, then 204, and keeps what it took."""

    def __init__(self, *codes):
        self.codes, self.taken, self.headers = list(codes), [], []

    def __enter__(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code = receiver.codes.pop(0) if receiver.codes else 204
                if code < 300:
                    receiver.taken.append(bytes(cramjam.snappy.decompress_raw(body)))
                    receiver.headers.append(dict(self.headers))
                self.send_response(code)
                if code == 429:
                    self.send_header("Retry-After", "7")
                self.end_headers()
                self.wfile.write(b"" if code == 204 else b"out of\nbounds")

            def log_message(self, *_):
                return None

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v1/write"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """Fields of a protobuf message, one after the other: a reader as plain as can be."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if key & 7 == 2 else (8, at)
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def samples(body):
    """Yield labels, times in ms and values of a write request."""
    for _, series in fields(body):
        labels = {}
        points = []
        for number, content in fields(series):
            parts = dict(fields(content))
            if number == 1:
                labels[parts[1].decode()] = parts[2].decode()
            else:
                points.append((parts[2], np.frombuffer(parts[1], "<f8")[0], parts[1]))
        yield labels, points


def query(url, expression, at):
    arguments = urllib.parse.urlencode({"query": expression, "time": at.timestamp()})
    with urllib.request.urlopen(f"{url}/api/v1/query?{arguments}") as answer:
        return json.load(answer)["data"]["result"]


@pytest.mark.prometheus
def test_a_real_prometheus_holds_every_sample_that_was_sent(simulation, prometheus_server):
    sent = send(simulation, f"{prometheus_server}/api/v1/write", ending_at=ENDING)
    present = ~np.isnan(simulation.metrics.values)
    vanished = present[:-1] & ~present[1:]
    assert sent == present.sum() + vanished.sum()
    found = query(prometheus_server, '{__name__=~".+"}[11m]', ENDING)
    held = {notation(series["metric"]): [float(value) for _, value in series["values"]] for series in found}
    for labels, values in zip(simulation.metrics.labels, simulation.metrics.values.T, strict=True):
        expected = values[~np.isnan(values)]
        assert held.get(notation(labels), []) == pytest.approx(list(expected), rel=1e-12), labels
    assert max(time for series in found for time, _ in series["values"]) == ENDING.timestamp()


@pytest.mark.prometheus
def test_a_real_prometheus_sees_silence_at_once(simulation, prometheus_server):
    send(simulation, f"{prometheus_server}/api/v1/write", ending_at=ENDING)
    names = {
        series["metric"].get("service") for series in query(prometheus_server, "http_server_active_requests", ENDING)
    }
    assert names == {"web"}


def test_requests_are_remote_write_1_0_in_order_of_time(simulation):
    with Receiver() as receiver:
        sent = send(simulation, receiver.url, speed=60.0, pace=Clock().pace)
    assert {h["X-Prometheus-Remote-Write-Version"] for h in receiver.headers} == {"0.1.0"}
    assert {(h["Content-Encoding"], h["Content-Type"]) for h in receiver.headers} == {
        ("snappy", "application/x-protobuf")
    }
    last = {}
    count = 0
    for body in receiver.taken:
        for labels, points in samples(body):
            assert list(labels) == sorted(labels)
            assert all(labels.values())
            for time, _, _ in points:
                assert time > last.get(notation(labels), 0)
                last[notation(labels)] = time
                count += 1
    assert count == sent
    times = simulation.metrics.times.astype("datetime64[ms]").astype(int)
    assert max(last.values()) == times[-1]


def test_what_falls_silent_is_marked_stale_once(simulation):
    with Receiver() as receiver:
        send(simulation, receiver.url)
    ends = [
        raw
        for body in receiver.taken
        for labels, points in samples(body)
        for _, value, raw in points
        if math.isnan(value)
    ]
    assert len(ends) > 5
    assert set(ends) == {(0x7FF0000000000002).to_bytes(8, "little")}


def test_speed_is_how_much_faster_than_life(simulation):
    clock = Clock()
    with Receiver() as receiver:
        send(simulation, receiver.url, speed=30.0, pace=clock.pace)
    assert clock.at == pytest.approx((10 * 60 - 15) / 30)
    assert len(receiver.taken) == 40


def test_what_lies_in_the_future_is_sent_when_its_time_comes(simulation):
    clock, fault_at = Clock(), ENDING + timedelta(minutes=2)
    ending_at = ending_with_fault_at(simulation, fault_at)
    assert fault_as_sent(simulation, ending_at) == fault_at
    with Receiver() as receiver:
        sent = send(simulation, receiver.url, ending_at=ending_at, live=True, pace=clock.pace)
    newest = [max(time for _, points in samples(body) for time, *_ in points) / 1000 for body in receiver.taken]
    begun = ENDING.timestamp()
    assert newest[0] == begun, "what was before now comes at once"
    assert newest[1:] == [begun + 15 * n for n in range(1, 29)]
    assert clock.waits == [pytest.approx(15.0)] * 28
    assert sent == sum(len(points) for body in receiver.taken for _, points in samples(body))


def test_a_scenario_in_which_nothing_breaks_has_no_fault_to_place():
    calm = simulate(read_scenario("length 5m\nservice web cpu=4ms\nload web 20/s"))
    with pytest.raises(InputError, match="no fault"):
        ending_with_fault_at(calm, ENDING)


@pytest.mark.parametrize("codes", [(500,), (500, 503, 502)])
def test_a_receiver_in_trouble_is_asked_again_after_longer_and_longer_waits(simulation, codes):
    clock = Clock()
    with Receiver() as calm:
        send(simulation, calm.url)
    with Receiver(*codes) as receiver:
        send(simulation, receiver.url, pace=clock.pace)
    assert receiver.taken == calm.taken
    assert len(clock.waits) == len(codes)
    assert clock.waits == sorted(clock.waits)


def test_a_receiver_that_says_when_is_asked_then(simulation):
    clock = Clock()
    with Receiver(429) as receiver:
        send(simulation, receiver.url, pace=clock.pace)
    assert clock.waits == [7.0]


def test_a_password_in_the_url_stays_out_of_the_error(simulation):
    with Receiver(401) as receiver, pytest.raises(SourceError) as raised:
        send(simulation, receiver.url.replace("//", "//user:secret@"), pace=Clock().pace)
    assert "secret" not in str(raised.value)


def test_a_refusal_is_not_repeated(simulation):
    clock = Clock()
    with Receiver(400) as receiver, pytest.raises(SourceError, match=r"HTTP 400: out of bounds") as raised:
        send(simulation, receiver.url, pace=clock.pace)
    assert not clock.waits
    assert not receiver.taken
    assert "\n" not in str(raised.value)


def test_a_receiver_that_stays_ill_is_given_up(simulation):
    clock = Clock()
    with Receiver(*[503] * 50) as receiver, pytest.raises(SourceError, match="HTTP 503"):
        send(simulation, receiver.url, pace=clock.pace)
    assert clock.at < 300


def test_nobody_listening_is_one_clear_error(simulation):
    with Receiver() as receiver:
        url = receiver.url
    with pytest.raises(SourceError, match="is it a remote-write receiver"):
        send(simulation, url, pace=Clock().pace)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/x", "localhost:9090", "http://", "http://[", "http://a\nb", ""]
)
def test_only_http_urls_are_sent_to(simulation, url):
    with pytest.raises(InputError, match="URL"):
        send(simulation, url)


def test_a_token_is_shown_with_every_request_and_one_that_no_header_holds_is_refused(simulation):
    with Receiver() as receiver:
        send(simulation, receiver.url, token="hyp_some", ending_at=ENDING)
        assert receiver.headers
        assert {each["Authorization"] for each in receiver.headers} == {"Bearer hyp_some"}
        with pytest.raises(InputError, match="printable ASCII"):
            send(simulation, receiver.url, token="hyp\nsome", ending_at=ENDING)
