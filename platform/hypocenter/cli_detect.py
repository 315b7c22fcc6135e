"""The command that detects in one table: reads it, scores it and writes what was found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import PATH, Finite, about_the_budget, about_the_calendar
from hypocenter.destination import check_destination, write_report
from hypocenter.terminal import progress, visible

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter_workers.detect.calendar import Calendar
    from hypocenter_workers.detect.events import QuietTime
    from hypocenter_workers.detect_table import Detection


@click.command()
@click.argument("file", metavar="FILE", type=PATH)
@about_the_budget
@about_the_calendar
@click.option(
    "--limit",
    type=Finite(),
    help="What no series can exceed; sticking to it is an event. Default: each one's top.",
)
@click.option("--scores", type=PATH, help="Where every row's score goes: CSV `timestamp,value,anomaly_score`.")
@click.option("--raw", is_flag=True, help="Write to --scores also what rows score whose event was told before.")
@click.option("--plot", type=PATH, help="Where the HTML page goes that shows series, bands and events.")
@click.option("--json", "as_json", is_flag=True, help="Print the events as JSON and nothing else.")
def detect(file: Path, scores: Path | None, plot: Path | None, as_json: bool, **how: Any) -> None:
    """Find what is unusual in a table of series.

    FILE is a CSV or Parquet table `timestamp,value...`, with one or many columns of numbers; empty cells are gaps.
    """
    _check(file, scores, plot, how)
    from hypocenter_workers import detect_table, detection_outputs

    asked = {name: how[name] for name in ("alerts_per_week", "limit")} | {
        "score": how["threshold"],
        "quiet": _quiet(how),
    }
    detection = detect_table.detect_file(file, _calendar(how), progress=progress, **asked)
    _write_detection(detection, scores, plot, how["raw"])
    if as_json:
        click.echo(json.dumps(detection_outputs.to_json(detection), allow_nan=False))
        return
    for note in detection.table.notes:
        click.echo(f"hypocenter: note: {visible(note)}", err=True)
    click.echo(detection_outputs.to_text(detection))


def _check(file: Path, scores: Path | None, plot: Path | None, how: dict[str, Any]) -> None:
    """Raise UsageError for options that exclude one another, InputError for places that cannot be written to."""
    if scores is not None and plot is not None and scores.resolve() == plot.resolve():
        raise click.UsageError("--scores and --plot need a file each", click.get_current_context())
    if how["raw"] and scores is None:
        raise click.UsageError(
            "--raw says what --scores writes; name a file with --scores", click.get_current_context()
        )
    if how["threshold"] is not None and how["alerts_per_week"] is not None:
        raise click.UsageError("give --threshold or --alerts-per-week, not both", click.get_current_context())
    inputs = [path for path in (file, how["holidays"], how["special_days"]) if path is not None]
    for option, place in (("--scores", scores), ("--plot", plot)):
        if place is not None:
            check_destination(place, False, inputs, option)


def _write_detection(detection: Detection, scores: Path | None, plot: Path | None, raw: bool) -> None:
    from hypocenter.report.detection import render_detection
    from hypocenter_workers import detection_outputs

    if scores is not None:
        write_report(scores, detection_outputs.to_csv(detection, raw), "--scores")
    if plot is not None:
        write_report(plot, render_detection(detection_outputs.to_page(detection)), "--plot")


def _calendar(how: dict[str, Any]) -> Calendar:
    from hypocenter.readers.days import read_days
    from hypocenter_workers.detect.calendar import Calendar

    off, special = (read_days(path) if path else frozenset() for path in (how["holidays"], how["special_days"]))
    return Calendar(how["timezone"], off, special)


def _quiet(how: dict[str, Any]) -> list[QuietTime]:
    import numpy as np

    from hypocenter_workers.detect.events import QuietTime

    spans = ((np.datetime64(time.replace(tzinfo=None), "ns") for time in span) for span in how["mute"])
    return [QuietTime(start, end) for start, end in spans]
