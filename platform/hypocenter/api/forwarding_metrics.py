"""What the forwarding of counts to a server of metrics tells of itself to a Prometheus that scrapes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from hypocenter.stores.forwarding import Forwarder


class ForwardingMetrics(Collector):
    """Asks the forwarder whenever somebody scrapes."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder

    def collect(self) -> Iterable[Metric]:
        """Return how far behind it is, and what the server would not have."""
        return [
            GaugeMetricFamily(
                "hypocenter_forwarding_lag_seconds",
                "For how long counts have been due at the server of metrics.",
                self._forwarder.lag_s(),
            ),
            CounterMetricFamily(
                "hypocenter_forwarding_refused",
                "Samples of counts that the server of metrics refused.",
                self._forwarder.refused,
            ),
        ]
