"""Spans that wait for each other: order, cuts, limits, answers that never came, and stores that do not take them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from counted_store import NOON, CountedStore, Index, Taking
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hypocenter.api.counting import Counting
from hypocenter.batches import Taken
from hypocenter.ingest.otlp_status import Encoding
from hypocenter.signals import log_counts, span_counts
from hypocenter.signals.increments import Tally, bin_end_ms, labels_of
from hypocenter.signals.log_counts import MOST_OF_CALM, Line, LogCounter
from hypocenter.signals.logs import MOST_TEMPLATES
from hypocenter.signals.span_counts import CALLS, OTHER, STATUS_OK, Operations, Peer, SpanCounter
from hypocenter.signals.span_window import Sort, Span
from hypocenter.signals.spans import MOST_OPERATIONS
from hypocenter.stores.series_table import SeriesTable
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from hypocenter.api.counting import CountedRequest
    from hypocenter.batches import Labels
    from hypocenter.signals.span_counts import Relation

ROOT = Path(__file__).parents[1]
AT_NS = int(NOON.timestamp()) * 10**9
KINDS = ("", "internal", "server", "client", "producer", "consumer")


def sort_of(service: str, kind: str, address: str = "") -> Sort:
    return Sort(service, "", kind, "", address, "", "", "", "", "", "")


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    """Return a few traces: trees of up to twelve spans, some of whose parents were never recorded."""
    spans = []
    for trace in range(draw(st.integers(1, 3))):
        for place in range(draw(st.integers(1, 12))):
            parent = draw(st.integers(-1, place - 1) | st.just(99))
            sort = sort_of(
                draw(st.sampled_from("abc")), draw(st.sampled_from(KINDS)), draw(st.sampled_from(["", "pg", "b"]))
            )
            at_ns = AT_NS + draw(st.integers(0, 30)) * 10**9
            ids = f"{trace + 1:032x}", f"{place + 1:016x}", "" if parent < 0 else f"{parent + 1:016x}"
            spans.append(Span(*ids, sort, "GET", at_ns, draw(st.integers(0, 400)) / 100, draw(st.booleans())))
    return spans


class Counter(SpanCounter):
    """A counter that knows everybody at the other end by their address, and notes relations."""

    def __init__(self, most: int = 1000) -> None:
        self.relations: list[tuple[Relation, int, int]] = []
        super().__init__(self._peers_of, lambda *told: self.relations.append(told), most=most)

    def _peers_of(self, sort: Sort) -> tuple[Peer, ...]:
        return (Peer(sort.address, "virtual_node"),) if sort.address and sort.kind == "client" else ()


def counted(requests: list[list[Span]], most: int = 1000) -> tuple[dict[tuple[Labels, int], list[float]], set[object]]:
    """Return what requests come to, rounded as sums of fractions are, and the relations that they show."""
    counter, whole = Counter(most), Tally()
    for spans in requests:
        whole.add(counter.count(spans))
        counter.meet(spans, 0.0)
    counter.settle(None)
    whole.add(counter.drained())
    cells = {cell: [number] for cell, number in whole.counted.items()}
    cells |= {cell: [round(part, 6) for part in parts] for cell, parts in whole.timed.items()}
    return cells, set(counter.relations)


@given(traces(), st.randoms(use_true_random=False), st.lists(st.integers(0, 36), max_size=6))
def test_neither_order_nor_cuts_nor_a_second_sending_change_what_is_counted_together(
    spans: list[Span], random: object, cuts: list[int]
) -> None:
    shuffled = list(spans)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ends = sorted({0, *cuts, len(shuffled)})
    requests = [shuffled[begin:end] for begin, end in itertools.pairwise(ends)]
    assert counted(requests) == counted([spans])


@given(traces())
def test_spans_that_come_again_are_counted_together_once(spans: list[Span]) -> None:
    once, again = Counter(), Counter()
    once.meet(spans, 0.0)
    for _ in range(2):
        again.meet(spans, 0.0)
    for counter in (once, again):
        counter.settle(None)
    assert again.drained() == once.drained()
    assert again.relations == once.relations


@given(traces(), st.integers(1, 5))
def test_a_window_of_any_size_counts_each_span_and_lets_the_oldest_go(spans: list[Span], most: int) -> None:
    counter = Counter(most)
    counter.meet(spans, 0.0)
    assert counter.waiting <= most
    counter.settle(None)
    assert counter.waiting == 0
    settled = counter.drained()
    own = sum(
        sum(parts[:-1])
        for (labels, _), parts in settled.timed.items()
        if labels[0][1].endswith(("self_seconds", "gap_seconds"))
    )
    assert own == len(spans)


def test_a_call_is_counted_when_both_ends_are_there_and_own_time_when_they_have_waited() -> None:
    client = Span("1", "a", "9", sort_of("web", "client"), "GET", AT_NS, 0.5, False)
    server = Span("1", "b", "a", sort_of("cart", "server"), "GET", AT_NS, 0.4, True)
    counter = Counter()
    counter.meet([server], 0.0)
    assert not len(counter.drained())
    counter.meet([client], 5.0)
    end = bin_end_ms(AT_NS)
    edge = {"client": "web", "server": "cart"}
    first = counter.drained()
    assert first.counted == {
        (labels_of("traces_service_graph_request_total", "spans", **edge), end): 1.0,
        (labels_of("traces_service_graph_request_failed_total", "spans", **edge), end): 1.0,
    }
    assert {labels[0][1]: parts[-1] for (labels, _), parts in first.timed.items()} == {
        "traces_service_graph_request_server_seconds": 0.4,
        "traces_service_graph_request_client_seconds": 0.5,
    }
    counter.meet([], 19.0)
    assert not len(counter.drained())
    counter.meet([], 20.0)
    own = counter.drained()
    assert [(dict(labels).get("service_name"), parts[-1]) for (labels, _), parts in own.timed.items()] == [
        ("cart", 0.4)
    ]
    counter.settle(None)
    # Its parent was not recorded, so that nobody knows it to be inside its service: it is work, less its child's time.
    assert [parts[-1] for parts in counter.drained().timed.values()] == [pytest.approx(0.1)]


def test_a_call_that_nobody_answers_is_counted_of_its_caller(tmp_path: Path) -> None:
    """Databases, and services that are dead: the client alone tells of them."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "cart"
    into = group.scope_spans.add().spans
    for place, attributes in enumerate(
        ({"db.system": "redis", "server.address": "redis-1"}, {"server.address": "prices"})
    ):
        span = into.add(trace_id=b"t" * 16, span_id=bytes([place + 1] * 8), name="call", kind=3)
        span.start_time_unix_nano, span.end_time_unix_nano, span.status.code = AT_NS, AT_NS + 10**6, 2 * place
        for key, value in attributes.items():
            span.attributes.add(key=key).value.string_value = value
    store = CountedStore(tmp_path)
    assert store.take([request.SerializeToString()]) == 0
    totals = store.totals()
    for server, connection, failed in (("redis-1", "database", 0.0), ("prices", "virtual_node", 1.0)):
        edge = {"client": "cart", "server": server, "connection_type": connection}
        assert totals[labels_of("traces_service_graph_request_total", "spans", **edge)] == 1.0
        assert totals[labels_of("traces_service_graph_request_failed_total", "spans", **edge)] == failed
    links = {(claim.caller, claim.callee) for claim in store.graph.claims().dependencies}
    assert links == {("cart", "redis-1"), ("cart", "prices")}
    store.close()


