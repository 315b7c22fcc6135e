"""Metrics kept in a real Prometheus and a real VictoriaMetrics, with increments in a file beside it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from split_store import MINUTE, NOW_MS, OPTIONS, batch, of, opened, read

from hypocenter.batches import STALE_BITS, Batch, Samples, SeriesLimitError
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter.stores.prometheus_writing import OTHER_VALUE, TOO_FAR_AHEAD
from hypocenter.stores.retention import MetricsLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypocenter.stores.split import SplitMetrics


both = pytest.mark.parametrize("server", ["prometheus", "victoria"], indirect=True)


class Server(NamedTuple):
    """A server's address, and how to have it show what it took a moment ago."""

    url: str
    show: Callable[[], None]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "victoria":
        victoria = request.getfixturevalue("victoria_metrics")
        return Server(victoria.url, victoria.flush)
    return Server(request.getfixturevalue("prometheus_server"), lambda: None)


@pytest.fixture
def store(server: Server, tmp_path: Path) -> Iterator[SplitMetrics]:
    with closing(opened(server.url, tmp_path)) as split:
        yield split


@both
def test_samples_come_back_as_they_were_sent(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 3, tenant))
    values = [1.5, -2.0, 1e6, 0.1, -3e-5]
    taken = store.append([batch(numbers[[0, 0, 1, 1, 1]], NOW_MS - np.array([1, 4001, 5, 3, 2]), values)])
    assert [(each.written, each.refused) for each in taken] == [(5, 0)]
    server.show()
    found = read(store, f'up{{run="{tenant}"}}', -MINUTE, 0)
    assert found == {
        "cart-0": [(-4001, -2.0), (-1, 1.5)],
        "cart-1": [(-5, 1e6), (-3, 0.1), (-2, -3e-5)],
    }


@both
def test_a_series_is_found_by_the_very_milliseconds_of_its_samples(
    store: SplitMetrics, server: Server, tenant: str
) -> None:
    numbers = store.number(of("up", 2, tenant))
    store.append([batch(numbers, [NOW_MS - 2000, NOW_MS - 1000], [1, 2])])
    server.show()
    selector = f'{{run="{tenant}"}}'
    assert list(read(store, selector, -2000, -1000)) == ["cart-0", "cart-1"]
    assert list(read(store, selector, -1999, -1000)) == ["cart-1"]
    assert list(read(store, selector, -2000, -1001)) == ["cart-0"]
    assert list(read(store, selector, -1000, -1000)) == ["cart-1"]
    assert read(store, selector, -1999, -1001) == {}
    assert read(store, selector, 0, -1) == {}


@both
def test_days_are_read_in_pieces(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 1, tenant))
    at_ms = NOW_MS - np.arange(5) * 26 * 60 * MINUTE
    store.append([batch(numbers.repeat(5), at_ms, range(5))])
    server.show()
    found = read(store, f'up{{run="{tenant}"}}', -5 * 24 * 60 * MINUTE, 0)
    assert [value for _, value in found["cart-0"]] == [4, 3, 2, 1, 0]


@both
def test_more_series_than_one_question_is_for(store: SplitMetrics, server: Server, tenant: str) -> None:
    labels = [
        (("__name__", f"m{at % 7}"), ("job", "shop"), ("pod", f"cart-{at:04d}"), ("run", tenant)) for at in range(4500)
    ]
    numbers = store.number(labels)
    store.append([batch(numbers, np.full(4500, NOW_MS - 1000), range(4500))])
    server.show()
    found = read(store, f'{{run="{tenant}"}}', -MINUTE, 0)
    assert {pod: values for pod, ((_, values),) in found.items()} == {f"cart-{at:04d}": at for at in range(4500)}


@both
def test_whose_a_series_is_is_told_with_it(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number([(("__name__", "up"), ("pod", "cart-7d4b9c6f5d-x2x7k"), ("run", tenant))])
    store.append([batch(numbers, [NOW_MS], [1])])
    server.show()
    (found,) = store.series([parse_selector(f'up{{run="{tenant}"}}')], NOW_MS, NOW_MS)
    assert (found.number, found.component) == (numbers[0], "cart")


@both
def test_what_is_sent_twice_is_there_once(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 1, tenant))
    one = batch(numbers, [NOW_MS], [3])
    taken = [*store.append([one, one]), *store.append([one])]
    assert [(each.written, each.refused) for each in taken] == [(1, 0)] * 3
    server.show()
    assert read(store, f'up{{run="{tenant}"}}', -MINUTE, 0) == {"cart-0": [(0, 3)]}


@both
def test_another_value_at_its_time_is_refused(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 2, tenant))
    mine, other = batch(numbers, [NOW_MS, NOW_MS], [3, 4]), batch(numbers[:1], [NOW_MS], [5])
    first, second = store.append([mine, other])
    assert (first.written, second.written, second.refused) == (2, 0, 1)
    assert [example.reason for example in second.examples] == [OTHER_VALUE]
    server.show()
    assert read(store, f'up{{run="{tenant}"}}', -MINUTE, 0) == {"cart-0": [(0, 3)], "cart-1": [(0, 4)]}


