"""What the counting of spans and log lines tells of itself to a Prometheus that scrapes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from hypocenter.api.counting import Counting


class CountingMetrics(Collector):
    """Asks the counting whenever somebody scrapes."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    def collect(self) -> Iterable[Metric]:
        """Return how many spans wait, and what could not be written."""
        sightings = self._counting.sightings
        return [
            GaugeMetricFamily(
                "hypocenter_spans_waiting", "Spans that wait for their parents and children.", self._counting.waiting
            ),
            CounterMetricFamily(
                "hypocenter_counts_lost",
                "Counts that no store took for long, or of too many series.",
                self._counting.lost,
            ),
            CounterMetricFamily(
                "hypocenter_graph_write_failures", "Writings that the graph did not take.", sightings.failures
            ),
            CounterMetricFamily(
                "hypocenter_sightings_lost", "Sightings that the graph did not take for long.", sightings.lost
            ),
        ]
