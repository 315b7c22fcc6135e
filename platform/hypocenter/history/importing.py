"""An import from beginning to end: all of an export is taken, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.history.building import Builder
from hypocenter.history.csv_rows import csv_rows
from hypocenter.history.hypocenter import folder_rows
from hypocenter.history.json_rows import json_rows
from hypocenter.history.mapping import NO_MAPPING
from hypocenter.history.sources import layout_of
from hypocenter.history.text_files import opened_text
from hypocenter.readers.limits import Limits, limits_from_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import tzinfo
    from pathlib import Path

    from hypocenter.history.findings import Findings
    from hypocenter.history.layout import Layout
    from hypocenter.history.mapping import Mapping as Terms
    from hypocenter.history.past_incident import Counts, HistoryStore, PastIncident
    from hypocenter.history.row import BadRow, Row
    from hypocenter.history.text_files import TextFile


@dataclass(frozen=True, slots=True)
class Reading:
    """How an export is read: what it is, what its words mean, and where and how its times were written.

    `telemetry` holds case folders by the incident's id. A server may have no incident to tell of, and `may_be_empty`.
    """

    source: str
    mapping: Terms = NO_MAPPING
    zone: tzinfo = UTC
    time_format: str | None = None
    encoding: str | None = None
    telemetry: Mapping[str, str] = field(default_factory=dict)
    may_be_empty: bool = False
    limits: Limits = field(default_factory=limits_from_settings)


class LeftOutError(InputError):
    """Some rows of an export are no incidents, so nothing was imported."""


def import_history(
    paths: Iterable[Path],
    reading: Reading,
    store: HistoryStore,
    findings: Findings,
    *,
    skip_bad: bool = False,
    dry_run: bool = False,
) -> Counts:
    """Save the incidents of all files, in one transaction, and tell `findings` what was understood.

    Raises InputError, and saves nothing, when a file breaks off or is of another kind; LeftOutError when rows are no
    incidents, unless `skip_bad`.
    """
    found = (incident for path in paths for incident in read_history(path, reading, findings))
    return store.save_incidents(_whole(found, findings, skip_bad), dry_run=dry_run)


def read_history(path: Path, reading: Reading, findings: Findings) -> Iterator[PastIncident]:
    """Yield the incidents of one file as they are read; raises InputError as `import_history` does."""
    before = findings.rows
    layout = layout_of(reading.source)
    builder = Builder(layout, findings, reading.mapping, reading.zone, reading.time_format)
    for incident in builder.incidents(_rows_in(path, reading, layout, findings)):
        yield _with_telemetry(incident, reading.telemetry)
    if findings.rows == before and not reading.may_be_empty:
        raise InputError(f"{path}: no incident in it; see that the export was made with rows")


def _rows_in(path: Path, reading: Reading, layout: Layout, findings: Findings) -> Iterator[Row | BadRow]:
    if path.is_dir():
        if reading.source != "hypocenter":
            raise InputError(f"{path}: is a folder, which only --from hypocenter reads; name a file")
        yield from folder_rows(path, findings.names, reading.limits)
        return
    with opened_text(path, reading.limits, reading.encoding) as text:
        for note in text.notes:
            findings.note(note)
        yield from _rows(text, layout, findings)


def _rows(text: TextFile, layout: Layout, findings: Findings) -> Iterator[Row | BadRow]:
    """Tell JSON from CSV by how the text begins."""
    start = text.stream.read(4096).lstrip()
    text.stream.seek(0)
    if start.startswith(("{", "[")):
        return json_rows(text, findings.names, layout.lists, layout.prepare)
    return csv_rows(text, findings.names, findings.note)


def _with_telemetry(incident: PastIncident, folders: Mapping[str, str]) -> PastIncident:
    folder = folders.get(incident.incident_id) or folders.get(incident.key)
    return replace(incident, telemetry=folder) if folder else incident


def _whole(incidents: Iterable[PastIncident], findings: Findings, skip_bad: bool) -> Iterator[PastIncident]:
    yield from incidents
    if findings.left_out and not skip_bad:
        raise LeftOutError(
            f"{findings.left_out:,} of {findings.rows:,} rows are no incidents, so nothing was imported; mend them, "
            "say with --mapping which fields to read, or leave them out with --skip-bad"
        )
