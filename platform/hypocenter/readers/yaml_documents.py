"""YAML and JSON files to plain values, safe against what YAML makes possible."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from hypocenter.errors import InputError, LimitError
from hypocenter.readers.limits import check_file, limits_from_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypocenter.readers.limits import Limits

DEEPEST = 100
MOST_REPEATED = 100_000
_FIX = "write YAML or JSON in UTF-8"
_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,400})")
_BASED = re.compile(r"0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NO_TEXT = frozenset("~nNtTfF-+.0123456789")


def read_yaml(path: Path, limits: Limits | None = None) -> list[Any]:
    """Return the documents of a YAML or JSON file in their order, those that are empty left out.

    Raises InputError that names file, line and fix; LimitError when the file is too large, too deep or repeats too
    much by aliases.
    """
    check_file(path, limits or limits_from_settings())
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({_line(error)}); {_FIX}") from error
    return yaml_documents(text, str(path))


def yaml_documents(text: str, where: str) -> list[Any]:
    r"""Return the documents in `text`; `where` begins every message. Raises as `read_yaml` does.

    Plain words are read by the core schema of YAML 1.2: `no`, `on`, `12:30`, `007` and dates stay text.

    >>> yaml_documents("a: no\nb: [1, 2026-03-01]\n---\n---\n007", "a.yaml")
    [{'a': 'no', 'b': [1, '2026-03-01']}, '007']
    """
    if text.lstrip()[:1] in ("{", "["):
        values = _json_values(text, where)
        if values:
            return values
    try:
        return _build_documents(text, where)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise InputError(f"{where}:{line} {error.problem or error.context}; {_FIX}") from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise InputError(f"{where}: not YAML ({_line(error)}); {_FIX}") from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]


def _json_values(text: str, where: str) -> list[Any]:
    """Return the JSON value in `text`, [] when the reader of YAML should look: to read it, or to say what is wrong."""
    try:
        return [json.loads(text, object_pairs_hook=_unique)]
    except RecursionError as error:
        raise LimitError(f"{where}: nested more than {DEEPEST} deep; flatten it") from error
    except ValueError:
        return []


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


@dataclass
class _Collection:
    """A list or mapping that is being built; `key` waits for its value, `()` when there is none."""

    value: list[Any] | dict[Any, Any]
    anchor: str | None
    nodes_before: int
    key: Any = ()
    merged: list[Any] = field(default_factory=list)


def _build_documents(text: str, where: str) -> list[Any]:
    builder = _Builder(where)
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        builder.take(event)
    return [document for document in builder.documents if document is not None]


class _Builder:
    """Builds values from the events of a parser, without recursion: libyaml's own composer overflows the C stack.

    `nodes` counts what is written and what aliases repeat, `repeated` the latter alone: an alias counts as many nodes
    as what it repeats holds, so that a few lines cannot stand for millions of values.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.documents: list[Any] = []
        self.open: list[_Collection] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = self.repeated = 0
        self._steps: dict[type, Callable[[Any], None]] = {
            yaml.DocumentStartEvent: self._start_document,
            yaml.AliasEvent: self._repeat,
            yaml.ScalarEvent: self._add_scalar,
            yaml.SequenceStartEvent: self._open_list,
            yaml.MappingStartEvent: self._open_mapping,
            yaml.SequenceEndEvent: self._close,
            yaml.MappingEndEvent: self._close,
        }

    def take(self, event: Any) -> None:
        """Take the next event of the parser; raises InputError when it makes no plain value."""
        step = self._steps.get(type(event))
        if step:
            step(event)

    def _start_document(self, _: Any) -> None:
        self.anchors = {}

    def _repeat(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            raise self._error(event, f"*{event.anchor} stands for nothing before it; write the value out")
        value, size = self.anchors[event.anchor]
        self.nodes += size
        self.repeated += size
        if self.repeated > MOST_REPEATED:
            raise LimitError(f"{self._at(event)}: aliases repeat more than {MOST_REPEATED:,} values; write them out")
        self._add(value, event)

    def _add_scalar(self, event: Any) -> None:
        if event.tag not in (None, "!", _TAG + "str"):
            raise self._error(event, f"tag {event.tag.removeprefix(_TAG)!r} is not known; leave it out")
        value = _plain(event.value) if event.implicit[0] and event.tag is None else event.value
        self.nodes += 1
        if event.anchor:
            self.anchors[event.anchor] = value, 1
        self._add(value, event, is_merge=value == "<<" and event.implicit[0])

    def _open_list(self, event: Any) -> None:
        self._open_collection(event, [])

    def _open_mapping(self, event: Any) -> None:
        self._open_collection(event, {})

    def _open_collection(self, event: Any, value: list[Any] | dict[Any, Any]) -> None:
        if not event.implicit and event.tag not in (_TAG + "seq", _TAG + "map", "!"):
            raise self._error(event, f"tag {event.tag.removeprefix(_TAG)!r} is not known; leave it out")
        if len(self.open) == DEEPEST:
            raise LimitError(f"{self._at(event)}: nested more than {DEEPEST} deep; flatten it")
        if self.open and isinstance(self.open[-1].value, dict) and self.open[-1].key == ():
            raise self._error(event, "a key must be plain text")
        self.open.append(_Collection(value, event.anchor, self.nodes))
        self.nodes += 1

    def _close(self, event: Any) -> None:
        closed = self.open.pop()
        value = closed.value
        if isinstance(value, dict):
            for mapping in closed.merged:
                value |= {key: mapping[key] for key in mapping if key not in value}
        if closed.anchor:
            self.anchors[closed.anchor] = value, self.nodes - closed.nodes_before
        self._add(value, event)

    def _add(self, value: Any, event: Any, is_merge: bool = False) -> None:
        if not self.open:
            self.documents.append(value)
            return
        parent = self.open[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key == ():
            self._add_key(_MERGE if is_merge else value, parent, event)
        else:
            self._add_value(value, parent, event)

    def _add_key(self, key: Any, parent: _Collection, event: Any) -> None:
        if isinstance(key, (list, dict)):
            raise self._error(event, "a key must be plain text")
        if key in parent.value:
            raise self._error(event, f"key {str(key)[:80]!r} is there twice; keep one of them")
        parent.key = key

    def _add_value(self, value: Any, parent: _Collection, event: Any) -> None:
        key, parent.key = parent.key, ()
        if key is not _MERGE:
            parent.value[key] = value
            return
        mappings = value if isinstance(value, list) else [value]
        if not all(isinstance(mapping, dict) for mapping in mappings):
            raise self._error(event, "<< merges mappings alone; name one")
        parent.merged.extend(mappings)

    def _at(self, event: Any) -> str:
        return f"{self.where}: line {event.start_mark.line + 1}"

    def _error(self, event: Any, problem: str) -> InputError:
        return InputError(f"{self._at(event)}: {problem}")


_MERGE = object()


def _plain(text: str) -> Any:
    """Return what a word without quotes means, by the core schema of YAML 1.2."""
    if text and text[0] not in _NO_TEXT:
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text[0] in "tT"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) or _INFINITE.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
