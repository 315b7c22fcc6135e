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
PETSHOP_FILE = "target.json"
INCIDENT_FILES = ("*.jsonl", "*.jsonl.gz")


@dataclass(frozen=True, slots=True)
class Truth:
    """Where a case began: `roots` are the components, `root_service` the service where the source labels both."""

    roots: tuple[str, ...]
    fault_type: str = ""
    root_service: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Labelled cases: one case folder, or one file of incidents; `dataset` names a case that does not say its own.

    `layout` is the folder's, as `hypocenter.readers.folders` tells it.
    """

    path: Path
    dataset: str
    layout: str = "case"


def sources(path: Path) -> tuple[Source, ...]:
    """List the labelled cases at `path`: a case folder, a folder of them at any depth, or incident files.

    A case in a research layout carries its label with it: RCAEval's in the name of its folder, PetShop's in
    `target.json`. Raises InputError when there are none.
    """
    if path.is_file():
        return (Source(path, path.name.split(".jsonl")[0]),)
    found = {source.path: source for source in (*_research(path), *_stated(path))}
    folders = [found[folder] for folder in sorted(found)]
    files = [file for pattern in INCIDENT_FILES for file in sorted(path.glob(pattern))]
    if not folders and not files:
        raise InputError(
            f"{path}: no labelled cases: neither case folders with {TRUTH_FILE}, nor RCAEval's or PetShop's folders, "
            "nor a .jsonl[.gz] file"
        )
    return tuple(folders) or tuple(source for file in files for source in sources(file))


def truths(source: Source) -> Iterator[Truth]:
    """Yield the truth of every case of a source, in the order in which the reader yields the cases."""
    if source.layout == "rcaeval":
        yield _name_truth(source.path)
    elif source.layout == "petshop":
        yield _target_truth(source.path / PETSHOP_FILE)
    elif source.path.is_dir():
        yield _folder_truth(source.path / TRUTH_FILE)
    else:
        yield from _incident_truths(source.path)


def _stated(path: Path) -> Iterator[Source]:
    yield from (Source(file.parent, file.resolve().parent.parent.name) for file in path.rglob(TRUTH_FILE))


def _research(path: Path) -> Iterator[Source]:
    """Yield the cases in a layout whose label is no file of ours."""
    from hypocenter.readers.folders import case_folders, is_case, layout_of

    if not path.is_dir():
        return
    for folder in [path] if is_case(path) else case_folders(path):
        layout = layout_of(folder)
        if layout == "rcaeval":
            yield Source(folder, _rcaeval_dataset(folder), layout)
        elif layout == "petshop":
            yield Source(folder, _petshop_dataset(folder), layout)


def _rcaeval_dataset(folder: Path) -> str:
    place = folder.resolve()
    return place.parent.parent.name if place.name.isdecimal() else place.name.partition("_")[0]


def _petshop_dataset(folder: Path) -> str:
    from hypocenter.readers.petshop import scenario_of

    return (scenario_of(folder) or folder.resolve().parent).name


def _name_truth(folder: Path) -> Truth:
    """Read `<service>_<fault>/<n>` or `<benchmark>_<service>_<fault>_<n>`; services may hold `_`, faults do not."""
    place = folder.resolve()
    name = place.parent.name if place.name.isdecimal() else place.name.partition("_")[2].rpartition("_")[0]
    service, _, fault = name.rpartition("_")
    if not service or not fault:
        raise InputError(
            f"{folder}: its name does not say where the fault was; name it `<service>_<fault>/<number>` or "
            "`<benchmark>_<service>_<fault>_<number>`"
        )
    return Truth((service,), fault)


def _target_truth(path: Path) -> Truth:
    """Read `root_cause` of a `target.json`: a microservice's name, an object with `node`, or a list of such."""
    stated = _record(path.read_bytes(), str(path)).get("root_cause")
    causes = stated if isinstance(stated, list) else [stated]
    where = f"{path}: field 'root_cause'"
    nodes = [_text(cause if isinstance(cause, dict) else {"node": cause}, "node", where) for cause in causes]
    if not nodes:
        raise InputError(f'{where}: must name a microservice, as {{"node": ...}}')
    return Truth(tuple(dict.fromkeys(nodes)))


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
