"""Tables of metrics line by line: CSV, long or wide, and JSON lines."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.ingest.moments import to_moment
from hypocenter.ingest.series_labels import LabelsError, checked
from hypocenter.ingest.uploads import MOST_TEXT, Sample, size_of
from hypocenter.readers.columns import labels_of
from hypocenter.readers.finite import LARGEST
from hypocenter.readers.frames import separator_of
from hypocenter.readers.long_tables import (
    COMPONENT_COLUMNS,
    METRIC_COLUMNS,
    SERIES_COLUMNS,
    VALUE_COLUMNS,
    first_named,
    label_columns,
)
from hypocenter.readers.tables import TIME_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hypocenter.batches import Labels
    from hypocenter.ingest.uploads import Findings

    RowReader = Callable[[list[str]], Iterator[Sample]]

MOST_COLUMNS = 20_000
MOST_KNOWN = 50_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MISSING = frozenset({"", "nan", "null", "none", "na"})
_JSON_TIMES = ("t", "time", "timestamp", "ts")
_JSON_VALUES = ("v", "value")


class _BadRowError(ValueError):
    """A row holds no sample; the message says why."""


def table_samples(lines: Iterable[str], findings: Findings) -> Iterator[Sample]:
    """Yield the samples of a table and tell `findings` of the rows that hold none.

    A text that begins with a brace is JSON lines; any other is CSV, separated as `readers.frames` says: long with a
    column of values and one that names what they measure, else wide with a column per series beside the time. Raises
    InputError when it is neither.
    """
    walk = iter(lines)
    at, first = next(((at, line) for at, line in enumerate(walk, start=1) if line.strip()), (1, ""))
    if first.lstrip("\ufeff \t").startswith(("{", "[")):
        return _json_samples(chain([first], walk), at, findings)
    return _csv_samples(chain([first], walk), at, findings)


def _csv_samples(lines: Iterator[str], at: int, findings: Findings) -> Iterator[Sample]:
    first = next(lines).removeprefix("\ufeff")
    separator = separator_of(first)
    rows = csv.reader(chain([first], lines), delimiter=separator)
    try:
        header = [name.strip() for name in next(rows, [])]
        read = _row_reader(header, "," if separator == ";" else ".")
        for cells in filter(None, rows):
            findings.line = rows.line_num + at - 1
            findings.rows += 1
            yield from _taken(read, cells, len(header), findings)
    except csv.Error as error:
        raise InputError(f"line {rows.line_num + at - 1:,}: no CSV ({error})") from error


def _taken(read: RowReader, cells: list[str], width: int, findings: Findings) -> Sequence[Sample]:
    """Return the samples of a row, all of them or none."""
    try:
        if len(cells) != width:
            raise _BadRowError(f"{len(cells):,} cells, and the header has {width:,}")
        return list(read(cells))
    except (_BadRowError, LabelsError, InputError) as error:
        findings.refuse(findings.line, str(error))
        return ()


def _row_reader(header: list[str], decimal: str) -> RowReader:
    """Return what reads the rows of a table with such columns; raises InputError for columns that cannot be meant."""
    if len(header) > MOST_COLUMNS:
        raise InputError(f"{len(header):,} columns; the limit is {MOST_COLUMNS:,}; write one row per sample instead")
    time = first_named(header, TIME_COLUMNS)
    if time is None:
        raise InputError("no time column; name one of the columns `time` in the first line")
    name, count = Counter(header).most_common(1)[0]
    if count > 1:
        raise InputError(f"column {name!r:.60} is there {count:,} times; keep one of them")
    if label_columns(header):
        return _long(header, header.index(time), decimal)
    return _wide(header, header.index(time), decimal)


def _long(header: list[str], time: int, decimal: str) -> RowReader:
    value = header.index(str(first_named(header, VALUE_COLUMNS)))
    labels_of_cells = _LabelCache(_labels_of_cells(header, time, value), _others(header, time, value))

    def read(cells: list[str]) -> Iterator[Sample]:
        number = _number(cells[value], decimal)
        if number is None:
            raise _BadRowError(f"{header[value]!r} is empty")
        yield Sample(labels_of_cells(cells), _at_ms(cells[time]), number)

    return read


class _LabelCache:
    """Remembers the labels that cells make, until they take too much memory: then all are forgotten."""

    def __init__(self, make: Callable[[list[str]], Labels], columns: Sequence[int]) -> None:
        self._make, self._columns = make, columns
        self._known: dict[tuple[str, ...], Labels] = {}
        self._text = 0

    def __call__(self, cells: list[str]) -> Labels:
        key = tuple(map(cells.__getitem__, self._columns))
        found = self._known.get(key)
        return self._added(key, self._make(cells)) if found is None else found

    def _added(self, key: tuple[str, ...], labels: Labels) -> Labels:
        if len(self._known) >= MOST_KNOWN or self._text > MOST_TEXT:
            self._known, self._text = {}, 0
        self._known[key] = labels
        self._text += sum(map(len, key)) + size_of(labels)
        return labels


def _others(header: Sequence[str], *columns: int) -> list[int]:
    return [number for number in range(len(header)) if number not in columns]


def _labels_of_cells(header: list[str], time: int, value: int) -> Callable[[list[str]], Labels]:
    """Return what makes the labels of a row's cells, whose columns are named as `readers.long_tables` says."""
    series = first_named(header, SERIES_COLUMNS)
    metric, component = first_named(header, METRIC_COLUMNS), first_named(header, COMPONENT_COLUMNS)
    renamed, others = {metric: "__name__", component: "component"}, set(_others(header, time, value))
    names = {
        number: str(renamed.get(name, name))
        for number, name in enumerate(header)
        if number in others and name != series
    }
    at = header.index(series) if series else None

    def labels(cells: list[str]) -> Labels:
        stated = labels_of([cells[at]], "column")[0] if at is not None and cells[at] else {}
        own = {name: cells[number].strip() for number, name in names.items()}
        return checked({**stated, **{name: text for name, text in own.items() if text}}.items())

    return labels


