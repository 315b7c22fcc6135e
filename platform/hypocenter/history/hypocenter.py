"""Our own export, labelled files of incidents, and folders of cases with a `truth.json`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.history import own
from hypocenter.history.json_rows import flat
from hypocenter.history.layout import Layout
from hypocenter.history.row import BadRow, Row
from hypocenter.readers.folders import case_folders, is_case
from hypocenter.readers.statements import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.history.row import Names
    from hypocenter.readers.limits import Limits

_LABELS = ("root_service", "root_level", "split")


def prepare(record: dict[str, Any], where: str) -> dict[str, Any]:
    """Return an incident of a labelled file, which holds its alerts too, as one of an export; an export's as it is."""
    if "events" not in record and "case_id" not in record:
        return record
    labels = [f"{name}:{record[name]}" for name in _LABELS if record.get(name)]
    return _stated(
        incident_id=record.get("case_id"),
        key=_key(record),
        system=record.get("system"),
        started_at=record.get("inject_time"),
        resolved_at=record.get("end_time"),
        root_component=record.get("root_entity"),
        fault_type=record.get("fault_type"),
        labels=labels,
        telemetry=str(Path(where).resolve()) if "events" in record else None,
    )


def _stated(**known: Any) -> dict[str, Any]:
    """Return what is known: a case does not speak of the rest."""
    return {name: value for name, value in known.items() if value}


def _key(record: dict[str, Any]) -> str:
    """Return a case's name among all: a number that names it in its data set may name others elsewhere."""
    return "/".join(str(record[name]) for name in ("dataset", "system", "case_id") if record.get(name))


LAYOUT = Layout("hypocenter", own.JSONL.fields, lists=("incidents",), prepare=prepare)


def folder_rows(folder: Path, names: Names, limits: Limits) -> Iterator[Row | BadRow]:
    """Yield each case below `folder`, or `folder` itself; one without a truth is a BadRow."""
    folders = [folder] if is_case(folder) else case_folders(folder)
    for number, case in enumerate(folders, start=1):
        if (case / "truth.json").is_file() and (case / "case.json").is_file():
            yield Row(number, flat(_incident(case, limits), names))
        else:
            yield BadRow(number, "no case.json with a truth.json beside it", case.name)


def _incident(case: Path, limits: Limits) -> dict[str, Any]:
    stated, truth = (_object(case / name, limits) for name in ("case.json", "truth.json"))
    roots = (truth.get("root_component"), truth.get("root_components"))
    return _stated(
        incident_id=stated.get("case_id"),
        key=_key(stated),
        system=stated.get("system"),
        started_at=stated.get("started_at"),
        root_component=list(filter(None, roots)),
        fault_type=truth.get("fault_type"),
        change=truth.get("root_change"),
        labels=[f"root_metric:{truth['root_metric']}"] if truth.get("root_metric") else [],
        telemetry=str(case.resolve()),
    )


def _object(path: Path, limits: Limits) -> dict[str, Any]:
    value = read_json(path, limits)
    if not isinstance(value, dict):
        raise InputError(f"{path}: must be a JSON object, not {type(value).__name__}")
    return value
