"""Files that may hold something of the graph, and what kind each is: by its name and what it begins with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

KINDS: Mapping[str, str] = {
    "declared": "a graph that people wrote or `graph export` did: CSV, Parquet, YAML or JSON",
    "kubernetes": "manifests or live objects of Kubernetes: YAML or JSON",
    "backstage": "entities of Backstage's catalog: YAML",
    "otlp": "OpenTelemetry traces: OTLP, JSON or protobuf",
    "spans": "a table of spans: CSV or Parquet",
    "prometheus": "a saved scrape or query of service-graph or Istio metrics",
    "jaeger": "Jaeger's dependencies: JSON",
    "case": "a case folder, a table of metrics, or a file of incidents",
}
_SUFFIXES = (
    *(".yaml", ".yml", ".json", ".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet"),
    *(".pb", ".binpb", ".bin", ".prom", ".txt", ".metrics"),
)
_HEAD_BYTES = 65_536
_OTLP = re.compile(r'[\[{\s]*"(?:resourceSpans|resource_spans)"')
_SCRAPE = re.compile(r"#\s*(?:HELP|TYPE|UNIT)\s|[a-zA-Z_:][\w:]*(?<!:)(?:\{[^\n]*\})?[ \t]+[-+0-9NI][^\s:]*(?:[ \t]|$)")


@dataclass(frozen=True)
class Input:
    """A file or folder, of which kind it is, and its documents where they were read to tell."""

    path: Path
    kind: str
    documents: tuple[Any, ...] | None = field(default=None, repr=False)


def find_inputs(paths: Iterable[Path], kind: str | None = None) -> tuple[list[Input], list[str]]:
    """Return what `paths` hold, a folder's files one by one, and notes of files in folders that are of no kind.

    `kind`, one of `KINDS`, is believed. Raises InputError for a path that is not there or that is of no kind itself.
    """
    found: list[Input] = []
    notes: list[str] = []
    for path in paths:
        members = _members(path)
        for member in members:
            try:
                found.append(Input(member, kind) if kind else recognize(member))
            except InputError as error:
                if members == [path]:
                    raise
                notes.append(f"{error}; left out")
    if not found:
        raise InputError(f"{notes[0] if notes else 'nothing to read'}; name a file of the graph")
    return found, notes


def _members(path: Path) -> list[Path]:
    from hypocenter.readers.folders import case_folders, is_case

    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if not path.is_dir() or is_case(path):
        return [path]
    return list(case_folders(path)) or _files_in(path)


def _files_in(folder: Path) -> list[Path]:
    try:
        files = [path for path in sorted(folder.rglob("*")) if _may_hold_a_graph(path, folder) and path.is_file()]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); see its permissions") from error
    if not files:
        raise InputError(f"{folder}: no file here that could hold a graph ({', '.join(_SUFFIXES)})")
    return files


def _may_hold_a_graph(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.name.lower().endswith(_SUFFIXES) and not hidden


def recognize(path: Path) -> Input:
    """Return which kind of input a file or case folder is, by its name and what it begins with; raises InputError."""
    from hypocenter.readers.frames import is_table
    from hypocenter.readers.incidents import is_incidents

    if path.is_dir():
        return Input(path, "case")
    if is_table(path):
        return Input(path, _table_kind(path))
    head = _head(path)
    if is_incidents(path) and not _OTLP.match(head or ""):
        return Input(path, "case")
    if head is None or _OTLP.match(head):
        return Input(path, "otlp")
    if _SCRAPE.match(_first_sample(head)):
        return Input(path, "prometheus")
    return _document_kind(path)


def _table_kind(path: Path) -> str:
    from hypocenter.readers.frames import column_names
    from hypocenter.readers.limits import limits_from_settings
    from hypocenter.readers.records import SPANS
    from hypocenter.readers.topology import names_both_ends

    names = column_names(path, limits_from_settings())
    lower = {name.strip().lower() for name in names}
    if set(SPANS) <= lower:
        return "spans"
    if names_both_ends(names) or ("name" in lower and not {"time", "timestamp"} & lower):
        return "declared"
    return "declared" if len(names) == 2 and not lower & {"time", "timestamp", "ts", "datetime", "date"} else "case"


def _head(path: Path) -> str | None:
    """Return what a text begins with, None where it is no text: then it is protobuf."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a file that exists") from error
    try:
        # The last letter may be cut.
        text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "ignore" if len(head) == _HEAD_BYTES else "strict")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _first_sample(head: str) -> str:
    """Return the first line that could be of a scrape: not a comment that people wrote."""
    lines = (line.strip() for line in head.splitlines())
    return next((line for line in lines if line and (not line.startswith("#") or _SCRAPE.match(line))), "")


def _document_kind(path: Path) -> Input:
    from hypocenter.readers.yaml_documents import read_yaml

    documents = tuple(read_yaml(path))
    for kind, looks in _LOOKS.items():
        if documents and looks(documents[0]):
            return Input(path, kind, documents)
    raise InputError(f"{path}: holds nothing of a graph that is known; say what it is with --from")


def _is_kubernetes(value: Any) -> bool:
    return isinstance(value, dict) and "apiVersion" in value and "kind" in value


def _is_backstage(value: Any) -> bool:
    return _is_kubernetes(value) and str(value["apiVersion"]).startswith("backstage.io/")


def _is_prometheus(value: Any) -> bool:
    data = value.get("data", value) if isinstance(value, dict) else None
    return isinstance(data, dict) and "resultType" in data


def _is_jaeger(value: Any) -> bool:
    edges = value
    if _is_map(value):
        edges = next((value[name] for name in ("data", "dependencies") if name in value), None)
    if isinstance(edges, list) and edges:
        return isinstance(edges[0], dict) and {"parent", "child"} <= edges[0].keys()
    return _is_map(value) and "data" in value and not edges


def _is_declared(value: Any) -> bool:
    return bool({"components", "dependencies"} & value.keys() if _is_map(value) else isinstance(value, list))


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


_LOOKS: Mapping[str, Callable[[Any], bool]] = {
    "backstage": _is_backstage,
    "kubernetes": _is_kubernetes,
    "prometheus": _is_prometheus,
    "jaeger": _is_jaeger,
    "declared": _is_declared,
}
