"""Readers: telemetry of an incident, from wherever it lies, as a `Case`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hypocenter.readers.incidents import OnError
    from hypocenter.telemetry import Case

__all__ = ["read_cases"]


def read_cases(
    path: Path, *, component_labels: Sequence[str] | None = None, on_error: OnError | None = None
) -> Iterator[Case]:
    """Yield the cases in `path`.

    A case folder, also in the layout of RCAEval or PetShop, a folder that holds some at any depth (in order of name), a
    CSV or Parquet table of metrics, or a `.jsonl[.gz]` file of incidents. `component_labels` name the columns of a long
    table that hold the component. `on_error` is told of each line of a file of incidents that is none, and the rest is
    read all the same. Raises InputError when `path` holds no case, or one that cannot be read.
    """
    from hypocenter.readers import case_folder, frames, incidents

    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_dir():
        yield from _read_folder(path)
    elif incidents.is_incidents(path):
        yield from incidents.read_incidents(path, on_error=on_error)
    elif frames.is_table(path):
        yield case_folder.read_table_case(path, component_labels=component_labels)
    else:
        raise InputError(f"{path}: not a case folder, .parquet, .csv, .jsonl or .jsonl.gz file")


def _read_folder(path: Path) -> Iterator[Case]:
    from hypocenter.readers import folders

    if folders.is_case(path):
        yield folders.read_folder(path)
        return
    found = list(folders.case_folders(path))
    if not found:
        raise InputError(f"{path}: no case here; a case folder holds case.json and metrics.parquet")
    for folder in found:
        yield folders.read_folder(folder)
