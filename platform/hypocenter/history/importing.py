"""An import from beginning to end: all of an export is taken, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.history.advice import advice
from hypocenter.history.building import Builder
from hypocenter.history.csv_rows import csv_rows
from hypocenter.history.hypocenter import folder_rows
from hypocenter.history.json_rows import json_rows
from hypocenter.history.keeping import with_what_is_kept
from hypocenter.history.sources import layout_of
from hypocenter.history.text_files import opened_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from hypocenter.history.building import Told
    from hypocenter.history.findings import Findings
    from hypocenter.history.layout import Layout
    from hypocenter.history.past_incident import Counts, HistoryStore, PastIncident
    from hypocenter.history.reading import Reading
    from hypocenter.history.row import BadRow, Row
    from hypocenter.history.text_files import TextFile


TOLD_EVERY = 10_000


class LeftOutError(InputError):
    """Some rows of an export are no incidents, so nothing was imported."""


def import_history(
    path: Path,
    reading: Reading,
    store: HistoryStore,
    findings: Findings,
    *,
    skip_bad: bool = False,
    dry_run: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Counts:
    """Save the incidents of an export, in one transaction, and tell `findings` what was understood.

    Raises InputError, and saves nothing, when the file breaks off or is of another kind; LeftOutError when rows are no
    incidents, unless `skip_bad`.
    """
    label_names = frozenset(name for name, _ in layout_of(reading.source).labels)
    found = with_what_is_kept(_read(path, reading, findings), store, label_names, findings)
    counts = store.save_incidents(
        _counted(found if skip_bad else _whole(found, findings, reading.source), progress), dry_run=dry_run
    )
    if unused := reading.attachments.unused:
        findings.note(f"{len(unused):,} case folders belong to no incident of these, such as {unused[0]}")
    return counts


def read_history(path: Path, reading: Reading, findings: Findings) -> Iterator[PastIncident]:
    """Yield the incidents of one file as they are read; raises InputError as `import_history` does."""
    return (incident for incident, _ in _read(path, reading, findings))


def _read(path: Path, reading: Reading, findings: Findings) -> Iterator[Told]:
    before = findings.rows
    layout = layout_of(reading.source)
    yield from Builder(layout, reading, findings).incidents(_rows_in(path, reading, layout, findings))
    if findings.rows == before and not reading.may_be_empty:
        raise InputError(f"{path}: no incident in it; see that the export was made with rows")


def _rows_in(path: Path, reading: Reading, layout: Layout, findings: Findings) -> Iterator[Row | BadRow]:
    if path.is_dir():
        if reading.source != "hypocenter":
            raise InputError(f"{path}: is a folder, which only --from hypocenter reads; name a file")
        findings.count_records()
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
        return json_rows(text, findings.names, layout.lists, layout.prepare, findings.count_records, findings.note)
    return csv_rows(text, findings.names, findings.note)


def _counted(incidents: Iterable[PastIncident], progress: Callable[[str], None]) -> Iterator[PastIncident]:
    for number, incident in enumerate(incidents, start=1):
        if number % TOLD_EVERY == 0:
            progress(f"{number:,} incidents read")
        yield incident


def _whole(incidents: Iterable[PastIncident], findings: Findings, source: str) -> Iterator[PastIncident]:
    yield from incidents
    if findings.left_out:
        left_out = f"{findings.left_out:,} of {findings.rows:,} rows are no incidents, so nothing was imported"
        raise LeftOutError(f"{left_out}; {advice(findings, source)}")
