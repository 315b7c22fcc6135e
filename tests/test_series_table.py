"""Numbers of series: those of which nothing is left are neither counted nor listed, and keep theirs."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest
from scripted_prometheus import failure, running
from split_store import NOW, NOW_MS, OPTIONS, batch, of
from write_receiver import receiving

from hypocenter.batches import SeriesLimitError
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter.stores.prometheus_writing import Writing
from hypocenter.stores.retention import MetricsLimits
from hypocenter.stores.series_table import SeriesTable


def listed(table: SeriesTable) -> tuple[int, list[int], list[int], list[int]]:
    """How many are counted, and the numbers of all, of one metric, and of one component."""
    return len(table), list(table.named("")), list(table.named("up")), list(table.named("", {"cart"}))


def test_series_that_are_retired_are_not_listed_until_they_come_back() -> None:
    table = SeriesTable(3)
    series = of("up", 3, "a")
    assert table.number(series).tolist() == [0, 1, 2]
    everything = (3, [0, 1, 2], [0, 1, 2], [0, 1, 2])
    assert listed(table) == everything
    table.retire([1, 2])
    table.retire([1])
    assert listed(table) == (1, [0], [0], [0])
    assert table.number(series).tolist() == [0, 1, 2]
    assert table[1].labels == series[1]
    table.revive([2, 0])
    assert listed(table) == (2, [0, 2], [0, 2], [0, 2])
    table.revive([1])
    assert listed(table) == everything


def test_series_that_are_not_kept_are_not_counted_until_they_are() -> None:
    table = SeriesTable(1)
    assert table.number(of("up", 3, "a"), are_kept=False).tolist() == [0, 1, 2]
    assert listed(table) == (0, [], [], [])
    assert table.number(of("down", 1, "a")).tolist() == [3]
    with pytest.raises(SeriesLimitError, match="1 new series beside the 1"):
        table.number(of("else", 1, "a"))
    table.revive([1])
    assert listed(table) == (2, [1, 3], [1], [1, 3])


def test_what_was_loaded_twice_is_listed_once() -> None:
    table = SeriesTable(9)
    for _ in range(2):
        table.load([(0, ("__name__", "up")), (1, ("service", "cart"))], [(4, [0, 1], "cart")])
    assert listed(table) == (1, [4], [4], [4])


def test_what_nobody_writes_to_for_a_day_leaves_room_for_others() -> None:
    now = [0]
    with receiving() as receiver, running() as server:
        server.script = lambda *_: failure(404)
        store = PrometheusMetrics(
            server.url,
            OPTIONS,
            writing=Writing(receiver.url),
            limits=MetricsLimits(max_series=2),
            now=lambda: NOW + timedelta(hours=now[0]),
        )
        with closing(store):
            old, new = of("up", 2, "a"), of("down", 1, "a")
            a, b = store.number(old).tolist()
            store.append([batch([a, b], [NOW_MS, NOW_MS], [1, 2])])
            now[0] = 20
            store.append([batch([a], [NOW_MS], [1])])
            with pytest.raises(SeriesLimitError):
                store.number(new)
            assert store.usage().series == 2
            now[0] = 25
            (c,) = store.number(new).tolist()
            assert store.number(old).tolist() == [a, b]
            assert store.usage().series == 2
            store.append([batch([c, b], [NOW_MS, NOW_MS], [1, 2])])
            assert store.usage().series == 3
