"""Answers of the Prometheus HTTP API to labels, samples and alerts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.errors import SourceError
from hypocenter.model import Alert
from hypocenter.readers.counted_grid import laid
from hypocenter.readers.finite import finite
from hypocenter.readers.limits import limits_from_settings
from hypocenter.telemetry import RawTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypocenter.readers.grid import Samples

Key = tuple[tuple[str, str], ...]
_SHAPE = "the server's answer is not shaped as the Prometheus API says"
# Times are held in ns, 64 bits wide, which ends in 2262.
_LAST_MILLISECOND = 2**63 / 1e6
# Alerts become alerts of the case; as series they would blame whoever has most rules.
_NO_METRICS = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
_ALERT_LABELS = ("component", "service", "service_name", "app", "workload", "deployment", "job", "pod", "instance")


def key_of(labels: Mapping[str, str]) -> Key:
    """Return labels as a key that is equal and sorted whatever their order was."""
    return tuple(sorted(labels.items()))


def decoded_labels(data: Any) -> list[dict[str, str]]:
    """Return the labels of each series of a `series` answer; raises SourceError when it is none."""
    if not isinstance(data, list):
        raise SourceError(_SHAPE)
    return [_labels(item) for item in data]


def decoded_matrix(data: Any) -> tuple[list[tuple[Key, Samples]], set[str]]:
    """Return series and samples of a `matrix` answer, and the names of native histograms, which are skipped.

    Raises SourceError when `data` is no matrix.
    """
    if not isinstance(data, dict) or data.get("resultType") != "matrix" or not isinstance(data.get("result"), list):
        raise SourceError(_SHAPE)
    series, histograms = [], set()
    for item in data["result"]:
        labels = _labels(item.get("metric") if isinstance(item, dict) else None)
        if "histograms" in item:
            histograms.add(labels.get("__name__", ""))
        if "values" in item:
            series.append((key_of(labels), _samples(item["values"])))
    return series, histograms


def decoded_names(data: Any) -> list[dict[str, str]]:
    """Return the labels of each series of a `vector` answer; raises SourceError when it is none."""
    if not isinstance(data, dict) or data.get("resultType") != "vector" or not isinstance(data.get("result"), list):
        raise SourceError(_SHAPE)
    return [_labels(item.get("metric") if isinstance(item, dict) else None) for item in data["result"]]


def decoded_count(data: Any) -> int:
    """Return the number in a `vector` answer of one or no sample; raises SourceError when it is none."""
    try:
        return int(float(data["result"][0]["value"][1])) if data["result"] else 0
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise SourceError(_SHAPE) from error


def joined(parts: Iterable[tuple[Key, Samples]]) -> dict[Key, Samples]:
    """Return each series' samples from all parts, in order of time, each time once; series in order of labels."""
    by_key: dict[Key, list[Samples]] = {}
    for key, samples in parts:
        by_key.setdefault(key, []).append(samples)
    return {key: _joined(by_key[key]) for key in sorted(by_key)}


def counted(samples: Samples, step_s: int) -> Samples:
    """Return a rate sampled each `step_s` seconds as the counter it is the rate of, beginning near nought."""
    moments, rates = samples
    return moments, np.where(np.isnan(rates), np.nan, np.cumsum(np.nan_to_num(rates)) * step_s)


def table_of(series: Mapping[Key, Samples], where: str, least_s: int = 0) -> tuple[RawTable, tuple[str, ...]]:
    """Return series on the grid of their scrape interval, or of `least_s` seconds where that is longer, and notes.

    Alerts are left out. A table of no times where no series has a sample. Raises LimitError for one that is too large.
    """
    kept = {key: samples for key, samples in series.items() if dict(key).get("__name__", "") not in _NO_METRICS}
    times, values = laid(kept, least_s * 1_000_000_000, limits_from_settings().cells)
    values, notes = finite(values, where)
    return RawTable(tuple(dict(key) for key in kept), times, values), notes


def alerts_of(series: Mapping[Key, Samples]) -> tuple[Alert, ...]:
    """Return the alerts that `ALERTS` series show firing, at their first sample, in order of time."""
    alerts = [_alert(dict(key), samples) for key, samples in series.items() if _is_firing(dict(key), samples)]
    return tuple(sorted(alerts, key=lambda alert: (alert.at, alert.component, alert.name)))


def _is_firing(labels: Mapping[str, str], samples: Samples) -> bool:
    known = any(name in labels for name in _ALERT_LABELS)
    return labels.get("__name__") == "ALERTS" and labels.get("alertstate") == "firing" and known and len(samples[0]) > 0


def _alert(labels: Mapping[str, str], samples: Samples) -> Alert:
    return Alert(
        component=next(labels[name] for name in _ALERT_LABELS if name in labels),
        name=labels.get("alertname", ""),
        at=datetime.fromtimestamp(int(samples[0][0]) / 1e9, tz=UTC),
        severity=labels.get("severity", ""),
    )


def _labels(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise SourceError(_SHAPE)
    return value


def _samples(pairs: Any) -> Samples:
    if not isinstance(pairs, list):
        raise SourceError(_SHAPE)
    try:
        # Whole columns at once: these two lines see every sample of an investigation.
        stamps, texts = zip(*pairs, strict=True) if pairs else ((), ())
        milliseconds = np.rint(np.array(stamps, dtype=np.float64) * 1000)
        values = np.array(list(map(float, texts)), dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise SourceError(_SHAPE) from error
    if milliseconds.ndim != 1 or not (np.abs(milliseconds) < _LAST_MILLISECOND).all():
        raise SourceError(_SHAPE)
    return milliseconds.astype(np.int64) * 1_000_000, values


def _joined(parts: list[Samples]) -> Samples:
    moments, values = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    unique, first = np.unique(moments, return_index=True)
    return unique, values[first]
