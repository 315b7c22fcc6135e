"""Series selectors of PromQL: checked, narrowed to metrics, and written from labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STRING = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)"""
# Spaces are never given back: where several may stand, trying each division of them would take for ever.
_MATCHER = rf"\s*+[a-zA-Z_][a-zA-Z0-9_]*\s*+(?:=~|!~|!=|=)\s*+{_STRING}\s*+"
_SELECTOR = re.compile(
    rf"\s*+(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)?\s*+(?:\{{(?P<matchers>(?:{_MATCHER}(?:,{_MATCHER})*,?)?\s*+)\}})?\s*+",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric's name, "" for any, and label matchers as PromQL writes them."""

    name: str
    matchers: str

    def __str__(self) -> str:
        return f"{self.name}{{{self.matchers}}}"

    def of(self, names: Iterable[str]) -> str | None:
        """Return the selector narrowed to metrics of these names, None when it is for none of them.

        >>> Selector("", 'namespace="shop"').of(["up"])
        '{namespace="shop",__name__=~"up"}'
        """
        if self.name:
            return str(self) if self.name in names else None
        return f"{{{','.join(filter(None, (self.matchers, one_of('__name__', names))))}}}"

    def where(self, matcher: str) -> str:
        """Return the selector with one matcher more.

        >>> Selector("up", 'namespace="shop"').where('job="a"')
        'up{namespace="shop",job="a"}'
        """
        return f"{self.name}{{{','.join(filter(None, (self.matchers, matcher)))}}}"


def parse_selector(text: str) -> Selector:
    """Return a series selector such as `{namespace="shop"}`, `up` or `up{job="a"}`; raises InputError for another.

    >>> str(parse_selector('up{job="a",}'))
    'up{job="a"}'
    """
    found = _SELECTOR.fullmatch(text)
    matchers = (found["matchers"] or "").strip().rstrip(",") if found else ""
    if found is None or not (found["name"] or matchers):
        raise InputError(f'--match {text!r}: write a series selector such as {{namespace="shop"}} or up{{job="a"}}')
    return Selector(found["name"] or "", matchers)


def parse_selectors(text: str) -> list[Selector]:
    """Return selectors that stand one after the other; raises InputError where there is something else.

    >>> [str(each) for each in parse_selectors('{namespace="my shop"} up{job="a"} down')]
    ['{namespace="my shop"}', 'up{job="a"}', 'down{}']
    """
    found, at = [], 0
    while at < len(text):
        match = _SELECTOR.match(text, at)
        # Where nothing fits the pattern still does, at no length: then all that is left is told.
        end = match.end() if match and match.end() > at else len(text)
        found.append(parse_selector(text[at:end]))
        at = end
    return found


def exactly(labels: Mapping[str, str]) -> str:
    """Return the selector of the one series with these labels.

    >>> exactly({"__name__": "up", "job": 'a"b'})
    '{__name__="up",job="a\\\\"b"}'
    """
    return "{" + ",".join(f"{label_name(name)}={_quoted(value)}" for name, value in sorted(labels.items())) + "}"


def one_of(name: str, values: Iterable[str], rest: str = "") -> str:
    """Return the matcher of a label that has one of these values, with what the regular expression `rest` takes.

    >>> one_of("job", ["b", "a"])
    'job=~"a|b"'
    """
    pattern = "|".join(re.escape(value) for value in sorted(values))
    return f"{label_name(name)}=~" + _quoted(f"({pattern}){rest}" if rest else pattern)


def label_name(name: str) -> str:
    """Return a label's name as PromQL takes it: quoted when it is no plain word, which only newer servers have.

    >>> label_name("job"), label_name("service.name")
    ('job', '"service.name"')
    """
    return name if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) else _quoted(name)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
