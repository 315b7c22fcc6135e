"""Samples to a server by remote write: what it refuses, when it is asked again, and what is found out."""

from __future__ import annotations

import struct
import threading
from contextlib import closing
from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from write_receiver import TAKEN, receiving

from hypocenter.batches import STALE_BITS, Samples
from hypocenter.errors import InputError, SourceError
from hypocenter.ingest.remote_write import RemoteWrite1
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.remote_write_encoding import encoded_labels, encoded_series, request_body
from hypocenter.remote_write_sending import Patience
from hypocenter.stores.prometheus_writing import OTHER_VALUE, REFUSED, TOO_OLD, RemoteWriter, Search, repeated
from hypocenter.stores.series_table import SeriesTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DataObject
    from prompb import Messages
    from write_receiver import Receiver
NOW = 1_790_000_000_000
LABELS = [(("__name__", "up"), ("pod", f"cart-{at}")) for at in range(50)]
OPTIONS = PrometheusOptions(timeout_s=5.0)


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.at, self.waits = 0.0, list[float]()

    def wait(self, seconds: float) -> None:
        self.at += seconds
        self.waits.append(seconds)

    def patience(self, seconds: float = 60.0) -> Patience:
        return Patience(seconds=seconds, now=lambda: self.at, wait=self.wait)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running_receiver:
        yield running_receiver


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(receiver: Receiver, clock: Clock) -> Iterator[RemoteWriter]:
    remote = RemoteWriter(receiver.url, OPTIONS, clock.patience())
    yield remote
    remote.close()


def some(count: int = 3) -> Samples:
    return Samples(np.arange(count), np.full(count, NOW), np.arange(count) / 4)


def held(body: bytes) -> list[tuple[object, int, int]]:
    """Return labels, time and bits of each sample in a request, read by the decoder of our own receiver."""
    table = SeriesTable(1000)
    samples = RemoteWrite1(table).decode(body).batch.samples
    rows = zip(samples.series.tolist(), samples.at_ms.tolist(), samples.values.view(np.uint64).tolist(), strict=True)
    return [(table[series].labels, at, bits) for series, at, bits in rows]


def replies(*statuses: int, **headers: str) -> object:
    answers = chain(((status, headers, b"") for status in statuses), repeat(TAKEN))
    return lambda _: next(answers)


@given(data=st.data())
def test_a_request_is_what_the_published_messages_say(data: DataObject, prompb: Messages) -> None:
    words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
    labels = sorted(data.draw(st.dictionaries(words, words, min_size=1, max_size=4)).items())
    times = st.integers(-(2**63), 2**63 - 1)
    samples = data.draw(st.lists(st.tuples(times, st.integers(0, 2**64 - 1)), max_size=4))
    series = encoded_series(encoded_labels(labels), [at for at, _ in samples], [bits for _, bits in samples])
    body = bytes(cramjam.snappy.decompress_raw(request_body([series, series])))
    request = prompb.write_request.FromString(body)
    assert [[(label.name, label.value) for label in one.labels] for one in request.timeseries] == [labels, labels]
    for one in request.timeseries:
        read = [(sample.timestamp, struct.unpack("<Q", struct.pack("<d", sample.value))[0]) for sample in one.samples]
        assert [at for at, _ in read] == [at for at, _ in samples]
        assert all(got == bits or is_nan(bits) for (_, got), (_, bits) in zip(read, samples, strict=True))


def is_nan(bits: int) -> bool:
    return bool(np.isnan(np.array([bits], np.uint64).view(np.float64))[0])


def test_what_is_sent_arrives_bit_by_bit(receiver: Receiver, writer: RemoteWriter) -> None:
    stale = np.array([STALE_BITS], np.uint64).view(np.float64)[0]
    sent = Samples(np.array([1, 0, 1]), np.array([NOW, NOW, NOW + 1]), np.array([1.5, -0.0, stale]))
    assert writer.write(sent, LABELS.__getitem__) == []
    bits = sent.values.view(np.uint64).tolist()
    expected = [(LABELS[series], at, one) for series, at, one in zip([1, 0, 1], sent.at_ms.tolist(), bits, strict=True)]
    assert sorted(held(receiver.taken[0])) == sorted(expected)


def test_a_request_says_what_it_is(receiver: Receiver, writer: RemoteWriter) -> None:
    writer.write(some(), LABELS.__getitem__)
    told = receiver.headers[0]
    assert told["Content-Type"] == "application/x-protobuf"
    assert told["Content-Encoding"] == "snappy"
    assert told["X-Prometheus-Remote-Write-Version"] == "0.1.0"


