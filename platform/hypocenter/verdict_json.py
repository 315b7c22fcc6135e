"""Verdicts and investigations as JSON: the first for people and programs outside, the second for messages inside.

A verdict's JSON is a published format (`docs/verdict.schema.json`): rounded, finite, the same bytes for the same
verdict. An investigation's JSON loses nothing: reading it gives back an equal Investigation.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from numbers import Real
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from hypocenter.errors import InputError
from hypocenter.model import Investigation, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SCHEMA_VERSION = 1
SIGNIFICANT_DIGITS = 6
DECIMALS = {"probability": 4, "share": 4, "unknown": 4, "similarity": 4, "score": 3, "onset_uncertainty_s": 1}
_AS_THEY_ARE: Mapping[Any, set[type]] = {str: {str}, float: {float}, float | None: {float, NoneType}}


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as the published JSON object of `docs/verdict.schema.json`.

    Times are ISO 8601 in UTC with `Z`; a number that is not finite is null; probabilities and shares have four
    decimals, scores three, other numbers six significant digits. Raises InputError for a time without a zone.
    """
    return {"schema_version": SCHEMA_VERSION, **_object(verdict, _rounded, _readable_time)}


def investigation_to_json(investigation: Investigation) -> dict[str, Any]:
    """Return the investigation as a JSON object that `investigation_from_json` turns back into an equal one.

    Numbers that JSON does not know travel as the strings `NaN`, `Infinity` and `-Infinity`. Raises InputError for a
    time without a zone.
    """
    return {"schema_version": SCHEMA_VERSION, **_object(investigation, _exact, _exact_time)}


def investigation_from_json(message: Mapping[str, Any]) -> Investigation:
    """Return the investigation that `investigation_to_json` wrote.

    Raises InputError naming the field when the message is of another version, incomplete or of the wrong types.
    """
    version = message.get("schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(f"schema_version is {version!r}, wanted {SCHEMA_VERSION}; write the message anew")
    body = {name: value for name, value in message.items() if name != "schema_version"}
    investigation: Investigation = _read_object(Investigation, body, "investigation")
    return investigation


def verdict_of_investigation(message: Mapping[str, Any]) -> Verdict:
    """Return the verdict alone of an investigation that `investigation_to_json` wrote; raises InputError as it does."""
    verdict: Verdict = _read_object(Verdict, message.get("verdict"), "investigation.verdict")
    return verdict


def verdict_part_to_json(message: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return fields of `verdict_to_json` from what `investigation_to_json` wrote, and read no others.

    Raises InputError as `investigation_from_json` does.
    """
    verdict, types = message.get("verdict"), field_types(Verdict)
    if not isinstance(verdict, dict) or not set(names) <= set(verdict):
        raise InputError(f"investigation.verdict misses fields: {', '.join(names)} are wanted")
    read = {name: _read(types[name], verdict[name], f"investigation.verdict.{name}") for name in names}
    return {name: _plain(value, name, _rounded, _readable_time) for name, value in read.items()}


def _object(value: Any, number: Callable[[str, float], Any], time: Callable[[datetime], str]) -> dict[str, Any]:
    return {item.name: _plain(getattr(value, item.name), item.name, number, time) for item in fields(value)}


def _plain(value: Any, name: str, number: Callable[[str, float], Any], time: Callable[[datetime], str]) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, tuple):
        return [_plain(item, name, number, time) for item in value]
    if isinstance(value, datetime):
        return time(value)
    if isinstance(value, Real):
        return number(name, float(value))
    return _object(value, number, time)


def _rounded(name: str, value: float) -> float | None:
    if not math.isfinite(value):
        return None
    if name in DECIMALS:
        return round(value, DECIMALS[name]) + 0.0
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0


def _exact(name: str, value: float) -> float | str:
    del name
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise InputError(f"time {time} has no zone; times of a verdict are in UTC")
    return time.astimezone(UTC)


def _readable_time(time: datetime) -> str:
    utc = _in_utc(time)
    text = utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z"


def _exact_time(time: datetime) -> str:
    return datetime.isoformat(_in_utc(time)).removesuffix("+00:00") + "Z"


@cache
def field_types(cls: type) -> Mapping[str, Any]:
    """Return the types of the fields of a class of the model."""
    return get_type_hints(cls, localns={"datetime": datetime})


def _read_object(cls: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise InputError(f"{where} is {type(value).__name__}, wanted an object")
    types = field_types(cls)
    if set(types) != set(value):
        odd = ", ".join(sorted(set(types) ^ set(value)))
        raise InputError(f"{where} misses or adds fields: {odd}")
    return cls(**{name: _read(kind, value[name], f"{where}.{name}") for name, kind in types.items()})


def _read(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, UnionType):
        inner = next(option for option in get_args(kind) if option is not NoneType)
        return None if value is None else _read(inner, value, where)
    if get_origin(kind) is tuple:
        return _read_tuple(get_args(kind)[0], value, where)
    if is_dataclass(kind):
        return _read_object(kind, value, where)  # type: ignore[arg-type]
    return _read_leaf(kind, value, where)


def _read_tuple(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise InputError(f"{where} is {type(value).__name__}, wanted a list")
    # Charts are thousands of numbers and times: read one by one they cost ten times as much.
    held = set(map(type, value))
    if held <= _AS_THEY_ARE.get(kind, set()):
        return tuple(value)
    if kind is datetime and held == {str}:
        with suppress(ValueError):  # read one by one, the one that is wrong is named
            return tuple(map(datetime.fromisoformat, value))
    return tuple(_read(kind, item, f"{where}[{index}]") for index, item in enumerate(value))


def _read_leaf(kind: type, value: Any, where: str) -> Any:
    if kind is float and not isinstance(value, bool) and isinstance(value, (int, float, str)):
        return _converted(float, value, where)
    if isinstance(value, str) and kind is datetime:
        return _converted(datetime.fromisoformat, value, where)
    if isinstance(value, str) and issubclass(kind, StrEnum):
        return _converted(kind, value, where)
    if type(value) is not kind:
        raise InputError(f"{where} is {value!r:.40}, wanted {kind.__name__}")
    return value


def _converted(convert: Callable[[Any], Any], value: Any, where: str) -> Any:
    try:
        return convert(value)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where} is {value!r:.40}, which cannot be read: {error}") from error
