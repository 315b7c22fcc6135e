"""Remote write 1.0 and 2.0, decoded: the same as classes generated from the published messages say."""

from __future__ import annotations

import random
import struct
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.batches import STALE_BITS, SeriesLimitError
from hypocenter.errors import InputError
from hypocenter.ingest.remote_write import RemoteWrite1
from hypocenter.ingest.remote_write_2 import RemoteWrite2
from hypocenter.ingest.remote_write_gathering import Known
from hypocenter.ingest.remote_write_symbols import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from prompb import Messages

    from hypocenter.batches import Labels
    from hypocenter.ingest.remote_write_gathering import Written

    Row = tuple[Labels, int, int]

NOW = 1_790_000_000_000
MUTANTS = 200
LABELS = (("__name__", "up"), ("job", "api"))


class Index:
    """Numbers series in order, up to a limit."""

    def __init__(self, most: int = 10**9) -> None:
        self.numbers: dict[Labels, int] = {}
        self._most = most

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        fresh = {one for one in labels if one not in self.numbers}
        if len(self.numbers) + len(fresh) > self._most:
            raise SeriesLimitError()
        return np.array([self.numbers.setdefault(one, len(self.numbers)) for one in labels], np.int64)


class Reader:
    """A decoder of one version with its index, and what it decodes as plain rows."""

    def __init__(self, version: int, index: Index | None = None, **kept: Any) -> None:
        self.index = index or Index()
        self.decoder = (RemoteWrite1 if version == 1 else RemoteWrite2)(self.index, **kept)

    def read(self, body: bytes) -> tuple[list[Row], Written]:
        written = self.decoder.decode(body)
        names = {number: labels for labels, number in self.index.numbers.items()}
        samples = written.batch.samples
        columns = zip(samples.series.tolist(), samples.at_ms.tolist(), samples.values.view("<u8").tolist(), strict=True)
        return sorted((names[series], at_ms, bits) for series, at_ms, bits in columns), written

    def outcome(self, body: bytes) -> object:
        try:
            rows, written = self.read(body)
        except InputError:
            return "refused"
        return rows, written.samples, written.histograms, written.exemplars, written.invalid, written.problems


def bits(value: float) -> int:
    """Return the 64 bits of a number."""
    (found,) = struct.unpack("<Q", struct.pack("<d", value))
    return int(found)


texts = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.sampled_from(["job", "instance", "zone", "a.b", "ü"])
values = st.one_of(
    st.just(0.0),
    st.floats(),
    st.integers(0, 2**64 - 1).map(lambda word: struct.unpack("<d", struct.pack("<Q", word))[0]),
)
times = st.one_of(st.integers(NOW, NOW + 10**6), st.integers(-(2**63), 2**63 - 1), st.just(0))
samples = st.lists(st.fixed_dictionaries({"value": values, "timestamp": times}), max_size=4)
label_sets = st.dictionaries(names, texts, max_size=4).flatmap(
    lambda own: st.sampled_from(["up", "requests_total", "ok\x12\x10"]).map(
        lambda name: sorted({"__name__": name, **own}.items())
    )
)
histograms = st.lists(
    st.fixed_dictionaries(
        {"count_int": st.integers(0, 2**53), "sum": st.floats(allow_nan=False), "schema": st.integers(-4, 8)}
        | {"timestamp": times, "positive_deltas": st.lists(st.integers(-9, 9), max_size=3)}
    ),
    max_size=2,
)
series = st.fixed_dictionaries(
    {"labels": label_sets, "samples": samples, "histograms": histograms | st.just([]), "exemplars": st.integers(0, 2)}
)
requests = st.lists(series, max_size=5)


def rows_of(request: Iterable[dict[str, Any]]) -> Iterator[Row]:
    for one in request:
        labels = {name: value for name, value in one["labels"] if value}
        for sample in one["samples"]:
            yield tuple(sorted(labels.items())), sample["timestamp"], bits(sample["value"])
        for histogram in one["histograms"]:
            for part, value in (("count", histogram["count_int"]), ("sum", histogram["sum"])):
                named = labels | {"__name__": f"{labels['__name__']}_{part}"}
                yield tuple(sorted(named.items())), histogram["timestamp"], bits(value)


def first(prompb: Messages, request: Iterable[dict[str, Any]]) -> bytes:
    message = prompb.write_request()
    for one in request:
        added = message.timeseries.add(samples=one["samples"], histograms=one["histograms"])
        for name, value in one["labels"]:
            added.labels.add(name=name, value=value)
        for _ in range(one["exemplars"]):
            added.exemplars.add(value=1.0, timestamp=NOW).labels.add(name="trace_id", value="a")
    message.metadata.add(metric_family_name="up", help="whether it is up")
    return bytes(message.SerializeToString())


