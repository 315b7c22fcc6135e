"""The command that says which incidents to look at again: those whose true cause would teach a model most."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hypocenter.arguments import PATH, about_the_records, in_json
from hypocenter.terminal import progress, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hypocenter_workers.learn.examples import Example
    from hypocenter_workers.learn.review_queue import ToReview


@click.command(short_help="Name the incidents whose cause would teach most.")
@click.argument("cases", metavar="[CASE]...", nargs=-1, type=PATH)
@click.option("--kept", is_flag=True, help="Those of the kept history that have telemetry and no label.")
@click.option("--model", metavar="WHERE", help="The model to teach: its file or registered name.")
@click.option("--most", type=click.IntRange(1), default=10, show_default=True, help="How many to name.")
@about_the_records
@in_json
def review(
    cases: tuple[Path, ...], kept: bool, model: str | None, most: int, records: str | None, as_json: bool
) -> None:
    """Name the incidents whose true cause would teach a model most, if somebody said what it was."""
    if bool(cases) == kept:
        raise click.UsageError("give one or more CASEs, or --kept", click.get_current_context())
    from hypocenter.errors import InputError
    from hypocenter_workers.learn.serving import chosen

    served = chosen(model)
    if served is None:
        raise InputError("--model: no model to teach: name one, and install libgomp1 where LightGBM cannot be loaded")
    queue = served.to_review(_kept(records) if kept else _of_files(cases), most)
    click.echo(json.dumps([asdict(one) for one in queue]) if as_json else "\n".join(map(visible, _lines(queue))))


def _of_files(paths: Iterable[Path]) -> Iterator[Example]:
    from hypocenter.readers import read_cases
    from hypocenter_workers.learn.from_history import example_of

    for path in paths:
        for case in read_cases(path):
            progress(f"looking at {case.case_id}")
            yield example_of(case)


def _kept(where: str | None) -> Iterator[Example]:
    from hypocenter.cli_history_store import kept_history
    from hypocenter_workers.learn.past import examples_of_history, is_labelled

    with kept_history(where) as history:
        unlabelled = [one for one in history.incidents() if not is_labelled(one)]
        ids = {one.incident_id for one in unlabelled}
        for example, _ in examples_of_history(unlabelled, also=ids, progress=progress):
            yield example


def _lines(queue: Iterable[ToReview]) -> Iterator[str]:
    found = [f"{one.incident_id}: {one.reason}" for one in queue]
    yield from found or ["no incident to review"]
