"""OpenTelemetry's names and units to Prometheus' names.

Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", OTLP Metric points to Prometheus.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNITS: Mapping[str, str] = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tebibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius",
    "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER: Mapping[str, str] = {
    "s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip
_SPLIT = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9]+")
# Names are few and come again and again; those of a hostile request push out no more than this.
_KEPT = 4096


@lru_cache(_KEPT)
def metric_name(name: str, unit: str, *, is_counter: bool = False, is_gauge: bool = False) -> str:
    """Return a metric's name with its unit, `_total` where it only grows and `_ratio` of a gauge; "" if none is left.

    >>> metric_name("http.server.request.duration", "s"), metric_name("system.network.io", "By", is_counter=True)
    ('http_server_request_duration_seconds', 'system_network_io_bytes_total')
    >>> metric_name("queue.fill", "1", is_gauge=True), metric_name("jobs", "{job}/s", is_gauge=True)
    ('queue_fill_ratio', 'jobs_per_second')
    """
    words = [word for word in _SPLIT.split(name) if word]
    if not words:
        return ""
    words += [suffix for suffix in _suffixes(unit) if suffix and suffix not in words]
    if is_counter:
        words = [*(word for word in words if word != "total"), "total"]
    if is_gauge and unit == "1":
        words = [*(word for word in words if word != "ratio"), "ratio"]
    found = "_".join(words)
    return f"_{found}" if found[0].isdigit() else found


def _suffixes(unit: str) -> tuple[str, str]:
    """What a unit such as `By/s` adds to a name; a remark in braces adds nothing."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    whole = "" if "{" in main else _cleaned(_UNITS.get(main, main))
    each = "" if "{" in per else _cleaned(_PER.get(per, per))
    return whole, f"per_{each}" if each else ""


def _cleaned(unit: str) -> str:
    return "_".join(word for word in _SPLIT.split(unit) if word)


@lru_cache(_KEPT)
def label_name(attribute: str) -> str:
    """Return an attribute's name as that of a label, one that no label of Prometheus' own has; "" if none is left.

    >>> label_name("http.response.status_code"), label_name("2xx"), label_name("__name__"), label_name("...")
    ('http_response_status_code', 'key_2xx', 'key_name_', '')
    """
    found = _NOT_IN_LABELS.sub("_", attribute)
    if not found.strip("_"):
        return ""
    if found[0].isdigit():
        return f"key_{found}"
    return f"key{found}" if found[0] == "_" else found
