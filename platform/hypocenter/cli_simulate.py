"""The command that makes labelled cases from scenarios, and sends them to running servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import PATH, TIME, FiniteRange

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from hypocenter.simulator import Simulation


@click.command(short_help="Make a labelled case: a simulated system and a fault.")
@click.argument("scenario", type=PATH)
@click.option("--out", type=PATH, help="Folder for the labelled case.")
@click.option("--seed", type=int, help="Seed of everything random; default: the scenario's.")
@click.option("--to", metavar="URL", help="Send the metrics to a running server by Prometheus remote write.")
@click.option("--bearer-token-file", type=PATH, help="File that holds a token of scope ingest, for the running server.")
@click.option("--speed", type=FiniteRange(0, min_open=True), help="Simulated seconds per second when sending.")
@click.option("--ending-at", type=TIME, help="Shift the last sample sent to this time.")
@click.option("--fault-at", type=TIME, help="Have the fault fall at this time; what comes later than now is sent live.")
def simulate(
    scenario: Path,
    out: Path | None,
    seed: int | None,
    to: str | None,
    bearer_token_file: Path | None,
    fault_at: datetime | None,
    **sending: Any,
) -> None:
    """Make a labelled case from a SCENARIO: a simulated system, its load and a fault."""
    if out is None and to is None:
        raise click.UsageError("give --out CASE, --to URL or both", click.get_current_context())
    from hypocenter import simulator
    from hypocenter.readers.prometheus_options import secret_in

    token = secret_in(bearer_token_file) if bearer_token_file else None
    simulation = simulator.simulate(simulator.read_scenario(scenario), seed)
    if out is not None:
        click.echo(f"case         {simulator.write_case(simulation, out).resolve()}")
    if to is not None and fault_at is not None:
        sending = _live(simulation, fault_at, **sending)
    if to is not None:
        samples = simulator.send(simulation, _receiver(to), token=token, **sending)
        click.echo(f"sent         {samples} samples")
        _tell_fault_sent(simulator.fault_as_sent(simulation, sending["ending_at"]), sending["ending_at"], out)


def _live(
    simulation: Simulation, fault_at: datetime, speed: float | None, ending_at: datetime | None
) -> dict[str, Any]:
    """Return how to send so that the fault falls at a time, and say what will happen."""
    from hypocenter import simulator

    if speed is not None or ending_at is not None:
        raise click.UsageError("give --fault-at without --speed and --ending-at", click.get_current_context())
    end = simulator.ending_with_fault_at(simulation, fault_at)
    told = f"fault falls at {fault_at:%H:%M:%S} UTC; all up to now is sent at once, the rest as time passes, up to"
    click.echo(f"sending      {told} {end:%H:%M:%S}. Ctrl-C ends it.")
    return {"ending_at": end, "live": True}


def _tell_fault_sent(began: datetime | None, ending_at: datetime | None, out: Path | None) -> None:
    shifted = "" if ending_at is None else " (shifted)"
    if began is not None:
        click.echo(f"fault began  {began:%Y-%m-%dT%H:%M:%SZ}{shifted}")
    if shifted and out is not None:
        click.echo("the case in --out keeps the times of the scenario; only what was sent is shifted")


def _receiver(url: str) -> str:
    """Return the remote-write address of a server that was named without a path."""
    server = url.rstrip("/")
    return f"{server}/api/v1/write" if server.count("/") == len("//") else url
