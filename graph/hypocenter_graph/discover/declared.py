"""Graphs that people write, or that `hypocenter graph export` wrote: YAML, JSON and tables to claims."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter.readers.statements import as_list, as_record, moment_of
from hypocenter.readers.times import to_datetime
from hypocenter_graph.claims import SOURCES, ComponentClaim, DependencyClaim, Discovered, Interval, check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from hypocenter.model import Component, Dependency
    from hypocenter.readers.statements import Record

SOURCE = "declared"
_TYPES = {str(type_): type_ for type_ in ComponentType}
_LISTS = ("links", "aliases")
# The columns that an export has.
CSV_COLUMNS = ("caller", "callee", "type", "source", "confidence", "calls_per_s", "first", "last")


def read_declared(path: Path, at: datetime) -> Discovered:
    """Return what a YAML, JSON, CSV or Parquet file declares, as of `at`; raises as `discover_declared` does.

    A table has columns `caller,callee` (or other words for them, see `readers.topology`) or `name`, and further the
    fields of dependencies or components; `|` stands between several links or aliases. Spaces around cells are left out,
    except of a table with exactly the columns that an export has.
    """
    from hypocenter.readers.frames import is_table
    from hypocenter.readers.yaml_documents import read_yaml

    if is_table(path) or path.suffix.lower() == ".tsv":
        return _declared_by_table(path, at)
    documents = read_yaml(path)
    if not documents:
        raise InputError(f"{path}: empty; write components and dependencies")
    places = [str(path)] if len(documents) == 1 else [f"{path}: document {n + 1}" for n in range(len(documents))]
    return _joined([discover_declared(document, place, at) for document, place in zip(documents, places, strict=True)])


def discover_declared(value: object, where: str, at: datetime) -> Discovered:
    """Return what a value declares: `{components: [...], dependencies: [...]}`, or a list of dependencies alone.

    A component is a name or `{name, type, owner, links, aliases}`, a dependency `[caller, callee]`,
    `[caller, callee, type]` or `{caller, callee, type, confidence, calls_per_s}`. Either may say when it holds, by
    `first` and `last` or by `seen`, a list of `[first, last]`; `last` is null while it does, and without any it holds
    from `at` on. Either may name its `source`, one of `claims.SOURCES`. Raises InputError that names the entry.

    >>> from datetime import UTC, datetime
    >>> found = discover_declared([["web", "cart"]], "graph.yaml", datetime(2026, 3, 1, tzinfo=UTC))
    >>> [(claim.caller, claim.callee, claim.source) for claim in found.dependencies]
    [('web', 'cart', 'declared')]
    """
    stated = {"dependencies": value} if isinstance(value, list) else as_record(value, where)
    if not {"components", "dependencies"} & set(stated):
        raise InputError(f"{where}: neither components nor dependencies in it; write one of them")
    components = as_list(stated.get("components"), f"{where}: components")
    dependencies = as_list(stated.get("dependencies"), f"{where}: dependencies")
    return Discovered(
        tuple(_component(item, f"{where}: components[{n}]", at) for n, item in enumerate(components)),
        tuple(_dependency(item, f"{where}: dependencies[{n}]", at) for n, item in enumerate(dependencies)),
        _unknown_types(components, where),
    )


def declared_by_case(components: Iterable[Component], dependencies: Iterable[Dependency], at: datetime) -> Discovered:
    """Return what a case states of its graph; what it has from a source that observes was seen at `at`."""
    return Discovered(
        tuple(ComponentClaim(c.name, SOURCE, (Interval(at, None),), c.type, c.owner, c.links) for c in components),
        tuple(_stated(dependency, at) for dependency in dependencies),
    )


def _stated(dependency: Dependency, at: datetime) -> DependencyClaim:
    source = dependency.source if dependency.source in SOURCES else SOURCE
    return DependencyClaim(
        dependency.caller,
        dependency.callee,
        dependency.type,
        source,
        (Interval(at, at if SOURCES[source].observed else None),),
        dependency.confidence,
        dependency.calls_per_s,
    )


def _joined(found: Sequence[Discovered]) -> Discovered:
    return Discovered(
        tuple(claim for one in found for claim in one.components),
        tuple(claim for one in found for claim in one.dependencies),
        tuple(note for one in found for note in one.notes),
    )


def _declared_by_table(path: Path, at: datetime) -> Discovered:
    from hypocenter.readers.frames import require
    from hypocenter.readers.limits import limits_from_settings
    from hypocenter.readers.topology import ENDS, edge_table

    frame, first = edge_table(path, limits_from_settings(), CSV_COLUMNS)
    names_components = "name" in frame.columns
    require(frame, ("name",) if names_components else ENDS, str(path))
    columns = [str(name) for name in frame.columns]
    rows = [
        {name: cell for name, cell in zip(columns, row, strict=True) if isinstance(cell, str)}
        for row in frame.itertuples(index=False, name=None)
    ]
    places = [f"{path}: row {first + n}" for n in range(len(rows))]
    if not names_components:
        dependencies = tuple(_dependency(*row, at) for row in zip(rows, places, strict=True))
        return Discovered(
            dependencies=dependencies, notes=_maybe_a_header(dependencies, str(path)) if first == 1 else ()
        )
    listed = [{**row, **{name: _cells(row[name]) for name in _LISTS if name in row}} for row in rows]
    found = tuple(_component(*row, at) for row in zip(listed, places, strict=True))
    return Discovered(components=found, notes=_unknown_types(rows, str(path)))


def _maybe_a_header(dependencies: Sequence[DependencyClaim], where: str) -> tuple[str, ...]:
    """Return a note on a first row whose ends no other row names: it may be a header in words that are not known."""
    head, *others = dependencies
    named = {end for claim in others for end in (claim.caller, claim.callee)}
    if not others or {head.caller, head.callee} & named:
        return ()
    row = f"{head.caller[:80]},{head.callee[:80]}"
    return (f"{where}: the first row {row!r} was read as a dependency; if it is a header, write caller,callee instead",)


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.split("|") if cell.strip()]


def _component(item: object, where: str, at: datetime) -> ComponentClaim:
    if isinstance(item, str):
        return ComponentClaim(check_name(item, where), SOURCE, (Interval(at, None),))
    record = as_record(item, where)
    return ComponentClaim(
        check_name(record.get("name"), where),
        _source(record, where),
        _seen(record, where, at),
        _TYPES.get(_text(record, "type", where).strip().lower()),
        _text(record, "owner", where),
        _texts(record, "links", where),
        tuple(sorted({check_name(alias, f"{where}: aliases") for alias in _texts(record, "aliases", where)})),
    )


def _unknown_types(items: Iterable[object], where: str) -> tuple[str, ...]:
    stated = {str(item.get("type") or "").strip().lower() for item in items if isinstance(item, dict)}
    unknown = ", ".join(repr(name[:80]) for name in sorted(stated - {"", *_TYPES})[:5])
    known = ", ".join(_TYPES)
    return (f"{where}: {unknown} is no type of a component ({known}) and was left out",) if unknown else ()


def _dependency(item: object, where: str, at: datetime) -> DependencyClaim:
    record = _pair(item, where) if isinstance(item, list) else as_record(item, where)
    return DependencyClaim(
        check_name(record.get("caller"), f"{where}: caller"),
        check_name(record.get("callee"), f"{where}: callee"),
        _dependency_type(record, where),
        _source(record, where),
        _seen(record, where, at),
        _confidence(record, where),
        _number(record, "calls_per_s", where),
    )


def _pair(item: list[Any], where: str) -> Record:
    if len(item) not in (2, 3):
        raise InputError(f"{where}: must be [caller, callee] or [caller, callee, type], not {len(item)} values")
    return dict(zip(("caller", "callee", "type"), item, strict=False))


def _dependency_type(record: Record, where: str) -> DependencyType:
    name = _text(record, "type", where).strip() or DependencyType.CALLS
    if name.upper() not in DependencyType.__members__:
        raise InputError(f"{where}: type {name[:80]!r} is none of {', '.join(DependencyType)}")
    return DependencyType(name.upper())


def _source(record: Record, where: str) -> str:
    source = _text(record, "source", where) or SOURCE
    if source not in SOURCES:
        raise InputError(f"{where}: source {source[:80]!r} is none of {', '.join(SOURCES)}")
    return source


def _confidence(record: Record, where: str) -> float:
    stated = _number(record, "confidence", where)
    if stated is None:
        return SOURCES[_source(record, where)].confidence
    if stated > 1:
        raise InputError(f"{where}: confidence {stated:g} must be a number from 0 to 1")
    return stated


def _number(record: Record, name: str, where: str) -> float | None:
    value = record.get(name)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(f"{where}: {name} {str(value)[:40]!r} must be a number that is 0 or more")
    return number


def _text(record: Record, name: str, where: str) -> str:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: {name} must be text, not {str(value)[:40]!r}; write it in quotes")
    return value or ""


def _texts(record: Record, name: str, where: str) -> tuple[str, ...]:
    values = as_list(record.get(name), f"{where}: {name}")
    if not all(isinstance(value, str) for value in values):
        raise InputError(f"{where}: {name} must be a list of text")
    return tuple(values)


def _seen(record: Record, where: str, at: datetime) -> tuple[Interval, ...]:
    if record.get("seen") is not None:
        spans = as_list(record["seen"], f"{where}: seen")
        return tuple(_span(span, f"{where}: seen[{n}]") for n, span in enumerate(spans))
    first, last = moment_of(record, "first", where), moment_of(record, "last", where)
    if last is not None and first is None:
        raise InputError(f"{where}: last without first; say when it began")
    return (_interval(first or at, last, where),)


def _span(span: object, where: str) -> Interval:
    ends = as_list(span, where)
    if len(ends) != 2:
        raise InputError(f"{where}: must be [first, last], with null for a last that is still to come")
    last = None if ends[1] is None else to_datetime(ends[1], where)
    return _interval(to_datetime(ends[0], where), last, where)


def _interval(first: datetime, last: datetime | None, where: str) -> Interval:
    if last is not None and last < first:
        raise InputError(f"{where}: {last.isoformat()} is before {first.isoformat()}; exchange them")
    return Interval(first, last)
