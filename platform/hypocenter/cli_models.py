"""The commands that look after registered models: list, show, promote and roll back."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from hypocenter.arguments import about_the_records, in_json
from hypocenter.cli_models_show import show
from hypocenter.errors import InputError
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from hypocenter.stores.records import ModelEvent, ModelVersion


@click.group(short_help="Look after models that were learned from history.")
def models() -> None:
    """Look after models learned from history: which there are, which serves, and how well it still does."""


models.add_command(show)


@models.command("list", short_help="Show every registered model.")
@about_the_records
@in_json
def list_(records: str | None, as_json: bool) -> None:
    """Show every registered model: its status, what it was trained on and how well it did."""
    from hypocenter.stores.opening import open_records

    with closing(open_records(records)) as opened:
        found = opened.models.models()
    if as_json:
        click.echo(json.dumps([_record(model) for model in found]))
        return
    for model in found:
        click.echo(visible(_line(model)))
    if not found:
        click.echo("no model is registered; train one with: hypocenter train HISTORY --register NAME")


@models.command(short_help="Put VERSION of the model NAME to serve.")
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@click.option("--by", default="", metavar="NAME", help="Who promotes it.")
@click.option("--force", is_flag=True, help="Promote it though the gate did not let it through.")
@click.option("--reason", default="", help="Why; needed with --force.")
@about_the_records
def promote(name: str, version: int, by: str, force: bool, reason: str, records: str | None) -> None:
    """Put VERSION of the model NAME to serve, if it did better than what serves."""
    from hypocenter.model_life import PROMOTED, GateError
    from hypocenter.model_life import promote as promoted
    from hypocenter.stores.opening import open_records
    from hypocenter.stores.records import ModelEvent

    event = ModelEvent(name, version, PROMOTED, datetime.now(UTC), by, reason, force)
    try:
        with closing(open_records(records)) as opened:
            promoted(opened.models, event)
    except GateError as error:
        raise InputError(f"{error}; or: --force --reason TEXT") from error
    _tell(event)
    click.echo(visible(f"ask it with: hypocenter investigate CASE --model {name}, or HYPOCENTER_MODEL={name}"))


@models.command()
@click.argument("name")
@click.option("--by", default="", metavar="NAME", help="Who rolls it back.")
@click.option("--reason", default="", help="Why.")
@about_the_records
def rollback(name: str, by: str, reason: str, records: str | None) -> None:
    """Put the version of NAME to serve again that served before."""
    from hypocenter.model_life import roll_back
    from hypocenter.stores.opening import open_records

    with closing(open_records(records)) as opened:
        event = roll_back(opened.models, name, datetime.now(UTC), by, reason)
    _tell(event)


def _tell(event: ModelEvent) -> None:
    click.echo(visible(f"{event.name} version {event.version} is serving"))


def _record(model: ModelVersion) -> dict[str, object]:
    head = {"name": model.name, "version": model.version, "status": str(model.status)}
    return head | {"created_at": model.created_at.isoformat(), "data_hash": model.data_hash, "card": dict(model.card)}


def _line(model: ModelVersion) -> str:
    from hypocenter.model_card import card_from_json

    card = card_from_json(model.card)
    first = next((f"{figure.name} {figure.value:.3f}" for figure in card.figures), "nothing was measured")
    head = f"{model.name} version {model.version}".ljust(24)
    return f"{head}  {model.status.ljust(9)}  {model.created_at:%Y-%m-%d %H:%M}  {card.trained_on}; {first}"
