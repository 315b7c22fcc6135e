"""What a server tells of itself while a server of metrics hangs."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from scripted_prometheus import running, success
from waiting import awaited

from hypocenter.api.bounded import Bounded
from hypocenter.api.self_metrics import RequestMetrics, StoreMetrics
from hypocenter.errors import InputError
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.stores.prometheus_metrics import PrometheusMetrics

if TYPE_CHECKING:
    from scripted_prometheus import Reply


def test_what_a_hanging_store_holds_is_not_waited_for_and_all_else_is_told() -> None:
    goes_on = threading.Event()

    def hanging(_: str, __: dict[str, str]) -> Reply:
        goes_on.wait()
        return success({"headStats": {"numSeries": 7, "maxTime": 1}})

    options = PrometheusOptions(timeout_s=3600, attempts=1)
    with running() as server, closing(PrometheusMetrics(server.url, options)) as store:
        server.script = hanging
        registry = CollectorRegistry()
        RequestMetrics(registry).observe({"type": "http", "route_path": "/api/v1/write"}, 204, 0.01)
        registry.register(StoreMetrics(store, 0.05))
        try:
            for _ in range(5):
                told = generate_latest(registry).decode()
                assert "hypocenter_store_up 0.0" in told
                assert 'hypocenter_http_requests_total{path="/api/v1/write",status="204"} 1.0' in told
                assert "hypocenter_store_series" not in told
            assert len(server.asked) == 1
        finally:
            goes_on.set()
        awaited(lambda: b"hypocenter_store_series 7.0" in generate_latest(registry))


@pytest.mark.parametrize("error", [InputError("no"), TimeoutError("of its own")])
def test_what_a_question_raises_is_raised_and_it_is_asked_again(error: Exception) -> None:
    asked: list[int] = []

    def question() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise error
        return 7

    bounded = Bounded(question)
    with pytest.raises(type(error), match=str(error)):
        bounded.answer()
    assert bounded.answer() == 7
