"""The command that shows one incident: what is known of it now, and what was known before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import about_the_records, in_json
from hypocenter.cli_history_store import kept_history
from hypocenter.errors import InputError
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypocenter.history.past_incident import PastIncident

    # All versions of one incident, the current one first.
    Versions = Sequence[PastIncident]

WIDEST = 40


@click.command(short_help="Show what is known of the incident ID.")
@click.argument("incident_id", metavar="ID")
@about_the_records
@in_json
def show(incident_id: str, records: str | None, as_json: bool) -> None:
    """Show what is known of the incident ID now, and in each older version."""
    with kept_history(records) as kept:
        meant = [each for each in kept.incidents() if incident_id in (each.incident_id, each.key)]
        found = [(each, *reversed(kept.older_versions(each.source, each.key))) for each in meant]
    if not found:
        raise InputError(f"{incident_id}: no incident of that ID is kept; see hypocenter history list")
    if as_json:
        click.echo(json.dumps({"schema_version": 1, "incidents": list(map(_to_json, found))}, allow_nan=False))
        return
    click.echo("\n\n".join("\n".join(_table(versions)) for versions in found))


def _record(incident: PastIncident) -> dict[str, Any]:
    from hypocenter.history.own import export_line

    record: dict[str, Any] = json.loads(export_line(incident))
    return record


def _to_json(versions: Versions) -> dict[str, Any]:
    current, *older = map(_record, versions)
    return {"current": current, "older_versions": older[::-1]}


def _table(versions: Versions) -> Iterator[str]:
    """Yield lines with a field each and a column for each version; what was not known is "-"."""
    records = [_record(each) for each in versions]
    names = [name for name in versions[0].__dataclass_fields__ if any(name in record for record in records)]
    heads = ["current", *(f"version {number}" for number in range(len(versions) - 1, 0, -1))]
    rows = [["", *heads], *([name, *(_cell(record.get(name)) for record in records)] for name in names)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(value: object) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value or "-")
    line = visible(" ".join(text.split()))
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 3]}..."
