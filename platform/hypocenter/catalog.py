"""The catalog: one entry per metric kind and fault type, holding title, unit, harmful direction and sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.model import MetricKind, Series
from hypocenter.naming import Measure, measure

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FAULT_TYPES", "KINDS", "FaultType", "KindEntry", "Measure", "describe", "format_value", "measure", "phrase"]


@dataclass(frozen=True, slots=True)
class KindEntry:
    """What is known of a metric kind before any data.

    `group` is `traffic`, `errors`, `latency`, `saturation` or `resource`; `hurts` is `up`, `down` or `either`; `floor`
    is the share of a series' own level below which a move is not worth noticing; `sentence` takes `component`,
    `measure`, `moved`, `before` and `after`; `fault_type` names the class of fault that the kind is a symptom of.
    """

    title: str
    group: str
    unit: str
    hurts: str
    floor: float
    fault_type: str
    sentence: str = "{component} {measure} {moved} from {before} to {after}"


@dataclass(frozen=True, slots=True)
class FaultType:
    """A class of faults, by its symptom: the vocabulary of a system that has not learned from history yet."""

    title: str
    sentence: str


FAULT_TYPES: Mapping[str, FaultType] = {
    "cpu": FaultType("CPU", "{component} uses or lacks processor time out of its normal"),
    "memory": FaultType("Memory", "{component} uses memory out of its normal"),
    "disk": FaultType("Disk", "{component} reads, writes or fills its disk out of its normal"),
    "network": FaultType("Network", "The network of {component} is slower, busier or lossier than normal"),
    "latency": FaultType("Latency", "{component} answers more slowly than normal"),
    "errors": FaultType("Errors", "{component} fails more of its requests than normal"),
    "saturation": FaultType("Saturation", "{component} has run out of workers, connections or room in a queue"),
    "crash": FaultType("Crash", "{component} restarted or went down"),
    "silence": FaultType("Silence", "{component} stopped reporting"),
    "traffic": FaultType("Traffic", "{component} gets much more or much less work than normal"),
    "change": FaultType("Change", "{component} was changed shortly before"),
    "unknown": FaultType("Unknown", "{component} left its normal in a way that names no class of fault"),
}
KINDS: Mapping[MetricKind, KindEntry] = {
    MetricKind.TRAFFIC: KindEntry("Requests", "traffic", "1/s", "either", 0.10, "traffic"),
    MetricKind.ERRORS: KindEntry("Errors", "errors", "share", "up", 0.10, "errors"),
    MetricKind.AVAILABILITY: KindEntry("Availability", "errors", "share", "down", 0.002, "errors"),
    MetricKind.LATENCY: KindEntry("Latency", "latency", "s", "up", 0.10, "latency"),
    MetricKind.SELF_TIME: KindEntry("Own time", "latency", "s", "up", 0.10, "latency"),
    MetricKind.EDGE_GAP: KindEntry("Network gap", "latency", "s", "up", 0.10, "network"),
    MetricKind.SATURATION: KindEntry("Saturation", "saturation", "share", "up", 0.10, "saturation"),
    MetricKind.CPU: KindEntry("CPU", "resource", "cores", "up", 0.10, "cpu"),
    MetricKind.MEMORY: KindEntry("Memory", "resource", "bytes", "up", 0.03, "memory"),
    MetricKind.DISK: KindEntry("Disk", "resource", "bytes/s", "up", 0.10, "disk"),
    MetricKind.NETWORK: KindEntry("Network", "resource", "bytes/s", "either", 0.10, "network"),
    MetricKind.RESTARTS: KindEntry("Restarts", "errors", "count", "up", 0.0, "crash"),
    MetricKind.UP: KindEntry("Up", "errors", "count", "down", 0.0, "crash"),
    MetricKind.LOG_LINES: KindEntry(
        "Log lines",
        "traffic",
        "1/s",
        "either",
        0.10,
        "errors",
        "{component} logged {measure}: {before} before, {after} after",
    ),
    MetricKind.OPERATION: KindEntry(
        "Calls",
        "traffic",
        "1/s",
        "either",
        0.10,
        "errors",
        "{component} ran {measure}: {before} before, {after} after",
    ),
    MetricKind.ERROR_LINES: KindEntry("Error lines", "errors", "1/s", "up", 0.10, "errors"),
    MetricKind.OTHER: KindEntry("Other", "saturation", "", "either", 0.10, "unknown"),
}
_BINARY = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_TIMES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_VAGUE = (MetricKind.SATURATION, MetricKind.DISK, MetricKind.NETWORK)
_WORDS = {"p50": "median", "mean": "mean", "max": "maximum", "min": "minimum"}


def format_value(value: float, unit: str) -> str:
    """Write a value for people, with three significant digits at most and the unit scaled to fit.

    >>> format_value(0.39, "s"), format_value(1.3e9, "bytes"), format_value(0.034, "share"), format_value(12.0, "1/s")
    ('390 ms', '1.21 GiB', '3.4 %', '12/s')
    """
    if not math.isfinite(value):
        return "no data"
    if unit == "share":
        return f"{_percent(value * 100)} %"
    if unit in ("bytes", "bytes/s"):
        return _scaled(value, _BINARY) + unit[len("bytes") :]
    if unit == "s":
        return _scaled(value, _TIMES)
    return _digits(value) + {"1/s": "/s", "count": "", "": ""}.get(unit, f" {unit}")


def phrase(series: Series) -> str:
    """Name what a series measures, in words.

    >>> phrase(Series("cart", "latency_p95", MetricKind.LATENCY, "s", "p95", "server", "web"))
    'latency p95 for web'
    """
    if series.metric.startswith("template:"):
        return repr(series.metric.removeprefix("template:"))
    if series.kind is MetricKind.OPERATION:
        return repr(series.metric.removeprefix("operation:"))
    before, after = _stat_words(series)
    words = ["host" if series.host else "", before, _title(series), after]
    if series.peer:
        words += ["for" if series.side == "server" else "of calls to", series.peer]
    return " ".join(word for word in words if word)


def describe(series: Series, before: float, after: float) -> str:
    """Write the sentence of a finding from the level before and after, in the unit of the series.

    >>> describe(Series("cart", "latency_p95", MetricKind.LATENCY, "s", "p95"), 0.05, 0.39)
    'cart latency p95 rose from 50 ms to 390 ms'
    """
    if math.isnan(after) and not math.isnan(before):
        return f"{series.component} {phrase(series)} stopped, {format_value(before, series.unit)} before"
    return KINDS[series.kind].sentence.format(
        component=series.component,
        measure=phrase(series),
        moved="rose" if after > before else "fell" if after < before else "stayed",
        before=format_value(before, series.unit),
        after=format_value(after, series.unit),
    )


def _title(series: Series) -> str:
    """The kind in running text; the metric's own name where the kind alone does not tell which one is meant."""
    title = KINDS[series.kind].title
    title = title if title == "CPU" else title.lower()
    if series.kind is MetricKind.OTHER:
        return series.metric
    return f"{title} ({series.metric})" if series.kind in _VAGUE else title


def _stat_words(series: Series) -> tuple[str, str]:
    """What to say of the statistic before and after the title, for kinds where it matters."""
    if series.kind not in (MetricKind.LATENCY, MetricKind.SELF_TIME, MetricKind.EDGE_GAP):
        return "", ""
    return _WORDS.get(series.stat, ""), series.stat if series.stat.startswith("p") and series.stat != "p50" else ""


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    size, suffix = next(((size, suffix) for size, suffix in steps if abs(value) >= size), steps[-1])
    if value == 0:
        size, suffix = 1.0, "B" if steps is _BINARY else "s"
    return f"{_digits(value / size)} {suffix}"


def _percent(value: float) -> str:
    """As other numbers, but just below 100 with enough digits to show what is missing."""
    missing = 100 - value
    if 0 < missing < 1:
        return f"{value:.{min(4, -math.floor(math.log10(missing)))}f}".rstrip("0")
    return _digits(value)


def _digits(value: float) -> str:
    """Three significant digits, without an exponent where the number is of everyday size."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        places = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
        text = f"{value:.{places}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3g}"
