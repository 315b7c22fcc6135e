"""Scenario text to `Scenario`: one statement a line; errors name the line and the fix."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.model import ComponentType
from hypocenter.simulator import quantities as q
from hypocenter.simulator.scenario import (
    CallSpec,
    ComponentSpec,
    ConsumeSpec,
    DecoySpec,
    FaultSpec,
    GapSpec,
    HostSpec,
    LoadSpec,
    Scenario,
    TelemetrySpec,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Reader = Callable[[str], Any]
MAX_TEXT = 2_000_000
MAX_DEPTH = 8


def _text(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("must be a name of printable characters")
    return text


def _yes_no(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError("must be yes or no")
    return text == "yes"


def _one_of(*choices: str) -> Reader:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


def _at_most(limit: int, read: Reader) -> Reader:
    def bounded(text: str) -> Any:
        value = read(text)
        if value > limit:
            raise ValueError(f"must be at most {limit}")
        return value

    return bounded


_COMPONENT: dict[str, Reader] = {
    "on": _text, "workers": q.count, "queue": q.whole, "cpu": q.duration, "io": q.duration, "wait": q.duration,
    "spread": _at_most(100, q.number), "errors": q.share, "cores": q.positive_number, "memory": q.size, "limit": q.size,
    "per_request": q.size, "bytes": q.size, "writes": q.share, "volume": q.size, "restart": q.positive_duration,
}  # fmt: skip
OPTIONS: Mapping[str, Mapping[str, Reader]] = {
    "host": {"cpus": q.positive_number, "memory": q.size, "disks": q.positive_number},
    "service": _COMPONENT,
    "database": _COMPONENT,
    "cache": _COMPONENT,
    "queue": _COMPONENT,
    "external": _COMPONENT,
    "call": {
        "times": _at_most(100, q.number), "timeout": q.positive_duration, "retries": _at_most(50, q.whole),
        "backoff": q.duration, "pool": q.whole, "optional": _yes_no, "behind": _text, "hit": q.share,
        "network": q.duration,
    },
    "consume": {},
    "load": {"daily": q.share, "peak": q.duration, "weekly": q.share, "noise": q.share},
    "fault": {
        "at": q.duration, "severity": q.share, "ramp": q.duration, "for": q.positive_duration, "peer": _text,
    },
    "decoy": {"at": q.duration, "severity": q.share, "for": q.positive_duration, "title": _text},
    "gap": {"at": q.duration, "for": q.positive_duration},
    "silent": {},
    "telemetry": {
        "edges": _one_of("graph", "client", "none"), "detail": _one_of("full", "compact"), "missed": q.share,
        "traces": q.number, "lines": q.number, "window": q.duration,
    },
}  # fmt: skip
POSITIONAL: Mapping[str, tuple[tuple[str, Reader], ...]] = {
    "host": (("name", _text),),
    "load": (("entry", _text), ("rate", q.rate)),
    "fault": (("type", _text), ("component", _text)),
    "decoy": (("type", _one_of("noisy", "deploy")), ("component", _text)),
    "gap": (("component", _text),),
    "silent": (("component", _text),),
    "telemetry": (),
}
REQUIRED: Mapping[str, tuple[str, ...]] = {"fault": ("at",), "decoy": ("at",), "gap": ("at", "length")}
HEADERS: Mapping[str, Reader] = {
    "system": _text, "start": q.moment, "length": q.positive_duration, "step": q.positive_duration, "seed": q.whole,
}  # fmt: skip
COMPONENT_TYPES = tuple(ComponentType(name) for name in ("service", "database", "cache", "queue", "external"))
DEFAULTS: Mapping[ComponentType, Mapping[str, Any]] = {
    ComponentType.SERVICE: {},
    ComponentType.DATABASE: {
        "cpu": 0.001, "io": 0.002, "writes": 0.3, "cores": 4.0, "memory": 2.0**31, "limit": 2.0**33,
    },
    ComponentType.CACHE: {"cpu": 0.0002, "workers": 200, "memory": 2.0**30, "limit": 2.0**31, "per_request": 2.0**12},
    ComponentType.QUEUE: {"cpu": 0.0004, "workers": 200, "memory": 2.0**29, "limit": 2.0**31, "per_request": 2.0**13},
    ComponentType.EXTERNAL: {"cpu": 0.0, "wait": 0.06, "workers": 1000, "spread": 0.6},
}  # fmt: skip


@dataclass(slots=True)
class Statement:
    """One line of a scenario, read but not yet checked against the others; `where` is `file:line`."""

    where: str
    kind: str
    fields: dict[str, Any]

    def fail(self, problem: str) -> InputError:
        """Return the error that names this line."""
        return InputError(f"{self.where}: {problem}")


def parse(text: str, origin: str = "scenario", folder: Path | None = None) -> tuple[Scenario, list[Statement]]:
    """Return the scenario that the text describes and its statements, for checks that name lines.

    `folder` is where `include` looks. Raises InputError naming the line.
    """
    statements: list[Statement] = []
    for statement in _statements(text, origin, folder, 0):
        if statement.kind == "set":
            _override(statements, statement)
        else:
            statements.append(statement)
    return _assemble(statements, origin), statements


def read_text(path: Path) -> str:
    """Return a scenario file's text; raise InputError when it is missing, too large or not UTF-8."""
    try:
        if path.stat().st_size > MAX_TEXT:
            raise InputError(f"{path} is larger than a scenario may be ({MAX_TEXT} bytes)")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"cannot read scenario {path}: {error}") from error