def second(prompb: Messages, request: Iterable[dict[str, Any]]) -> bytes:
    message, symbols = prompb.request(), {"": 0, "whether it is up": 1}
    for at, one in enumerate(request):
        added = message.timeseries.add(samples=one["samples"], histograms=one["histograms"])
        for text in (text for pair in one["labels"] for text in pair):
            added.labels_refs.append(symbols.setdefault(text, len(symbols)))
        for _ in range(one["exemplars"]):
            added.exemplars.add(value=1.0, timestamp=NOW, labels_refs=[1, 1])
        if at % 2:
            added.metadata.help_ref = 1
            for sample in added.samples:
                sample.start_timestamp = NOW - 10**6
    message.symbols.extend(symbols)
    return bytes(message.SerializeToString())


ENCODED = {1: first, 2: second}
versions = pytest.mark.parametrize("version", [1, 2])


def plain(*values_at: tuple[float, int], labels: Iterable[tuple[str, str]] = LABELS) -> dict[str, Any]:
    own = [{"value": value, "timestamp": at} for value, at in values_at]
    return {"labels": list(labels), "samples": own, "histograms": [], "exemplars": 0}


@versions
@given(sent=st.lists(requests, min_size=1, max_size=3))
def test_what_is_decoded_is_what_was_sent_at_first_and_later_sight(
    prompb: Messages, version: int, sent: list[list[dict[str, Any]]]
) -> None:
    reader = Reader(version)
    for request in [*sent, *sent]:
        rows, written = reader.read(ENCODED[version](prompb, request))
        assert rows == sorted(rows_of(request))
        assert written.samples == sum(len(one["samples"]) for one in request)
        assert written.histograms == sum(len(one["histograms"]) for one in request)
        assert written.exemplars == sum(one["exemplars"] for one in request)
        assert not written.invalid
        assert not written.problems


@versions
@given(request=requests, seed=st.integers(0, 2**32))
def test_a_body_that_was_tampered_with_is_refused_or_read_alike_whether_its_series_are_known_or_not(
    prompb: Messages, version: int, request: list[dict[str, Any]], seed: int
) -> None:
    body, rng = ENCODED[version](prompb, [*request, plain((1.0, NOW), (0.0, NOW + 1))]), random.Random(seed)
    knowing = Reader(version)
    knowing.read(body)
    for _ in range(MUTANTS):
        mutant = tampered(body, rng)
        assert knowing.outcome(mutant) == Reader(version).outcome(mutant)


@versions
@given(request=requests, seed=st.integers(0, 2**32))
def test_a_body_that_was_tampered_with_and_is_still_a_message_says_what_the_generated_classes_read(
    prompb: Messages, version: int, request: list[dict[str, Any]], seed: int
) -> None:
    body, rng = ENCODED[version](prompb, [*request, plain((1.0, NOW), (0.0, NOW + 1))]), random.Random(seed)
    reader, message = Reader(version), prompb.write_request if version == 1 else prompb.request
    for _ in range(MUTANTS):
        mutant = tampered(body, rng)
        try:
            expected = sorted(rows_of(readable(message.FromString(mutant))))
        except DecodeError:
            continue
        assert reader.read(mutant)[0] == expected


def readable(message: Any) -> Iterator[dict[str, Any]]:
    """Yield the series of a message whose labels name a series."""
    for one in message.timeseries:
        labels = labels_in(message, one)
        kept = {name for name, value in labels if value}
        if "" not in kept and "__name__" in kept and len(kept) == sum(bool(value) for _, value in labels):
            yield {
                "labels": labels,
                "samples": [{"value": sample.value, "timestamp": sample.timestamp} for sample in one.samples],
                "histograms": [histogram_in(each) for each in one.histograms],
            }


def labels_in(message: Any, one: Any) -> list[tuple[str, str]]:
    if hasattr(one, "labels"):
        return [(label.name, label.value) for label in one.labels]
    references = list(one.labels_refs)
    if len(references) % 2 or max(references, default=0) >= len(message.symbols):
        return []
    symbols = [message.symbols[reference] for reference in references]
    return list(zip(symbols[::2], symbols[1::2], strict=True))


def histogram_in(one: Any) -> dict[str, Any]:
    count = one.count_float if one.WhichOneof("count") == "count_float" else float(one.count_int)
    stale = bits(one.sum) == STALE_BITS
    return {"count_int": one.sum if stale else count, "sum": one.sum, "timestamp": one.timestamp}


