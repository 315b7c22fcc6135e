"""Case folders: one incident's telemetry as `case.json` and tables beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hypocenter.errors import InputError
from hypocenter.readers import records, statements
from hypocenter.readers.frames import find_table
from hypocenter.readers.limits import Limits, limits_from_settings
from hypocenter.readers.long_tables import read_metrics
from hypocenter.readers.tables import portable
from hypocenter.readers.times import to_datetime
from hypocenter.telemetry import Case, RawTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from hypocenter.model import Dependency
    from hypocenter.readers.statements import Record
    from hypocenter.readers.tables import Notes

_TABLES = ("metrics", "spans", "log_lines", "trace_min", "edges_min")
_REFERENCE_FOLDER = "_normal"


def is_case_folder(folder: Path) -> bool:
    """Whether `folder` holds a case: a `case.json` or one of its tables."""
    return (folder / "case.json").is_file() or any(find_table(folder, stem) for stem in _TABLES)


def read_case_folder(folder: Path, limits: Limits | None = None) -> Case:
    """Return the case in `folder`, its fault-free reference tables with it.

    Of the files named here and no others, least of all the one that holds the truth. What is absent is None in the
    case; what was bent while reading is in its notes. Raises InputError for a folder without telemetry or with a
    file that cannot be read, LimitError for one that is too large.
    """
    limits = limits or limits_from_settings()
    where = str(folder / "case.json")
    stated = statements.as_record(_case_json(folder, limits), where)
    extras = statements.as_record(stated.get("extras"), f"{where}: extras")
    tables = _Tables(folder, limits)
    metrics = tables.metrics()
    case = Case(
        case_id=statements.text_of(stated, "case_id", where, folder.name),
        system=statements.text_of(stated, "system", where, ""),
        dataset=statements.text_of(stated, "dataset", where, ""),
        metrics=metrics,
        reference=tables.reference(extras, metrics),
        spans=tables.records("spans", records.SPANS),
        log_lines=tables.records("log_lines", records.LOG_LINES),
        reference_spans=tables.reference_records(extras, "spans", records.SPANS),
        reference_log_lines=tables.reference_records(extras, "log_lines", records.LOG_LINES),
        service_minutes=tables.records("trace_min", records.SERVICE_MINUTES),
        edge_minutes=tables.records("edges_min", records.EDGE_MINUTES),
        alerts=statements.alerts_of(extras, where),
        changes=statements.changes_of(extras, where),
        components=statements.components_of(stated.get("components"), f"{where}: components"),
        dependencies=_dependencies(stated, where),
        target=statements.target_of(extras, _columns(metrics), where),
        started_at=statements.moment_of(stated, "started_at", where),
        masked=_masked(extras, where),
        notes=portable((*tables.notes, *_odd_types(stated, where)), folder),
    )
    if metrics is None and case.spans is None and case.log_lines is None and not case.alerts:
        raise InputError(f"{folder}: no metrics, spans, log lines or alerts; a case folder needs metrics.parquet")
    return _with_known_target(case)


def read_table_case(path: Path, limits: Limits | None = None, component_labels: Sequence[str] | None = None) -> Case:
    """Return one wide or long table of metrics as a case, named after its file."""
    metrics, notes = read_metrics(path, limits or limits_from_settings(), component_labels)
    return Case(case_id=path.name.split(".")[0], metrics=metrics, notes=portable(notes, path.parent))


class _Tables:
    """The tables of one case folder; `notes` gathers what reading them had to bend."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.notes: list[str] = []

    def metrics(self) -> RawTable | None:
        """The case's own metrics, None when there are none."""
        path = find_table(self.folder, "metrics")
        return None if path is None else self._noted(read_metrics(path, self.limits))

    def records(self, stem: str, columns: tuple[str, ...]) -> pd.DataFrame | None:
        """A table of fixed columns beside the case, None when there is none."""
        path = find_table(self.folder, stem)
        return None if path is None else self._noted(records.read_records(path, columns, self.limits))

    def reference(self, extras: Record, metrics: RawTable | None) -> tuple[RawTable, ...]:
        """The fault-free metrics that the case names, those before the case first."""
        paths = [path for name in _reference_names(extras) if (path := self._reference_path(name)) is not None]
        tables = [self._noted(read_metrics(path, self.limits)) for path in dict.fromkeys(paths)]
        return tuple(sorted(tables, key=lambda table: _is_later(table, metrics)))

    def reference_records(self, extras: Record, stem: str, columns: tuple[str, ...]) -> pd.DataFrame | None:
        """The fault-free records of the case\'s day, None when there are none."""
        day = extras.get("day")
        name = f"{day}.{stem}"
        path = find_table(self.folder.parent / _REFERENCE_FOLDER, name) if day and _is_plain(name) else None
        return None if path is None else self._noted(records.read_records(path, columns, self.limits))

    def _reference_path(self, name: str) -> Path | None:
        path = self.folder.parent / _REFERENCE_FOLDER / name
        if not _is_plain(name):
            raise InputError(f"{self.folder / 'case.json'}: {name!r} must be a file of ../{_REFERENCE_FOLDER}")
        if path.is_file():
            return path
        self.notes.append(f"{path}: the case names this reference table and it is not there")
        return None

    def _noted(self, reading: tuple[_Read, Notes]) -> _Read:
        table, notes = reading
        self.notes.extend(notes)
        return table


