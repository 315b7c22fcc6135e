"""Figures of a model with intervals that do not promise more than so few incidents can show."""

from __future__ import annotations

import pytest

from hypocenter_workers.learn.figures import Said, figures_of
from hypocenter_workers.scoring import share_interval


def told(number, *, right=True):
    """One incident: its root is `a` and its type `leak`, both told so with .98, or both told wrongly."""
    first, other = ("a", "b") if right else ("b", "a")
    return Said(
        roots=("a",),
        prior={"a": 0.6, "b": 0.4},
        learned={first: 0.98, other: 0.02},
        chances={first: 0.98, other: 0.02},
        fault_type="leak" if number % 2 else "hog",
        named=("leak" if number % 2 else "hog") if right else ("hog" if number % 2 else "leak"),
        types={"leak": 0.98, "hog": 0.98},
    )


def figures(said):
    return {figure.name: figure for figure in figures_of(said)}


@pytest.mark.parametrize("incidents", [1, 10, 40])
def test_where_all_was_right_an_interval_reaches_down_to_what_the_share_may_be(incidents):
    found = figures([told(number) for number in range(incidents)])
    low, high = share_interval(incidents, incidents)
    for name in ("root cause first", "fault type, weighted F1", "fault type, macro F1"):
        assert (found[name].value, found[name].low, found[name].high) == (1.0, pytest.approx(low), high)
    for name in ("calibration error, root cause", "calibration error, fault type"):
        assert found[name].value == pytest.approx(0.02)
        assert found[name].high == pytest.approx(0.98 - low)


def test_where_nothing_was_right_it_reaches_up():
    found = figures([told(number, right=False) for number in range(10)])
    assert found["root cause first"].low == 0.0
    assert found["root cause first"].high == pytest.approx(share_interval(0, 10)[1])
    assert found["fault type, macro F1"].high >= share_interval(0, 10)[1]


def test_intervals_hold_the_value_and_narrow_with_more_incidents():
    few, many = (figures([told(n, right=n % 4 > 0) for n in range(count)]) for count in (12, 120))
    for name in ("root cause first", "fault type, weighted F1"):
        assert few[name].low < few[name].value < few[name].high
        assert many[name].high - many[name].low < few[name].high - few[name].low
