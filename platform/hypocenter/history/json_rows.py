"""Incidents as JSON: a list, a server's answer that holds one, or either of them on each line."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError, LimitError
from hypocenter.history.row import BadRow, Row
from hypocenter.history.text_files import first_line, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypocenter.history.row import Names
    from hypocenter.history.text_files import TextFile

    Record = dict[str, Any]
    Prepare = Callable[[Record, str], Record]

DEEPEST = 8
MOST_TEXTS = 50_000
LONGEST_DOCUMENT = 200_000_000


def json_rows(
    text: TextFile,
    names: Names,
    lists: Sequence[str],
    prepare: Prepare,
    count_records: Callable[[], None],
    note: Callable[[str], None],
) -> Iterator[Row | BadRow]:
    """Yield the incidents of a JSON document or of JSON lines.

    `lists` are the fields under which servers put their lists; `prepare` turns a record's odd shapes into plain ones;
    `count_records` is called when the text is one document, and so has records and no lines to count; `note` is told
    when the last answer in it says that it is not the whole.
    What is no object is a BadRow. Raises InputError when the text is no JSON or breaks off, LimitError for a document
    that is too large to be read as one.
    """
    more = False
    for line, value in _values(text):
        more = isinstance(value, dict) and has_more(value)
        if not line:
            count_records()
        if isinstance(value, BadRow):
            yield value
            continue
        for number, record in enumerate(records_in(value, lists), start=1):
            yield _row(line or number, record, names, lambda record: prepare(record, text.where))
    if more:
        note(f"{text.where}: the answer says that there is more; save its other pages too, or import from the URL")


def has_more(page: Record) -> bool:
    """Whether an answer says that it is a page of several, in the words of PagerDuty, Opsgenie or Jira.

    >>> has_more({"incidents": [], "more": True}), has_more({"issues": [{}], "startAt": 0, "total": 2})
    (True, True)
    >>> has_more({"data": [], "paging": {"first": "https://api.opsgenie.com"}})
    False
    """
    paging, issues, total = page.get("paging"), page.get("issues"), page.get("total")
    if isinstance(issues, list):
        start = page.get("startAt") or 0
        counted = isinstance(total, int) and isinstance(start, int) and start + len(issues) < total
        return counted or page.get("isLast") is False or bool(page.get("nextPageToken"))
    return page.get("more") is True or (isinstance(paging, dict) and bool(paging.get("next")))


def records_in(value: object, lists: Sequence[str]) -> list[Any]:
    """Return the records of one JSON value: of a list, or of the list that an object of a server holds."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return [value]
    return next((value[name] for name in lists if isinstance(value.get(name), list)), [value])


def _row(line: int, record: object, names: Names, prepare: Callable[[Record], Record]) -> Row | BadRow:
    if not isinstance(record, dict):
        return BadRow(line, "no JSON object", type(record).__name__)
    try:
        return Row(line, flat(prepare(record), names))
    except ValueError as error:
        return BadRow(line, str(error))


def _values(text: TextFile) -> Iterator[tuple[int, Any]]:
    """Yield each line's number and value; 0 and the value where the text is one document over several lines."""
    at, first = first_line(text)
    lines = lines_of(text)
    try:
        start = json.loads(first)
    except (ValueError, RecursionError):
        yield 0, _document(text, first, lines)
        return
    later = ((number, line) for number, line in enumerate(lines, start=at + 1) if line.strip())
    second = next(later, None)
    yield at if second else 0, start
    for number, line in chain([second] if second else [], later):
        yield number, _line_value(text, number, line)


def _document(text: TextFile, first: str, lines: Iterator[str]) -> Any:
    parts, left = [first], LONGEST_DOCUMENT
    for line in lines:
        parts.append(line)
        left -= len(line)
        if left < 0:
            raise LimitError(
                f"{text.where}: a JSON document of more than {LONGEST_DOCUMENT:,} characters is not read as one; "
                "write one incident a line"
            )
    try:
        return json.loads("".join(parts))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{text.where}: neither a JSON document nor one JSON object a line ({str(error)[:100]}); it is half-written"
            " or no JSON"
        ) from error


def _line_value(text: TextFile, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        if not line.endswith(("\n", "\r")):
            where = f"{text.where}: breaks off in line {number}"
            raise InputError(f"{where}; it is half-written, export it again") from error
        return BadRow(number, "no JSON", str(error))


def flat(record: Record, names: Names) -> dict[str, list[str]]:
    """Return the texts in a record by the dotted path to them; lists add theirs up, what is empty has none.

    An object without fields is not there at all. What lies deeper than `DEEPEST` objects is not looked at. Raises
    ValueError for more than `MOST_TEXTS` texts.

    >>> from hypocenter.history.row import Names
    >>> flat({"service": {"summary": "Shop"}, "tags": ["a", 2, None], "notes": None}, Names())
    {'service.summary': ['Shop'], 'tags': ['a', '2'], 'notes': []}
    """
    found: dict[str, list[str]] = {}
    waiting: list[tuple[str, Any, int]] = [("", record, 0)]
    left = MOST_TEXTS
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, dict) and depth < DEEPEST:
            inner = [(f"{path}.{key}" if path else str(key), each, depth + 1) for key, each in value.items()]
            waiting += reversed(inner)
        elif value and isinstance(value, list) and depth < DEEPEST:
            waiting += [(path, each, depth + 1) for each in reversed(value)]
        else:
            found.setdefault(names(path), []).extend(_texts(value))
            left -= 1
            if not left:
                raise ValueError(f"more than {MOST_TEXTS:,} texts in one incident")
    return found


def _texts(value: object) -> list[str]:
    if not isinstance(value, (str, int, float)):
        return []
    text = str(value).lower() if isinstance(value, bool) else str(value).strip()
    return [text] if text else []
