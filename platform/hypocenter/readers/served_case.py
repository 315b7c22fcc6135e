"""A case out of a running server of ours, which alone may open its data."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from hypocenter.errors import LimitError, SourceError
from hypocenter.readers.case_folder import read_case_folder
from hypocenter.readers.limits import limits_from_settings
from hypocenter.readers.served import Ask, fetch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter.readers.limits import Limits
    from hypocenter.telemetry import Case

_FILES = ("case.json", "metrics.parquet")
_TIMEOUT_S = 120.0


def read_served(url: str, token: str | None, window: tuple[datetime, datetime], match: Sequence[str]) -> Case:
    """Return what the server at `url` holds of the time from the first to the second moment of `window`, in UTC.

    Raises InputError for what the server turns down, LimitError for more than `max_file_bytes`, SourceError when it
    does not answer as it should.
    """
    start, end = (moment.isoformat() for moment in window)
    asked = {"start": start, "end": end, "match": list(match)}
    with TemporaryDirectory(prefix="hypocenter-case-") as folder:
        archive = Path(folder) / "case.zip"
        limits = limits_from_settings()
        fetch(Ask("GET", f"{url}/api/v1/case", token, _TIMEOUT_S, asked, limits.file_bytes), archive)
        return read_case_folder(_unpacked(archive, url, limits))


def _unpacked(archive: Path, url: str, limits: Limits) -> Path:
    """Return a folder beside `archive` with the files of a case that it holds, and no others."""
    folder = archive.with_name("case")
    try:
        with ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if member.filename in _FILES]
            if sum(member.file_size for member in members) > limits.file_bytes:
                raise LimitError(f"{url}: the case unpacks to more than {limits.file_bytes:,} bytes")
            packed.extractall(folder, members)
    except BadZipFile as error:
        raise SourceError(f"{url}: the answer is no case; is this `hypocenter serve`?") from error
    return folder
