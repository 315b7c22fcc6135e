"""Jaeger's dependencies to claims: who called whom within its look-back.

Source: Jaeger, "APIs": `GET /api/dependencies?endTs=&lookback=` and the query service's `dependencies` of version 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.readers.statements import Record, as_list, as_record, text_of
from hypocenter_graph.claims import Discovered, Interval, check_name
from hypocenter_graph.discover.sightings import Link, Sighting, gathered

if TYPE_CHECKING:
    from datetime import datetime, timedelta

SOURCE = "jaeger"
_COUNTS = ("callCount", "call_count")
_MOST_CALLS = 2**64


def discover_jaeger(value: Any, where: str, at: datetime, lookback: timedelta) -> Discovered:
    """Return the calls in Jaeger's JSON: seen from `at - lookback` to `at`, at the mean rate over that time.

    The JSON is a list of `{parent, child, callCount}`, or an object that holds it as `data`, or as `dependencies` with
    `call_count`. An edge without a count has no rate; one that counts no call was not seen. Raises InputError.
    """
    seen = (_interval(at, lookback, where),)
    sightings = []
    for count, edge in enumerate(_edges(value, where), start=1):
        place = f"{where}: edge {count}"
        record = as_record(edge, place)
        link = Link(_name(record, "parent", place), _name(record, "child", place))
        calls = _calls(record, place)
        if calls != 0:
            sightings.append(Sighting(link, seen, None if calls is None else calls / lookback.total_seconds()))
    return gathered(SOURCE, where, sightings)


def _interval(at: datetime, lookback: timedelta, where: str) -> Interval:
    try:
        first = at - lookback
    except OverflowError as error:
        raise InputError(f"{where}: the look-back {lookback} goes back before all dates; state less") from error
    if first >= at:
        raise InputError(f"{where}: the look-back must be longer than nothing, not {lookback}")
    return Interval(first, at)


def _edges(value: Any, where: str) -> list[Any]:
    if isinstance(value, list):
        return value
    record = as_record(value, where)
    name = next((name for name in ("data", "dependencies") if record.get(name) is not None), None)
    if name is not None:
        return as_list(record[name], f"{where}: {name}")
    if record.get("errors"):
        raise InputError(f"{where}: Jaeger answered with errors ({str(record['errors'])[:200]}); ask it again")
    if "data" in record or "dependencies" in record:
        return []
    raise InputError(f"{where}: neither a list of edges nor an object with `data` or `dependencies`")


def _name(record: Record, field: str, where: str) -> str:
    return check_name(text_of(record, field, where), f"{where}: field {field!r}")


def _calls(record: Record, where: str) -> int | None:
    """Return how often, None where it is not said; 64-bit integers are text in version 3."""
    value = next((record[name] for name in _COUNTS if record.get(name) is not None), None)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(_MOST_CALLS)):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_CALLS:
        raise InputError(f"{where}: field 'callCount' must be a whole number from 0, not {str(value)[:40]!r}")
    return value
