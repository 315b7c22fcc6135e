"""The OpenTelemetry SDK's own exporters of traces and logs, sending to a server that runs."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from hypocenter.readers.selectors import parse_selector
from hypocenter.signals.increments import labels_of
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter_graph.stores.opening import open_graph

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter_server import HypocenterServer

    from hypocenter.batches import Labels

CALLS = 30
FAILED = 3
EDGE = {"client": "web", "server": "cart"}


def tracing(server: HypocenterServer, service: str, compression: Compression) -> TracerProvider:
    """Return what an instrumented service would set up."""
    provider = TracerProvider(resource=Resource({"service.name": service, "k8s.pod.name": f"{service}-0"}))
    exporter = OTLPSpanExporter(f"{server.url}/v1/traces", compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def make_calls(web: TracerProvider, cart: TracerProvider) -> None:
    """Serve pages that ask the cart, which asks its cache; the first few fail."""
    for call in range(CALLS):
        with (
            web.get_tracer("t").start_as_current_span("GET /", kind=SpanKind.SERVER),
            web.get_tracer("t").start_as_current_span("GET", kind=SpanKind.CLIENT),
            cart.get_tracer("t").start_as_current_span(f"GET /cart/{call}", kind=SpanKind.SERVER) as served,
        ):
            query = cart.get_tracer("t").start_span(
                "GET", kind=SpanKind.CLIENT, attributes={"db.system": "redis", "server.address": "redis-1"}
            )
            query.end()
            served.set_status(StatusCode.ERROR if call < FAILED else StatusCode.OK)


def kept(data_dir: Path) -> dict[Labels, float]:
    """Return what each counter stands at in a data directory that no server holds."""
    with closing(DuckDbMetrics(data_dir, lambda: datetime.now(UTC))) as store:
        labels = {each.number: each.labels for each in store.series([parse_selector('{__name__=~".+"}')], 0, 2**42)}
        found = store.read(sorted(labels), 0, 2**42)
        return {labels[each.series]: float(each.values[-1]) for each in found}


def test_two_services_whose_spans_come_in_different_requests(hypocenter_server: HypocenterServer) -> None:
    web, cart = (tracing(hypocenter_server, name, Compression.Gzip) for name in ("web", "cart"))
    make_calls(web, cart)
    # The callee's spans come first, in a request of their own.
    assert cart.force_flush()
    assert web.force_flush()
    for provider in (cart, web):
        provider.shutdown()
    assert hypocenter_server.stop() == 0
    totals = kept(hypocenter_server.data_dir)
    assert totals[labels_of("traces_service_graph_request_total", "spans", **EDGE)] == CALLS
    assert totals[labels_of("traces_service_graph_request_failed_total", "spans", **EDGE)] == FAILED
    assert totals[labels_of("traces_service_graph_request_server_seconds_count", "spans", **EDGE)] == CALLS
    assert totals[labels_of("traces_service_graph_request_gap_seconds_count", "spans", **EDGE)] == CALLS
    asked = {"client": "cart", "server": "redis-1", "connection_type": "database"}
    assert totals[labels_of("traces_service_graph_request_total", "spans", **asked)] == CALLS
    operation = {"service_name": "cart", "span_name": "GET /cart/<*>", "span_kind": "SPAN_KIND_SERVER"}
    told = {
        status: totals[
            labels_of("traces_spanmetrics_calls_total", "spans", **operation, status_code=f"STATUS_CODE_{status}")
        ]
        for status in ("UNSET", "ERROR")
    }
    assert told == {"UNSET": CALLS - FAILED, "ERROR": FAILED}
    with closing(open_graph(str(hypocenter_server.data_dir / "graph.db"))) as graph:
        found = {(claim.caller, claim.callee, claim.type.value) for claim in graph.claims().dependencies}
    assert found == {
        ("web", "cart", "CALLS"),
        ("cart", "redis-1", "CALLS"),
        ("web-0", "web", "INSTANCE_OF"),
        ("cart-0", "cart", "INSTANCE_OF"),
    }


def test_a_dependency_is_in_the_graph_before_its_request_is_acknowledged(hypocenter_server: HypocenterServer) -> None:
    """And what was acknowledged is there after a crash, but for what only waited."""
    web, cart = (tracing(hypocenter_server, name, Compression.NoCompression) for name in ("web", "cart"))
    with (
        web.get_tracer("t").start_as_current_span("GET", kind=SpanKind.CLIENT),
        cart.get_tracer("t").start_as_current_span("GET", kind=SpanKind.SERVER),
    ):
        pass
    assert web.force_flush()
    assert cart.force_flush()
    hypocenter_server.kill()
    for provider in (cart, web):
        provider.shutdown()
    with closing(open_graph(str(hypocenter_server.data_dir / "graph.db"))) as graph:
        assert ("web", "cart") in {(claim.caller, claim.callee) for claim in graph.claims().dependencies}
    totals = kept(hypocenter_server.data_dir)
    assert totals[labels_of("traces_service_graph_request_total", "spans", **EDGE)] == 1
    assert (
        totals[
            labels_of("traces_spanmetrics_latency_count", "spans", service_name="cart", status_code="STATUS_CODE_UNSET")
        ]
        == 1
    )


def test_log_records_of_the_sdk_are_counted_by_severity_and_template(hypocenter_server: HypocenterServer) -> None:
    provider = LoggerProvider(resource=Resource({"service.name": "cart"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{hypocenter_server.url}/v1/logs")))
    logger = provider.get_logger("t")
    for order in range(CALLS):
        severity = SeverityNumber.ERROR if order < FAILED else SeverityNumber.INFO
        said = "cannot reach card-network" if order < FAILED else f"order {order} paid"
        logger.emit(severity_number=severity, body=said)
    assert provider.force_flush()
    provider.shutdown()
    assert hypocenter_server.stop() == 0
    totals = kept(hypocenter_server.data_dir)
    cart = {"service_name": "cart"}
    assert totals == {
        labels_of("log_lines_total", "log_lines", **cart, severity="info"): CALLS - FAILED,
        labels_of("log_lines_total", "log_lines", **cart, severity="error"): FAILED,
        labels_of("log_error_lines_total", "log_lines", **cart): FAILED,
        labels_of("log_template_lines_total", "log_lines", **cart, template="order <*> paid"): CALLS - FAILED,
        labels_of("log_template_lines_total", "log_lines", **cart, template="cannot reach card-network"): FAILED,
    }