@both
def test_the_future_is_refused_before_the_server_believes_it(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 2, tenant))
    (taken,) = store.append([batch(numbers, [NOW_MS + 11 * MINUTE, NOW_MS + 9 * MINUTE], [1, 2])])
    assert (taken.written, taken.refused, taken.examples[0].reason) == (1, 1, TOO_FAR_AHEAD)
    assert taken.examples[0].series == numbers[0]
    server.show()
    assert list(read(store, f'up{{run="{tenant}"}}', 0, 20 * MINUTE)) == ["cart-1"]


@both
def test_the_end_of_a_series_is_taken(store: SplitMetrics, server: Server, tenant: str) -> None:
    """A query API shows a stale marker as no sample (Prometheus), or as a NaN (VictoriaMetrics)."""
    numbers = store.number(of("up", 1, tenant))
    end = np.array([STALE_BITS], np.uint64).view(np.float64)[0]
    (taken,) = store.append([batch(numbers.repeat(2), [NOW_MS - 1000, NOW_MS], [1, end])])
    assert taken.written == 2
    server.show()
    found = read(store, f'up{{run="{tenant}"}}', -MINUTE, 0)["cart-0"]
    assert found[0] == (-1000, 1)
    assert all(np.isnan(value) for _, value in found[1:])


@both
def test_increments_are_counted_once_beside_the_server(store: SplitMetrics, server: Server, tenant: str) -> None:
    gauge, counter = store.number([*of("up", 1, tenant), *of("calls_total", 1, tenant)]).tolist()
    gained = Samples(np.array([counter] * 3), np.array([NOW_MS, NOW_MS - 10_000, NOW_MS]), np.array([1.0, 2.0, 4.0]))
    one = Batch(batch([gauge], [NOW_MS], [9]).samples, gained, b"r" * 16)
    assert [each.written for each in store.append([one])] == [4]
    store.append([one])
    server.show()
    selector = f'{{run="{tenant}"}}'
    series = store.series([parse_selector(selector)], NOW_MS - MINUTE, NOW_MS)
    assert [each.number for each in series] == [gauge, counter]
    found = {one.series: one for one in store.read([gauge, counter], NOW_MS - MINUTE, NOW_MS)}
    assert (found[counter].at_ms - NOW_MS).tolist() == [-10_000, 0]
    assert np.diff(found[counter].values).tolist() == [5]
    assert found[gauge].values.tolist() == [9]


@both
def test_numbers_are_of_the_process_and_labels_of_the_server(
    store: SplitMetrics, server: Server, tenant: str, tmp_path: Path
) -> None:
    numbers = store.number(of("up", 2, tenant))
    store.append([batch(numbers, [NOW_MS, NOW_MS], [1, 2])])
    server.show()
    with closing(opened(server.url, tmp_path / "another")) as other:
        other.number(of("other", 5, tenant))
        assert read(other, f'up{{run="{tenant}"}}', -MINUTE, 0) == {"cart-0": [(0, 1)], "cart-1": [(0, 2)]}


@both
def test_a_label_may_hold_any_text(store: SplitMetrics, server: Server, tenant: str) -> None:
    odd = ['a"b', "back\\slash", "line\nbreak", "(regular|.*)+$", "é ü 日本", "{}", "a b#c-d&e~f"]
    labels = [(("__name__", "up"), ("pod", text), ("run", tenant)) for text in odd]
    store.append([batch(store.number(labels), [NOW_MS] * len(odd), range(len(odd)))])
    server.show()
    assert read(store, f'up{{run="{tenant}"}}', 0, 0) == {text: [(0, at)] for at, text in enumerate(odd)}


@both
def test_usage_tells_of_the_servers_series(server: Server, tenant: str) -> None:
    """VictoriaMetrics tells of those of the day, so that this one test is about today."""
    now = datetime.now(UTC)
    with closing(PrometheusMetrics(server.url, OPTIONS)) as store:
        store.append([batch(store.number(of("up", 3, tenant)), [int(now.timestamp() * 1000)] * 3, [1, 2, 3])])
        server.show()
        usage = store.usage()
    assert usage.series >= 3
    assert usage.full == ""


def test_too_many_series_are_refused_whole() -> None:
    with closing(PrometheusMetrics("http://127.0.0.1:1", OPTIONS, limits=MetricsLimits(max_series=2))) as store:
        store.number(of("up", 1, "a"))
        with pytest.raises(SeriesLimitError, match="HYPOCENTER_MAX_SERIES"):
            store.number(of("up", 3, "a"))
        assert store.number(of("up", 2, "a")).tolist() == [0, 1]
