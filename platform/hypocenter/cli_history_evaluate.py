"""The command that measures what learning from past incidents is worth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from hypocenter.arguments import PATH, in_json
from hypocenter.terminal import progress, visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter.model_card import Figure
    from hypocenter_workers.learn.history_evaluation import HistoryEvaluation


@click.command(short_help="Measure what learning from past incidents is worth.")
@click.option("--train", required=True, multiple=True, type=PATH, help="Labelled incidents to learn from.")
@click.option("--test", required=True, multiple=True, type=PATH, help="Labelled incidents to ask about: others.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes that read cases.")
@in_json
def evaluate(train: tuple[Path, ...], test: tuple[Path, ...], jobs: int, as_json: bool) -> None:
    """Learn from some labelled incidents, and measure on others what that is worth beside the unlearned ranking.

    Each --train and --test is a folder of labelled cases or a .jsonl[.gz] file of incidents; both may be given several
    times. Nothing is kept, and no server is needed.
    """
    from hypocenter_workers.learn.history_evaluation import evaluate_history, evaluation_to_json

    evaluation = evaluate_history(train, test, jobs=jobs, progress=progress)
    lines = [json.dumps(evaluation_to_json(evaluation))] if as_json else map(visible, _lines(evaluation))
    click.echo("\n".join(lines))


def _lines(evaluation: HistoryEvaluation) -> Iterator[str]:
    yield f"Learned from {evaluation.incidents} incidents; the order of suspects: {_LEVELS[evaluation.level]}."
    for tested in evaluation.tested:
        yield ""
        yield f"{tested.name}: {tested.incidents} incidents"
        yield f"  {'':<32}{'learned':>9}  {'95 % interval':<17}{'unlearned':>9}"
        yield from map(_line, tested.figures)


def _line(figure: Figure) -> str:
    unlearned = "" if figure.unlearned is None else f"{figure.unlearned:.3f}"
    interval = f"{figure.low:.3f} to {figure.high:.3f}"
    return f"  {figure.name:<32}{figure.value:>9.3f}  {interval:<17}{unlearned:>9}".rstrip()


_LEVELS = {
    "prior": "unlearned, for nothing learned was surely better",
    "core": "learned, from what names nothing",
    "local": "learned, also from what holds in these systems alone",
}
