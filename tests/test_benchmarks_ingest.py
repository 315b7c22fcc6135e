"""What the benchmark of the intake sends is what it says: ten labels, growing counters, one sample each, in time."""

from __future__ import annotations

import cramjam
import load_bodies
import load_client
import pytest
from written_requests import NOW, Reader, bits


def test_a_turn_is_one_sample_of_each_series_an_interval_after_the_turn_before():
    reader = Reader(1)
    bodies = list(load_bodies.turns(first=5, count=300, number=3, end_ms=NOW))
    for turn, body in enumerate(bodies):
        rows, written = reader.read(bytes(cramjam.snappy.decompress_raw(body)))
        at_ms = NOW - (2 - turn) * load_bodies.INTERVAL_MS
        expected = [
            (tuple(load_bodies.labels_of(5 + place)), at_ms, bits((place % 17 + 1) * turn * 15.0))
            for place in range(300)
        ]
        assert rows == sorted(expected)
        assert written.samples == 300


def test_made_series_differ_and_have_ten_labels():
    made = [tuple(load_bodies.labels_of(number)) for number in range(50_000)]
    assert len(set(made)) == 50_000
    assert {len(labels) for labels in made} == {10}


@pytest.mark.parametrize(("share", "wait"), [(0.0, 1.0), (0.5, 3.0), (0.99, 5.0), (1.0, 5.0)])
def test_a_share_of_the_waits_is_not_longer_than_what_is_told(share, wait):
    assert load_client.Outcome(waits_ms=[5.0, 1.0, 3.0, 2.0, 4.0]).wait_ms(share) == wait
