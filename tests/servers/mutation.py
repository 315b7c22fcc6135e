"""Bodies that somebody tampered with: bytes that were changed, and JSON in which a value is another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

TOKENS = (
    *(
        b"null",
        b"1e999",
        b"-1",
        b"NaN",
        b'"\\ud800"',
        b'"\\u0000"',
        b"[[[[",
        b"{}",
        b"[]",
        b'""',
        b"9" * 400,
        b"\x00",
        b"\xff",
    ),
    *(
        b'"0001-01-01T00:00:00Z"',
        b'"9999-12-31T23:59:59Z"',
        b"1e300",
        b"true",
        b"{" * 2000,
        b"\n",
        b",",
        b'"',
        b"\r\n\n",
    ),
)
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        2**63,
        10**300,
        1e308,
        -1e-308,
        "",
        "0",
        "x" * 5000,
        "\0",
        "\ud800",
        [],
        {},
        [[]],
        [None],
    ),
    *("0001-01-01T00:00:00Z", "2026-02-30", "20260301", "2026-03-01T12:00:00+25:00", "١٢", {"a": {"b": {"c": []}}}),
)


def tampered(body: bytes, random: Random) -> bytes:
    """Return a body that differs from `body` in one to four places."""
    for _ in range(random.randint(1, 4)):
        body = _replaced(body, random) if random.random() < 0.5 else _cut(body, random)
    return body


def _cut(body: bytes, random: Random) -> bytes:
    start = random.randint(0, len(body))
    end = min(len(body), start + random.choice((0, 0, 1, 1, 4, 40)))
    middle = random.choice((b"", random.choice(TOKENS), body[start:end] * 2, random.randbytes(2)))
    return body[:start] + middle + body[end:]


def _replaced(body: bytes, random: Random) -> bytes:
    """Return a JSON text in which a value anywhere is another, or a field is gone or has another name."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return _cut(body, random)
    places = [
        (holder, key)
        for holder in _holders(value)
        for key in (holder if isinstance(holder, dict) else range(len(holder)))
    ]
    if not places:
        return json.dumps(random.choice(VALUES)).encode()
    holder, key = random.choice(places)
    holder[key] = random.choice(VALUES)
    if isinstance(holder, dict) and random.random() < 0.3:
        holder[random.choice(("x" * 1500, "", "labels", "\ud800"))] = holder.pop(key)
    return json.dumps(value).encode()


def _holders(value: Any) -> list[Any]:
    found, waiting = [], [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, (dict, list)):
            found.append(each)
            waiting += each.values() if isinstance(each, dict) else each
    return found
