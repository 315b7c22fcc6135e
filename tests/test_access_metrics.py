"""Tenants on one real server of metrics: each sees and writes series of its own, whatever they are called."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypocenter.batches import Batch, Samples
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.owner import LABEL, Alone, OneOfMany
from hypocenter.stores.prometheus_metrics import PrometheusMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypocenter.batches import Labels

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT_MS = int(NOW.timestamp() * 1000) - 60_000
UP: Labels = (("__name__", "up"), ("job", "cart"))
CLAIMED: Labels = (("__name__", "up"), (LABEL, "acme"), ("job", "evil"))


class Sharing:
    """The stores of tenants on one server."""

    def __init__(self, url: str, flush: Callable[[], None], stack: ExitStack) -> None:
        self.url, self._flush, self._stack = url, flush, stack

    def store(self, owner: Alone, **options: int) -> PrometheusMetrics:
        store = PrometheusMetrics(self.url, PrometheusOptions(**options), now=lambda: NOW, owner=owner)
        return self._stack.enter_context(closing(store))

    def write(self, store: PrometheusMetrics, value: float, *series: Labels) -> None:
        numbers = store.number(series)
        samples = Samples(numbers, np.full(len(numbers), AT_MS, np.int64), np.full(len(numbers), value))
        assert [taken.refused for taken in store.append([Batch(samples)])] == [0]
        self._flush()


@pytest.fixture(params=[pytest.param("prometheus", marks=pytest.mark.prometheus), "victoria"])
def sharing(request: pytest.FixtureRequest) -> Iterator[Sharing]:
    with ExitStack() as stack:
        if request.param == "prometheus":
            yield Sharing(request.getfixturevalue("prometheus_server"), lambda: None, stack)
        else:
            server = request.getfixturevalue("victoria_metrics")
            yield Sharing(server.url, server.flush, stack)


def held(store: PrometheusMetrics, selector: str) -> dict[Labels, list[float]]:
    """Return the values of each series that a store tells of, read in both ways."""
    listed = store.series([parse_selector(selector)], AT_MS - 1000, AT_MS + 1000)
    numbers = [each.number for each in listed]
    found = {each.series: each.values.tolist() for each in store.read(numbers, AT_MS - 1000, AT_MS + 1000)}
    columns = store.read_columns(numbers, AT_MS - 1000, AT_MS + 1000)
    assert sorted(columns.series.tolist()) == sorted(found)
    return {each.labels: found.get(each.number, []) for each in listed}


def test_tenants_of_one_server_never_meet(sharing: Sharing) -> None:
    acme, globex, first = map(sharing.store, (OneOfMany("acme"), OneOfMany("globex"), OneOfMany("")))
    evil: Labels = (("__name__", "up"), ("job", "evil"))
    for store, value in ((acme, 1.0), (globex, 2.0), (first, 3.0)):
        sharing.write(store, value, UP)
    sharing.write(globex, 4.0, CLAIMED)
    sharing.write(first, 5.0, CLAIMED)
    for selector in ("up", 'up{hypocenter_tenant="acme"}', '{__name__=~".+"}', 'up{hypocenter_tenant=~".*"}'):
        told = held(acme, selector)
        assert told in ({UP: [1.0]}, {}), "what a tenant asks for is its own, or nothing"
    assert held(acme, "up") == {UP: [1.0]}
    assert held(globex, "up") == {UP: [2.0], evil: [4.0]}
    assert held(first, "up") == {UP: [3.0], evil: [5.0]}
    assert [each.labels for each in acme.series([parse_selector("up")], AT_MS - 1000, AT_MS, of=["cart"])] == [UP]
    alone = held(sharing.store(Alone()), 'up{job="cart"}')
    assert sorted(dict(labels).get(LABEL, "") for labels in alone) == ["", "acme", "globex"]


def test_what_others_have_of_a_component_is_not_read_with_what_is_ones_own(sharing: Sharing) -> None:
    depth: Labels = (("__name__", "depth"), ("job", "till"))
    acme, first = (sharing.store(owner, max_response_bytes=20_000) for owner in (OneOfMany("acme"), OneOfMany("")))
    sharing.write(acme, 1.0, depth)
    sharing.write(first, 3.0, depth)
    theirs = [(*depth, ("queue", f"a name of some length, {number}")) for number in range(500)]
    sharing.write(sharing.store(OneOfMany("globex")), 2.0, *theirs)
    assert held(acme, 'depth{job="till"}') == {depth: [1.0]}
    assert held(first, 'depth{job="till"}') == {depth: [3.0]}
