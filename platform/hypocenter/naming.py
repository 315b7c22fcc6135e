"""What a metric's name says: kind, unit, scale, statistic and side, from words and suffixes that many sources share."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypocenter.model import MetricKind

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Measure:
    """How to read a metric.

    Samples times `scale` are in `unit` (`s`, `share`, `1/s`, `cores`, `bytes`, `bytes/s`, `count` or "" when unknown);
    `stated` says that the name itself told the unit, else it is the custom of the kind and values may overrule it.
    `counter`: samples only grow, the rate is meant. `part` is `bucket`, `sum` or `count` of a histogram, else "".
    `family` is the name without counter, histogram and unit suffixes. `host`: a figure of the machine.
    """

    kind: MetricKind = MetricKind.OTHER
    unit: str = ""
    scale: float = 1.0
    stat: str = "last"
    side: str | None = None
    counter: bool = False
    part: str = ""
    family: str = ""
    host: bool = False
    stated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind and the words that speak for it: one of `words`, one of `beside` (if any), none of `without`."""

    kind: MetricKind
    words: frozenset[str]
    beside: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    def holds(self, words: frozenset[str]) -> bool:
        """Whether the words of a name fit."""
        fits = bool(words & self.words) and not words & self.without
        return fits and (not self.beside or bool(words & self.beside))


def _rule(kind: MetricKind, words: str, beside: str = "", without: str = "") -> Rule:
    return Rule(kind, frozenset(words.split()), frozenset(beside.split()), frozenset(without.split()))


