"""Samples on steps and counters to rates, beside a slow and obvious twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.signals.labelled import Reading
from hypocenter_workers.ticks.kernels import lay, read_raw, steps_of

SERIES, STEPS, MOST = 3, 8, 2
samples = st.lists(
    st.tuples(
        st.integers(0, SERIES - 1),
        st.integers(0, STEPS * 1000 - 1),
        st.one_of(st.integers(0, 9).map(float), st.sampled_from([np.nan, np.inf])),
        st.booleans(),
    ),
    max_size=40,
)


def naive(rows, reading):
    """Return [series, step] one series and one step at a time."""
    found = np.full((SERIES, STEPS), np.nan)
    for series in range(SERIES):
        before = None
        for step in range(STEPS):
            here = [row for row in rows if row[0] == series and row[1] // 1000 == step]
            gains = [value for _, _, value, gained in here if gained]
            plain = {}
            for _, at, value, gained in here:
                if not gained:
                    plain.setdefault(at, value)
            value = plain[max(plain)] if plain and np.isfinite(plain[max(plain)]) else np.nan
            if np.isnan(value):
                found[series, step] = sum(gains) if gains else np.nan
                continue
            if reading is Reading.AS_IT_STANDS:
                found[series, step] = value
            elif before is not None and step - before[0] <= MOST:
                gain = value if value < before[2] else value - before[2]
                seconds = (max(plain) - before[1]) / 1000
                found[series, step] = {
                    Reading.RATE: gain / seconds,
                    Reading.INCREASE: gain,
                    Reading.CHANGES: float(value != before[2]),
                }[reading]
            before = (step, max(plain), value)
    return found


@given(samples, st.sampled_from(Reading))
def test_steps_are_as_the_slow_twin_has_them(rows, reading):
    # Whatever is no finite gain is refused where it comes in.
    rows = [row for row in rows if not row[3] or np.isfinite(row[2])]
    laid = steps_of(5000, 1000, (SERIES, STEPS))
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    numbers, at_ms, values, gained = (
        np.array(one, kind) for one, kind in zip(columns, ("i8", "i8", "f8", "?"), strict=True)
    )
    lay(laid, numbers, at_ms + 5000, values, gained)
    found = np.empty((SERIES, STEPS))
    read_raw(laid, np.full(SERIES, reading, np.int64), MOST, found)
    np.testing.assert_allclose(found, naive(rows, reading))
    assert laid.counts.sum() == len(rows)


@pytest.mark.parametrize("split", range(1, STEPS))
def test_a_rate_does_not_depend_on_later_steps(split):
    rng = np.random.default_rng(split)
    at_ms, values = np.arange(STEPS) * 1000 + 7, np.cumsum(rng.integers(0, 9, STEPS)).astype(float)
    numbers, gained = np.zeros(STEPS, np.int64), np.zeros(STEPS, np.bool_)
    found = []
    for rows in (STEPS, split):
        laid = steps_of(0, 1000, (1, rows))
        lay(laid, numbers[:rows], at_ms[:rows], values[:rows], gained[:rows])
        out = np.empty((1, rows))
        read_raw(laid, np.array([Reading.RATE], np.int64), MOST, out)
        found.append(out)
    np.testing.assert_array_equal(found[0][:, :split], found[1])
