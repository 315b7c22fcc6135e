"""What is typed of where incidents come from, as a file to read and how to read it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from hypocenter.errors import InputError
from hypocenter.terminal import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypocenter.history.asking import Asked
    from hypocenter.history.client import Access
    from hypocenter.history.mapping import Mapping as Terms
    from hypocenter.history.reading import Reading

_OF_SERVERS = ("since", "until", "query", "token_file", "username", "ca_file")
_API_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)


@contextmanager
def opened_export(export: str, source: str, given: Mapping[str, Any]) -> Iterator[tuple[Path, Reading]]:
    """Lend the file that holds the incidents of `export`, a file or URL, and how it is read.

    Raises InputError for what is neither or is asked for in a wrong way, SourceError for a server that does not answer.
    """
    reading = _reading(export, source, given)
    if "://" not in export:
        _refuse(given)
        yield Path(export), reading
        return
    from hypocenter.history.asking import fetched

    most = reading.limits.file_bytes
    with fetched(export, source, _asked(given, reading.mapping), _access(given), most, progress) as path:
        yield path, reading


def _refuse(given: Mapping[str, Any]) -> None:
    for name in _OF_SERVERS:
        if given[name]:
            raise click.UsageError(f"--{name.replace('_', '-')} needs a URL", click.get_current_context())


def _reading(export: str, source: str, given: Mapping[str, Any]) -> Reading:
    from hypocenter.history.attachments import Attachments, folders_by_name
    from hypocenter.history.mapping import NO_MAPPING, read_mapping
    from hypocenter.history.reading import Reading

    is_url = "://" in export
    folders = folders_by_name(given["telemetry"]) if given["telemetry"] else {}
    return Reading(
        source=source,
        mapping=read_mapping(given["mapping"]) if given["mapping"] else NO_MAPPING,
        zone=_zone(given["timezone"]),
        time_format=given["time_format"],
        encoding=given["encoding"],
        attachments=Attachments(folders, None if is_url else Path(export).absolute().parent),
        may_be_empty=is_url,
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"--timezone {name}: no such time zone; name one as Europe/Berlin") from error


def _asked(given: Mapping[str, Any], mapping: Terms) -> Asked:
    from hypocenter.history.asking import Asked

    named = (theirs for names in mapping.fields.values() for theirs in names)
    fields = tuple(dict.fromkeys(name for name in named if _API_NAME.fullmatch(name)))
    return Asked(given["since"], given["until"], given["query"] or "", fields)


def _access(given: Mapping[str, Any]) -> Access:
    from hypocenter import settings
    from hypocenter.history.client import Access

    path = given["token_file"] or settings.read("history_token_file")
    return Access(
        token=_secret(Path(str(path))) if path else None,
        username=given["username"],
        ca_file=given["ca_file"],
        timeout_s=float(settings.read("history_timeout") or 0),
    )


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
