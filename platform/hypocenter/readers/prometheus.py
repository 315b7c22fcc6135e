"""A Prometheus server's recent past as a case, without hurting the server during the incident."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from hypocenter.readers.prometheus_options import DEFAULT_MATCH, PrometheusOptions, options_from_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from hypocenter.telemetry import Case

__all__ = ["DEFAULT_MATCH", "PrometheusOptions", "options_from_settings", "read_prometheus"]


def read_prometheus(
    url: str,
    at: datetime,
    lookback: timedelta,
    match: Sequence[str] = DEFAULT_MATCH,
    *,
    options: PrometheusOptions | None = None,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Case:
    """Return what the server at `url` knows of `lookback` before `at` as a case.

    `match` are series selectors such as `{namespace="shop"}`. Raises InputError for a URL or selector that cannot be
    asked, LimitError when the answer would be larger than `options` allow, SourceError when the server does not
    answer as it should.
    """
    raise NotImplementedError
