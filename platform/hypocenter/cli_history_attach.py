"""The command that gives past incidents their telemetry: what a metrics server still knows of their time."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import PATH, about_a_server, about_the_records, in_json
from hypocenter.cli_history_store import kept_history
from hypocenter.cli_server import server_options
from hypocenter.errors import InputError
from hypocenter.terminal import progress, visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hypocenter.history.past_incident import HistoryStore, PastIncident


@click.command(short_help="Attach to past incidents what a Prometheus knows of them.")
@about_the_records
@in_json
@click.option("--telemetry", type=PATH, required=True, help="Folder in which the case folders are made.")
@click.option(
    "--most", type=click.IntRange(1), default=100, show_default=True, help="Incidents to ask for, the latest."
)
@about_a_server("The Prometheus-compatible server to ask.", "How much to read before an incident began.")
def attach(records: str | None, as_json: bool, telemetry: Path, most: int, **given: Any) -> None:
    """Read from a Prometheus server what it knows of past incidents, and attach it to them as case folders.

    Asked for are incidents that have a label, a beginning and no telemetry yet, the latest first.
    """
    if not given["prometheus"]:
        raise click.UsageError("give --prometheus URL", click.get_current_context())
    with kept_history(records) as history:
        wanted = list(islice(reversed([each for each in history.incidents() if _lacks_telemetry(each)]), most))
        attached, failed = _attach(history, wanted, telemetry, given)
    if failed and not attached:
        raise InputError(f"nothing was attached: {next(iter(failed.values()))}")
    if as_json:
        click.echo(json.dumps({"schema_version": 1, "attached": attached, "failed": failed}))
        return
    click.echo(f"attached     {len(attached):,} of {len(wanted):,} incidents asked for")
    for name, reason in islice(failed.items(), 10):
        click.echo(f"not read     {visible(f'{name}: {reason}')}")


def _lacks_telemetry(incident: PastIncident) -> bool:
    labelled = incident.root_components or incident.fault_type
    return bool(labelled and incident.started_at and not incident.telemetry)


def _attach(
    history: HistoryStore, wanted: list[PastIncident], folder: Path, given: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """Attach what the server knows, one incident after the other: what was read stays when a later one fails."""
    attached: dict[str, str] = {}
    failed: dict[str, str] = {}
    for incident in wanted:
        progress(f"asking for {incident.incident_id}")
        try:
            place = _fetched(incident, folder, given)
        except InputError as error:
            failed[incident.incident_id] = str(error)
            continue
        history.save_incidents([replace(incident, telemetry=place)])
        attached[incident.incident_id] = place
    return attached, failed


def _fetched(incident: PastIncident, folder: Path, given: Mapping[str, Any]) -> str:
    from hypocenter.history.fetched_case import folder_name, write_fetched_case
    from hypocenter.readers import prometheus

    place = folder / folder_name(incident)
    if not place.exists():
        assert incident.started_at is not None
        match = given["match"] or prometheus.DEFAULT_MATCH
        case = prometheus.read_prometheus(
            given["prometheus"], incident.started_at, given["lookback"], match, options=server_options(given)
        )
        write_fetched_case(case, incident, place)
    return str(place.resolve())