def trace_body(service: str, span: bytes, parent: bytes, kind: int) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    told = group.scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=span * 8, parent_span_id=parent * 8, kind=kind)
    told.start_time_unix_nano, told.end_time_unix_nano = AT_NS, AT_NS + 10**6
    return request.SerializeToString()


def sent(counting: Counting, writer: Taking, body: bytes) -> CountedRequest:
    """Send a request to a writer that takes it."""
    counted = counting.spans(body, Encoding.PROTOBUF)
    counting.meet(counted, writer.submit(counted.batch).result())
    return counted


@pytest.mark.parametrize(("busy", "failing"), [(0, 0), (1, 0), (0, 1), (3, 0), (0, 3), (1, 2)])
def test_what_a_store_does_not_take_is_given_to_it_again(busy: int, failing: int) -> None:
    index, writer = Index(), Taking(busy, failing)
    with Counting(index, writer, MemoryStore(), lambda: NOON, lambda: 0.0) as counting:
        for body in (trace_body("web", b"a", b"", 3), trace_body("cart", b"b", b"a", 2), *[b""] * 4):
            # The requests are taken elsewhere: this writer fails at what their spans tell together.
            counting.meet(counting.spans(body, Encoding.PROTOBUF), Taken(0))
    edge = labels_of("traces_service_graph_request_total", "spans", client="web", server="cart")
    assert writer.gained[index.known[edge]] == 1.0
    assert counting.lost == 0


