"""Folders of cases: which layout a folder has, and every case below it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hypocenter.errors import InputError
from hypocenter.readers import case_folder, petshop, rcaeval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.telemetry import Case

Layout = Literal["case", "rcaeval", "petshop"]


def layout_of(folder: Path) -> Layout | None:
    """Return in which layout `folder` holds a case, None when it holds none.

    What a `case.json` states is a case of our own; a fault-free PetShop recording belongs to other folders' cases.
    """
    if (folder / "case.json").is_file():
        return "case"
    if rcaeval.is_rcaeval_case(folder):
        return "rcaeval"
    if petshop.has_metrics(folder):
        return "petshop" if petshop.is_petshop_case(folder) else None
    return "case" if case_folder.is_case_folder(folder) else None


def is_case(folder: Path) -> bool:
    """Whether `folder` itself is a case, in any layout."""
    return layout_of(folder) is not None


def case_folders(folder: Path) -> Iterator[Path]:
    """Yield the cases below `folder`, at any depth and in order of name; raises InputError when it cannot be listed.

    Folders whose name begins with `_` or `.` are passed over, and nothing is looked for inside a case.
    """
    for place, folders, _ in os.walk(folder, onerror=_not_listed):
        children = [Path(place) / name for name in sorted(folders) if not name.startswith(("_", "."))]
        found = {child: is_case(child) for child in children}
        yield from (child for child in children if found[child])
        folders[:] = [child.name for child in children if not found[child]]


def read_folder(folder: Path) -> Case:
    """Return the case in `folder`; raises InputError when it holds none, or one that cannot be read."""
    layout = layout_of(folder)
    if layout == "rcaeval":
        return rcaeval.read_rcaeval_case(folder)
    return petshop.read_petshop_case(folder) if layout == "petshop" else case_folder.read_case_folder(folder)


def _not_listed(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be listed ({error.strerror}); see its permissions") from error
