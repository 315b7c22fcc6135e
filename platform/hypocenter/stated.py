"""What a JSON text states, taken only as the type it should be: a word where a number belongs is an error, not a cast.

All raise ValueError; who reads a file says in which field.
"""

from __future__ import annotations

from typing import Any


def text(value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.60} is no text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Return a list of texts.

    >>> texts(["a", "b"])
    ('a', 'b')
    """
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r:.60} is no list")
    return tuple(map(text, value))


def truth(value: Any) -> bool:
    """Return true or false; no other value counts as either."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.60} is neither true nor false")
    return value


def whole(value: Any, least: int = 0) -> int:
    """Return a whole number of at least `least`."""
    if type(value) is not int or value < least:
        raise ValueError(f"{value!r:.60} is no whole number from {least}")
    return value


def number(value: Any) -> float:
    """Return a number; it may be NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.60} is no number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{value!r:.60} is too large") from error


def within(value: Any, least: float, most: float) -> float:
    """Return a number from `least` to `most`.

    >>> within(float("nan"), 0, 1)
    Traceback (most recent call last):
    ValueError: nan is not from 0 to 1
    """
    found = number(value)
    if not least <= found <= most:
        raise ValueError(f"{value!r:.60} is not from {least:g} to {most:g}")
    return found
