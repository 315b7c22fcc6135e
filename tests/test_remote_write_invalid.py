"""Remote write 1.0 and 2.0, decoded: stale markers, labels that name no series, too many series, and hostile bytes."""

from __future__ import annotations

import struct
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from written_requests import ENCODED, LABELS, NOW, Index, Reader, bits, plain

from hypocenter.batches import STALE_BITS, SeriesLimitError
from hypocenter.errors import InputError, LimitError
from hypocenter.ingest.budget import MOST_STEPS
from hypocenter.ingest.remote_write_gathering import Known

if TYPE_CHECKING:
    from prompb import Messages

versions = pytest.mark.parametrize("version", [1, 2])


@versions
def test_a_stale_marker_keeps_every_bit_also_where_its_sample_is_of_an_odd_shape(
    prompb: Messages, version: int
) -> None:
    (marker,) = struct.unpack("<d", struct.pack("<Q", STALE_BITS))
    rows, _ = Reader(version).read(ENCODED[version](prompb, [plain((1.0, NOW), (marker, NOW + 1), (marker, 7))]))
    assert rows == [(LABELS, 7, STALE_BITS), (LABELS, NOW, bits(1.0)), (LABELS, NOW + 1, STALE_BITS)]


@versions
@pytest.mark.parametrize(
    ("schema", "kept_as"), [(0, {"up_count": 1, "up_sum": 1, "up_bucket": 32}), (-53, {"up_count": 1, "up_sum": 1})]
)
def test_a_histogram_that_ended_ends_all_series_that_it_is_kept_as(
    prompb: Messages, version: int, schema: int, kept_as: dict[str, int]
) -> None:
    (marker,) = struct.unpack("<d", struct.pack("<Q", STALE_BITS))
    ended = {**plain(), "histograms": [{"schema": schema, "sum": marker, "timestamp": NOW}]}
    rows, written = Reader(version).read(ENCODED[version](prompb, [ended]))
    assert Counter(dict(labels)["__name__"] for labels, *_ in rows) == kept_as
    assert {word for *_, word in rows} == {STALE_BITS}
    assert (written.samples, written.histograms) == (0, 1)


@versions
def test_a_histogram_of_custom_bounds_is_kept_with_those_bounds(prompb: Messages, version: int) -> None:
    told = {"count_int": 6, "sum": 9.5, "schema": -53, "custom_values": [0.5, 1.0, 2.5], "timestamp": NOW}
    runs = {"positive_spans": [{"offset": 1, "length": 1}, {"offset": 1, "length": 1}], "positive_deltas": [2, 2]}
    rows, _ = Reader(version).read(ENCODED[version](prompb, [{**plain(), "histograms": [told | runs]}]))
    buckets = {dict(labels)["le"]: word for labels, _, word in rows if "le" in dict(labels)}
    assert buckets == {"0.5": bits(0.0), "1": bits(2.0), "2.5": bits(2.0), "+Inf": bits(6.0)}


@versions
def test_a_histogram_of_floats_is_kept_as_one_of_integers(prompb: Messages, version: int) -> None:
    own = {"count_float": 2.5, "sum": 1.0, "zero_count_float": 1.0, "timestamp": NOW}
    told = own | {"positive_spans": [{"offset": 0, "length": 1}], "positive_counts": [1.5]}
    rows, _ = Reader(version).read(ENCODED[version](prompb, [{**plain(), "histograms": [told]}]))
    found = {(labels[0][1], dict(labels).get("le")): word for labels, _, word in rows}
    assert found["up_count", None] == found["up_bucket", "1"] == found["up_bucket", "+Inf"] == bits(2.5)
    assert found["up_bucket", "0.25"] == bits(1.0)


@versions
@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"schema": 9}, "schema 9"),
        ({"schema": -54}, "schema -54"),
        ({"positive_deltas": [1]}, "1 buckets in spans of 0"),
        ({"positive_spans": [{"length": 2**32 - 1}]}, "0 buckets in spans of 4294967295"),
        ({"negative_spans": [{"length": 5000}], "negative_deltas": [0] * 5000}, "5000 buckets; 4096 are the most"),
        (
            {"positive_spans": [{"length": 1}, {"offset": 2**31 - 1, "length": 1}], "positive_deltas": [1, 0]},
            "spans over",
        ),
        ({"positive_spans": [{"length": 1}, {"offset": -1, "length": 1}], "positive_deltas": [1, 0]}, "in no order"),
        ({"schema": -53, "custom_values": [2.0, 1.0]}, "must be finite and rise"),
        (
            {"schema": -53, "positive_spans": [{"offset": 2, "length": 1}], "positive_deltas": [1]},
            "beyond their 0 bounds",
        ),
        ({"schema": -53, "custom_values": [float(n) for n in range(5000)]}, "5001 buckets; 4096 are the most"),
    ],
)
def test_histograms_whose_buckets_contradict_one_another_are_told_and_other_series_kept(
    prompb: Messages, version: int, told: dict[str, Any], problem: str
) -> None:
    bad = {**plain(labels=[("__name__", "bad")]), "histograms": [{"count_int": 1, "timestamp": NOW, **told}]}
    reader = Reader(version)
    rows, written = reader.read(ENCODED[version](prompb, [bad, plain((1.0, NOW))]))
    assert rows == [(LABELS, NOW, bits(1.0))]
    assert (written.samples, written.histograms, written.invalid) == (1, 0, 1)
    assert problem in written.problems[0]


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
    histogram = {**plain(), "histograms": [{"count_int": 1, "sum": 0.5, "timestamp": NOW, "schema": 0}]}
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
    "many groups": b"\x0b\x0c" * 101,
    "a group of much": b"\x0b" + b"\x10\x00" * (32 << 10) + b"\x10\x00\x0c",
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


@versions
@pytest.mark.parametrize("what", ["series", "other fields", "samples", "buckets"])
def test_a_request_of_husks_is_refused_before_it_takes_memory(version: int, what: str) -> None:
    tag = b"\x0a" if version == 1 else b"\x2a"
    histogram = b"\x22" if version == 1 else b"\x1a"
    bodies = {
        "series": (tag + b"\x00") * (MOST_STEPS + 1),
        "other fields": b"\x32\x00" * (MOST_STEPS + 1),
        "samples": told(tag, b"\x12\x00" * (MOST_STEPS + 1)),
        "buckets": told(tag, told(histogram, b"\x5a\x00" * (4 * MOST_STEPS + 8))),
    }
    with pytest.raises(LimitError, match="send smaller batches"):
        Reader(version).read(bodies[what])


def told(tag: bytes, message: bytes) -> bytes:
    size, length = len(message), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return tag + bytes([*length, size]) + message
