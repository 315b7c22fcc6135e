"""The command that trains a model on past incidents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import PATH, about_the_records, in_json
from hypocenter.cli_models_show import card_lines
from hypocenter.destination import check_destination
from hypocenter.terminal import progress, visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter_workers.learn.orders import Trained


@click.command(short_help="Learn from past incidents.")
@click.argument("history", metavar="[HISTORY]...", nargs=-1, type=PATH)
@click.option("--out", type=PATH, help="The file that the model is written to.")
@click.option("--register", default="", metavar="NAME", help="Register it in the records, as the next version of NAME.")
@click.option("--kept", is_flag=True, help="Learn from the history in the records, where its telemetry is at hand.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes that read cases.")
@about_the_records
@in_json
def train(history: tuple[Path, ...], out: Path | None, records: str | None, as_json: bool, **asked: Any) -> None:
    """Learn from past incidents which suspects turn out to be the cause, and what kinds of fault there are.

    A HISTORY is a folder of labelled cases, or a .jsonl[.gz] file of incidents. With files alone no server and no
    records are needed; with records, what people said of verdicts goes before other labels.
    """
    context = click.get_current_context()
    if not history and not asked["kept"]:
        raise click.UsageError("give one or more HISTORY, or --kept", context)
    if out is None and not asked["register"]:
        raise click.UsageError("give --out MODEL, --register NAME or both", context)
    if out is not None:
        check_destination(out, False, history)
    from hypocenter_workers.learn.orders import Order, fulfil, trained_to_json

    order = Order(tuple(map(str, history)), out="" if out is None else str(out), records=records, **asked)
    trained = fulfil(order, datetime.now(UTC), progress, _note)
    click.echo(json.dumps(trained_to_json(trained)) if as_json else "\n".join(map(visible, _lines(trained, out))))


def _note(text: str) -> None:
    click.echo(visible(f"hypocenter: note: {text}"), err=True)


def _lines(trained: Trained, out: Path | None) -> Iterator[str]:
    yield from card_lines(trained.model.card)
    if out is not None:
        yield f"model        {out.resolve()}"
    if trained.version is not None:
        yield f"registered   {trained.name} version {trained.version}"
