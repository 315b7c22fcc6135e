"""Measures of a ranking: exact small examples, slow twins and laws."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter_workers.scoring import at_service_level, bootstrap_interval, hits, mean_rank, ranking_of

SCORES = st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 3).map(float), min_size=1, max_size=7)


def naive_hits(scores, root):
    """Break ties in every possible way and count how often the root is in the first k."""
    orders = [order for order in permutations(scores) if all(scores[a] >= scores[b] for a, b in pairwise(order))]
    return [sum(root in order[:cut] for order in orders) / len(orders) for cut in (1, 2, 3, 4, 5)]


def naive_mean_rank(scores, root):
    orders = [order for order in permutations(scores) if all(scores[a] >= scores[b] for a, b in pairwise(order))]
    return sum(order.index(root) + 1 for order in orders) / len(orders)


def naive_bootstrap(samples, seed, resamples):
    chosen = np.random.default_rng(seed).integers(0, len(samples), (resamples, len(samples)))
    means = [np.mean([samples[pick] for pick in picks]) for picks in chosen]
    return np.percentile(means, 2.5), np.percentile(means, 97.5)


@pytest.mark.parametrize(
    ("scores", "root", "expected"),
    [
        ({"a": 3, "b": 2, "c": 1}, "a", [1, 1, 1, 1, 1]),
        ({"a": 3, "b": 2, "c": 1}, "c", [0, 0, 1, 1, 1]),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, "d", [0.25, 0.5, 0.75, 1, 1]),
        ({"a": 9, "b": 1, "c": 1, "d": 1}, "b", [0, 1 / 3, 2 / 3, 1, 1]),
        ({"a": 9, "b": 1}, "elsewhere", [0, 0, 0, 0, 0]),
        ({}, "a", [0, 0, 0, 0, 0]),
    ],
)
def test_hits_of_known_rankings(scores, root, expected):
    assert hits(scores.items(), [root]) == pytest.approx(expected)


def test_a_tie_of_everything_is_the_random_expectation():
    everything = [(f"service-{number}", 0.0) for number in range(42)]
    assert hits(everything, ["service-7"]) == pytest.approx([cut / 42 for cut in (1, 2, 3, 4, 5)])


@settings(max_examples=30, deadline=None)
@given(SCORES, st.data())
def test_hits_and_mean_rank_equal_the_count_over_all_tie_breaks(scores, data):
    root = data.draw(st.sampled_from(sorted(scores)))
    assert hits(scores.items(), [root]) == pytest.approx(naive_hits(scores, root))
    assert mean_rank(scores.items(), [root]) == pytest.approx(naive_mean_rank(scores, root))


@given(SCORES, st.sampled_from("abcdefg"))
def test_hits_never_fall_with_k_and_stay_between_zero_and_one(scores, root):
    found = hits(scores.items(), [root])
    assert np.all(np.diff(found) >= 0)
    assert 0 <= found[0] <= found[-1] <= 1


@given(SCORES, st.sampled_from("abcdefg"), st.permutations("abcdefg"))
def test_hits_do_not_depend_on_what_components_are_called(scores, root, other):
    renamed = dict(zip("abcdefg", other, strict=True))
    relabelled = {renamed[component]: score for component, score in scores.items()}
    assert hits(scores.items(), [root]) == pytest.approx(hits(relabelled.items(), [renamed[root]]))


@given(SCORES)
def test_hits_of_all_components_sum_to_k(scores):
    total = sum(hits(scores.items(), [component]) for component in scores)
    assert total == pytest.approx([min(cut, len(scores)) for cut in (1, 2, 3, 4, 5)])


def test_two_roots_share_the_first_places():
    ranking = [("db", 9.0), ("web", 5.0), ("cart", 4.0)]
    assert hits(ranking, ["db", "cart"]) == pytest.approx([1.0, 0.5, 1.0, 1.0, 1.0])
    assert hits(ranking, ["cart", "gone"]) == pytest.approx([0.0, 0.0, 0.5, 0.5, 0.5])
    assert mean_rank(ranking, ["cart", "web", "gone"]) == 2.0
    assert mean_rank(ranking, ["gone"]) is None


def test_a_ranking_is_ordered_by_score_then_name():
    assert ranking_of({"b": 1.0, "c": 2.0, "a": 1.0}) == (("c", 2.0), ("a", 1.0), ("b", 1.0))


def test_a_service_is_as_suspicious_as_its_worst_instance():
    instances = [("cart-0", 1.0), ("cart-1", 5.0), ("web-0", 3.0)]
    assert at_service_level(instances, lambda name: name[:-2]) == (("cart", 5.0), ("web", 3.0))


def test_bootstrap_repeats_itself_and_equals_its_slow_twin():
    samples = [0.0, 1.0, 1.0, 0.5, 0.0, 0.2]
    assert bootstrap_interval(samples, seed=3) == bootstrap_interval(samples, seed=3)
    assert bootstrap_interval(samples, seed=3) != bootstrap_interval(samples, seed=4)
    assert bootstrap_interval(samples, 3, 200) == pytest.approx(naive_bootstrap(samples, 3, 200))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_interval_lies_within_the_samples(samples):
    low, high = bootstrap_interval(samples, resamples=100)
    assert min(samples) - 1e-9 <= low <= high <= max(samples) + 1e-9


def test_one_case_has_an_interval_of_no_width():
    assert bootstrap_interval([0.4]) == pytest.approx((0.4, 0.4))