_RESOURCE = "cpu memory mem heap disk fs filesystem storage volume swap"
_LATENCY = "latency latencies lat duration durations elapsed mrt rt ttfb delay responsetime"
_CALL = "http grpc rpc request requests query queries call calls response handler operation server client transaction"
RULES = (
    _rule(MetricKind.OTHER, "info created expiry expires expiration timestamp version"),
    _rule(MetricKind.OTHER, "memtotal"),
    _rule(MetricKind.OTHER, "resource", "requests limits quota"),
    _rule(
        MetricKind.OTHER,
        "limit limits quota allocatable capacity max maximum",
        f"{_RESOURCE} pool conns connections connection threads fds queue capacity limit replicas worker workers",
        f"consumed utilization utilisation {_LATENCY}",
    ),
    _rule(MetricKind.OTHER, "physical logical frequency count", "cpu"),
    _rule(MetricKind.OTHER, "free freeable available avail idle", f"{_RESOURCE} memavailable memfree"),
    _rule(MetricKind.RESTARTS, "restart restarts restarted oom oomkilled crashloop crashloopbackoff starttime"),
    _rule(MetricKind.UP, "up uptime alive heartbeat healthy"),
    _rule(
        MetricKind.UP,
        "ready available running",
        "replicas pods pod tasks instances hosts nodes container deployment statefulset replicaset daemonset condition",
    ),
    _rule(
        MetricKind.NETWORK,
        "network net tcp rx tx receive transmit packets",
        "err errs errors drop drops dropped retrans retransmits retranssegs loss",
    ),
    _rule(MetricKind.MEMORY, "paging"),
    _rule(MetricKind.AVAILABILITY, "availability success successful sr rr apdex"),
    _rule(
        MetricKind.ERRORS,
        "error errors err errs failed failure failures fail fault faults exception exceptions "
        "timeout timeouts panic panics rejected aborted servfail cancelled canceled unauthorized exhausted 5xx 4xx 400 "
        "401 403 404 429 500 502 503 504 retry retries unavailable",
    ),
    _rule(MetricKind.SATURATION, "throttled throttling throttle", "cpu cfs"),
    _rule(MetricKind.SATURATION, "load", "1m 5m 15m"),
    _rule(MetricKind.CPU, "cpu cores cfs"),
    _rule(MetricKind.MEMORY, "memory mem heap rss swap pgmajfault memtotal memavailable memfree gc oom"),
    _rule(MetricKind.LATENCY, _LATENCY, "network net", "disk"),
    _rule(
        MetricKind.DISK,
        "disk diskio fs filesystem storage volume inode inodes io iops iowait syscall syscalls",
        without="network net",
    ),
    _rule(MetricKind.NETWORK, "network net rx tx tcp udp bandwidth packets"),
    _rule(MetricKind.LOG_LINES, "log logs", "lines messages count entries"),
    _rule(
        MetricKind.TRAFFIC,
        "published delivered consumed acked produced enqueued dequeued",
        "messages message records total rate",
    ),
    _rule(
        MetricKind.SATURATION,
        "queue queued backlog lag pool pending inflight saturation throttle throttled throttles "
        "connections connection conns conn threads thread depth age buffer waiting waiters load1 load5 load15 fds "
        "utilization utilisation active busy consumed workers slots connected "
        "goroutine goroutines descriptor descriptors",
        without="published",
    ),
    _rule(MetricKind.SATURATION, "inuse", without="bytes"),
    _rule(MetricKind.LATENCY, f"{_LATENCY} p50 p75 p90 p95 p99 p999"),
    _rule(MetricKind.LATENCY, "seconds milliseconds microseconds nanoseconds ms us ns time", _CALL, "per uptime"),
    _rule(MetricKind.OTHER, "ratio size", "hit hits miss misses cache"),
    _rule(
        MetricKind.TRAFFIC,
        "request requests rps qps tps ops lps calls call throughput hits invocations workload "
        "messages records events transactions queries query commands handled traffic load hz per",
    ),
)
_MI, _GI, _KI = 2.0**20, 2.0**30, 2.0**10
UNITS: Mapping[str, tuple[str, float]] = {
    "s": ("s", 1.0), "sec": ("s", 1.0), "secs": ("s", 1.0), "second": ("s", 1.0), "seconds": ("s", 1.0),
    "ms": ("s", 1e-3), "msec": ("s", 1e-3), "millis": ("s", 1e-3), "milliseconds": ("s", 1e-3),
    "us": ("s", 1e-6), "usec": ("s", 1e-6), "micros": ("s", 1e-6), "microseconds": ("s", 1e-6),
    "ns": ("s", 1e-9), "nanos": ("s", 1e-9), "nanoseconds": ("s", 1e-9), "minutes": ("s", 60.0), "hours": ("s", 3600.0),
    "days": ("s", 86400.0),
    "bytes": ("bytes", 1.0), "byte": ("bytes", 1.0), "kb": ("bytes", 1e3), "mb": ("bytes", 1e6), "gb": ("bytes", 1e9),
    "ki": ("bytes", _KI), "kib": ("bytes", _KI), "mi": ("bytes", _MI), "mib": ("bytes", _MI), "gi": ("bytes", _GI),
    "gib": ("bytes", _GI), "kibibytes": ("bytes", _KI), "mebibytes": ("bytes", _MI), "gibibytes": ("bytes", _GI),
    "kilobytes": ("bytes", 1e3), "megabytes": ("bytes", 1e6), "gigabytes": ("bytes", 1e9),
    "pct": ("share", 0.01), "percent": ("share", 0.01), "percentage": ("share", 0.01),
    "ratio": ("share", 1.0), "share": ("share", 1.0), "fraction": ("share", 1.0),
    "cores": ("cores", 1.0), "millicores": ("cores", 1e-3), "mcores": ("cores", 1e-3),
    "ops": ("1/s", 1.0), "rps": ("1/s", 1.0), "qps": ("1/s", 1.0), "tps": ("1/s", 1.0), "lps": ("1/s", 1.0),
    "hz": ("1/s", 1.0),
}  # fmt: skip
CUSTOM: Mapping[MetricKind, tuple[str, float]] = {
    MetricKind.LATENCY: ("s", 1.0),
    MetricKind.SELF_TIME: ("s", 1.0),
    MetricKind.AVAILABILITY: ("share", 1.0),
    MetricKind.TRAFFIC: ("1/s", 1.0),
    MetricKind.UP: ("count", 1.0),
    MetricKind.RESTARTS: ("count", 1.0),
    MetricKind.MEMORY: ("bytes", 1.0),
    MetricKind.SATURATION: ("count", 1.0),
    MetricKind.LOG_LINES: ("1/s", 1.0),
    MetricKind.ERROR_LINES: ("1/s", 1.0),
}
_PER = {"sec": 1.0, "second": 1.0, "seconds": 1.0, "s": 1.0, "min": 1 / 60, "minute": 1 / 60, "hour": 1 / 3600}
_STATS = {
    "average": "mean", "avg": "mean", "mean": "mean", "mrt": "mean", "median": "p50", "sum": "sum",
    "maximum": "max", "max": "max", "minimum": "min", "min": "min", "rate": "rate",
}  # fmt: skip
_SIDES = {
    "server": "server", "dst": "server", "dest": "server", "destination": "server", "inbound": "server",
    "ingress": "server", "incoming": "server", "client": "client", "src": "client", "source": "client",
    "outbound": "client", "egress": "client", "outgoing": "client", "upstream": "client",
}  # fmt: skip
_PARTS = ("bucket", "sum", "count")
_HOSTS = frozenset({("node",), ("host",), ("machine",), ("system",), ("k8s", "node")})
_SHARE_WORDS = frozenset({"utilization", "utilisation", "util", "availability", "success", "sr", "rr", "saturation"})
_COMPOUNDS = (
    (re.compile(r"in[_.-]?use(?![a-z])|inuse"), "inuse"),
    (re.compile(r"in[_.-]?flight"), "inflight"),
    (re.compile(r"response[_.-]?time"), "responsetime"),
    (re.compile(r"start[_.-]?time"), "starttime"),
    (re.compile(r"working[_.-]?set"), "workingset"),
    (re.compile(r"mem[_.-](?=total|available|free)"), "mem"),
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SPLIT = re.compile(r"[^a-z0-9]+")
_PERCENTILE = re.compile(r"p(\d{2,3})$")


def words_of(name: str) -> tuple[str, ...]:
    """Split a metric's name into lower-case words.

    >>> words_of("TargetResponseTime"), words_of("http_5xx_per_sec")
    (('target', 'responsetime'), ('http', '5xx', 'per', 'sec'))
    """
    text = re.sub(r"\b([A-Za-z]*)([45])XX\b", r"\1\2xx", name.replace("_", " "))
    text = "_".join(_CAMEL.sub("_", text).lower().split())
    for pattern, word in _COMPOUNDS:
        text = pattern.sub(word, text)
    return tuple(word for word in _SPLIT.split(text) if word)


def measure(
    name: str,
    labels: Mapping[str, str] = NO_LABELS,
    overrides: Mapping[str, Mapping[str, str]] | None = None,
    histograms: Container[str] = (),
) -> Measure:
    """Infer how to read the metric `name`; `labels` of the series sharpen it, `overrides` correct it.

    `overrides` maps a name or a regular expression that matches the whole name to `kind` and `unit` (a unit word such
    as `ms`, `MiB`, `percent`), either of them optional. `histograms`: names known to be those of histograms or
    summaries, so that `_sum` and `_count` behind them are theirs. Nothing is raised: what is not understood is `OTHER`.

    >>> found = measure("http_server_requests_p95_ms")
    >>> found.kind.value, found.unit, found.scale, found.stat, found.side
    ('latency', 's', 0.001, 'p95', 'server')
    """
    stem, part, counter = _suffix(name, labels, histograms)
    words = words_of(stem)
    kind = kind_of(words)
    unit, scale, stated = _unit(words, kind)
    stat = _percentile_label(labels) or _stat(words, kind)
    found = Measure(
        kind=kind, unit=unit, scale=scale, stat="rate" if counter and not part else stat, side=_side(words),
        counter=counter or bool(part), part=part, family=_family(words), stated=stated,
        host=words[:1] in _HOSTS or words[:2] in _HOSTS,
    )  # fmt: skip
    return _override(_counted(found), name, overrides)


def kind_of(words: Iterable[str]) -> MetricKind:
    """Return the kind that the first fitting rule gives to the words of a name."""
    have = frozenset(words)
    return next((rule.kind for rule in RULES if rule.holds(have)), MetricKind.OTHER)


def _suffix(name: str, labels: Mapping[str, str], histograms: Container[str]) -> tuple[str, str, bool]:
    """Split off what says counter or histogram: (stem, part, counter)."""
    if name.endswith("_bucket") and "le" in labels:
        return name[: -len("_bucket")], "bucket", True
    for part in ("sum", "count"):
        stem = name.removesuffix("_" + part)
        if stem != name and (stem in histograms or _is_histogram(stem, labels)):
            return stem, part, True
    if name.endswith(("_total", ".total")):
        return name[: -len("_total")], "", True
    return name, "", False


def _is_histogram(stem: str, labels: Mapping[str, str]) -> bool:
    """`x_sum` and `x_count` are a histogram's only where x ends in a unit, and the case of letters is Prometheus'."""
    last = words_of(stem)[-1:] or ("",)
    return stem == stem.lower() and (last[0] in UNITS or (last[0] in ("duration", "latency") and len(labels) > 2))


def _unit(words: tuple[str, ...], kind: MetricKind) -> tuple[str, float, bool]:
    """(unit, scale, stated in the name)."""
    if "per" in words[:-1]:
        per = words[words.index("per") + 1]
        return ("1/s", _PER[per], True) if per in _PER else ("", 1.0, False)
    if kind is MetricKind.CPU and words[-1:] == ("m",):
        return "cores", 1e-3, True
    # OpenTelemetry's unit of these is {cpu}, and a remark in braces leaves no trace in a name.
    if words[:1] in (("k8s",), ("container",)) and words[-2:] == ("cpu", "usage"):
        return "cores", 1.0, True
    if kind is MetricKind.DISK and words[-2:-1] in (("r",), ("w",), ("rd",), ("wr",)):
        return "1/s", 1.0, True
    found = next((UNITS[word] for word in reversed(words[1:]) if word in UNITS), None)
    if found is not None:
        return (*found, True)
    if _SHARE_WORDS & set(words):
        return "share", 1.0, False
    return (*CUSTOM.get(kind, ("", 1.0)), False)


def _stat(words: tuple[str, ...], kind: MetricKind) -> str:
    percentile = next((word for word in words if _PERCENTILE.match(word)), None)
    if percentile:
        return percentile
    if kind is MetricKind.LATENCY and words[-1] in ("50", "75", "90", "95", "99"):
        return "p" + words[-1]
    told = words[: words.index("per")] if "per" in words else words
    stat = next((_STATS[word] for word in reversed(told) if word in _STATS), "last")
    return "last" if stat == "rate" and kind is not MetricKind.TRAFFIC else stat


def _percentile_label(labels: Mapping[str, str]) -> str | None:
    try:
        quantile = float(labels.get("quantile", ""))
    except ValueError:
        return None
    return f"p{round(quantile * 100):d}" if 0 < quantile < 1 else None


def _side(words: tuple[str, ...]) -> str | None:
    return next((_SIDES[word] for word in words if word in _SIDES), None)


def _family(words: tuple[str, ...]) -> str:
    """The name without what only says the unit or that it is a total."""
    kept = [word for word in words[1:] if word not in UNITS and word != "total"]
    return "_".join((*words[:1], *kept))


def _counted(found: Measure) -> Measure:
    """Turn the unit of what a counter counts into the unit of its rate."""
    if found.kind is MetricKind.RESTARTS:
        return replace(found, unit="count", scale=1.0, stat="sum")
    if not found.counter or found.part:
        return _network_rate(found)
    if found.kind is MetricKind.CPU and found.unit == "s":
        return replace(found, unit="cores")
    if found.unit == "s":
        return replace(found, unit="share")
    return replace(found, unit="bytes/s" if found.unit == "bytes" and found.stated else "1/s", stated=True)


def _network_rate(found: Measure) -> Measure:
    """Bytes on a network are reported per second unless they are a counter."""
    return replace(found, unit="bytes/s") if found.kind is MetricKind.NETWORK and found.unit == "bytes" else found


def _override(found: Measure, name: str, overrides: Mapping[str, Mapping[str, str]] | None) -> Measure:
    for pattern, fields in (overrides or {}).items():
        if pattern == name or re.fullmatch(pattern, name):
            return _overridden(found, fields)
    return found


def _overridden(found: Measure, fields: Mapping[str, str]) -> Measure:
    if "kind" in fields:
        found = replace(found, kind=MetricKind(fields["kind"]))
    if "unit" in fields:
        unit, scale = UNITS.get(fields["unit"].lower(), (fields["unit"], 1.0))
        found = replace(found, unit=unit, scale=scale, stated=True)
    return found
