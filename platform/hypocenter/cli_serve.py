"""The command that starts the server."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hypocenter.arguments import about_the_data
from hypocenter.cli_worker import detecting, end_amid_work
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hypocenter.api.intake import BodyLimits
    from hypocenter.api.parts import Parts
    from hypocenter.api.serving import Started


F = TypeVar("F", bound=Callable[..., Any])


def _about_the_server(command: F) -> F:
    """Add what every server is told: where it listens, and where things are kept."""
    options = (
        about_the_data,
        click.option("--listen", metavar="HOST:PORT", help="Where to listen; default: the setting HYPOCENTER_LISTEN."),
        click.option("--open", "open_to_all", is_flag=True, help="Let everybody in who reaches it, while no token is."),
        click.option("--metrics", metavar="URL", help="Keep metrics in a Prometheus-compatible server instead."),
        click.option("--records", metavar="WHERE", help="Keep records in this file or postgresql://USER@HOST/NAME."),
        click.option("--graph", metavar="WHERE", help="Keep the graph in this file or bolt://HOST:7687."),
        click.option("--pull", metavar="URL", help="Read the metrics of this Prometheus-compatible server by itself."),
        click.option("--match", metavar="SELECTOR", multiple=True, help="Series to read from it; repeatable."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(short_help="Take telemetry, watch over it, and say where incidents began.")
@_about_the_server
@click.option("--no-detection", is_flag=True, help="Only take and keep: nothing is detected.")
def serve(no_detection: bool, **given: Any) -> None:
    """Take telemetry, alerts and change events in the formats that other tools speak, and watch over them."""
    _run(**given, apart=False, beside=None if no_detection else detecting)


@click.command(short_help="Take telemetry and answer; workers do the rest.")
@_about_the_server
def api(**given: Any) -> None:
    """Take telemetry as `hypocenter serve` does, and leave detection to workers, met at the Redis of the settings."""
    _run(**given, apart=True, beside=None)


def _run(
    data_dir: Path | None,
    listen: str | None,
    open_to_all: bool,
    beside: Callable[[Mapping[str, Parts]], AbstractContextManager[None]] | None,
    **kept: Any,
) -> None:
    from hypocenter import settings
    from hypocenter.api.data_directory import data_directory
    from hypocenter.api.listening import place_of
    from hypocenter.api.parts import Places
    from hypocenter.api.request_log import log_as_json
    from hypocenter.api.serving import Listen
    from hypocenter.api.serving import serve as run

    # What is kept tells of a system, and is for the eyes of its owner.
    os.umask(0o077)
    host, port = place_of(listen or str(settings.read("listen")))
    log_as_json(str(settings.read("log_level")))
    folder = data_directory(data_dir)
    places = Places(folder, **kept, limits=_limits())
    run(
        Listen(host, port, open_to_all),
        places,
        partial(_announce, is_watched=beside is not None or kept["apart"]),
        beside or (lambda _: nullcontext()),
    )
    end_amid_work()


def _limits() -> BodyLimits:
    from hypocenter import settings
    from hypocenter.api.intake import BodyLimits

    most = int(settings.read("max_body_bytes") or 0)
    return BodyLimits(most, most)


def _announce(started: Started, is_watched: bool) -> None:
    token = " with a token" if started.asks_for_tokens else ""
    click.echo(f"listening    {started.url}{token}, data in {visible(str(started.data_dir))}")
    click.echo(f'next         Prometheus: remote_write: [{{url: "{started.url}/api/v1/write"}}]')
    click.echo(f"             OpenTelemetry: OTEL_EXPORTER_OTLP_ENDPOINT={started.url}")
    if is_watched:
        click.echo(f"status       {started.url}/status")
