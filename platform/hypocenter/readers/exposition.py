"""Saved answers of a metrics endpoint or of the Prometheus query API to a table of raw samples.

Formats: Prometheus, "Text-based format"; OpenMetrics 1.0; Prometheus HTTP API, "Instant vectors" and "Range vectors".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.errors import InputError, LimitError, SourceError
from hypocenter.readers.grid import on_grid, sampling_interval
from hypocenter.readers.limits import Limits, check_cells, check_file, limits_from_settings
from hypocenter.readers.prometheus_samples import decoded_matrix, joined, key_of
from hypocenter.readers.statements import as_list, as_record, read_json
from hypocenter.telemetry import RawTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from hypocenter.readers.grid import Samples
    from hypocenter.readers.prometheus_samples import Key

_SAMPLE = re.compile(
    r'(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:[ \t]*\{(?P<labels>(?:[^"}]|"(?:[^"\\]|\\.)*")*)\}|(?=[ \t]))'
    r"[ \t]*(?P<value>[^ \t#]+)(?:[ \t]+(?P<time>[^ \t#]+))?[ \t]*(?:#.*)?"
)
_PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n"}
_LAST_NS = 2**63


def read_exposition(path: Path, at: datetime, limits: Limits | None = None) -> RawTable:
    """Return the samples in a saved scrape (text) or a saved answer of `/api/v1/query` or `query_range` (JSON).

    A sample of a scrape that states no time was taken at `at`. Native histograms are left out. Raises InputError when
    the file is neither, LimitError when it is too large.
    """
    limits = limits or limits_from_settings()
    check_file(path, limits)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text in UTF-8 ({str(error)[:100]})") from error
    if text.lstrip()[:1] in ("{", "["):
        return decode_query(read_json(path, limits), str(path), limits)
    return decode_text(text, str(path), at, limits)


def decode_text(text: str, where: str, at: datetime, limits: Limits) -> RawTable:
    """Return the samples of a scrape; where it ends as OpenMetrics does (`# EOF`), times are in s, else in ms."""
    per_second = 1.0 if text.rstrip().endswith("# EOF") else 1000.0
    default = round(at.timestamp() * 1e9)
    found: dict[Key, dict[int, float]] = {}
    for count, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            key, time, value = _sample(line.strip(), f"{where}: line {count}", per_second)
            found.setdefault(key, {})[default if time is None else time] = value
    series = {key: _sorted(samples) for key, samples in found.items()}
    return _table(series, where, limits)


def _sample(line: str, where: str, per_second: float) -> tuple[Key, int | None, float]:
    parts = _SAMPLE.fullmatch(line)
    if parts is None:
        raise InputError(f'{where}: {line[:60]!r} is no sample; write name{{label="value"}} number')
    labels = dict(_labels(parts["labels"] or "", where))
    try:
        value = float(parts["value"])
        time = None if parts["time"] is None else round(float(parts["time"]) / per_second * 1e9)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: {line[-60:]!r} must end in a number, and maybe a time") from error
    if time is not None and abs(time) >= _LAST_NS:
        raise InputError(f"{where}: {parts['time']!r} lies after the year 2262")
    return key_of(labels | {"__name__": parts["name"]}), time, value


def _labels(text: str, where: str) -> Iterator[tuple[str, str]]:
    text, at = text.strip(), 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            raise InputError(f'{where}: {text[at : at + 60]!r} is no label; write label="value"')
        yield pair[1], _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), pair[2])
        at = pair.end()


def _sorted(samples: Mapping[int, float]) -> Samples:
    moments = sorted(samples)
    return np.array(moments, dtype=np.int64), np.array([samples[moment] for moment in moments])


def decode_query(value: Any, where: str, limits: Limits) -> RawTable:
    """Return the samples of an instant or range query's answer, with or without `status` around its `data`."""
    answer = as_record(value, where)
    if answer.get("status") == "error":
        raise InputError(f"{where}: the query failed ({str(answer.get('error'))[:200]}); save one that succeeded")
    data = as_record(answer.get("data", answer), f"{where}: data")
    if data.get("resultType") == "vector":
        data = {"resultType": "matrix", "result": [_as_range(item) for item in as_list(data.get("result"), where)]}
    try:
        series, _ = decoded_matrix(data)
    except SourceError as error:
        raise InputError(f"{where}: not the answer of a query whose result is a vector or matrix") from error
    return _table(joined(series), where, limits)


def _as_range(item: Any) -> Any:
    """Return a series of an instant vector as one of a range vector."""
    return item | {"values": [item["value"]]} if isinstance(item, dict) and "value" in item else item


def _table(series: Mapping[Key, Samples], where: str, limits: Limits) -> RawTable:
    """Lay series on the times that they share; series that were each sampled at moments of their own, on a grid."""
    labels = tuple(dict(key) for key in series)
    samples = list(series.values())
    times = np.unique(np.concatenate([moments for moments, _ in samples])) if samples else np.empty(0, np.int64)
    if len(times) > 2 * max((len(moments) for moments, _ in samples), default=0):
        try:
            interval = sampling_interval([moments for moments, _ in samples])
            return RawTable(labels, *on_grid(samples, interval, limits.cells))
        except LimitError as error:
            raise LimitError(f"{where}: {error}") from error
    check_cells(where, len(times), len(samples), limits)
    values = np.full((len(times), len(samples)), np.nan)
    for column, (moments, found) in enumerate(samples):
        values[np.searchsorted(times, moments), column] = found
    return RawTable(labels, times.astype("datetime64[ns]"), values)
