"""How a pull goes, for whoever scrapes this server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from hypocenter.api.pull import Pull


class PullMetrics(Collector):
    """Tells of one pull whenever somebody scrapes."""

    def __init__(self, pull: Pull) -> None:
        self._pull = pull

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of the pull; `hypocenter_pull_last_success_timestamp_seconds` once there was one."""
        status = self._pull.status
        yield GaugeMetricFamily("hypocenter_pull_up", "Whether the last turn went well.", value=not status.error)
        yield GaugeMetricFamily("hypocenter_pull_series", "Series at the last turn.", value=status.series)
        if status.last_success is not None:
            yield GaugeMetricFamily(
                "hypocenter_pull_last_success_timestamp_seconds",
                "Time of the last turn that went well, in seconds since 1970.",
                value=status.last_success.timestamp(),
            )
        yield CounterMetricFamily("hypocenter_pull_samples", "Samples made durable.", value=status.samples)
        yield CounterMetricFamily("hypocenter_pull_refused", "Samples that the store refused.", value=status.refused)
        yield CounterMetricFamily("hypocenter_pull_failures", "Turns that failed.", value=status.failures)
        yield CounterMetricFamily(
            "hypocenter_pull_skipped_seconds",
            "Time that outages left unread, in seconds.",
            value=status.skipped.total_seconds(),
        )
