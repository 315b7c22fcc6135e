"""The command that fills the history: reads an export or asks a server, and takes all of it or nothing."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from hypocenter.arguments import PATH, about_the_records, in_json
from hypocenter.errors import InputError
from hypocenter.history.sources import SOURCES
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hypocenter.history.findings import Findings
    from hypocenter.history.importing import Reading
    from hypocenter.history.past_incident import Counts


@click.command("import")
@click.argument("export", metavar="FILE|URL")
@click.option("--from", "source", type=click.Choice(SOURCES), required=True, help="The tool that wrote it.")
@about_the_records
@in_json
@click.option("--mapping", type=PATH, help="What their names mean here: YAML with components, fault_types, fields.")
@click.option("--dry-run", is_flag=True, help="Read and count everything, and keep nothing.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows that are no incidents, and import the others.")
@click.option("--timezone", default="UTC", show_default=True, metavar="NAME", help="Zone of times that state none.")
@click.option("--time-format", metavar="FORMAT", help="How times are written, as '%d/%m/%Y %H:%M'.")
@click.option("--encoding", metavar="NAME", help="Encoding of the file, instead of finding it out.")
def import_(export: str, source: str, records: str | None, as_json: bool, dry_run: bool, **given: Any) -> None:
    """Add the incidents in a FILE, or of the tool at a URL, to the history."""
    from hypocenter.history.findings import Findings
    from hypocenter.history.importing import LeftOutError, import_history
    from hypocenter.stores.opening import open_records, records_place

    reading, findings = _reading(source, given), Findings()
    with closing(open_records(records)) as opened:
        try:
            counts = import_history(
                [_path(export)], reading, opened.history, findings, skip_bad=given["skip_bad"], dry_run=dry_run
            )
        except LeftOutError:
            _tell(findings, None, as_json, "")
            raise
    _tell(findings, counts, as_json, records_place(records) if not dry_run else "")


def _path(text: str) -> Path:
    from pathlib import Path

    return Path(text)


def _reading(source: str, given: Mapping[str, Any]) -> Reading:
    from hypocenter.history.importing import Reading
    from hypocenter.history.mapping import NO_MAPPING, read_mapping

    return Reading(
        source=source,
        mapping=read_mapping(given["mapping"]) if given["mapping"] else NO_MAPPING,
        zone=_zone(given["timezone"]),
        time_format=given["time_format"],
        encoding=given["encoding"],
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"--timezone {name}: no such time zone; name one as Europe/Berlin") from error


def _tell(findings: Findings, counts: Counts | None, as_json: bool, place: str) -> None:
    from hypocenter.history.wording import findings_to_json

    if as_json:
        saved = counts._asdict() if counts else None
        told = {"schema_version": 1, "counts": saved, "saved": bool(place), **findings_to_json(findings)}
        click.echo(json.dumps(told, allow_nan=False))
        return
    for heading, text in _rows(findings, counts, place):
        click.echo(f"{heading:<12} {visible(text)}".rstrip())


def _rows(findings: Findings, counts: Counts | None, place: str) -> Iterator[tuple[str, str]]:
    from hypocenter.history.wording import findings_rows

    yield from findings_rows(findings)
    if counts is not None:
        yield "history", f"{counts.new:,} new, {counts.changed:,} changed, {counts.same:,} the same"
        yield "records", place or "nothing was written"
