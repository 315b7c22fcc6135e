"""The command that starts the server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import about_the_data
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.api.intake import BodyLimits
    from hypocenter.api.serving import Started


@click.command()
@about_the_data
@click.option("--listen", metavar="HOST:PORT", help="Where to listen; default: the setting HYPOCENTER_LISTEN.")
@click.option("--open", "open_to_all", is_flag=True, help="Let everybody send who reaches it, while there is no token.")
@click.option("--metrics", metavar="URL", help="Keep metrics in a Prometheus-compatible server instead.")
@click.option("--records", metavar="WHERE", help="Keep records in this file or postgresql://USER@HOST/NAME.")
@click.option("--graph", metavar="WHERE", help="Keep the graph in this file or bolt://HOST:7687.")
@click.option("--pull", metavar="URL", help="Read the metrics of this Prometheus-compatible server by itself.")
@click.option("--match", metavar="SELECTOR", multiple=True, help="Series to read from it; repeatable.")
def serve(
    data_dir: Path | None, listen: str | None, open_to_all: bool, match: tuple[str, ...], pull: str | None, **kept: Any
) -> None:
    """Take telemetry, alerts and change events in the formats that other tools speak."""
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
    places = Places(data_directory(data_dir), **kept, pull=pull, match=match, limits=_limits())
    run(Listen(host, port, open_to_all), places, _announce)


def _limits() -> BodyLimits:
    from hypocenter import settings
    from hypocenter.api.intake import BodyLimits

    most = int(settings.read("max_body_bytes") or 0)
    return BodyLimits(most, most)


def _announce(started: Started) -> None:
    token = " with a token" if started.asks_for_tokens else ""
    click.echo(f"listening    {started.url}{token}, data in {visible(str(started.data_dir))}")
    click.echo(f'next         Prometheus: remote_write: [{{url: "{started.url}/api/v1/write"}}]')
    click.echo(f"             OpenTelemetry: OTEL_EXPORTER_OTLP_ENDPOINT={started.url}")
