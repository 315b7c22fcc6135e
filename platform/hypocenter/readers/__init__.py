"""Readers: telemetry of one incident, from wherever it lies, as a `Case`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.readers.case_folder import case_folders, is_case_folder, read_case_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hypocenter.telemetry import Case

__all__ = ["read_cases"]


def read_cases(path: Path, *, component_labels: Sequence[str] | None = None) -> Iterator[Case]:
    """Yield the cases in `path`: a case folder, or a folder of case folders in order of name.

    Raises InputError when `path` holds no case.
    """
    del component_labels
    if not path.is_dir():
        raise InputError(f"{path}: no such folder")
    if is_case_folder(path):
        yield read_case_folder(path)
        return
    folders = list(case_folders(path))
    if not folders:
        raise InputError(f"{path}: no case here; a case folder holds case.json and metrics.parquet")
    for folder in folders:
        yield read_case_folder(folder)