def _statements(text: str, origin: str, folder: Path | None, depth: int) -> Iterator[Statement]:
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{origin}:{number}"
        words = _words(line, where)
        if words and words[0] == "include":
            yield from _included(words, where, folder, depth)
        elif words:
            yield _statement(words, where)


def _words(line: str, where: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise InputError(f"{where}: {error}; close the quote") from error


def _included(words: list[str], where: str, folder: Path | None, depth: int) -> Iterator[Statement]:
    if len(words) != 2:
        raise InputError(f"{where}: include takes one file name")
    if folder is None:
        raise InputError(f"{where}: include works in scenario files only; paste the lines of {words[1]!r} instead")
    if depth >= MAX_DEPTH:
        raise InputError(f"{where}: includes nest more than {MAX_DEPTH} deep; does a file include itself?")
    path = folder / words[1]
    yield from _statements(read_text(path), path.name, path.parent, depth + 1)


def _statement(words: list[str], where: str) -> Statement:
    if len(words) > 1 and words[1] in {"->", "<-"}:
        return _arrow(words, where)
    kind, rest = words[0], words[1:]
    if kind in HEADERS:
        return _header(kind, rest, where)
    if kind == "set":
        return _set(rest, where)
    if kind not in OPTIONS or kind in {"call", "consume"}:
        known = ", ".join([*HEADERS, "include", "set", *(name for name in OPTIONS if name not in {"call", "consume"})])
        raise InputError(f"{where}: {kind!r} is no statement; known are {known}, and 'a -> b'")
    positional = POSITIONAL.get(kind, (("name", _text),))
    plain = [word for word in rest if "=" not in word]
    if len(plain) != len(positional):
        wanted = " ".join(name.upper() for name, _ in positional) or "only key=value options"
        raise InputError(f"{where}: {kind} takes {wanted}, found {' '.join(plain) or 'nothing'!r}")
    fields = {name: _value(read, word, name, where) for (name, read), word in zip(positional, plain, strict=True)}
    return Statement(where, kind, fields | _options(kind, rest, where))


def _header(kind: str, rest: list[str], where: str) -> Statement:
    if len(rest) != 1:
        raise InputError(f"{where}: {kind} takes one value")
    return Statement(where, kind, {kind: _value(HEADERS[kind], rest[0], kind, where)})


def _arrow(words: list[str], where: str) -> Statement:
    if len(words) < 3 or "=" in words[2]:
        raise InputError(f"{where}: write 'caller -> callee' or 'consumer <- queue', then options")
    left, arrow, right, *rest = words
    stray = [word for word in rest if "=" not in word]
    if stray:
        raise InputError(f"{where}: {stray[0]!r} is no option; write for example times=0.5 timeout=2s")
    if arrow == "<-":
        fields = {"consumer": _value(_text, left, "consumer", where), "queue": _value(_text, right, "queue", where)}
        return Statement(where, "consume", fields | _options("consume", rest, where))
    fields = {"caller": _value(_text, left, "caller", where), "callee": _value(_text, right, "callee", where)}
    return Statement(where, "call", fields | _options("call", rest, where))


def _set(rest: list[str], where: str) -> Statement:
    plain = [word for word in rest if "=" not in word]
    if len(plain) not in {1, 3} or (len(plain) == 3 and plain[1] != "->"):
        raise InputError(f"{where}: set takes a component, or 'a -> b', and key=value options")
    return Statement(where, "set", {"of": tuple(plain), "options": [word for word in rest if "=" in word]})


def _override(statements: list[Statement], change: Statement) -> None:
    of = change.fields["of"]
    for earlier in statements:
        if _names(earlier) == of:
            earlier.fields.update(_options(earlier.kind, change.fields["options"], change.where))
            return
    raise change.fail(f"nothing named {' '.join(of)!r} stands above; set changes an earlier line")


def _names(statement: Statement) -> tuple[str, ...]:
    fields = statement.fields
    if statement.kind == "call":
        return (fields["caller"], "->", fields["callee"])
    if statement.kind == "load":
        return (f"load:{fields['entry']}",)
    return (fields["name"],) if "name" in fields else ("telemetry",) if statement.kind == "telemetry" else ()


def _options(kind: str, words: list[str], where: str) -> dict[str, Any]:
    known = OPTIONS[kind]
    fields = {}
    for key, _, value in (word.partition("=") for word in words if "=" in word):
        if key not in known:
            raise InputError(f"{where}: {kind} has no option {key!r}; it has {', '.join(known) or 'none'}")
        fields["length" if key == "for" else key] = _value(known[key], value, key, where)
    return fields


def _value(read: Reader, text: str, name: str, where: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise InputError(f"{where}: {name} {text!r} {error}") from error


def _assemble(statements: list[Statement], origin: str) -> Scenario:
    for statement in statements:
        missing = [name for name in REQUIRED.get(statement.kind, ()) if name not in statement.fields]
        if missing:
            raise statement.fail(f"{statement.kind} needs {'for' if missing[0] == 'length' else missing[0]}=...")
    headers: dict[str, Any] = {"system": Path(origin).stem}
    for statement in statements:
        if statement.kind in HEADERS:
            headers |= statement.fields
    telemetry = TelemetrySpec()
    for fields in _of_kind(statements, "telemetry"):
        telemetry = replace(telemetry, **fields)
    return Scenario(
        **headers,
        hosts=tuple(HostSpec(**fields) for fields in _of_kind(statements, "host")),
        components=tuple(_component(s) for s in statements if s.kind in COMPONENT_TYPES),
        calls=tuple(CallSpec(**fields) for fields in _of_kind(statements, "call")),
        consumes=tuple(ConsumeSpec(**fields) for fields in _of_kind(statements, "consume")),
        loads=tuple(LoadSpec(**fields) for fields in _of_kind(statements, "load")),
        faults=tuple(FaultSpec(**fields) for fields in _of_kind(statements, "fault")),
        decoys=tuple(DecoySpec(**fields) for fields in _of_kind(statements, "decoy")),
        gaps=tuple(GapSpec(**fields) for fields in _of_kind(statements, "gap")),
        silent=tuple(fields["component"] for fields in _of_kind(statements, "silent")),
        telemetry=telemetry,
    )


def _of_kind(statements: list[Statement], kind: str) -> Iterator[dict[str, Any]]:
    return (statement.fields for statement in statements if statement.kind == kind)


def _component(statement: Statement) -> ComponentSpec:
    type_ = ComponentType(statement.kind)
    return ComponentSpec(**{"type": type_, **DEFAULTS[type_], **statement.fields})
