"""Samples read as columns are those that are read series by series, in each store of metrics."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import numpy as np

from hypocenter.batches import Batch, Samples

NOW_MS = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000


def samples(*rows):
    series, at, values = zip(*rows, strict=True)
    return Samples(np.array(series), np.array(at), np.array(values, np.float64))


def numbered(store, *jobs):
    tag = uuid.uuid4().hex
    return store.number([(("__name__", "up"), ("job", job), ("tag", tag)) for job in jobs]).tolist()


def read(store, series, start, end):
    """Return {series: {time: value}} of columns, the first of a time, and what was gained, added up."""
    found = store.read_columns(series, start, end)
    plain, gained = {}, {}
    for one, at, value, is_gain in zip(
        found.series.tolist(), found.at_ms.tolist(), found.values.tolist(), found.gained.tolist(), strict=True
    ):
        if is_gain:
            gained.setdefault(one, {})[at] = gained.get(one, {}).get(at, 0.0) + value
        else:
            plain.setdefault(one, {}).setdefault(at, value)
    return plain, gained


def one_by_one(store, series, start, end):
    found = store.read(series, start, end)
    return {one.series: dict(zip(one.at_ms.tolist(), one.values.tolist(), strict=True)) for one in found}


def test_columns_are_what_is_read_one_by_one(metrics_store, request):
    a, b, c = numbered(metrics_store, "a", "b", "c")
    rows = [(one, NOW_MS - back * MINUTE, one + back) for one in (a, b, c) for back in (9, 5, 4, 1, 0)]
    metrics_store.append([Batch(samples(*rows))])
    if "victoria" in request.node.name:
        request.getfixturevalue("victoria_metrics").flush()
    window = NOW_MS - 5 * MINUTE, NOW_MS - MINUTE
    plain, gained = read(metrics_store, [c, a], *window)
    assert plain == one_by_one(metrics_store, [a, c], *window)
    assert plain[a] == {NOW_MS - back * MINUTE: a + back for back in (5, 4, 1)}
    assert gained == {}


def test_what_was_gained_is_told_as_it_was_gained(metrics_store):
    a, b = numbered(metrics_store, "a", "b")
    at = NOW_MS - MINUTE
    for receipt, gain in ((b"first", 2.0), (b"second", 3.0)):
        added = samples((a, at, gain), (b, at - 9 * MINUTE, 8.0), (b, at, 1.0))
        metrics_store.append([Batch(increments=added, receipt=receipt)])
    assert read(metrics_store, [a, b], at - MINUTE, at) == ({}, {a: {at: 5.0}, b: {at: 2.0}})


def test_of_a_time_that_was_sent_twice_the_first_is_meant(new_metrics):
    for kind in ("memory", "duckdb"):
        store = new_metrics(kind, lambda: datetime.fromtimestamp(NOW_MS / 1000, UTC))
        (a,) = numbered(store, "a")
        for value in (1, 2):
            at = NOW_MS - value * MINUTE
            store.append([Batch(samples((a, NOW_MS - 3 * MINUTE, value))), Batch(samples((a, at, 7)))])
        assert read(store, [a], 0, NOW_MS)[0] == one_by_one(store, [a], 0, NOW_MS)


def test_nothing_is_no_columns(metrics_store):
    (a,) = numbered(metrics_store, "a")
    assert len(metrics_store.read_columns([], 0, NOW_MS)) == 0
    assert len(metrics_store.read_columns([a], NOW_MS - MINUTE, NOW_MS)) == 0
