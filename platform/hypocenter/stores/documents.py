"""Frozen dataclasses as JSON text and back, so that a field more or less is no new table."""

from __future__ import annotations

import json
import sys
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
PLAIN = {"str": str, "int": int, "bool": bool}
PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_text(value: DataclassInstance) -> str:
    """Return a dataclass as one line of ASCII JSON; times are ISO 8601, tuples lists, dataclasses in it objects."""
    return json.dumps(_plain(value), sort_keys=True)


def from_text(kind: type[T], text: str, name: str = "") -> T:
    """Return the dataclass that `to_text` wrote; fields that it did not know take their defaults.

    Raises InputError naming the record, as `name` or by its kind, when it is damaged.
    """
    try:
        return _object(kind, json.loads(text))
    except (TypeError, ValueError) as error:
        raise damaged(name or kind.__name__, text, error) from error


def damaged(name: str, text: str, reason: object) -> InputError:
    """Return the error that says which record of the database cannot be read, and why."""
    return InputError(f"the record of {name} is damaged, restore it from a backup: {reason}; it says {text!r:.200}")


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since 1970.

    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (time - EPOCH) // timedelta(microseconds=1)


def moment(microseconds: int) -> datetime:
    """Return the time that is so many microseconds after 1970, in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def is_storable(text: str) -> bool:
    r"""Whether every database can hold a text: none of them takes halves of characters, PostgreSQL no zero.

    >>> is_storable("café"), is_storable("\ud800"), is_storable("a\0b")
    (True, False, False)
    """
    return "\0" not in text and text.encode(errors="replace") == text.encode(errors="surrogatepass")


def _plain(value: Any) -> Any:
    if type(value) in PLAIN_TYPES:
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return str(value) if isinstance(value, StrEnum) else value


def _object(kind: type[T], record: Any) -> T:
    assert is_dataclass(kind)
    words = vars(sys.modules[kind.__module__])
    known = [(field.name, str(field.type)) for field in fields(kind) if field.name in record]
    return kind(**{name: _typed(record[name], type_name, words.get(type_name)) for name, type_name in known})


def _typed(value: Any, type_name: str, word: Any) -> Any:
    """Return a value of JSON as its field has it; `word` is what the name of its type means where it is defined."""
    if value is None and type_name.endswith("None"):
        return None
    if isinstance(word, type) and issubclass(word, StrEnum):
        return word(value)
    if isinstance(word, type) and is_dataclass(word):
        return _object(word, value)
    if type_name.startswith("datetime"):
        return _aware(value)
    expected = list if type_name.startswith("tuple") else PLAIN.get(type_name, type(value))
    if type(value) is not expected:
        raise TypeError(f"{value!r:.40} is no {expected.__name__}")
    return tuple(value) if type(value) is list else value


def _aware(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} is a time without its zone")
    return time
