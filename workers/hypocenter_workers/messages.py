"""What is sent along with a task, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypocenter.arguments import parse_time
from hypocenter.errors import InputError
from hypocenter.model import Target
from hypocenter.readers.overrides import overrides_of
from hypocenter.readers.statements import as_list, dependencies_of
from hypocenter_workers.investigate import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from hypocenter.model import Dependency


def options_from_json(message: Mapping[str, Any]) -> Options:
    """Return the Options in a message; what it does not mention keeps its default.

    `at` is ISO 8601 (UTC unless it says), `dependencies` a list of `[caller, callee]` or `[caller, callee, type]`,
    `target` is `[component]` or `[component, metric]`, `component_labels` a list, `overrides` an object, `precision` a
    number. Raises
    InputError naming the field for anything else.

    >>> options_from_json({"target": ["web"], "precision": 0.8}).target
    Target(component='web', metric=None)
    """
    unknown = sorted(set(message) - set(_READERS))
    if unknown:
        raise InputError(f"unknown option {', '.join(unknown)}; choose from {', '.join(_READERS)}")
    given = {name: value for name, value in message.items() if value is not None}
    return Options(**{name: _field(name, value) for name, value in given.items()})


def _field(name: str, value: Any) -> Any:
    try:
        return _READERS[name](value)
    except (TypeError, ValueError, InputError) as error:
        raise InputError(f"option {name} is {value!r:.60}, which cannot be read: {error}") from error


def _time(value: Any) -> datetime:
    return parse_time(_text(value))


def _target(value: Any) -> Target:
    return Target(*_texts(value))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, as_list(value, "it")))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} must be text")
    return value


def _dependencies(value: Any) -> tuple[Dependency, ...]:
    return dependencies_of(value, "it")


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "at": _time,
    "dependencies": _dependencies,
    "target": _target,
    "precision": float,
    "component_labels": _texts,
    "overrides": lambda value: overrides_of(value, "it"),
}
