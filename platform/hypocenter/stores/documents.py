"""Frozen dataclasses as JSON text and back, so that a field more or less is no new table."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_text(value: DataclassInstance) -> str:
    """Return a flat dataclass as one line of ASCII JSON; times are ISO 8601, tuples lists."""
    return json.dumps({field.name: _plain(getattr(value, field.name)) for field in fields(value)}, sort_keys=True)


def from_text(kind: type[T], text: str) -> T:
    """Return the dataclass that `to_text` wrote; fields that it did not know take their defaults."""
    assert is_dataclass(kind)
    record = json.loads(text)
    return kind(
        **{field.name: _typed(record[field.name], str(field.type)) for field in fields(kind) if field.name in record}
    )


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
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, StrEnum) else value


def _typed(value: Any, type_name: str) -> Any:
    if value is not None and type_name.startswith("datetime"):
        return datetime.fromisoformat(value)
    return tuple(value) if type_name.startswith("tuple") else value
