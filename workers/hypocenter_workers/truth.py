"""The labels of an evaluation: which component each case began at. The only place that reads them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TRUTH_FILE = "truth.json"
INCIDENT_FILES = ("*.jsonl", "*.jsonl.gz")


@dataclass(frozen=True, slots=True)
class Truth:
    """Where a case began: `roots` are the components, `root_service` the service where the source labels both."""

    roots: tuple[str, ...]
    fault_type: str = ""
    root_service: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Labelled cases: one case folder, or one file of incidents; `dataset` names a case that does not say its own."""

    path: Path
    dataset: str


def sources(path: Path) -> tuple[Source, ...]:
    """List the labelled cases at `path`: a case folder, a folder of them at any depth, or incident files.

    Raises InputError when there are none.
    """
    if path.is_file():
        return (Source(path, path.name.split(".jsonl")[0]),)
    folders = sorted(found.parent for found in path.rglob(TRUTH_FILE))
    files = [file for pattern in INCIDENT_FILES for file in sorted(path.glob(pattern))]
    if not folders and not files:
        raise InputError(f"{path}: no labelled cases: neither case folders with {TRUTH_FILE} nor a .jsonl[.gz] file")
    found = [Source(folder, folder.resolve().parent.name) for folder in folders]
    return tuple(found) or tuple(source for file in files for source in sources(file))


def truths(source: Source) -> Iterator[Truth]:
    """Yield the truth of every case of a source, in the order in which the reader yields the cases."""
    if source.path.is_dir():
        yield _folder_truth(source.path / TRUTH_FILE)
    else:
        yield from _incident_truths(source.path)


def _folder_truth(path: Path) -> Truth:
    record = _record(path.read_bytes(), str(path))
    first = _text(record, "root_component", str(path))
    others = record.get("root_components") or []
    if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
        raise InputError(f"{path}: `root_components` must be a list of component names")
    return Truth(tuple(dict.fromkeys([first, *others])), str(record.get("fault_type") or ""))


def _incident_truths(path: Path) -> Iterator[Truth]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                where = f"{path}, line {number}"
                yield _incident_truth(_record(line, where), where)


def _incident_truth(record: Mapping[str, Any], where: str) -> Truth:
    service = record.get("root_service")
    return Truth((_text(record, "root_entity", where),), str(record.get("fault_type") or ""), service or None)


def _record(content: bytes, where: str) -> dict[str, Any]:
    try:
        record = json.loads(content)
    except ValueError as error:
        raise InputError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(record).__name__}")
    return record


def _text(record: Mapping[str, Any], field: str, where: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: `{field}` must name the component at which the incident began")
    return value
