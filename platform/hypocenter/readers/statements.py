"""What a case states about itself (`case.json`) to the words of the domain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.model import Alert, ChangeEvent, Component, ComponentType, Dependency, DependencyType, Target
from hypocenter.readers.limits import Limits, check_file
from hypocenter.readers.times import to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

Record = dict[str, Any]


def read_json(path: Path, limits: Limits) -> Any:
    """Return the JSON value in `path`; raises InputError when it is none."""
    check_file(path, limits)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path}: not JSON in UTF-8 ({str(error)[:100]})") from error


def as_record(value: object, where: str) -> Record:
    """Return `value` when it is a JSON object, {} for null; raises InputError otherwise."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{where}: must be a JSON object, not {type(value).__name__}")
    return value


def as_list(value: object, where: str) -> list[Any]:
    """Return `value` when it is a JSON list, [] for null; raises InputError otherwise."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError(f"{where}: must be a JSON list, not {type(value).__name__}")
    return value


def text_of(record: Record, name: str, where: str, default: str | None = None) -> str:
    """Return a field's text; raises InputError when it is absent and there is no default, or is no text."""
    value = record.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        raise InputError(f"{where}: field {name!r} must be text")
    return str(value)


def moment_of(record: Record, name: str, where: str) -> datetime | None:
    """Return a field's time, None when it is absent or null."""
    value = record.get(name)
    return None if value is None else to_datetime(value, f"{where}: field {name!r}")


def dependencies_of(value: object, where: str, type_: DependencyType = DependencyType.CALLS) -> tuple[Dependency, ...]:
    """Return `[caller, callee]` or `[caller, callee, TYPE]` pairs as dependencies, each once, in their order."""
    pairs = as_list(value, where)
    return tuple(dict.fromkeys(_dependency(pair, f"{where}[{at}]", type_) for at, pair in enumerate(pairs)))


def components_of(value: object, where: str) -> tuple[Component, ...]:
    """Return `{name, type}` records or bare names as components; a type nobody knows reads as a service."""
    return tuple(_component(item, f"{where}[{at}]") for at, item in enumerate(as_list(value, where)))


def alerts_of(extras: Record, where: str) -> tuple[Alert, ...]:
    """Return the alerts that `extras.alerts` and `extras.alert` state."""
    stated = [_alert(record, place) for record, place in _records(extras, "alerts", where)]
    fired = as_record(extras.get("alert"), f"{where}: extras.alert")
    return (*stated, *([_fired_alert(fired, f"{where}: extras.alert")] if fired else []))


def changes_of(extras: Record, where: str) -> tuple[ChangeEvent, ...]:
    """Return the change events that `extras.changes` and `extras.deploys` state, in order of time."""
    changes = [_change(record, place) for record, place in _records(extras, "changes", where)]
    deploys = [_deploy(record, place) for record, place in _records(extras, "deploys", where)]
    return tuple(sorted([*changes, *deploys], key=lambda change: change.at))


def target_of(extras: Record, columns: set[tuple[str, str]], where: str) -> Target | None:
    """Return the symptom that `extras.target` or else `extras.alert` names.

    `columns` are the (component, metric) pairs there are: a metric stated apart from its aggregation (`agg`) is
    named as its column is.
    """
    target = as_record(extras.get("target"), f"{where}: extras.target")
    if target:
        node = text_of(target, "node", f"{where}: extras.target")
        metric = text_of(target, "metric", f"{where}: extras.target", "")
        joined = f"{metric}_{target.get('agg')}"
        return Target(node, (joined if (node, joined) in columns else metric) or None)
    alert = as_record(extras.get("alert"), f"{where}: extras.alert")
    if alert:
        place = f"{where}: extras.alert"
        return Target(text_of(alert, "service", place), text_of(alert, "metric", place, "") or None)
    return None


def _records(extras: Record, name: str, where: str) -> Iterator[tuple[Record, str]]:
    place = f"{where}: extras.{name}"
    for at, item in enumerate(as_list(extras.get(name), place)):
        yield as_record(item, f"{place}[{at}]"), f"{place}[{at}]"


def _dependency(pair: object, where: str, type_: DependencyType) -> Dependency:
    ends = as_list(pair, where)
    if len(ends) not in (2, 3) or not all(isinstance(end, str) and end for end in ends):
        raise InputError(f"{where}: must be [caller, callee] or [caller, callee, type], all text")
    if len(ends) == 3:
        type_ = _dependency_type(ends[2], where)
    return Dependency(ends[0], ends[1], type_)


def _dependency_type(name: str, where: str) -> DependencyType:
    try:
        return DependencyType(name.upper())
    except ValueError as error:
        raise InputError(f"{where}: {name!r} is none of {', '.join(DependencyType)}") from error


def _component(item: object, where: str) -> Component:
    if isinstance(item, str) and item:
        return Component(item)
    record = as_record(item, where)
    type_ = _TYPES.get(_type_of(record, where), ComponentType.SERVICE)
    return Component(text_of(record, "name", where), type_)


_TYPES = {str(type_): type_ for type_ in ComponentType}


def _type_of(record: Record, where: str) -> str:
    stated = record.get("type") or ""
    if not isinstance(stated, str):
        raise InputError(f"{where}: field 'type' must be text, as {', '.join(_TYPES)}")
    return stated.lower()


def unknown_types(value: object, where: str) -> tuple[str, ...]:
    """Return a note that names the component types in `value` that nobody knows, or none."""
    records = (item for item in as_list(value, where) if isinstance(item, dict))
    unknown = sorted({_type_of(record, where) for record in records} - {"", *_TYPES})
    return (f"{where}: {', '.join(map(repr, unknown))} is no known type and reads as a service",) if unknown else ()


def _alert(record: Record, where: str) -> Alert:
    return Alert(
        component=text_of(record, "component", where),
        name=text_of(record, "name", where, ""),
        at=moment_of(record, "at", where),
        modality=text_of(record, "modality", where, "metric"),
        state=text_of(record, "state", where, ""),
        peer=text_of(record, "peer", where, "") or None,
        host=text_of(record, "host", where, "") or None,
        severity=text_of(record, "severity", where, ""),
        summary=text_of(record, "summary", where, ""),
    )


def _fired_alert(record: Record, where: str) -> Alert:
    return Alert(
        component=text_of(record, "service", where),
        name=text_of(record, "monitor", where, text_of(record, "metric", where, "")),
        at=moment_of(record, "fired_at", where),
        severity=text_of(record, "severity", where, ""),
        summary=text_of(record, "summary", where, ""),
    )


def _change(record: Record, where: str) -> ChangeEvent:
    return ChangeEvent(
        component=text_of(record, "component", where),
        at=to_datetime(record.get("at"), f"{where}: field 'at'"),
        type=text_of(record, "type", where, "deploy"),
        title=text_of(record, "title", where, ""),
        reference=text_of(record, "reference", where, ""),
    )


def _deploy(record: Record, where: str) -> ChangeEvent:
    return ChangeEvent(
        component=text_of(record, "service", where),
        at=to_datetime(record.get("timestamp"), f"{where}: field 'timestamp'"),
        type="deploy",
        title=text_of(record, "version", where, ""),
        reference=text_of(record, "commit_sha", where, ""),
    )