def test_what_is_known_is_counted_on_when_there_would_be_too_many_series() -> None:
    index, writer = SeriesTable(0), Taking(0, 0)
    bodies = [trace_body("web", b"a", b"", 3), trace_body("cart", b"b", b"a", 2)]
    with Counting(index, writer, MemoryStore(), lambda: NOON, lambda: 0.0) as counting:
        told = [sent(counting, writer, body) for body in bodies]
    assert [len(each.batch) for each in told] == [0, 0]
    assert all("HYPOCENTER_MAX_SERIES" in each.rejected.message for each in told)
    assert (counting.lost > 0, writer.gained) == (True, {})
    index, known = (
        SeriesTable(1),
        labels_of(CALLS, "spans", service_name="web", span_kind="SPAN_KIND_CLIENT", status_code=STATUS_OK),
    )
    index.number([known])
    with Counting(index, writer, MemoryStore(), lambda: NOON, lambda: 0.0) as counting:
        counted = counting.spans(bodies[0], Encoding.PROTOBUF).batch
    assert counted.increments.values.tolist() == [0.0, 1.0]


def test_a_request_that_comes_again_is_counted_once(tmp_path: Path) -> None:
    bodies = [trace_body("web", b"a", b"", 3), trace_body("cart", b"b", b"a", 2)]
    store = CountedStore(tmp_path)
    store.take([*bodies, *bodies])
    totals = {
        dict(labels)["__name__"]: value for labels, value in store.totals().items() if "bucket" not in labels[0][1]
    }
    assert totals["traces_spanmetrics_calls_total"] == 1.0
    assert totals["traces_service_graph_request_total"] == 1.0
    store.close()


def test_a_request_that_comes_again_when_its_spans_wait_no_more_is_counted_together_once() -> None:
    index, writer, clock = Index(), Taking(0, 0), iter([0.0, 0.0, 60.0, 60.0])
    bodies = [trace_body("web", b"a", b"", 3), trace_body("cart", b"b", b"a", 2)]
    with Counting(index, writer, MemoryStore(), lambda: NOON, lambda: next(clock, 60.0)) as counting:
        for body in [*bodies, *bodies]:
            sent(counting, writer, body)
    for name, ends in (
        ("traces_service_graph_request_total", {"client": "web", "server": "cart"}),
        ("traces_spanmetrics_self_seconds_count", {"service_name": "cart"}),
    ):
        assert writer.gained[index.known[labels_of(name, "spans", **ends)]] == 1.0


def test_services_that_never_come_again_are_forgotten() -> None:
    operations = Operations()
    names = [operations.name("cart", word) for word in map("".join, itertools.product("abcde", repeat=3))]
    assert names.count(OTHER) == len(names) - MOST_OPERATIONS
    for number in range(30_000):
        operations.name(f"service-{number}", "get")
    assert operations.name("cart", "xyz") == "xyz"


def test_templates_of_a_component_are_bounded_and_leave_room_for_failures() -> None:
    counter = LogCounter()
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]
    calm = counter.count([Line(AT_NS, "web", "info", f"did {word}") for word in words])
    told = {dict(labels).get("template") for labels, _ in calm.counted} - {None}
    assert len(told) == MOST_OF_CALM + 1
    assert "(other)" in told
    severe = counter.count([Line(AT_NS, "web", "error", f"broke {word}") for word in words])
    told |= {dict(labels).get("template") for labels, _ in severe.counted} - {None}
    assert len(told) == MOST_TEMPLATES + 1
    assert (
        sum(number for (labels, _), number in severe.counted.items() if labels[0][1] == "log_error_lines_total") == 400
    )


def test_no_text_that_varies_is_kept_of_a_line(tmp_path: Path) -> None:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "web"
    into = group.scope_logs.add().log_records
    for place in range(20):
        record = into.add(time_unix_nano=AT_NS, severity_number=9)
        record.body.string_value = f"user {place * 7919} paid with card '4111-{place}' in {place}.5 ms"
    store = CountedStore(tmp_path)
    store.take(logs=[request.SerializeToString()])
    templates = {
        dict(labels)["template"]: value for labels, value in store.totals().items() if "template" in dict(labels)
    }
    assert templates == {"user <*> paid with card <*> in <*> ms": 20.0}
    store.close()


def test_the_page_names_every_series() -> None:
    page = (ROOT / "docs" / "traces-and-logs.md").read_text(encoding="utf-8")
    for name in (span_counts.CALLS, span_counts.EDGE_CALLS, span_counts.EDGE_FAILED, *log_counts.SERIES):
        assert f"`{name}`" in page
    for name in span_counts.TIMED:
        assert f"`{name}_{{bucket,sum,count}}`" in page


def test_what_a_store_took_and_could_not_tell_of_is_added_once() -> None:
    index, writer = Index(), Taking(unsure=2)
    with Counting(index, writer, MemoryStore(), lambda: NOON, lambda: 0.0) as counting:
        for body in (trace_body("web", b"a", b"", 3), trace_body("cart", b"b", b"a", 2), b""):
            counting.meet(counting.spans(body, Encoding.PROTOBUF), Taken(0))
    edge = labels_of("traces_service_graph_request_total", "spans", client="web", server="cart")
    assert writer.gained[index.known[edge]] == 1.0
    assert counting.lost == 0
