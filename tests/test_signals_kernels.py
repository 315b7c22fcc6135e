"""The vectorised kernels of hypocenter.signals against slow, obvious twins."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.signals import counters, grid, histograms, spans
from hypocenter.signals.aggregate import carry, total

STEP_S = 15


def seconds(count):
    return np.datetime64("2026-01-01", "ns") + (np.arange(count) * STEP_S).astype("timedelta64[s]")


def naive_rates(samples, most_missed=counters.MOST_MISSED):
    """Walk the samples one by one, as one would by hand."""
    found = [math.nan] * len(samples)
    last = None
    for row, sample in enumerate(samples):
        if math.isnan(sample):
            continue
        if last is not None:
            was_reset = sample < samples[last]
            gained = sample if was_reset else sample - samples[last]
            found[row] = gained / (STEP_S * (row - last))
            if not was_reset and 0 < row - last - 1 <= most_missed:
                for between in range(last + 1, row):
                    found[between] = found[row]
        last = row
    return found


samples = st.one_of(st.just(math.nan), st.integers(0, 1000).map(float))
counter_columns = st.integers(1, 20).flatmap(
    lambda rows: st.lists(st.lists(samples, min_size=rows, max_size=rows), min_size=1, max_size=4)
)


@settings(max_examples=150)
@given(counter_columns)
def test_rates_equal_a_walk_over_the_samples(columns):
    values = np.array(columns).T
    got = counters.rates(values, seconds(len(values)))
    np.testing.assert_allclose(got, np.array([naive_rates(column) for column in columns]).T)


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 50), min_size=3, max_size=30),
    st.integers(1, 29),
    st.integers(51, 10_000),
)
def test_rates_do_not_depend_on_where_a_counter_was_reset(steps, cut, start):
    # The counter starts above any step, so that it falls when it is reset: a reset that does not fall cannot be seen.
    running = np.cumsum(steps).astype(float) + start
    cut = min(cut, len(steps) - 1)
    was_reset = running.copy()
    was_reset[cut:] -= running[cut - 1]
    times = seconds(len(steps))
    whole = counters.rates(running[:, None], times)
    again = counters.rates(was_reset[:, None], times)
    np.testing.assert_allclose(again, whole)


def test_a_long_gap_stays_a_gap_and_a_short_one_is_bridged():
    values = np.array([0, 15, math.nan, 45, math.nan, math.nan, math.nan, math.nan, 135.0])[:, None]
    got = counters.rates(values, seconds(9))[:, 0]
    np.testing.assert_allclose(got, [math.nan, 1, 1, 1, math.nan, math.nan, math.nan, math.nan, 90 / 75])


def test_increases_count_what_came_since_the_last_sample():
    values = np.array([2.0, 5.0, math.nan, 6.0, 1.0])[:, None]
    np.testing.assert_allclose(counters.increases(values)[:, 0], [math.nan, 3, math.nan, 1, 1])


def naive_quantile(bounds, counts, share):
    """Prometheus' histogram_quantile, written down step by step for one histogram."""
    if counts[-1] == 0:
        return math.nan
    rank = share * counts[-1]
    bucket = next(place for place, count in enumerate(counts) if count >= rank)
    if bucket == len(bounds) - 1:
        return bounds[-2]
    low = 0.0 if bucket == 0 else bounds[bucket - 1]
    below = 0.0 if bucket == 0 else counts[bucket - 1]
    inside = counts[bucket] - below
    return low if inside == 0 else low + (bounds[bucket] - low) * (rank - below) / inside


@settings(max_examples=150)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=5, max_size=5), min_size=1, max_size=6),
    st.sampled_from([0.1, 0.5, 0.95, 1.0]),
)
def test_quantiles_equal_prometheus_rule(columns, share):
    bounds = np.array([0.1, 0.25, 1.0, 5.0, math.inf])
    cumulative = np.cumsum(np.array(columns, dtype=float), axis=1)
    got = histograms.quantile_of(bounds, cumulative.T, share)
    np.testing.assert_allclose(got, [naive_quantile(bounds, counts, share) for counts in cumulative])


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1000).map(float)), max_size=40),
    st.sampled_from([0.0, 0.5, 0.95]),
)
def test_quantiles_per_cell_equal_numpy_cell_by_cell(events, share):
    cells = np.array([cell for cell, _ in events], dtype=np.int64)
    values = np.array([value for _, value in events], dtype=float)
    got = grid.quantile(cells, values, (2, 4), share).ravel()
    for cell in range(8):
        inside = values[cells == cell]
        assert got[cell] == pytest.approx(np.quantile(inside, share)) if len(inside) else math.isnan(got[cell])


@st.composite
def span_frames(draw):
    """Random forests of spans: parents come before their children, a few parents are missing."""
    count = draw(st.integers(1, 25))
    services = draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))
    parents = [-1] + [draw(st.integers(-1, at - 1)) for at in range(1, count)]
    if draw(st.booleans()):
        parents[-1] = 999
    durations = draw(st.lists(st.integers(1, 5000), min_size=count, max_size=count))
    frame = pd.DataFrame({
        "time": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(count), unit="s"),
        "trace": 7,
        "span": np.arange(count),
        "parent": parents,
        "service": services,
        "operation": "x",
        "duration_us": durations,
    })  # fmt: skip
    return frame.sample(frac=1, random_state=draw(st.integers(0, 9))).reset_index(drop=True)


def naive_self_times(rows):
    """For each span, its duration less the durations of the spans that name it as their parent."""
    return [
        max(0.0, row.duration_us - sum(child.duration_us for child in rows if child.parent == row.span)) / 1e6
        for row in rows
    ]


def naive_gaps(rows):
    """(span, seconds) of every call of which both ends are recorded."""
    found = []
    by_span = {row.span: row for row in rows}
    for row in rows:
        client = by_span.get(row.parent)
        if client is None or client.service == row.service:
            continue
        caller = by_span.get(client.parent)
        children = [other for other in rows if other.parent == client.span]
        if children == [row] and caller is not None and caller.service == client.service:
            found.append((row.span, max(0.0, client.duration_us - row.duration_us) / 1e6))
    return sorted(found)


@settings(max_examples=150)
@given(span_frames())
def test_self_times_and_gaps_equal_a_walk_over_the_tree(frame):
    rows = list(frame.itertuples())
    tree = spans.read_tree(frame)
    np.testing.assert_allclose(spans.self_times(tree), naive_self_times(rows), atol=1e-12)
    places, seconds_lost = spans.gaps(tree)
    got = sorted(zip((int(rows[place].span) for place in places), seconds_lost.tolist(), strict=True))
    assert [span for span, _ in got] == [span for span, _ in naive_gaps(rows)]
    np.testing.assert_allclose([lost for _, lost in got], [lost for _, lost in naive_gaps(rows)], atol=1e-12)


@settings(max_examples=80)
@given(st.lists(samples, min_size=1, max_size=15))
def test_carry_equals_a_walk(row):
    want, last, age = [], math.nan, 0
    for sample in row:
        last, age = (last, age + 1) if math.isnan(sample) else (sample, 0)
        want.append(last if age <= counters.MOST_MISSED else math.nan)
    np.testing.assert_allclose(carry(np.array([row]))[0], want)


def test_a_sum_is_missing_only_where_all_its_parts_are_and_does_not_dip_for_one_lost_scrape():
    raw = np.array([[1.0, 1.0, math.nan, 1.0], [5.0, math.nan, math.nan, 5.0]])
    np.testing.assert_allclose(total(raw, (0, 1)), [6.0, 6.0, math.nan, 6.0])
