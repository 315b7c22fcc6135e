"""Telemetry of past incidents: which case folder belongs to which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.readers.folders import case_folders, is_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LARGEST_CASE_FILE = 64_000_000


class Attachments:
    """Case folders by the names that they go by, and those that incidents were found for.

    `base` is the folder that relative places in an export start from; None where the export is no file.
    """

    def __init__(self, folders: Mapping[str, str] | None = None, base: Path | None = None) -> None:
        self._folders, self._base = dict(folders or {}), base
        self._used: set[str] = set()

    @property
    def unused(self) -> list[str]:
        """The folders that no incident was found for."""
        return sorted(set(self._folders.values()) - self._used)

    def folder_of(self, names: Iterable[str]) -> str:
        """Return the folder that goes by one of the names of an incident, "" where none does."""
        found = next((self._folders[name] for name in names if name in self._folders), "")
        self._used |= {found} if found else set()
        return found

    def place(self, stated: str) -> str:
        """Return the place that an export states, from the root; raises ValueError where nothing is."""
        path = self._base / stated if self._base else Path(stated)
        try:
            if path.is_absolute() and path.exists():
                return str(path.resolve())
        except OSError as error:
            raise ValueError(error.strerror) from error
        raise ValueError("nothing is there")


def folders_by_name(folder: Path) -> dict[str, str]:
    """Return the case folders below `folder` by their own names, and by the `case_id` that they state.

    Raises InputError when there are none, or when two go by the same name.
    """
    if not folder.is_dir():
        raise InputError(f"--telemetry {folder}: is no folder; name one with case folders")
    found: dict[str, str] = {}
    for case in [folder] if is_case(folder) else case_folders(folder):
        place = str(case.resolve())
        for name in _names(case):
            if found.setdefault(name, place) != place:
                raise InputError(f"--telemetry {folder}: {found[name]} and {place} both go by {name!r}; keep one")
    if not found:
        raise InputError(f"--telemetry {folder}: holds no case folder")
    return found


def _names(case: Path) -> Iterator[str]:
    yield case.resolve().name
    stated = case / "case.json"
    try:
        if stated.is_file() and stated.stat().st_size <= LARGEST_CASE_FILE:
            value = json.loads(stated.read_bytes())
            if isinstance(value, dict) and isinstance(value.get("case_id"), str):
                yield value["case_id"]
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{stated}: cannot be read ({str(error)[:100]})") from error