def test_nothing_is_sent_of_nothing(receiver: Receiver, writer: RemoteWriter) -> None:
    assert writer.write(Samples(), LABELS.__getitem__) == []
    assert not receiver.headers


@pytest.mark.parametrize("statuses", [(500,), (503, 502, 504), (429, 500)])
def test_a_server_in_trouble_is_asked_again_after_longer_and_longer_waits(
    receiver: Receiver, writer: RemoteWriter, clock: Clock, statuses: tuple[int, ...]
) -> None:
    receiver.script = replies(*statuses)
    assert writer.write(some(), LABELS.__getitem__) == []
    assert len(clock.waits) == len(statuses)
    assert clock.waits == sorted(clock.waits)
    assert len(receiver.taken) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_is_asked_then(
    receiver: Receiver, writer: RemoteWriter, clock: Clock, status: int
) -> None:
    receiver.script = replies(status, **{"Retry-After": "7"})
    writer.write(some(), LABELS.__getitem__)
    assert clock.waits == [7.0]


def test_nobody_waits_longer_than_the_client_that_waits_for_us(
    receiver: Receiver, writer: RemoteWriter, clock: Clock
) -> None:
    receiver.script = lambda _: (503, {}, b"shutting down")
    with pytest.raises(SourceError, match="503: shutting down"):
        writer.write(some(), LABELS.__getitem__)
    assert clock.at <= 60
    clock.waits.clear()
    receiver.script = replies(429, **{"Retry-After": "600"})
    writer.write(some(), LABELS.__getitem__)
    assert max(clock.waits) <= 30


def test_a_slow_server_is_given_up(clock: Clock) -> None:
    with receiving() as receiver:
        released = threading.Event()
        receiver.script = lambda _: (500 - released.wait(30), {}, b"")
        hasty, patience = replace(OPTIONS, timeout_s=0.2), replace(clock.patience(), attempts=2)
        with closing(RemoteWriter(receiver.url, hasty, patience)) as writer, pytest.raises(SourceError) as caught:
            writer.write(some(), LABELS.__getitem__)
        released.set()
    assert "ReadTimeout" in str(caught.value)


def test_nobody_listening_is_one_clear_error(clock: Clock) -> None:
    with receiving() as receiver:
        url = receiver.url
    with (
        closing(RemoteWriter(url, OPTIONS, clock.patience())) as writer,
        pytest.raises(SourceError, match="did not take the samples"),
    ):
        writer.write(some(), LABELS.__getitem__)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 415])
def test_a_server_that_is_set_up_otherwise_refuses_no_sample(
    receiver: Receiver, writer: RemoteWriter, clock: Clock, status: int
) -> None:
    receiver.script = lambda _: (status, {}, b"remote write receiver needs to be enabled")
    with pytest.raises(SourceError, match=f"{status}: remote write receiver needs"):
        writer.write(some(), LABELS.__getitem__)
    assert not clock.waits


def test_a_redirect_is_not_followed(receiver: Receiver, writer: RemoteWriter) -> None:
    with receiving() as other:
        receiver.script = lambda _: (307, {"Location": other.url}, b"")
        with pytest.raises(SourceError, match="307"):
            writer.write(some(), LABELS.__getitem__)
        assert not other.headers


def test_a_long_answer_is_shown_in_short(receiver: Receiver, writer: RemoteWriter) -> None:
    receiver.script = lambda _: (403, {}, b"no " * 1_000_000)
    with pytest.raises(SourceError) as caught:
        writer.write(some(), LABELS.__getitem__)
    assert len(str(caught.value)) < 400


def test_a_secret_that_the_server_repeats_is_not_shown(receiver: Receiver, clock: Clock) -> None:
    receiver.script = lambda _: (401, {}, b"token t0p-s3cret is not known")
    options = replace(OPTIONS, bearer_token="t0p-s3cret")
    with (
        closing(RemoteWriter(receiver.url, options, clock.patience())) as writer,
        pytest.raises(SourceError) as caught,
    ):
        writer.write(some(), LABELS.__getitem__)
    assert receiver.headers[0]["Authorization"] == "Bearer t0p-s3cret"
    assert "s3cret" not in str(caught.value)
    assert "***" in str(caught.value)


