"""Whatever an OTLP request of metrics holds: JSON says what protobuf says, and a body tampered with does no harm."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutation import tampered
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_metric_bodies import AT_NS, Numbered, json_of

from hypocenter.errors import InputError
from hypocenter.ingest.otlp_metrics import OtlpWritten, decode_metrics
from hypocenter.ingest.otlp_status import Encoding
from hypocenter.ingest.series_labels import checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

    from hypocenter.batches import Samples

MUTATIONS = 50
TEXTS = st.one_of(
    st.sampled_from(["http.route", "service.name", "le", "a.b", "a_b", "job", "", "...", "é", "0"]), st.text(max_size=5)
)
NUMBERS = st.one_of(st.sampled_from([0.0, -1.0, 0.1, np.inf, -np.inf, np.nan]), st.floats(width=64))
COUNTS = st.integers(0, 2**64 - 1)
TIMES = st.sampled_from([AT_NS, AT_NS + 1, 0, 2**63, 2**64 - 1])
SMALL = st.integers(-20, 40)


@st.composite
def _attributes(draw: st.DrawFn, holder: Any) -> None:
    for _ in range(draw(st.integers(0, 3))):
        _fill(draw, holder.attributes.add(key=draw(TEXTS)).value, 3)


def _fill(draw: st.DrawFn, value: Any, depth: int) -> None:
    kind = draw(
        st.sampled_from(["none", "text", "whole", "real", "truth", "bytes", *(["list", "map"] if depth else [])])
    )
    if kind == "text":
        value.string_value = draw(TEXTS)
    elif kind == "whole":
        value.int_value = draw(st.integers(-(2**63), 2**63 - 1))
    elif kind == "real":
        value.double_value = draw(NUMBERS)
    elif kind == "truth":
        value.bool_value = draw(st.booleans())
    elif kind == "bytes":
        value.bytes_value = draw(st.binary(max_size=4))
    elif kind == "list":
        value.array_value.SetInParent()
        for _ in range(draw(st.integers(0, 2))):
            _fill(draw, value.array_value.values.add(), depth - 1)
    elif kind == "map":
        value.kvlist_value.SetInParent()
        for _ in range(draw(st.integers(0, 2))):
            _fill(draw, value.kvlist_value.values.add(key=draw(TEXTS)).value, depth - 1)


def _number(draw: st.DrawFn, point: pb.NumberDataPoint) -> None:
    if draw(st.booleans()):
        point.as_double = draw(NUMBERS)
    elif draw(st.booleans()):
        point.as_int = draw(st.integers(-(2**63), 2**63 - 1))
    for _ in range(draw(st.integers(0, 1))):
        point.exemplars.add(trace_id=b"0123456789abcdef", span_id=b"01234567", as_double=1.0)


def _observed(draw: st.DrawFn, point: Any) -> None:
    point.count = draw(COUNTS)
    if draw(st.booleans()):
        point.sum = draw(NUMBERS)


def _histogram(draw: st.DrawFn, point: pb.HistogramDataPoint) -> None:
    _observed(draw, point)
    point.explicit_bounds.extend(sorted(draw(st.lists(NUMBERS, max_size=3))))
    most = len(point.explicit_bounds) + 1
    point.bucket_counts.extend(draw(st.lists(COUNTS, min_size=draw(st.sampled_from([0, most])), max_size=most)))


def _exponential(draw: st.DrawFn, point: pb.ExponentialHistogramDataPoint) -> None:
    _observed(draw, point)
    point.scale, point.zero_count = draw(SMALL), draw(COUNTS)
    for buckets in (point.positive, point.negative):
        buckets.offset = draw(st.one_of(SMALL, st.integers(-(2**31), 2**31 - 1)))
        buckets.bucket_counts.extend(draw(st.lists(COUNTS, max_size=4)))


def _summary(draw: st.DrawFn, point: pb.SummaryDataPoint) -> None:
    point.count, point.sum = draw(COUNTS), draw(NUMBERS)
    for _ in range(draw(st.integers(0, 2))):
        point.quantile_values.add(quantile=draw(st.floats(0, 1)), value=draw(NUMBERS))


KINDS: dict[str, Callable[[st.DrawFn, Any], None]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}


@st.composite
def requests(draw: st.DrawFn) -> ExportMetricsServiceRequest:
    """Requests of few metrics, each field of which may hold anything that the format can say."""
    request = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        each = request.resource_metrics.add()
        draw(_attributes(each.resource))
        scope = each.scope_metrics.add()
        scope.scope.name = draw(TEXTS)
        for _ in range(draw(st.integers(0, 3))):
            _metric(
                draw, scope.metrics.add(name=draw(TEXTS), unit=draw(st.sampled_from(["", "s", "1", "By/s", "{x}"])))
            )
    return request


def _metric(draw: st.DrawFn, metric: pb.Metric) -> None:
    name = draw(st.sampled_from(["", *KINDS]))
    if not name:
        return
    data = getattr(metric, name)
    data.SetInParent()
    if hasattr(data, "aggregation_temporality"):
        data.aggregation_temporality = draw(st.integers(0, 3))
    if hasattr(data, "is_monotonic"):
        data.is_monotonic = draw(st.booleans())
    for _ in range(draw(st.integers(0, 2))):
        point = data.data_points.add(time_unix_nano=draw(TIMES), flags=draw(st.sampled_from([0, 0, 1, 2])))
        draw(_attributes(point))
        KINDS[name](draw, point)


def _decoded(body: bytes, encoding: Encoding) -> tuple[OtlpWritten, Numbered]:
    index = Numbered()
    return decode_metrics(body, encoding, index), index


@given(requests())
def test_json_and_protobuf_say_the_same(request: ExportMetricsServiceRequest) -> None:
    one, one_index = _decoded(request.SerializeToString(), Encoding.PROTOBUF)
    other, other_index = _decoded(json_of(request), Encoding.JSON)
    assert one_index.known == other_index.known
    assert one.rejected == other.rejected
    for mine, theirs in ((one.batch.samples, other.batch.samples), (one.batch.increments, other.batch.increments)):
        _same(mine, theirs)


def _same(one: Samples, other: Samples) -> None:
    assert one.series.tolist() == other.series.tolist()
    assert one.at_ms.tolist() == other.at_ms.tolist()
    np.testing.assert_array_equal(one.values, other.values)


@given(requests())
def test_what_comes_out_can_be_kept(request: ExportMetricsServiceRequest) -> None:
    written, index = _decoded(request.SerializeToString(), Encoding.PROTOBUF)
    for labels in index.known:
        assert checked(labels) == labels
    assert np.isfinite(written.batch.increments.values).all()
    assert bool(written.batch.receipt) == bool(len(written.batch.increments))
    for samples in (written.batch.samples, written.batch.increments):
        assert len(samples.series) == len(samples.at_ms) == len(samples.values)
        assert (samples.at_ms > 0).all()


@pytest.mark.parametrize("encoding", list(Encoding))
@given(requests(), st.integers(0, 2**32))
def test_a_body_that_was_tampered_with_is_read_or_refused(
    encoding: Encoding, request: ExportMetricsServiceRequest, seed: int
) -> None:
    random = Random(seed)
    body = request.SerializeToString() if encoding is Encoding.PROTOBUF else json_of(request)
    for _ in range(MUTATIONS):
        with suppress(InputError):
            written, index = _decoded(tampered(body, random), encoding)
            assert len(written.batch) == 0 or index.known
