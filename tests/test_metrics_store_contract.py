"""The contract of stores of metrics, on each of them: in memory, in a file, in a server of Prometheus' kind.

What a foreign server cannot keep is told where it is tested: Prometheus' and VictoriaMetrics' query APIs give no stale
markers and no bits of a NaN, VictoriaMetrics takes a second value at one time, and none of them tells a sample that is
older than it keeps from one that it took. These laws are for stores of ours: `own_store`.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from hypocenter.batches import STALE_BITS, Batch, Samples, SeriesLimitError
from hypocenter.errors import InputError
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.metrics import StoredSeries

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
MINUTE, DAY = 60_000, 86_400_000
STALE = np.array([STALE_BITS]).view(np.float64)[0]


@pytest.fixture(params=["memory", "duckdb"])
def own_store(request, new_metrics):
    return new_metrics(request.param, lambda: NOW)


@pytest.fixture
def tag():
    return uuid.uuid4().hex


@pytest.fixture
def show(request):
    """Have what was written show: VictoriaMetrics keeps it to itself for a moment."""
    server = request.getfixturevalue("victoria_metrics") if "victoria" in request.node.name else None
    return server.flush if server else lambda: None


def labels(tag, name="up", **more):
    return tuple(sorted({"__name__": name, "tag": tag, **more}.items()))


def samples(*rows):
    series, at, values = zip(*rows, strict=True)
    return Samples(np.array(series), np.array(at), np.array(values, np.float64))


def write(store, *rows, receipt=b"", added=()):
    batch = Batch(samples(*rows) if rows else Samples(), samples(*added) if added else Samples(), receipt)
    (taken,) = store.append([batch])
    return taken


def everything(store, series, start=NOW_MS - 20 * DAY, end=NOW_MS + DAY):
    return {
        one.series: list(zip(one.at_ms.tolist(), one.values.tolist(), strict=True))
        for one in store.read(series, start, end)
    }


def test_what_was_written_is_read_in_order_of_series_and_time(metrics_store, tag, show):
    a, b = metrics_store.number([labels(tag, job="a"), labels(tag, job="b")]).tolist()
    taken = write(
        metrics_store, (b, NOW_MS - MINUTE, 3), (a, NOW_MS - MINUTE, 1), (a, NOW_MS, -2.5), (b, NOW_MS, float("inf"))
    )
    show()
    assert (taken.written, taken.refused, taken.examples) == (4, 0, ())
    found = list(metrics_store.read([b, a], NOW_MS - MINUTE, NOW_MS))
    assert [one.series for one in found] == [a, b]
    assert everything(metrics_store, [a, b], NOW_MS - MINUTE, NOW_MS) == {
        a: [(NOW_MS - MINUTE, 1), (NOW_MS, -2.5)],
        b: [(NOW_MS - MINUTE, 3), (NOW_MS, float("inf"))],
    }


def test_a_series_has_one_number_and_what_is_unseen_the_next(metrics_store, tag):
    first, second = labels(tag, job="a"), labels(tag, job="b")
    a, b, again = metrics_store.number([first, second, first]).tolist()
    assert a == again != b
    assert metrics_store.number([second, first]).tolist() == [b, a]
    assert metrics_store.number([]).tolist() == []


def test_series_are_found_by_labels_and_time(metrics_store, tag, show):
    a, b, c = metrics_store.number(
        [labels(tag, job="a", pod="cart-7d4b9c6f5d-x2x7k"), labels(tag, job="b"), labels(tag, "down", job="a")]
    ).tolist()
    write(metrics_store, (a, NOW_MS, 1), (b, NOW_MS - 10 * MINUTE, 1), (c, NOW_MS, 1))
    show()

    def found(*selectors, start=NOW_MS - 30 * MINUTE):
        series = metrics_store.series([parse_selector(one) for one in selectors], start, NOW_MS)
        return [one.number for one in series]

    assert found(f'up{{tag="{tag}"}}') == [a, b]
    assert found(f'up{{tag="{tag}"}}', start=NOW_MS - MINUTE) == [a]
    assert found(f'{{tag="{tag}",job=~"a|z"}}') == [a, c]
    assert found(f'{{tag="{tag}",job!~"a|z"}}') == [b]
    assert found(f'{{tag="{tag}",pod=""}}') == [b, c]
    assert found(f'up{{tag="{tag}",job="a"}}', f'{{tag="{tag}",job!="b"}}') == [a, c]
    assert found(f'{{tag="{tag}",job="zebra"}}') == []
    (one,) = metrics_store.series([parse_selector(f'up{{tag="{tag}",job="a"}}')], NOW_MS - MINUTE, NOW_MS)
    assert one == StoredSeries(a, labels(tag, job="a", pod="cart-7d4b9c6f5d-x2x7k"), "cart")


def test_series_are_found_by_the_components_that_they_may_speak_of(metrics_store, tag, show):
    cart, web = f"cart-{tag}", f"web.{tag}"
    some = [
        labels(tag, job="a", pod=f"{cart}-7d4b9c6f5d-x2x7k"),
        labels(tag, job=cart),
        labels(tag, "calls", client=web, server=f"{cart}.shop.svc:80"),
        labels(tag, service_name=web),
        labels(tag, service_name=f"{cart}-db"),
        labels(tag, service_name=f"my-{cart}"),
        labels(tag, "down", service_name=cart),
    ]
    numbers = metrics_store.number(some).tolist()
    write(metrics_store, *((number, NOW_MS, 1) for number in numbers))
    show()

    def found(*components, selector=f'{{tag="{tag}"}}'):
        series = metrics_store.series([parse_selector(selector)], NOW_MS - MINUTE, NOW_MS, components)
        return [numbers.index(one.number) for one in series]

    assert found(cart) == [0, 1, 2, 6]
    assert found(cart, selector=f'up{{tag="{tag}"}}') == [0, 1]
    assert found(web) == [2, 3]
    assert found(web, f"{cart}-db", "nobody") == [2, 3, 4]
    assert found("nobody") == found() == []


def test_a_sample_sent_twice_is_kept_once(metrics_store, tag, show):
    (a,) = metrics_store.number([labels(tag)]).tolist()
    rows = [(a, NOW_MS - MINUTE, 1), (a, NOW_MS, 2)]
    assert [write(metrics_store, *rows).written, write(metrics_store, *rows).written] == [2, 2]
    assert write(metrics_store, *rows, *rows).written == 4
    show()
    assert everything(metrics_store, [a], NOW_MS - MINUTE, NOW_MS) == {a: [(NOW_MS - MINUTE, 1), (NOW_MS, 2)]}


def test_a_sample_that_is_late_is_taken(metrics_store, tag, show):
    (a,) = metrics_store.number([labels(tag)]).tolist()
    for at, value in ((NOW_MS, 3), (NOW_MS - 20 * MINUTE, 1), (NOW_MS - 10 * MINUTE, 2)):
        assert write(metrics_store, (a, at, value)).written == 1
    show()
    assert [value for _, value in everything(metrics_store, [a], NOW_MS - 30 * MINUTE, NOW_MS)[a]] == [1, 2, 3]


def test_another_value_in_one_batch_and_what_is_far_ahead_are_refused(metrics_store, tag, show):
    (a,) = metrics_store.number([labels(tag)]).tolist()
    taken = write(metrics_store, (a, NOW_MS, 1), (a, NOW_MS, 2), (a, NOW_MS + 11 * MINUTE, 3), (a, NOW_MS + 1000, 4))
    show()
    assert (taken.written, taken.refused) == (2, 2)
    assert taken.places.tolist() == [1, 2]
    told = {(one.series, one.at_ms, one.reason) for one in taken.examples}
    assert told == {(a, NOW_MS, "another value at this time"), (a, NOW_MS + 11 * MINUTE, "too far ahead")}
    assert everything(metrics_store, [a], NOW_MS, NOW_MS + MINUTE) == {a: [(NOW_MS, 1), (NOW_MS + 1000, 4)]}


def test_increments_of_one_time_are_added_up_and_read_as_running_totals(metrics_store, tag):
    (a,) = metrics_store.number([labels(tag, "calls_total")]).tolist()
    write(metrics_store, added=[(a, NOW_MS, 2), (a, NOW_MS - MINUTE, 1), (a, NOW_MS, 0.5)], receipt=b"one")
    write(metrics_store, added=[(a, NOW_MS - 2 * MINUTE, 4), (a, NOW_MS, 1)], receipt=b"two")
    assert everything(metrics_store, [a]) == {a: [(NOW_MS - 2 * MINUTE, 4), (NOW_MS - MINUTE, 5), (NOW_MS, 8.5)]}
    # The same counter, whatever the window.
    assert everything(metrics_store, [a], NOW_MS - MINUTE) == {a: [(NOW_MS - MINUTE, 5), (NOW_MS, 8.5)]}
    (found,) = metrics_store.series([parse_selector(f'calls_total{{tag="{tag}"}}')], NOW_MS, NOW_MS)
    assert found.labels == labels(tag, "calls_total")


def test_a_request_that_comes_twice_is_counted_once(metrics_store, tag, show):
    a, b = metrics_store.number([labels(tag, "calls_total"), labels(tag)]).tolist()
    for value in (7, 8):
        taken = write(metrics_store, (b, NOW_MS - value, value), added=[(a, NOW_MS, 2)], receipt=tag.encode())
        assert (taken.written, taken.refused, taken.is_again) == (2, 0, value == 8)
    show()
    # Samples do no harm when they come twice; they are written.
    assert everything(metrics_store, [a, b], NOW_MS - MINUTE, NOW_MS) == {
        a: [(NOW_MS, 2)],
        b: [(NOW_MS - 8, 8), (NOW_MS - 7, 7)],
    }
    same = Batch(increments=samples((a, NOW_MS, 1)), receipt=b"both-" + tag.encode())
    assert [(taken.written, taken.is_again) for taken in metrics_store.append([same, same])] == [(1, False), (1, True)]
    assert everything(metrics_store, [a])[a] == [(NOW_MS, 3)]


def test_an_increment_that_is_no_finite_number_is_refused(metrics_store, tag):
    (a,) = metrics_store.number([labels(tag, "calls_total")]).tolist()
    taken = write(metrics_store, added=[(a, NOW_MS, float("nan")), (a, NOW_MS, 1), (a, NOW_MS, float("-inf"))])
    assert (taken.written, taken.refused, taken.examples[0].reason) == (1, 2, "no finite number")
    assert taken.places.tolist() == [0, 2]
    assert everything(metrics_store, [a]) == {a: [(NOW_MS, 1)]}


def test_many_batches_are_written_together_and_answered_apart(metrics_store, tag, show):
    numbers = metrics_store.number([labels(tag, job=f"j{at:04}") for at in range(3000)])
    minutes = (4, 3, 2, 1, 0)
    batches = [Batch(Samples(numbers, np.full(3000, NOW_MS - at * MINUTE), np.arange(3000) + at / 4)) for at in minutes]
    assert [taken.written for taken in metrics_store.append(batches)] == [3000] * 5
    show()
    found = list(metrics_store.read(numbers.tolist(), NOW_MS - 10 * MINUTE, NOW_MS))
    assert [one.series for one in found] == sorted(numbers.tolist())
    assert all(one.values.tolist() == [number + at / 4 for at in minutes] for number, one in enumerate(found))
    assert metrics_store.append([]) == []


def test_names_and_values_may_be_any_text(metrics_store, tag, show):
    hostile = ["'); DROP TABLE series; --", 'say "hi"\\', "line\nbreak", "\N{PARTY POPPER}", "{}", "x" * 2000, "a,b=c"]
    series = [labels(tag, value=value) for value in hostile]
    numbers = metrics_store.number(series).tolist()
    write(metrics_store, *((number, NOW_MS, number) for number in numbers))
    show()
    found = metrics_store.series([parse_selector(f'{{tag="{tag}"}}')], NOW_MS - MINUTE, NOW_MS)
    assert {one.number: one.labels for one in found} == dict(zip(numbers, series, strict=True))


def test_nothing_is_found_where_nothing_is(metrics_store, tag):
    (a,) = metrics_store.number([labels(tag)]).tolist()
    assert everything(metrics_store, [a]) == everything(metrics_store, []) == {}
    assert list(metrics_store.series([parse_selector(f'{{tag="{tag}"}}')], 0, NOW_MS)) == []
    assert list(metrics_store.series([], 0, NOW_MS)) == []


# Laws of our own stores alone.


def test_another_value_at_the_newest_time_is_refused_and_the_first_stays(own_store, tag):
    (a,) = own_store.number([labels(tag)]).tolist()
    write(own_store, (a, NOW_MS, 1))
    taken = write(own_store, (a, NOW_MS, 2))
    assert (taken.written, taken.refused, taken.examples[0].reason) == (0, 1, "another value at this time")
    write(own_store, (a, NOW_MS - MINUTE, 5))
    # Before the newest time it is not looked up; the first that was written stays.
    assert write(own_store, (a, NOW_MS - MINUTE, 6)).written == 1
    assert everything(own_store, [a]) == {a: [(NOW_MS - MINUTE, 5), (NOW_MS, 1)]}


def test_stale_markers_are_kept_bit_by_bit_and_one_nan_is_like_another(own_store, tag):
    (a,) = own_store.number([labels(tag)]).tolist()
    odd = np.array([0x7FF8000000000123]).view(np.float64)[0]
    write(own_store, (a, NOW_MS, STALE), (a, NOW_MS - 1, float("nan")), (a, NOW_MS - 2, -0.0))
    assert write(own_store, (a, NOW_MS, STALE)).written == 1
    assert write(own_store, (a, NOW_MS, odd)).refused == 1
    (found,) = own_store.read([a], NOW_MS - 10, NOW_MS)
    assert found.values.view(np.int64)[2] == STALE_BITS
    assert np.isnan(found.values).tolist() == [False, True, True]
    assert found.values.view(np.int64)[1] != STALE_BITS


def test_samples_older_than_the_retention_are_refused(own_store, tag):
    (a,) = own_store.number([labels(tag)]).tolist()
    taken = write(own_store, (a, NOW_MS - 15 * DAY - 1, 1), (a, NOW_MS - 15 * DAY, 2), added=[(a, -5, 1)])
    assert (taken.written, taken.refused, taken.places.tolist()) == (1, 2, [0, 2])
    assert {one.reason for one in taken.examples} == {"too old"}


def test_a_series_beyond_the_limit_is_refused_with_all_that_came_beside_it(new_metrics, tag):
    for kind in ("memory", "duckdb"):
        store = new_metrics(kind, lambda: NOW, max_series=2)
        store.number([labels(tag, job="a")])
        with pytest.raises(SeriesLimitError, match="HYPOCENTER_MAX_SERIES"):
            store.number([labels(tag, job="b"), labels(tag, job="c")])
        assert store.number([labels(tag, job="c"), labels(tag, job="a")]).tolist() == [1, 0]


def test_text_that_no_store_can_hold_is_refused_and_what_comes_beside_it_is_not_numbered(own_store, tag):
    with pytest.raises(InputError, match="Unicode"):
        own_store.number([labels(tag, job="a"), labels(tag, job="half \ud800")])
    odd = labels(tag, job="nul\0nul")
    (a,) = own_store.number([odd]).tolist()
    assert a == 0
    write(own_store, (a, NOW_MS, 1))
    (found,) = own_store.series([parse_selector('{job=~"nul.nul"}')], NOW_MS, NOW_MS)
    assert found.labels == odd


@pytest.mark.parametrize("number", [-1, 1, 1 << 60])
def test_a_number_that_was_not_given_is_refused_and_nothing_is_written(own_store, tag, number):
    (a,) = own_store.number([labels(tag)]).tolist()
    good = Batch(samples((a, NOW_MS, 1)))
    for bad in (Batch(samples((number, NOW_MS, 1))), Batch(increments=samples((number, NOW_MS, 1)))):
        with pytest.raises(InputError, match="number"):
            own_store.append([good, bad])
    assert everything(own_store, [a]) == {}


@pytest.mark.parametrize("kind", ["memory", "duckdb"])
def test_days_older_than_the_retention_are_dropped_and_the_rest_stays(kind, new_metrics, tag):
    now = [NOW]
    store = new_metrics(kind, lambda: now[0], retention_days=3)
    a, b = store.number([labels(tag, job="a"), labels(tag, job="b")]).tolist()
    write(store, (a, NOW_MS - 2 * DAY, 1), (a, NOW_MS, 2), (b, NOW_MS - 2 * DAY, 3), added=[(b, NOW_MS - DAY, 1)])
    store.tick()
    assert everything(store, [a, b])[a] == [(NOW_MS - 2 * DAY, 1), (NOW_MS, 2)]
    now[0] += timedelta(days=2)
    store.tick()
    assert everything(store, [a, b]) == {a: [(NOW_MS, 2)], b: [(NOW_MS - DAY, 1)]}
    usage = store.usage()
    assert (usage.oldest_ms, usage.newest_ms, usage.full) == (NOW_MS - DAY, NOW_MS, "")
    now[0] += timedelta(days=7)
    store.tick()
    assert everything(store, [a, b]) == {}
    assert store.usage().oldest_ms is None
    write(store, (b, NOW_MS + 9 * DAY, 4))
    assert everything(store, [a, b], end=NOW_MS + 10 * DAY) == {b: [(NOW_MS + 9 * DAY, 4)]}


def test_the_newest_sample_that_was_written_is_told(metrics_store, tag):
    [number] = metrics_store.number([labels(tag)]).tolist()
    # Newer than all that other tests wrote to the same server, whose series are counted in.
    newest = NOW_MS + 2 * MINUTE
    write(metrics_store, (number, NOW_MS, 1), (number, newest, 2), (number, NOW_MS + DAY, 3))
    assert metrics_store.usage().newest_ms == newest