def tampered(body: bytes, rng: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        how = rng.randrange(5)
        if how == 0:
            changed[at : at + 1] = bytes([rng.choice([0, 0x0A, 0x12, 0x10, 0x7F, 0x80, 0xFF, rng.randrange(256)])])
        elif how == 1:
            del changed[at : at + rng.randint(1, 12)]
        elif how == 2:
            changed[at:at] = rng.randbytes(rng.randint(1, 12))
        elif how == 3:
            other = rng.randrange(len(changed) + 1)
            changed[at:at] = changed[other : other + rng.choice([9, 18, 40])]
        elif changed:
            changed[at % len(changed)] ^= 1 << rng.randrange(8)
    return bytes(changed)


@versions
def test_a_stale_marker_keeps_every_bit_also_where_its_sample_is_of_an_odd_shape(
    prompb: Messages, version: int
) -> None:
    (marker,) = struct.unpack("<d", struct.pack("<Q", STALE_BITS))
    rows, _ = Reader(version).read(ENCODED[version](prompb, [plain((1.0, NOW), (marker, NOW + 1), (marker, 7))]))
    assert rows == [(LABELS, 7, STALE_BITS), (LABELS, NOW, bits(1.0)), (LABELS, NOW + 1, STALE_BITS)]


@versions
def test_a_histogram_that_ended_ends_both_series_that_it_is_kept_as(prompb: Messages, version: int) -> None:
    (marker,) = struct.unpack("<d", struct.pack("<Q", STALE_BITS))
    ended = {**plain(), "histograms": [{"count_int": 0, "sum": marker, "timestamp": NOW}]}
    rows, written = Reader(version).read(ENCODED[version](prompb, [ended]))
    assert [(labels[0][1], word) for labels, _, word in rows] == [("up_count", STALE_BITS), ("up_sum", STALE_BITS)]
    assert (written.samples, written.histograms) == (0, 1)


@versions
@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([], "no __name__"),
        ([("job", "api")], "no __name__"),
        ([("__name__", ""), ("job", "api")], "no __name__"),
        (
            [("__name__", "up"), ("job", "a"), ("job", "b")],
            "a label stands twice, in {__name__='up', job='a'",
        ),
        ([("", "a"), ("__name__", "up")], "a label without a name"),
        ([("__name__", "up"), *((f"l{n}", "x") for n in range(64))], "65 labels; 64 are the most"),
        ([("__name__", "up"), ("long", "x" * 4097)], "more than 1024 (name) or 4096 (value) characters"),
        ([("__name__", "up"), ("l" * 1025, "x")], "more than 1024 (name) or 4096 (value) characters"),
    ],
)
def test_series_whose_labels_name_none_are_told_and_the_others_kept(
    prompb: Messages, version: int, labels: list[tuple[str, str]], problem: str
) -> None:
    body = ENCODED[version](prompb, [plain((5.0, NOW), (6.0, NOW + 1), labels=labels), plain((1.0, NOW))])
    reader = Reader(version)
    for _ in range(2):
        rows, written = reader.read(body)
        assert rows == [(LABELS, NOW, bits(1.0))]
        assert (written.samples, written.invalid) == (1, 2)
        assert problem in written.problems[0]
        assert len(written.problems[0]) < 400


@versions
def test_labels_that_are_not_utf_8_are_told_and_the_other_series_kept(prompb: Messages, version: int) -> None:
    body = ENCODED[version](prompb, [plain((1.0, NOW)), plain((2.0, NOW), labels=[("__name__", "u?"), ("job", "b")])])
    rows, written = Reader(version).read(body.replace(b"u?", b"u\xff"))
    assert rows == [(LABELS, NOW, bits(1.0))]
    assert written.invalid == 1
    assert "not UTF-8" in written.problems[0]


@versions
def test_no_more_than_ten_problems_are_told(prompb: Messages, version: int) -> None:
    _, written = Reader(version).read(ENCODED[version](prompb, [plain((1.0, NOW), labels=[("a", "b")])] * 30))
    assert (written.invalid, len(written.problems)) == (30, 10)


@versions
def test_series_beyond_the_limit_are_left_out_and_those_that_fit_or_are_known_kept(
    prompb: Messages, version: int
) -> None:
    reader = Reader(version, Index(most=4))
    reader.read(ENCODED[version](prompb, [plain((1.0, NOW))]))
    others = [plain((2.0, NOW), (3.0, NOW + 1), labels=[("__name__", name)]) for name in ("a", "b")]
    histogram = {**plain(), "histograms": [{"count_int": 1, "sum": 0.5, "timestamp": NOW}]}
    for _ in range(2):
        rows, written = reader.read(ENCODED[version](prompb, [*others, plain((4.0, NOW + 2)), histogram]))
        assert {labels[0][1] for labels, *_ in rows} == {"a", "b", "up", "up_count"}
        assert (written.samples, written.histograms, written.over) == (5, 0, 1)
        assert isinstance(written.limited, SeriesLimitError)


