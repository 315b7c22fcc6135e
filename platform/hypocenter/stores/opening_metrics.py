"""From what a setting or option names to an open store of metrics."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.rhythm import rhythm_of_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.forwarding_reading import ForwardedMetrics
    from hypocenter.stores.prometheus_metrics import PrometheusMetrics
    from hypocenter.stores.retention import MetricsLimits
    from hypocenter.stores.split import SplitMetrics

BEFORE_SETTLED = timedelta(seconds=5)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def open_metrics(
    data_dir: Path, where: str | None = None, now: Callable[[], datetime] = _utc_now, tenant: str | None = None
) -> DuckDbMetrics | SplitMetrics:
    """Open the metrics that `where` names, or the setting `metrics`: a Prometheus-compatible server's URL.

    Where neither names any, a DuckDB file in `data_dir` is used; beside a server it holds what only counts. The other
    settings tell how to reach the server, and the limits. Raises InputError for what cannot be a server or for a
    folder that is another process's, SourceError when the file cannot be opened; a server is not asked yet. On a
    server that several tenants share, the series are those of `tenant`, None for that of the settings.
    """
    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.retention import limits_of_settings

    limits = limits_of_settings()
    url = metrics_url(where)
    if url is None:
        return DuckDbMetrics(data_dir, now, limits)
    server = _server(url, limits, now, tenant)
    try:
        return open_beside(server, data_dir, now, limits)
    except BaseException:
        server.close()
        raise


def open_beside(
    server: PrometheusMetrics, data_dir: Path, now: Callable[[], datetime], limits: MetricsLimits | None = None
) -> SplitMetrics:
    """Open the file of `data_dir` that holds what only counts, beside a server to which it is forwarded."""
    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.duckdb_outbox import Outbox
    from hypocenter.stores.forwarding import Forwarder
    from hypocenter.stores.split import SplitMetrics

    outbox = Outbox()
    # So long before a step is scored what was counted in it must have been sent.
    after = max(rhythm_of_settings().settle - BEFORE_SETTLED, timedelta(0))
    log = DuckDbMetrics(data_dir, now, limits, outbox)
    return SplitMetrics(server, log, Forwarder(log, outbox, server, now, after))


def open_metrics_server(
    url: str, now: Callable[[], datetime] = _utc_now, tenant: str | None = None
) -> ForwardedMetrics:
    """Open the metrics that a server keeps of a tenant, as the settings say, with what was forwarded to it.

    Raises InputError for what cannot be a server; it is not asked yet.
    """
    from hypocenter.stores.forwarding_reading import ForwardedMetrics
    from hypocenter.stores.retention import limits_of_settings

    # What the server has was taken already: who reads it for months meets more series than are kept at a time.
    limits = replace(limits_of_settings(), max_series=sys.maxsize)
    return ForwardedMetrics(_server(url, limits, now, tenant))


def metrics_url(where: str | None = None) -> str | None:
    """Return the server that is meant: what was typed, else the setting; None for a file in the data directory."""
    named = where or settings.read("metrics")
    return str(named) if named else None


def _server(url: str, limits: MetricsLimits, now: Callable[[], datetime], tenant: str | None) -> PrometheusMetrics:
    from hypocenter.readers.prometheus_options import access_from_settings
    from hypocenter.stores.owner import owner_of
    from hypocenter.stores.prometheus_metrics import PrometheusMetrics
    from hypocenter.stores.prometheus_writing import Writing

    write_url = settings.read("metrics_write_url")
    return PrometheusMetrics(
        url,
        access_from_settings("metrics"),
        writing=Writing(str(write_url) if write_url else None),
        limits=limits,
        now=now,
        owner=owner_of(tenant),
    )
