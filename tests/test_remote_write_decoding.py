"""Remote write 1.0 and 2.0, decoded: the same as classes generated from the published messages say."""

from __future__ import annotations

import math
import random
import struct
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from written_requests import ENCODED, NOW, Reader, bits, plain

from hypocenter.batches import STALE_BITS
from hypocenter.ingest.remote_write_gathering import Known
from hypocenter.ingest.remote_write_symbols import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prompb import Messages
    from written_requests import Row

# Of four tests in all ten thousand, where a hundred examples are the default, and a million in `make soak`.
MUTANTS = max(25, settings().max_examples // 25)
versions = pytest.mark.parametrize("version", [1, 2])

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
runs = st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(0, 9), max_size=3)), max_size=3)
histogram = st.builds(
    lambda schema, first, above, below, zeros, total, at: {
        "count_int": zeros + sum(sum(counts) for _, counts in above + below),
        "sum": total,
        "schema": schema,
        "zero_count_int": zeros,
        "timestamp": at,
        "positive_spans": spans(above, first),
        "positive_deltas": deltas(above),
        "negative_spans": spans(below, first),
        "negative_deltas": deltas(below),
    },
    *(st.integers(-4, 8), st.integers(-200, 200), runs, runs, st.integers(0, 9), st.floats(allow_nan=False), times),
)
histograms = st.lists(histogram, max_size=2)


def spans(told: list[tuple[int, list[int]]], first: int) -> list[dict[str, int]]:
    return [{"offset": first if at == 0 else gap, "length": len(counts)} for at, (gap, counts) in enumerate(told)]


def deltas(told: list[tuple[int, list[int]]]) -> list[int]:
    counts = [count for _, run in told for count in run]
    return [count - before for before, count in zip([0, *counts], counts, strict=False)]


series = st.fixed_dictionaries(
    {"labels": label_sets, "samples": samples, "histograms": histograms | st.just([]), "exemplars": st.integers(0, 2)}
)
requests = st.lists(series, max_size=5)


def rows_of(request: Iterable[dict[str, Any]]) -> Iterator[Row]:
    """Yield all that is kept of a request but the buckets of histograms."""
    for one in request:
        labels = {name: value for name, value in one["labels"] if value}
        for sample in one["samples"]:
            yield tuple(sorted(labels.items())), sample["timestamp"], bits(sample["value"])
        for histogram in one["histograms"]:
            for part, value in (("count", float(histogram["count_int"])), ("sum", histogram["sum"])):
                named = labels | {"__name__": f"{labels['__name__']}_{part}"}
                yield tuple(sorted(named.items())), histogram["timestamp"], bits(value)


def without_buckets(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if not dict(row[0])["__name__"].endswith("_bucket")]


@versions
@given(sent=st.lists(requests, min_size=1, max_size=3))
def test_what_is_decoded_is_what_was_sent_at_first_and_later_sight(
    prompb: Messages, version: int, sent: list[list[dict[str, Any]]]
) -> None:
    reader = Reader(version)
    for request in [*sent, *sent]:
        rows, written = reader.read(ENCODED[version](prompb, request))
        assert without_buckets(rows) == sorted(rows_of(request))
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


def test_a_group_that_is_passed_over_may_hold_what_has_no_number(prompb: Messages) -> None:
    known = prompb.write_request(
        timeseries=[{"labels": [{"name": "__name__", "value": "up"}], "samples": [{"value": 1}]}]
    )
    odd = known.SerializeToString() + b"\x7b\x02\x00\x7c"
    assert parsed(prompb.write_request, odd) is not None
    assert Reader(1).outcome(odd) == Reader(1).outcome(known.SerializeToString()) != "refused"


@versions
@given(request=requests, seed=st.integers(0, 2**32))
def test_a_body_that_was_tampered_with_and_is_still_a_message_says_what_the_generated_classes_read(
    prompb: Messages, version: int, request: list[dict[str, Any]], seed: int
) -> None:
    body, rng = ENCODED[version](prompb, [*request, plain((1.0, NOW), (0.0, NOW + 1))]), random.Random(seed)
    reader, message = Reader(version), prompb.write_request if version == 1 else prompb.request
    for _ in range(MUTANTS):
        mutant = tampered(body, rng)
        read = parsed(message, mutant)
        assert read is None or without_buckets(reader.read(mutant)[0]) == sorted(rows_of(readable(read)))


def parsed(message: Any, body: bytes) -> Any:
    """Return a body as a message, None where it is none."""
    try:
        return message.FromString(body)
    except DecodeError:
        return None


def readable(message: Any) -> Iterator[dict[str, Any]]:
    """Yield the series of a message whose labels name a series."""
    for one in message.timeseries:
        labels = labels_in(message, one)
        kept = {name for name, value in labels if value}
        is_named = "" not in kept and "__name__" in kept and len(kept) == sum(bool(value) for _, value in labels)
        if is_named and all(is_coherent(each) for each in one.histograms):
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


def is_coherent(one: Any) -> bool:
    """Whether the buckets of a histogram go together, or it is stale, so that nobody asks."""
    if bits(one.sum) == STALE_BITS:
        return True
    above = list(one.positive_counts) or list(one.positive_deltas)
    below = list(one.negative_counts) or list(one.negative_deltas)
    if one.schema == -53:
        rises = list(one.custom_values) == sorted(set(one.custom_values)) and all(map(math.isfinite, one.custom_values))
        first = one.positive_spans[0].offset if above else 0
        fits = first >= 0 and first + reach(one.positive_spans) <= len(one.custom_values) + 1
        return rises and fits and go_together(one.positive_spans, above) and go_together(one.negative_spans, below)
    told = go_together(one.positive_spans, above) and go_together(one.negative_spans, below)
    return told and -4 <= one.schema <= 8


def go_together(spans_of: Any, counts: list[float]) -> bool:
    later = [span.offset for span in list(spans_of)[1:]]
    is_told = sum(span.length for span in spans_of) == len(counts)
    return is_told and (not counts or (reach(spans_of) <= 4096 and min(later, default=0) >= 0))


def reach(spans_of: Any) -> int:
    return sum(span.length for span in spans_of) + sum(span.offset for span in list(spans_of)[1:])


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
        rows, _ = little.read(ENCODED[version](prompb, request))
        assert without_buckets(rows) == sorted(rows_of(request))


@versions
@given(told=histogram)
def test_buckets_hold_what_was_observed_up_to_their_bounds(
    prompb: Messages, version: int, told: dict[str, Any]
) -> None:
    request = [{**plain(labels=[("__name__", "wait_seconds"), ("job", "api")]), "histograms": [told]}]
    rows, _ = Reader(version).read(ENCODED[version](prompb, request))
    found = {dict(labels)["le"]: word for labels, _, word in rows if "le" in dict(labels)}
    assert len(found) == 26
    everywhere = told["zero_count_int"] + sum(count for _, count in indexed(told, "negative"))
    for le, word in found.items():
        upto = [count for index, count in indexed(told, "positive") if index * 2.0 ** -told["schema"] <= log2(le)]
        assert word == bits(float(everywhere + sum(upto)))


def log2(le: str) -> float:
    return math.log2(float(le))


def indexed(histogram: dict[str, Any], side: str) -> list[tuple[int, int]]:
    """Return index and count of each bucket."""
    at, found, count, changes = 0, [], 0, iter(histogram[f"{side}_deltas"])
    for span in histogram[f"{side}_spans"]:
        at += span["offset"]
        for _ in range(span["length"]):
            count += next(changes)
            found.append((at, count))
            at += 1
    return found