def test_references_that_are_no_symbols_or_no_pairs_are_told_and_the_other_series_kept(prompb: Messages) -> None:
    for references, problem in (([1, 9], "symbol 9 of 5"), ([1], "pairs"), ([2**32 - 1, 1], "symbol 4294967295 of 5")):
        message = prompb.request(symbols=["", "__name__", "up", "job", "api"])
        message.timeseries.add(labels_refs=references, samples=[{"value": 1.0, "timestamp": NOW}])
        message.timeseries.add(labels_refs=[1, 2, 3, 4], samples=[{"value": 2.0, "timestamp": NOW}])
        rows, written = Reader(2).read(message.SerializeToString())
        assert rows == [(LABELS, NOW, bits(2.0))]
        assert problem in written.problems[0]


def test_symbols_may_follow_the_series_that_refer_to_them_and_references_stand_unpacked(prompb: Messages) -> None:
    message = prompb.request(symbols=["", "__name__", "up", "job", "api"])
    symbols = message.SerializeToString()
    sample = bytes([0x12, 7, 0x10]) + bytes([0x80, 0xD8, 0xC1, 0xA2, 0x8C, 0x34])
    own = bytes([8, 1, 8, 2, 8, 3, 8, 4]) + sample
    rows, _ = Reader(2).read(bytes([0x2A, len(own)]) + own + symbols)
    assert rows == [(LABELS, NOW, 0)]


HOSTILE = {
    "a tag that does not end": b"\x80",
    "a length that does not end": b"\x0a\xff",
    "a length of two gigabytes": b"\x0a\xff\xff\xff\xff\x07up",
    "a length of eight exabytes": b"\x0a" + b"\xff" * 9 + b"\x01",
    "a number of eleven bytes": b"\x08" + b"\x80" * 10 + b"\x01",
    "field zero": b"\x02\x00",
    "a wire type that is none": b"\x0f\x00",
    "a number that is cut off": b"\x09\x00\x00",
    "a group that does not end": b"\x0b" + b"\x0b" * 50,
    "groups a million deep": b"\x0b" * 1_000_000,
    "the end of no group": b"\x0c",
    "a group that ends as another": b"\x0b\x14",
    "a series that is cut off": b"\x0a\x05\x0a",
    "a sample that is cut off": b"\x0a\x0a\x12\x08\x09\x00\x00\x00\x00\x00\x00\x00",
}


@versions
@pytest.mark.parametrize("what", HOSTILE)
def test_bytes_that_are_no_message_are_refused_whole(version: int, what: str) -> None:
    body = HOSTILE[what].replace(b"\x0a", b"\x2a", 1) if version == 2 else HOSTILE[what]
    reader = Reader(version)
    with pytest.raises(InputError, match=r"^byte \d+: "):
        reader.read(body)
    assert not reader.index.numbers


@versions
@given(sent=st.lists(requests, min_size=2, max_size=8))
def test_a_decoder_that_keeps_little_reads_the_same_as_one_that_keeps_all(
    prompb: Messages, version: int, sent: list[list[dict[str, Any]]]
) -> None:
    little = (
        Reader(1, known=Known(most=2, most_bytes=40))
        if version == 1
        else Reader(2, fresh=lambda: Vocabulary(most=3, most_bytes=30))
    )
    for request in sent:
        assert little.read(ENCODED[version](prompb, request))[0] == sorted(rows_of(request))


def test_what_is_known_is_never_more_than_its_limits() -> None:
    known = Known(most=3, most_bytes=100)
    for number in range(50):
        known.add(b"%d" % number, number)
        assert len(known.numbers) <= 3
        assert known.numbers[b"%d" % number] == number
    for number in range(50):
        known.add(b"%060d" % number, number)
        assert sum(map(len, known.numbers)) <= 100


@versions
def test_threads_that_share_a_decoder_read_the_same_as_one(prompb: Messages, version: int) -> None:
    bodies = [
        ENCODED[version](
            prompb, [plain((1.0, NOW), labels=[("__name__", f"m{n % 7}"), ("n", str(k))]) for k in range(50)]
        )
        for n in range(40)
    ]
    shared = Reader(version)
    expected = [Reader(version).read(body)[0] for body in bodies]
    seen: dict[int, bool] = {}

    def work(thread: int) -> None:
        seen[thread] = [shared.read(body)[0] for body in bodies] == expected

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == dict.fromkeys(range(4), True)
