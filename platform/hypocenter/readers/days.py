"""Lists of days, such as holidays: one `date[,name]` a line."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.readers.limits import check_file, limits_from_settings

if TYPE_CHECKING:
    from pathlib import Path


def read_days(path: Path) -> frozenset[date]:
    """Return the days that a text file lists, one `2026-12-25[,name]` a line.

    Empty lines, lines that begin with `#` and a first line `date[,name]` are passed over. Raises InputError that names
    the line.
    """
    check_file(path, limits_from_settings())
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    stated = [(number, line.split(",")[0].strip()) for number, line in enumerate(lines, start=1)]
    kept = [(number, text) for number, text in stated if text and not text.startswith("#")]
    if kept and kept[0][1].lower() == "date":
        kept = kept[1:]
    return frozenset(_day(text, f"{path}: line {number}") for number, text in kept)


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{where}: {text!r} is no date; write one `2026-12-25,name` a line") from error
