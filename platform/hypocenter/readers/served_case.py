"""A case out of a running server of ours, which alone may open its data."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

import httpx

from hypocenter.errors import InputError, LimitError, SourceError
from hypocenter.readers.case_folder import read_case_folder
from hypocenter.readers.limits import limits_from_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hypocenter.readers.limits import Limits
    from hypocenter.telemetry import Case

_FILES = ("case.json", "metrics.parquet")
_TIMEOUT_S = 120.0
_LONGEST_REASON = 500


def read_served(url: str, token: str | None, window: tuple[datetime, datetime], match: Sequence[str]) -> Case:
    """Return what the server at `url` holds of the time from the first to the second moment of `window`, in UTC.

    Raises InputError for what the server turns down, LimitError for more than `max_file_bytes`, SourceError when it
    does not answer as it should.
    """
    start, end = (moment.isoformat() for moment in window)
    asked = {"start": start, "end": end, "match": list(match)}
    with TemporaryDirectory(prefix="hypocenter-case-") as folder:
        archive = Path(folder) / "case.zip"
        try:
            _fetch(f"{url}/api/v1/case", asked, token, archive)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceError(f"{url}: cannot be reached or broke off ({error})") from error
        return read_case_folder(_unpacked(archive, url, limits_from_settings()))


def _fetch(url: str, asked: Mapping[str, str | Sequence[str]], token: str | None, into: Path) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    most, held = limits_from_settings().file_bytes, 0
    # A proxy of the environment would be told what is on this machine.
    with (
        httpx.Client(timeout=_TIMEOUT_S, headers=headers, trust_env=False) as client,
        client.stream("GET", url, params=asked) as answer,
        into.open("wb") as file,
    ):
        if answer.status_code != httpx.codes.OK:
            raise _refusal(answer)
        for block in answer.iter_bytes():
            held += len(block)
            if held > most:
                raise LimitError(f"the answer is longer than {most:,} bytes; ask for less with --lookback or --match")
            file.write(block)


def _refusal(answer: httpx.Response) -> InputError | SourceError:
    """Return the reason that the server states: ours to mend up to 499, its own from 500 on."""
    text = answer.read()[: 4 * _LONGEST_REASON].decode("utf-8", "replace")
    stated = answer.json().get("detail", text) if "json" in answer.headers.get("content-type", "") else text
    reason = " ".join(str(stated).split())[:_LONGEST_REASON]
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return InputError(f"{reason}; then name the file that holds it: --bearer-token-file PATH")
    if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
        return InputError(reason or f"the server turned the question down ({answer.status_code})")
    return SourceError(f"the server failed ({answer.status_code}): {reason}")


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
