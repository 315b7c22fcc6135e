"""Series selectors of PromQL, evaluated on labels; regular expressions are RE2's, which take linear time."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from hypocenter.batches import Labels
    from hypocenter.readers.selectors import Selector
    from hypocenter.stores.metrics import StoredSeries

_STRING = r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)"""
_MATCHER = re.compile(rf"\s*(?P<label>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?P<operator>=~|!~|!=|=)\s*{_STRING}\s*,?", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_ESCAPES = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label's value, "" where the series has none: `=`, `!=`, `=~` or `!~`."""

    label: str
    operator: str
    value: str

    def kept(self, values: Collection[str]) -> frozenset[str]:
        """Return which of the values fulfil it; raises InputError for a regular expression that RE2 does not take."""
        matched = _full_matches(self.value, values) if "~" in self.operator else {self.value}
        return frozenset(value for value in values if (value in matched) != self.operator.startswith("!"))


def matchers_of(selector: Selector) -> tuple[Matcher, ...]:
    r"""Return the conditions that a selector puts.

    >>> from hypocenter.readers.selectors import parse_selector
    >>> matchers_of(parse_selector('up{job=~"a|b", path!="\\n"}'))[1:]
    (Matcher(label='job', operator='=~', value='a|b'), Matcher(label='path', operator='!=', value='\n'))
    """
    named = [Matcher("__name__", "=", selector.name)] if selector.name else []
    found = (_MATCHER.finditer(selector.matchers)) if selector.matchers else ()
    return (*named, *(Matcher(one["label"], one["operator"], _unquoted(one["string"])) for one in found))


def matching(candidates: Sequence[StoredSeries], selector: Selector) -> Iterator[StoredSeries]:
    """Yield the series that fulfil every condition of a selector."""
    left: Iterable[StoredSeries] = candidates
    for matcher in matchers_of(selector):
        values = [(one, _value(one.labels, matcher.label)) for one in left]
        kept = matcher.kept({value for _, value in values})
        left = [one for one, value in values if value in kept]
    yield from left


def _value(labels: Labels, label: str) -> str:
    return next((value for name, value in labels if name == label), "")


def _full_matches(pattern: str, values: Collection[str]) -> set[str]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    listed = pa.array(list(values), pa.string())
    try:
        return set(listed.filter(pc.match_substring_regex(listed, f"^(?s:{pattern})$")).to_pylist())
    except pa.ArrowInvalid as error:
        raise InputError(f"{pattern!r} is no regular expression that RE2 takes: {error}") from error


def _unquoted(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    if digits or found[4]:
        return _character(int(digits, 16) if digits else int(found[4], 8), found[0])
    if found[5] not in _ESCAPES:
        raise InputError(f"a selector's string holds {found[0]!r}, which is no escape; write \\\\ for a backslash")
    return _ESCAPES[found[5]]


def _character(number: int, escape: str) -> str:
    if number > sys.maxunicode or 0xD800 <= number < 0xE000:
        raise InputError(f"a selector's string holds {escape}, which is no character")
    return chr(number)
