"""Incident histories: one incident a line, as alerts over a graph of components."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from typing import TYPE_CHECKING

from hypocenter.errors import InputError, LimitError
from hypocenter.model import Alert, Component, ComponentType, Dependency, DependencyType
from hypocenter.readers.limits import Limits, check_file, limits_from_settings
from hypocenter.readers.statements import Record, as_list, as_record, dependencies_of, moment_of, text_of
from hypocenter.telemetry import Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    OnError = Callable[[str, InputError], None]

INCIDENT_SUFFIXES = (".jsonl", ".jsonl.gz")
# What a line knows of the answer (its root, its kind of fault, the fault's end) is never read.
_RELATIONS = (
    ("edges", DependencyType.CALLS),
    ("hosted_on", DependencyType.RUNS_ON),
    ("instance_of", DependencyType.INSTANCE_OF),
)


def is_incidents(path: Path) -> bool:
    """Whether `path` is named like a file of incidents."""
    return path.name.lower().endswith(INCIDENT_SUFFIXES)


def read_incidents(path: Path, limits: Limits | None = None, *, on_error: OnError | None = None) -> Iterator[Case]:
    """Yield the incidents in a `.jsonl` or `.jsonl.gz` file, one a line, as cases.

    A line that is no incident is told to `on_error` and passed over, or raises InputError where nobody listens. Raises
    InputError for a file without a line, LimitError when the file is too large, also once unpacked.
    """
    limits = limits or limits_from_settings()
    check_file(path, limits)
    number = 0
    for number, line in _lines(path, limits):
        where = f"{path}:{number}"
        try:
            case = _case(_record(line, where), where)
        except InputError as error:
            if on_error is None:
                raise
            on_error(f"{path.name}:{number}", error)
        else:
            yield case
    if number == 0:
        raise InputError(f"{path}: no incident in it; write one JSON object a line")


def _lines(path: Path, limits: Limits) -> Iterator[tuple[int, bytes]]:
    left = limits.file_bytes
    try:
        with _open(path) as lines:
            for number in itertools.count(1):
                line = lines.readline(left + 1)
                left -= len(line)
                if not line:
                    return
                if left < 0:
                    raise LimitError(
                        f"{path}: holds more than the limit of {limits.file_bytes:,} bytes; "
                        "split the file or raise HYPOCENTER_MAX_FILE_BYTES"
                    )
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read to its end ({error}); write it again") from error


def _open(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _record(line: bytes, where: str) -> Record:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not a JSON object in UTF-8 ({str(error)[:100]})") from error
    if not isinstance(value, dict):
        raise InputError(f"{where}: must be a JSON object, not {type(value).__name__}")
    return value


def _case(record: Record, where: str) -> Case:
    dependencies = [
        dependency
        for field, type_ in _RELATIONS
        for dependency in dependencies_of(record.get(field), f"{where}: {field}", type_)
    ]
    alerts, notes = _alerts(record, where)
    return Case(
        case_id=text_of(record, "case_id", where),
        system=text_of(record, "system", where, ""),
        dataset=text_of(record, "dataset", where, ""),
        alerts=tuple(alerts),
        components=_components(record, dependencies, where),
        dependencies=tuple(dependencies) if any(field in record for field, _ in _RELATIONS) else None,
        started_at=moment_of(record, "inject_time", where),
        notes=notes,
    )


def _components(record: Record, dependencies: list[Dependency], where: str) -> tuple[Component, ...]:
    """Return the nodes and all that a dependency names; what hosts is a host, what is hosted a pod."""
    nodes = as_list(record.get("nodes"), f"{where}: nodes")
    if not all(isinstance(node, str) and node for node in nodes):
        raise InputError(f"{where}: nodes must be a list of names")
    types = {end: ComponentType.SERVICE for each in dependencies for end in (each.caller, each.callee)}
    for each in dependencies:
        if each.type is not DependencyType.CALLS:
            types[each.caller] = ComponentType.POD
        if each.type is DependencyType.RUNS_ON:
            types[each.callee] = ComponentType.HOST
    return tuple(Component(name, types.get(name, ComponentType.SERVICE)) for name in dict.fromkeys([*nodes, *types]))


def _alerts(record: Record, where: str) -> tuple[tuple[Alert, ...], tuple[str, ...]]:
    if "events" not in record:
        raise InputError(f"{where}: no field 'events'; an incident lists what fired")
    events = as_list(record["events"], f"{where}: events")
    records = [as_record(event, f"{where}: events[{at}]") for at, event in enumerate(events)]
    alerts = tuple(_alert(each, f"{where}: events[{at}]") for at, each in enumerate(records) if each.get("entity"))
    if not alerts:
        return (), ("no alert fired",)
    nameless = len(records) - len(alerts)
    return alerts, (f"{nameless} alerts name no entity and were left out",) if nameless else ()


def _alert(record: Record, where: str) -> Alert:
    return Alert(
        component=text_of(record, "entity", where),
        name=text_of(record, "name", where, ""),
        at=moment_of(record, "ts", where),
        modality=text_of(record, "kind", where, "metric"),
        state=text_of(record, "state", where, ""),
        peer=text_of(record, "peer", where, "") or None,
        host=text_of(record, "host", where, "") or None,
        severity=text_of(record, "severity", where, ""),
        summary=text_of(record, "summary", where, ""),
    )
