"""JSON from outside: whatever it holds, it is read as what was asked for or refused by the name of its field."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from hypocenter.errors import InputError, LimitError
from hypocenter.ingest.moments import to_moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

MOST_RECORDS = 10_000
MOST_LABELS = 256
LONGEST_NAME = 1_000
LONGEST_TEXT = 4_000
BODY = "body"


@dataclass(frozen=True, slots=True)
class Record:
    """A JSON object and where it was found, as `body.alerts[0]`; a field that is null is not there.

    Its methods raise InputError that names the field when it holds something else.
    """

    fields: Mapping[str, Any]
    where: str

    def text(self, *names: str) -> str:
        """Return the first of these fields that is there as text, cut where it is long; "" without any."""
        found = self._first(*names)
        return "" if found is None else _cut(_text(found[1], self._place(found[0])))

    def name(self, *names: str) -> str:
        """Return the first of these fields that is there as text that is no longer than a name may be."""
        found = self._first(*names)
        return "" if found is None else short_name(_text(found[1], self._place(found[0])), self._place(found[0]))

    def moment(self, *names: str) -> datetime | None:
        """Return the first of these fields that is there as a time in UTC."""
        found = self._first(*names)
        return None if found is None else to_moment(found[1], self._place(found[0]))

    def record(self, name: str) -> Record:
        """Return the object in a field, one without fields where it is not there."""
        value = self.fields.get(name)
        return as_record({} if value is None else value, self._place(name))

    def records(self, name: str) -> list[Record]:
        """Return the objects in a list; raises LimitError for too many."""
        value = self.fields.get(name)
        return as_records([] if value is None else value, self._place(name))

    def texts(self, name: str) -> dict[str, str]:
        """Return names with texts, without the empty ones, in order of names; raises LimitError for too many."""
        record = self.record(name)
        if len(record.fields) > MOST_LABELS:
            raise LimitError(f"{record.where}: {len(record.fields):,} are more than the limit of {MOST_LABELS}")
        found = {short_name(_clean(key), record.where): record.text(key) for key in sorted(record.fields)}
        return {key: value for key, value in found.items() if key and value}

    def _first(self, *names: str) -> tuple[str, Any] | None:
        return next(((name, self.fields[name]) for name in names if self.fields.get(name) is not None), None)

    def _place(self, name: str) -> str:
        return f"{self.where}.{name[:100]}"


def read_json(body: bytes, where: str = BODY) -> Any:
    """Return the value of a JSON text; raises InputError for what is none or is nested too deeply."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON: {str(error)[:200]}") from error


def read_records(body: bytes) -> list[Record]:
    """Return the objects of a body: one, a list of them, or one a line.

    Raises InputError for anything else, LimitError for more than `MOST_RECORDS`.
    """
    try:
        value = read_json(body)
    except InputError:
        lines = [line for line in body.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return list(_lines(body))
    return as_records(value) if isinstance(value, list) else [as_record(value)]


def as_records(value: Any, where: str = BODY) -> list[Record]:
    """Return the objects of a list; raises InputError when it is none, LimitError when there are too many."""
    if not isinstance(value, list):
        raise InputError(f"{where} must be a list of objects")
    _check_count(len(value), where)
    return [as_record(each, f"{where}[{number}]") for number, each in enumerate(value)]


def as_record(value: Any, where: str = BODY) -> Record:
    """Return an object as a record; raises InputError when it is none."""
    if not isinstance(value, dict):
        raise InputError(f"{where} must be an object")
    return Record(value, where)


def short_name(text: str, place: str) -> str:
    """Return a name; raises InputError when it is longer than `LONGEST_NAME`."""
    if len(text) > LONGEST_NAME:
        raise InputError(f"{place}: a name of {len(text):,} characters; the limit is {LONGEST_NAME:,}")
    return text


def _lines(body: bytes) -> Iterator[Record]:
    taken = 0
    for number, line in enumerate(body.splitlines(), start=1):
        if line.strip():
            taken += 1
            _check_count(taken, BODY)
            yield as_record(read_json(line, f"line {number}"), f"line {number}")


def _check_count(count: int, where: str) -> None:
    if count > MOST_RECORDS:
        raise LimitError(f"{where}: more than {MOST_RECORDS:,} objects; send fewer at once")


def _text(value: Any, place: str) -> str:
    if isinstance(value, (dict, list)):
        raise InputError(f"{place} must be text")
    return str(value).lower() if isinstance(value, bool) else _clean(str(value))


def _clean(text: str) -> str:
    """Return a text that every store and page can hold: a zero or half a character is replaced."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
