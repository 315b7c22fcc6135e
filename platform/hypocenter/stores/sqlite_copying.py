"""A copy of a SQLite file as it is at one time, whoever writes to it meanwhile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from hypocenter.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 30.0


def copy_sqlite(source: Path, target: Path) -> None:
    """Write the file that others may have open to a new one; in one step, so that nobody's writing begins it anew.

    Raises SourceError when the one cannot be read or the other be written.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", timeout=WAIT_S, uri=True)) as kept,
            closing(sqlite3.connect(target)) as made,
        ):
            kept.backup(made)
    except sqlite3.Error as error:
        raise SourceError(f"{source}: cannot be copied: {error}") from error