_Read = TypeVar("_Read")


def _case_json(folder: Path, limits: Limits) -> object:
    path = folder / "case.json"
    return statements.read_json(path, limits) if path.is_file() else None


def _reference_names(extras: Record) -> list[str]:
    warmup, normal = extras.get("normal_warmup") or [], extras.get("normal") or []
    names = [*(warmup if isinstance(warmup, list) else [warmup]), *(normal if isinstance(normal, list) else [normal])]
    return [str(name) for name in names]


def _is_plain(name: str) -> bool:
    """Whether a name stays inside its folder and is not the truth's, however a case came by it."""
    return not (set(name) & {"/", "\\", "\0"}) and not name.lower().startswith((".", "truth"))


def _is_later(table: RawTable, metrics: RawTable | None) -> bool:
    return metrics is not None and bool(table.times[-1] >= metrics.times[0])


def _columns(metrics: RawTable | None) -> set[tuple[str, str]]:
    labels = metrics.labels if metrics is not None else ()
    return {(each.get("component", ""), each.get("__name__", "")) for each in labels}


def _dependencies(stated: Record, where: str) -> tuple[Dependency, ...] | None:
    value = stated.get("dependencies")
    return None if value is None else statements.dependencies_of(value, f"{where}: dependencies")


def _odd_types(stated: Record, where: str) -> Notes:
    return statements.unknown_types(stated.get("components"), f"{where}: components")


def _with_known_target(case: Case) -> Case:
    """Return the case, its target left out and noted when nothing in the telemetry bears its name."""
    if case.target is None or any(name.startswith(case.target.component) for name in _names(case)):
        return case
    note = f"case.json: extras names {case.target.component!r} as the target, which no telemetry bears; left out"
    return replace(case, target=None, notes=(*case.notes, note))


def _names(case: Case) -> Iterator[str]:
    """Yield what may be a component's name: those that are stated, and every value of a label."""
    yield from (component.name for component in case.components)
    yield from (alert.component for alert in case.alerts)
    for dependency in case.dependencies or ():
        yield from (dependency.caller, dependency.callee)
    for labels in case.metrics.labels if case.metrics is not None else ():
        yield from labels.values()
    for frame in (case.spans, case.log_lines, case.service_minutes, case.edge_minutes):
        for column in ("service", "caller", "callee"):
            if frame is not None and column in frame:
                yield from map(str, frame[column].unique())


def _masked(extras: Record, where: str) -> tuple[datetime, ...]:
    place = f"{where}: extras.other_faults_in_window"
    times = statements.as_list(extras.get("other_faults_in_window"), place)
    return tuple(to_datetime(time, f"{place}[{at}]") for at, time in enumerate(times))