def refusing(bad: set[int], reason: bytes = b"out of order sample", status: int = 400) -> object:
    """Answer as Prometheus does: a request with any of these bits is refused as a whole."""

    def script(body: bytes) -> tuple[int, dict[str, str], bytes]:
        return (status, {}, reason) if any(bits in bad for _, _, bits in held(body)) else TAKEN

    return script


def test_one_bad_sample_does_not_take_the_others_with_it(receiver: Receiver, writer: RemoteWriter) -> None:
    sent = Samples(np.arange(50), NOW + np.arange(50), np.arange(50) + 0.5)
    bits = sent.values.view(np.uint64).tolist()
    receiver.script = refusing({bits[7], bits[31]}, b"duplicate sample for timestamp")
    refused = writer.write(sent, LABELS.__getitem__)
    assert sorted((refusal.places.tolist(), refusal.reason) for refusal in refused) == [
        ([7], OTHER_VALUE),
        ([31], OTHER_VALUE),
    ]
    taken = {one for body in receiver.taken for _, _, one in held(body)}
    assert taken == set(bits) - {bits[7], bits[31]}


@pytest.mark.parametrize(("status", "text"), [(400, b"out of bounds"), (500, b"too old sample\n")])
def test_a_backlog_that_is_too_old_costs_few_requests(
    receiver: Receiver, writer: RemoteWriter, clock: Clock, status: int, text: bytes
) -> None:
    sent = Samples(np.arange(5000) % 50, NOW + np.arange(5000), np.arange(5000) + 0.5)
    old = set(sent.values.view(np.uint64)[:3000].tolist())
    receiver.script = refusing(old, text, status)
    refused = writer.write(sent, LABELS.__getitem__)
    assert {refusal.reason for refusal in refused} == {TOO_OLD}
    assert sorted(np.concatenate([refusal.places for refusal in refused]).tolist()) == list(range(3000))
    assert len(receiver.headers) < 60
    assert not clock.waits


def test_a_request_too_large_for_the_server_is_sent_in_parts(receiver: Receiver, writer: RemoteWriter) -> None:
    sent = some(50)
    receiver.script = lambda body: (413, {}, b"too large") if len(held(body)) > 8 else TAKEN
    assert writer.write(sent, LABELS.__getitem__) == []
    assert sum(len(held(body)) for body in receiver.taken) == 50


def test_a_reason_that_nobody_knows_is_logged_and_counted_with_others(
    receiver: Receiver, writer: RemoteWriter, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.script = lambda _: (422, {}, b"label pod has value number 77 of 76")
    assert [refusal.reason for refusal in writer.write(some(1), LABELS.__getitem__)] == [REFUSED]
    assert "number 77" in str(caplog.records[0].__dict__["fields"])


@given(st.sets(st.integers(0, 199), max_size=6))
def test_a_search_finds_each_sample_that_is_refused_and_no_other(bad: set[int]) -> None:
    search = Search(lambda places: "out of order sample" if bad & set(places.tolist()) else "")
    search.within(np.arange(200))
    assert {place for refusal in search.refused for place in refusal.places.tolist()} == bad


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([0.0, -0.0, 1.0, float("nan")]))))
def test_what_comes_again_is_what_a_loop_over_all_samples_finds(rows: list[tuple[int, int, float]]) -> None:
    series, at_ms, values = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 3
    samples = Samples(series.astype(np.int64), at_ms.astype(np.int64), values.astype(np.float64))
    first: dict[tuple[int, int], bytes] = {}
    same, other = set(), set()
    for place, (one, at, value) in enumerate(rows):
        # One zero is like another.
        bits = struct.pack("<d", value + 0.0)
        if first.setdefault((one, at), bits) != bits:
            other.add(place)
        elif (one, at) in [row[:2] for row in rows[:place]]:
            same.add(place)
    found = [set(places.tolist()) for places in repeated(samples)]
    assert found == [same, other]


def test_a_search_ends_however_much_is_refused() -> None:
    asked = list[int]()

    def refusal(places: object) -> str:
        asked.append(1)
        return "out of order sample"

    search = Search(refusal)
    search.within(np.arange(100_000))
    assert sum(len(refusal.places) for refusal in search.refused) == 100_000
    assert len(asked) < 500


@pytest.mark.parametrize("url", ["ftp://host/write", "http://", "localhost:9090", "http://host/write?x=1"])
def test_only_http_addresses_are_written_to(url: str, clock: Clock) -> None:
    with pytest.raises(InputError, match="URL"):
        RemoteWriter(url, OPTIONS, clock.patience())
