"""Where reports go: checked before the work, and written whole or not at all."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def check_destination(place: Path, several: bool, inputs: Iterable[Path], option: str = "--out") -> Path:
    """Return where `option` says that output goes: a folder for several cases, a file for one.

    Raises InputError when it is the other of the two, is something else (a device, a pipe), or is or lies in one of
    `inputs`, which a report must not replace.
    """
    if place.exists() and place.is_dir() != several:
        wanted = "several cases need a folder" if several else "this is a folder, and a file is needed"
        raise InputError(f"{option} {place}: {wanted}")
    goal = _goal(place, option)
    for given in inputs:
        if goal == given.resolve() or given.resolve() in goal.parents:
            raise InputError(f"{option} {place}: is or lies in the input {given}; name a place outside it")
    return place


def report_path(place: Path, number: int | None, case_id: str) -> Path:
    """Return the report's file: `place` itself, or one in that folder, numbered in the order of the cases."""
    if number is None:
        return place
    name = re.sub(r"[^\w.-]+", "_", case_id)
    return place / f"{number:03d}-{name}.html"


def write_report(path: Path, text: str, option: str = "--out") -> None:
    """Write the file whole or not at all; a link stays one, what it points to is written."""
    write_lines(path, (text,), option)


def write_lines(path: Path, lines: Iterable[str], option: str = "--out") -> None:
    """Write the file as `write_report` does, of texts that come one after the other; none of it when they fail."""
    goal = _goal(path, option)
    draft = goal.with_name(f".{goal.name}.{os.getpid()}")
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8") as file:
            file.writelines(lines)
        draft.replace(goal)
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            draft.unlink()


def _goal(path: Path, option: str) -> Path:
    """Return what `path` leads to; raises InputError for what a file cannot be put in the place of."""
    try:
        goal = path.resolve()
        if goal.exists() and not (goal.is_file() or goal.is_dir()):
            raise InputError(f"{option} {path}: is not a regular file; name a file")
    except (OSError, RuntimeError) as error:
        raise InputError(f"{option} {path}: cannot be followed to its end ({error})") from error
    return goal
