"""The commands that keep the history of incidents: import, list and export."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from hypocenter.arguments import PATH, about_the_records, in_json
from hypocenter.cli_history_attach import attach
from hypocenter.cli_history_evaluate import evaluate
from hypocenter.cli_history_import import import_
from hypocenter.cli_history_review import review
from hypocenter.cli_history_show import show
from hypocenter.cli_history_store import kept_history, records_file
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hypocenter.history.past_incident import PastIncident


@click.group(short_help="Keep the history of incidents, and look at it.")
def history() -> None:
    """Keep the history of incidents: fill it from other tools, look at it, and take it along."""


history.add_command(attach)
history.add_command(import_)
history.add_command(evaluate)
history.add_command(review)
history.add_command(show)


@history.command("list", short_help="Show the latest incidents.")
@about_the_records
@in_json
@click.option("--most", type=click.IntRange(1), default=50, show_default=True, help="Incidents to show, the latest.")
@click.option("--component", help="Only incidents in which it is the root or the symptom.")
def list_(records: str | None, as_json: bool, most: int, component: str | None) -> None:
    """Show the latest incidents of the history, with where they began and what kind of fault it was."""
    from collections import deque

    with kept_history(records) as kept:
        found = (each for each in kept.incidents() if component is None or component in _components(each))
        latest = deque(found, maxlen=most)
    if not latest and not as_json:
        click.echo(visible(_hint(component)))
    for incident in reversed(latest):
        click.echo(_json(incident) if as_json else visible(_line(incident)))


@history.command(short_help="Write the whole history, for `import`.")
@about_the_records
@click.option("--out", type=PATH, help="Where it goes; default: standard output.")
def export(records: str | None, out: Path | None) -> None:
    """Write the whole history as JSON lines, from which `import --from hypocenter` makes the same history again."""
    from hypocenter.destination import check_destination

    if out is not None:
        check_destination(out, False, records_file(records))
    with kept_history(records) as kept:
        lines = (f"{_json(incident)}\n" for incident in kept.incidents())
        _write(lines, out)


def _write(lines: Iterator[str], out: Path | None) -> None:
    if out is None:
        for line in lines:
            click.echo(line, nl=False)
        return
    from hypocenter.destination import write_lines

    write_lines(out, lines)


def _json(incident: PastIncident) -> str:
    from hypocenter.history.own import export_line

    return export_line(incident)


def _components(incident: PastIncident) -> Iterable[str]:
    return (*incident.root_components, incident.symptom_component)


def _hint(component: str | None) -> str:
    if component is not None:
        return f"no incident that is kept has {component} as its root or symptom"
    return "no incident is kept; fill the history with: hypocenter history import FILE --from TOOL"


def _line(incident: PastIncident) -> str:
    began = f"{incident.started_at:%Y-%m-%d %H:%M}" if incident.started_at else "no time        "
    roots = ", ".join(islice(incident.root_components, 3)) or "?"
    return f"{began}  {incident.incident_id}  {roots}  {incident.fault_type or '?'}  {incident.title}".rstrip()
