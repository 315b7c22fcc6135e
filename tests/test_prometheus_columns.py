"""Columns out of a server: exported where it can, asked for where it cannot."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scripted_prometheus import always, failure, running, success
from split_store import MINUTE, NOW, NOW_MS, OPTIONS, batch, of

from hypocenter.errors import SourceError
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter.stores.prometheus_selecting import MOST_VALUES, selected

if TYPE_CHECKING:
    from victoria_metrics import VictoriaMetrics


def labels(**given: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"__name__": "up", **given}.items()))


def test_every_number_comes_as_it_was_sent(victoria_metrics: VictoriaMetrics, tenant: str) -> None:
    with closing(PrometheusMetrics(victoria_metrics.url, OPTIONS, now=lambda: NOW)) as store:
        numbers = store.number(of("up", 2, tenant))
        values = [1.5, -np.inf, 0.0, np.inf, 123456789.25]
        at_ms = NOW_MS - np.array([60_000, 50_000, 40_000, 30_000, 10_000])
        store.append([batch(np.repeat(numbers[:1], 5), at_ms, values), batch(numbers[1:], [NOW_MS], [7.0])])
        victoria_metrics.flush()
        found = store.read_columns(numbers.tolist(), NOW_MS - MINUTE, NOW_MS - 1)
    own = found.series == numbers[0]
    assert own.all()
    order = np.argsort(found.at_ms)
    assert found.at_ms[order].tolist() == sorted(at_ms.tolist())
    np.testing.assert_array_equal(found.values[order], values)
    assert not found.gained.any()


def test_a_server_that_cannot_export_is_asked() -> None:
    asked = labels(job="a")
    result = [
        {"metric": dict(asked), "values": [[NOW_MS / 1000, "3"]]},
        {"metric": dict(labels(job="b")), "values": []},
    ]
    with running() as server:
        matrix = success({"resultType": "matrix", "result": result})
        server.script = lambda endpoint, _: failure(404) if endpoint == "export" else matrix
        with closing(PrometheusMetrics(server.url, OPTIONS, now=lambda: NOW)) as store:
            numbers = store.number([asked]).tolist()
            for _ in range(2):
                found = store.read_columns(numbers, NOW_MS - MINUTE, NOW_MS)
                assert (found.series.tolist(), found.values.tolist()) == (numbers, [3.0])
        assert [endpoint for endpoint, _ in server.asked] == ["export", "query", "query"]


def test_newer_servers_put_infinity_in_quotes() -> None:
    line = b'{"metric":{"__name__":"up","job":"a"},"values":["Infinity",null,"-Infinity",1],"timestamps":[1,2,3,4]}'
    with running() as server:
        server.script = always((200, {}, line))
        with closing(PrometheusMetrics(server.url, OPTIONS, now=lambda: NOW)) as store:
            found = store.read_columns(store.number([labels(job="a")]).tolist(), 1, 4)
    np.testing.assert_array_equal(found.values, [np.inf, np.nan, -np.inf, 1.0])


@pytest.mark.parametrize(
    "body",
    [
        b"no line of an export",
        b'{"metric":{"__name__":"up","job":"a"},"values":[1,2],"timestamps":[1]}',
        b'{"metric":{"__name__":"up","job":"a"},"values":[{}],"timestamps":[1]}',
        b'{"metric":{"__name__":"up","job":"a"},"values":[1],"timestamps":[99999999999999999999]}',
        b'{"metric":["up"],"values":[1],"timestamps":[1]}',
    ],
)
def test_an_export_that_is_none_is_told(body: bytes) -> None:
    with running() as server:
        server.script = always((200, {}, body))
        with closing(PrometheusMetrics(server.url, OPTIONS, now=lambda: NOW)) as store:
            numbers = store.number([labels(job="a")]).tolist()
            with pytest.raises(SourceError, match="export"):
                store.read_columns(numbers, NOW_MS - MINUTE, NOW_MS)


def test_series_are_selected_by_what_names_their_component_and_together_once() -> None:
    many = [labels(service_name=f"service-{at}", pod="p") for at in range(2 * MOST_VALUES)]
    others = [labels(pod="cart-0"), labels(job="a"), labels(job="a", pod=""), (("__name__", "alone"),), ()]
    series = dict(enumerate([*many, *others]))
    found = selected(series)
    assert sorted(number for one in found for number in one.numbers.values()) == sorted(series)
    assert all(series[number] == key for one in found for key, number in one.numbers.items())
    assert len(found) == 2 + 1 + 1 + 1
    texts = [one.selector for one in found]
    assert '{pod=~"cart\\\\-0",service_name=""}' in texts
    assert '{job=~"a",service_name="",pod=""}' in texts
