"""Recipes cooked together come out as each of them alone does."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hypocenter.model import Series
from hypocenter.signals.aggregate import Average, Fill, Quantile, Ratio, Total
from hypocenter.signals.cooking import cooking_of

ROWS, TIMES = 6, 9
NAME = Series("shop", "some")
rows = st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=3).map(tuple)
recipes = st.one_of(
    st.builds(Total, st.just(NAME), rows),
    st.builds(Average, st.just(NAME), rows),
    st.builds(Ratio, st.just(NAME), st.one_of(st.just(()), rows), rows, st.sampled_from([np.nan, 0.0, 1.0])),
    st.builds(Quantile, st.just(NAME), st.just((1.0, np.inf)), st.tuples(rows, rows), st.just(0.5)),
    st.builds(Fill, st.just(NAME), st.tuples(st.tuples(rows, rows)), st.booleans()),
)
raw = arrays(np.float64, (ROWS, TIMES), elements=st.one_of(st.just(np.nan), st.integers(0, 9).map(float)))


@given(st.lists(recipes, max_size=12), raw)
def test_together_is_as_alone(chosen, samples):
    together = cooking_of(chosen).cook(samples)
    assert together.shape == (len(chosen), TIMES)
    for found, recipe in zip(together, chosen, strict=True):
        np.testing.assert_array_equal(found, recipe.cook(samples))


@given(recipes, raw, st.permutations(range(ROWS)))
def test_a_recipe_can_be_moved_to_rows_elsewhere(recipe, samples, order):
    elsewhere = np.empty_like(samples)
    elsewhere[list(order)] = samples
    moved = recipe.moved(dict(enumerate(order)))
    np.testing.assert_array_equal(moved.cook(elsewhere), recipe.cook(samples))
    assert set(moved.used) == {order[row] for row in recipe.used}
