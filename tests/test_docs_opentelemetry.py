"""The lines of docs/integrations/opentelemetry.md do what the page says, with the real SDK and a server with tokens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import yaml
from documented import PAGES, PLACE, blocks
from hypocenter_server import HypocenterServer

from hypocenter.api.otlp import PREFIXES
from hypocenter.api.tokens import TokenFile
from hypocenter.ingest import series_labels
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.opening_metrics import open_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = "opentelemetry"
# What an instrumented service does, with nothing said about where to send: the environment says it.
SERVICE = """
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
import time

metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
metrics.get_meter("shop").create_counter("orders", unit="{order}").add(7)
traces, logs = TracerProvider(), LoggerProvider()
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
with traces.get_tracer("shop").start_as_current_span("POST /orders", kind=SpanKind.SERVER):
    pass
line = LogRecord(timestamp=time.time_ns(), body="payment 4711 failed", severity_number=SeverityNumber.ERROR)
logs.get_logger("shop").emit(line)
for provider in (metrics, traces, logs):
    provider.force_flush()
    provider.shutdown()
"""


@pytest.fixture(scope="module")
def kept(require: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[float]]]:
    """The last values of metrics that the page's lines have brought, by name and component."""
    require("curl")
    folder = tmp_path_factory.mktemp("server")
    token = TokenFile(folder).create("otel", datetime.now(UTC))
    environment, curled = blocks(PAGE, "sh")
    with HypocenterServer(folder) as server:
        place = server.url.removeprefix("http://")
        for script in (f"{environment}\n\"{sys.executable}\" -W error - <<'END'\n{SERVICE}\nEND\n", curled):
            _run(script.replace(PLACE, place), token)
        assert server.stop() == 0
    with closing(open_metrics(folder)) as store:
        found: dict[str, list[float]] = {}
        for one in store.series([parse_selector('{__name__=~".+"}')], 0, sys.maxsize):
            for each in store.read([one.number], 0, sys.maxsize):
                name = f"{dict(one.labels)['__name__']} of {one.component}"
                found.setdefault(name, []).append(float(each.values[-1]))
        yield found


def _run(script: str, token: str) -> None:
    environment = {**os.environ, "HYPOCENTER_TOKEN": token}
    done = subprocess.run(
        ["bash", "-euc", script], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr.count("Error")) == (0, 0), (done.stdout, done.stderr)


def test_an_sdk_set_up_by_the_environment_sends_all_three_signals(kept: dict[str, list[float]]) -> None:
    assert kept["orders_total of checkout"] == [7.0]
    assert kept["traces_spanmetrics_calls_total of checkout"] == [1.0]
    assert kept["log_error_lines_total of checkout"] == [1.0]


def test_what_curl_sends_is_kept(kept: dict[str, list[float]]) -> None:
    assert kept["queue_size of checkout"] == [12.0]


def test_the_collector_sends_every_signal_to_us() -> None:
    (text,) = blocks(PAGE, "yaml")
    config = yaml.safe_load(text)
    assert config["exporters"]["otlphttp/hypocenter"]["endpoint"] == f"http://{PLACE}"
    pipelines = config["service"]["pipelines"]
    assert set(pipelines) == {"metrics", "traces", "logs"}
    for pipeline in pipelines.values():
        for kind, names in pipeline.items():
            assert set(names) <= set(config[kind])
        assert "otlphttp/hypocenter" in pipeline["exporters"]


def test_alloy_names_what_it_defines() -> None:
    (text,) = blocks(PAGE, "alloy")
    defined = {".".join(found) for found in re.findall(r'^([a-z.]+) "(\w+)" \{', text, re.MULTILINE)}
    assert defined == {"otelcol.auth.bearer.hypocenter", "otelcol.exporter.otlphttp.hypocenter"}
    assert re.findall(r"= (otelcol\S+)\.handler", text) == ["otelcol.auth.bearer.hypocenter"]
    assert text.count("{") == text.count("}")


def test_the_page_tells_the_paths_and_limits_that_are() -> None:
    page = (PAGES / f"{PAGE}.md").read_text(encoding="utf-8")
    for signal in ("metrics", "traces", "logs"):
        assert all(f"`{prefix}/v1/{signal}`" in page for prefix in PREFIXES)
    limits = (series_labels.MOST_LABELS, series_labels.LONGEST_NAME, series_labels.LONGEST_VALUE)
    assert all(f"{limit:,}" in page for limit in limits)
