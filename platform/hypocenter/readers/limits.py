"""How large an input may be: checked before it is read, since memory that is gone cannot say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.errors import InputError, LimitError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Most bytes of one file and most cells (rows x columns) of one table."""

    file_bytes: int = 2_000_000_000
    cells: int = 200_000_000


def limits_from_settings() -> Limits:
    """Return the limits that the settings `max_file_bytes` and `max_cells` name."""
    return Limits(int(settings.read("max_file_bytes") or 0), int(settings.read("max_cells") or 0))


def check_file(path: Path, limits: Limits) -> None:
    """Raise InputError when `path` is not a readable file, LimitError when it holds too many bytes."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a file that exists") from error
    if size > limits.file_bytes:
        raise LimitError(
            f"{path}: {size:,} bytes are more than the limit of {limits.file_bytes:,}; "
            "cut the file or raise HYPOCENTER_MAX_FILE_BYTES"
        )


def check_cells(where: str, rows: int, columns: int, limits: Limits) -> None:
    """Raise LimitError when a table of `rows` x `columns` holds too many cells."""
    if rows * columns > limits.cells:
        raise LimitError(
            f"{where}: {rows:,} rows x {columns:,} columns are more than the limit of {limits.cells:,} cells; "
            "cut the table or raise HYPOCENTER_MAX_CELLS"
        )
