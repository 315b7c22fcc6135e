"""Where the commands of `hypocenter history` find the records."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.history.past_incident import HistoryStore


def records_file(records: str | None) -> list[Path]:
    """Return the file that holds the records, which nothing else may be written to; [] for a server."""
    from hypocenter.stores.opening import records_place

    place = records_place(records)
    return [] if "://" in place else [Path(place)]


@contextmanager
def kept_history(records: str | None) -> Iterator[HistoryStore]:
    """Open a history that is there; raises InputError where no file is."""
    missing = next((path for path in records_file(records) if not path.exists()), None)
    if missing is not None:
        raise InputError(f"{missing}: no history there; fill one with: hypocenter history import FILE --from TOOL")
    with opened_history(records) as history:
        yield history


@contextmanager
def opened_history(records: str | None, *, dry_run: bool = False) -> Iterator[HistoryStore]:
    """Open the history to write to it; a file that is not there is made, but for a dry run, which leaves nothing."""
    from hypocenter.stores.opening import open_records

    absent = dry_run and any(not path.exists() for path in records_file(records))
    with TemporaryDirectory(prefix="hypocenter-") as folder:
        place = str(Path(folder) / "records.db") if absent else records
        with closing(open_records(place)) as opened:
            yield opened.history
