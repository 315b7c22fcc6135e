"""JSON as frozen dataclasses: a field that is not known is passed over, one that is missing or of another type told."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin

from hypocenter.errors import SourceError
from hypocenter.verdict_json import field_types

T = TypeVar("T")


def shaped(kind: type[T], value: object, place: str = "") -> T:
    """Return a JSON value as a type of these, or of simple ones; raises SourceError that names the field that is not.

    What JSON has no number for is null there, and NaN where nothing else may stand for it.

    >>> shaped(tuple[int, ...], [1, 2]), shaped(float, None)
    ((1, 2), nan)
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (UnionType, Union):
        return _optional(inner, value, place)  # type: ignore[no-any-return]
    if origin is tuple:
        items = _of(list, value, place)
        return tuple(shaped(inner[0], item, f"{place}[{at}]") for at, item in enumerate(items))  # type: ignore[return-value]
    if origin is Mapping:
        return {name: shaped(inner[1], each, f"{place}.{name}") for name, each in _of(dict, value, place).items()}  # type: ignore[return-value]
    if is_dataclass(kind):
        return _object(kind, _of(dict, value, place), place)
    return _simple(kind, value, place)


def _optional(inner: tuple[Any, ...], value: object, place: str) -> Any:
    (wanted,) = [each for each in inner if each is not type(None)]
    return None if value is None else shaped(wanted, value, place)


def _object(kind: type[T], value: Mapping[str, object], place: str) -> T:
    hints = field_types(cast("Hashable", kind))
    known = [each for each in fields(kind) if each.init]  # type: ignore[arg-type]
    missing = [each.name for each in known if each.name not in value and _is_needed(each)]
    if missing:
        raise SourceError(f"the server's answer lacks {place}.{missing[0]}; is it of this version?")
    given = {each.name: value[each.name] for each in known if each.name in value}
    return kind(**{name: shaped(hints[name], each, f"{place}.{name}") for name, each in given.items()})


def _is_needed(known: Field[Any]) -> bool:
    return known.default is MISSING and known.default_factory is MISSING


def _simple(kind: type[T], value: object, place: str) -> T:
    if kind is Any or kind is object:
        return value  # type: ignore[return-value]
    if kind is float and value is None:
        return math.nan  # type: ignore[return-value]
    try:
        if kind is datetime:
            return datetime.fromisoformat(_of(str, value, place))  # type: ignore[return-value]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)  # type: ignore[return-value]
        return kind(_of(str, value, place)) if _is_word(kind) else _of(kind, value, place)  # type: ignore[call-arg]
    except ValueError as error:
        raise _wrong(place, value) from error


def _is_word(kind: type) -> bool:
    return issubclass(kind, str) and kind is not str


def _of(kind: type[T], value: object, place: str) -> T:
    if type(value) is not kind:
        raise _wrong(place, value)
    return value


def _wrong(place: str, value: object) -> SourceError:
    return SourceError(
        f"the server's answer has {value!r:.60} as {place.lstrip('.') or 'a whole'}; is it of this version?"
    )
