"""A mapping file: what names and codes of other tools mean here, and which of their fields fill ours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.readers.yaml_documents import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping as Dict
    from pathlib import Path

    Fields = Dict[str, tuple[str, ...]]

PARTS = ("components", "fault_types", "fields")


@dataclass(frozen=True, slots=True)
class Terms:
    """What texts stand for: exact ones first, then the first pattern that fits the whole text."""

    exact: Dict[str, str] = field(default_factory=dict)
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()

    def __call__(self, text: str) -> str:
        """Return what `text` stands for, itself where nothing is said of it."""
        if not text or text in self.exact:
            return self.exact[text] if text else ""
        for pattern, goal in self.patterns:
            if found := pattern.fullmatch(text):
                return found.expand(goal)
        return text


@dataclass(frozen=True, slots=True)
class Mapping:
    """The parts of a mapping file: terms for components and fault types, and fields of the tool that go first."""

    component: Terms = field(default_factory=Terms)
    fault_type: Terms = field(default_factory=Terms)
    fields: Fields = field(default_factory=dict)


NO_MAPPING = Mapping()


def read_mapping(path: Path) -> Mapping:
    """Return the mapping in a YAML file; raises InputError that names what is wrong in it."""
    documents = read_yaml(path)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise InputError(f"{path}: write one mapping with the keys {', '.join(PARTS)}")
    document = documents[0]
    unknown = sorted(map(str, set(document) - set(PARTS)))
    if unknown:
        raise InputError(f"{path}: {', '.join(map(repr, unknown))}: none of {', '.join(PARTS)}")
    return Mapping(
        _terms(document.get("components"), f"{path}: components"),
        _terms(document.get("fault_types"), f"{path}: fault_types"),
        _fields(document.get("fields"), f"{path}: fields"),
    )


def _terms(value: Any, where: str) -> Terms:
    """Read `text: meaning`; a text in slashes is a pattern, in whose meaning `\\1` is its first group."""
    pairs = [(str(text), _meaning(goal, f"{where}: {text}")) for text, goal in _record(value, where).items()]
    exact = {text: goal for text, goal in pairs if not _is_pattern(text)}
    patterns = [_pattern(text[1:-1], goal, f"{where}: {text}") for text, goal in pairs if _is_pattern(text)]
    return Terms(exact, tuple(patterns))


def _is_pattern(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _pattern(text: str, goal: str, where: str) -> tuple[re.Pattern[str], str]:
    try:
        pattern = re.compile(text)
        # A reference to a group that is not there shows only when it is used; the line break ends a comment.
        if nothing := re.compile(f"{text}\n|").fullmatch(""):
            nothing.expand(goal)
    except (re.error, IndexError, OverflowError, RecursionError) as error:
        raise InputError(f"{where}: {error}; write a regular expression and refer to its groups alone") from error
    return pattern, goal


def _meaning(value: Any, where: str) -> str:
    """Return what a text stands for; null stands for nothing that is known."""
    if isinstance(value, (dict, list)):
        raise InputError(f"{where}: must be text, or null for what says nothing")
    return "" if value is None else str(value)


def _fields(value: Any, where: str) -> Fields:
    return {str(ours): _names(theirs, f"{where}: {ours}") for ours, theirs in _record(value, where).items()}


def _names(value: Any, where: str) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"{where}: must be the name of a field, or a list of names")
    return tuple(names)


def _record(value: Any, where: str) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{where}: must be a mapping, as `written: meant`")
    return value
