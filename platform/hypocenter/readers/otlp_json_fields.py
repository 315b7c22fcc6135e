"""Fields of OTLP's JSON, read from documents that nobody vouches for.

Source: OTLP specification, "JSON Protobuf Encoding": ids in hexadecimal, 64-bit integers as text or number,
enumerations as integers, unknown fields ignored. Keys are taken in lowerCamelCase and in snake_case.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.readers.statements import Record, as_list, as_record

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(r"[ \t\r\n]*")
_LONGEST_NUMBER = 20
_LAST_NS = 2**63 - 1


def documents_in(body: bytes, where: str) -> Iterator[Any]:
    """Yield the JSON values that stand one after another in a body. Raises InputError that names the line."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: byte {error.start} is not UTF-8; OTLP/JSON is written in UTF-8") from error
    decoder, at = json.JSONDecoder(), _after_space(text, 0)
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            line = text.count("\n", 0, at) + 1
            raise InputError(f"{where}: line {line}: no whole JSON begins here ({str(error)[:100]})") from error
        yield value
        at = _after_space(text, end)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def items_in(record: Record, name: str, above: str) -> Iterator[tuple[Record, str]]:
    """Yield the objects of a list, each with its place. Raises InputError."""
    for at, item in enumerate(as_list(value_in(record, name), above + name)):
        place = f"{above}{name}[{at}]"
        yield as_record(item, place), place


def value_in(record: Record, name: str) -> Any:
    """Return a field by its lowerCamelCase name, or by its snake_case one; None when it is absent or null."""
    value = record.get(name)
    return record.get(_snake(name)) if value is None else value


@cache
def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def text_in(record: Record, name: str, where: str) -> str:
    """Return a field's text, "" when it is absent. Raises InputError when it is no text."""
    value = value_in(record, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{where}.{name}: must be text, not {type(value).__name__}")
    return whole_text(value)


def whole_text(text: str) -> str:
    """Return text with halves of surrogate pairs, which JSON can escape and UTF-8 cannot hold, replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def nanoseconds_in(span: Record, name: str, where: str) -> int:
    """Return a field's time in ns since 1970, 0 when it is absent. Raises InputError when it is no time until 2262."""
    value = value_in(span, name)
    value = 0 if value is None else value
    if isinstance(value, str) and value.isdecimal() and len(value) <= _LONGEST_NUMBER:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LAST_NS:
        raise InputError(f"{where}.{name}: {str(value)[:40]!r} must be nanoseconds since 1970, up to the year 2262")
    return value


def enum_of(value: object, names: tuple[str, ...], where: str) -> int:
    """Return the number of an enumeration's value, 0 when it is absent. Raises InputError."""
    if isinstance(value, str) and value in names:
        return names.index(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value or 0
    raise InputError(f"{where}: {str(value)[:40]!r} must be a whole number from 0 to {len(names) - 1}")


def scalar_text(value: object) -> str:
    """Return a text, number or truth value as text, "" for anything else."""
    if isinstance(value, str):
        return whole_text(value)
    return json.dumps(value) if isinstance(value, (bool, int, float)) else ""