def _wide(header: list[str], time: int, decimal: str) -> RowReader:
    columns = _others(header, time)
    if not columns:
        raise InputError("no series beside the time; name columns `component|metric`")
    try:
        found = labels_of([header[number] for number in columns], "header")
        series = list(zip(columns, [checked(labels.items()) for labels in found], strict=True))
    except LabelsError as error:
        raise InputError(f"a column names no series: {error}") from error

    def read(cells: list[str]) -> Iterator[Sample]:
        at_ms = _at_ms(cells[time])
        for number, labels in series:
            value = _number(cells[number], decimal)
            if value is not None:
                yield Sample(labels, at_ms, value)

    return read


def _json_samples(lines: Iterator[str], at: int, findings: Findings) -> Iterator[Sample]:
    for number, line in enumerate(lines, start=at):
        if not line.strip():
            continue
        findings.line, findings.rows = number, findings.rows + 1
        try:
            yield from _json_row(line.removeprefix("\ufeff"))
        except (_BadRowError, LabelsError, InputError) as error:
            findings.refuse(number, str(error))


def _json_row(line: str) -> list[Sample]:
    """Return the samples of one object: one, or as many as VictoriaMetrics exports for a series."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _BadRowError(f"no JSON ({str(error)[:100]})") from error
    if not isinstance(row, dict):
        raise _BadRowError("no JSON object; write one sample a line")
    labels = _json_labels(row)
    pairs = [(_at_ms(time), _json_number(value)) for time, value in _json_pairs(row)]
    found = [Sample(labels, at_ms, number) for at_ms, number in pairs if number is not None]
    if not found:
        raise _BadRowError("no value")
    return found


def _json_pairs(row: dict[str, Any]) -> list[tuple[Any, Any]]:
    times, values = row.get("timestamps"), row.get("values")
    if not isinstance(times, list) or not isinstance(values, list):
        return [(_json_field(row, _JSON_TIMES), _json_field(row, _JSON_VALUES))]
    if len(times) != len(values):
        raise _BadRowError(f"{len(values):,} values and {len(times):,} times")
    return list(zip(times, values, strict=True))


def _json_labels(row: dict[str, Any]) -> Labels:
    labels = row.get("labels") or {}
    metric = row.get("metric", row.get("name"))
    named = metric if isinstance(metric, dict) else {"__name__": metric} if metric is not None else {}
    component = {"component": row["component"]} if "component" in row else {}
    if not isinstance(labels, dict):
        raise _BadRowError("field 'labels' must be an object")
    joined = {**labels, **named, **component}
    if not all(isinstance(text, str) for text in joined.values()):
        raise _BadRowError("names and labels must be text")
    if not all(_is_unicode(text) for pair in joined.items() for text in pair):
        raise _BadRowError("a name or label holds half a character")
    return checked(joined.items())


def _is_unicode(text: str) -> bool:
    return text.isascii() or text.encode(errors="replace") == text.encode(errors="surrogatepass")


def _json_field(row: dict[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if name in row), None)


def _json_number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _BadRowError(f"{value!r:.60} is no number")
    return _number(str(value), ".")


def _number(text: str, decimal: str) -> float | None:
    """Return a cell's number, None for one that is missing; raises _BadRowError when it holds something else."""
    text = text.strip()
    if text.lower() in _MISSING:
        return None
    try:
        number = float(text.replace(",", ".") if decimal == "," else text)
    except ValueError as error:
        raise _BadRowError(f"{text!r:.60} is no number") from error
    if not math.isfinite(number) or abs(number) > LARGEST:
        raise _BadRowError(f"{text!r:.60} is infinite or beyond {LARGEST:g}")
    return number


def _at_ms(value: Any) -> int:
    """Return a time as ms since 1970; text that is a number is a Unix time. Raises InputError when it is none."""
    time = to_moment(_plain(value), "the time")
    if time is None:
        raise _BadRowError(f"{value!r:.60} is no time")
    return (time - _EPOCH) // _MILLISECOND


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    # Eight digits are a date of ISO 8601, more a Unix time.
    if len(text) == 8 and text.isdecimal():
        return text
    try:
        return float(text)
    except ValueError:
        return text
