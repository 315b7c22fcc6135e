"""The command line: where readers, pipeline, report and simulator are put together."""

from __future__ import annotations

import errno
import io
import json
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import (
    PATH,
    Finite,
    about_the_incident,
    about_the_server,
    refuse_server_options,
)
from hypocenter.cli_audit import audit
from hypocenter.cli_backup import backup, restore
from hypocenter.cli_detect import detect
from hypocenter.cli_doctor import doctor
from hypocenter.cli_feedback import feedback
from hypocenter.cli_graph import graph
from hypocenter.cli_history import history
from hypocenter.cli_kept import graph_of, read_kept
from hypocenter.cli_models import models
from hypocenter.cli_serve import api, serve
from hypocenter.cli_server import server_options
from hypocenter.cli_simulate import simulate
from hypocenter.cli_token import token
from hypocenter.cli_train import train
from hypocenter.cli_worker import beat, worker
from hypocenter.destination import check_destination, report_path, write_report
from hypocenter.errors import HypocenterError, InputError
from hypocenter.terminal import progress, verdict_text, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from hypocenter.model import Dependency, Investigation, Target
    from hypocenter.telemetry import Case
    from hypocenter_workers.investigate import Options
    from hypocenter_workers.known_graph import KnownGraph
    from hypocenter_workers.learn.examples import Learned

REPORT = "report.html"
OURS = HypocenterError.exit_code
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 our failure, 2 bad usage or input, 3 a server failed, 130 stopped."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    wanted = {"traceback": False}
    _let_any_text_be_shown()
    try:
        code = cli.main(args=typed, prog_name="hypocenter", standalone_mode=False, obj=wanted)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        code = _complain(_usage(error), InputError.exit_code)
    except click.Abort:
        code = INTERRUPTED
    except HypocenterError as error:
        code = _complain(str(error), error.exit_code)
    except Exception as error:
        if wanted["traceback"]:
            raise
        code = _no_room(error) or _complain(_surprise(error), OURS)
    sys.exit(code)


def _let_any_text_be_shown() -> None:
    """Escape what the terminal's encoding cannot show, such as a file name that is not UTF-8, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(message: str, code: int) -> int:
    click.echo(f"hypocenter: error: {visible(' '.join(message.split()))}", err=True)
    return code


def _no_room(error: Exception) -> int:
    """Tell of an output that takes no more; 0 when that is not what happened."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _complain(f"the output takes no more: {error.strerror}", InputError.exit_code)
    return 0


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{error.format_message()} (see {context.command_path} --help)" if context else error.format_message()


def _surprise(error: Exception) -> str:
    return f"unexpected failure: {type(error).__name__}: {error} (`hypocenter --traceback ...` shows where)"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hypocenter")
@click.option("--traceback", is_flag=True, help="Show where an unexpected failure came from.")
@click.pass_obj
def cli(wanted: dict[str, bool], traceback: bool) -> None:
    """Find where an incident began: the component that broke first, the kind of fault, and why we think so."""
    wanted["traceback"] = traceback


@cli.command()
@click.argument("cases", metavar="[CASE]...", nargs=-1, type=PATH)
@about_the_incident
@about_the_server
@click.option("--data-dir", type=PATH, metavar="DIR", help="Read what `hypocenter serve` kept there instead of a CASE.")
@click.option("--graph", metavar="WHERE", help="Kept dependency graph to add: a file or bolt://HOST:7687.")
@click.option("--learned", is_flag=True, help="Use also what the kept graph learned from metrics, as suggestions.")
@click.option(
    "--model", metavar="WHERE", help="What to ask about past incidents: a model's file, a registered name, or none."
)
@click.option("--out", type=PATH, help="Where the report goes; a folder when there are several cases.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON, one line a case, and nothing else.")
def investigate(cases: tuple[Path, ...], out: Path | None, as_json: bool, **given: Any) -> None:
    """Find where incidents began.

    A CASE is a folder in any supported layout, a CSV or Parquet file, or a .jsonl[.gz] file of incidents.
    Without --json, a summary is printed and one case's report written to report.html.
    """
    _check_sources(cases, given)
    options = _options(given)
    found = _read(cases, given)
    first = list(islice(found, 2))
    several = len(cases) > 1 or len(first) > 1
    inputs = [*cases, *(value for value in given.values() if isinstance(value, Path))]
    place = _place(out, as_json, several, inputs)
    tell = _tell_one_of_several if several else _tell_one
    learned = _learned(given["model"])
    with _graph(given) as graph:
        codes = [
            tell(
                _investigated(case, options, graph, learned),
                place and report_path(place, number if several else None, case.case_id),
                as_json,
            )
            for number, case in enumerate(chain(first, found), start=1)
        ]
    raise click.exceptions.Exit(OURS if OURS in codes else max(codes, default=0))


def _check_sources(cases: tuple[Path, ...], given: dict[str, Any]) -> None:
    context = click.get_current_context()
    if [bool(cases), bool(given["prometheus"]), given["data_dir"] is not None].count(True) != 1:
        raise click.UsageError("give one or more CASEs, or --prometheus URL, or --data-dir DIR", context)
    if not given["prometheus"]:
        refuse_server_options(context, () if cases else ("lookback", "match", "bearer_token_file"))


def _read(cases: tuple[Path, ...], given: dict[str, Any]) -> Iterator[Case | Failure]:
    if cases:
        return _read_files(cases, given["component_labels"])
    around = {**given, "at": given["at"] or datetime.now(UTC)}
    return _read_server(around) if given["prometheus"] else iter([read_kept(given["data_dir"], around)])


def _graph(given: dict[str, Any]) -> AbstractContextManager[KnownGraph | None]:
    from hypocenter_workers.known_graph import opened

    where = given["graph"] or (given["data_dir"] and graph_of(given["data_dir"]))
    return opened(where, learned=given["learned"])


def _learned(where: str | None) -> Learned | None:
    from hypocenter_workers.learn.serving import chosen

    return chosen(where)


def _place(out: Path | None, as_json: bool, several: bool, inputs: Iterable[Path]) -> Path | None:
    """Return where reports go, None for nowhere; the usual name is no input's, so it may lie beside a case's files."""
    if out is not None:
        return check_destination(out, several, inputs)
    return None if as_json or several else check_destination(Path(REPORT), several, ())


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that gave no verdict, and why; `told` is the reason with the name of the case or its file in front."""

    case_id: str
    error: HypocenterError
    told: str


def _options(given: dict[str, Any]) -> Options:
    from hypocenter_workers.investigate import Options

    labels = {"component_labels": given["component_labels"]} if given["component_labels"] else {}
    return Options(
        at=given["at"],
        dependencies=_topology(given["topology"]),
        target=_target(given["target"]),
        precision=given["precision"],
        overrides=_overrides(given["metric_kinds"]),
        **labels,
    )


def _topology(path: Path | None) -> tuple[Dependency, ...] | None:
    if path is None:
        return None
    from hypocenter.readers.topology import read_topology

    return read_topology(path)


def _overrides(path: Path | None) -> Mapping[str, Mapping[str, str]] | None:
    if path is None:
        return None
    from hypocenter.readers.overrides import read_overrides

    return read_overrides(path)


def _target(text: str | None) -> Target | None:
    if text is None:
        return None
    from hypocenter.model import Target

    component, _, metric = text.partition("|")
    return Target(component, metric or None)


def _read_files(paths: Iterable[Path], component_labels: Sequence[str]) -> Iterator[Case | Failure]:
    from hypocenter.readers import read_cases

    for path in chain.from_iterable(map(_members, paths)):
        failed: list[Failure] = []
        tell = partial(_note_failure, failed)
        try:
            for case in read_cases(path, component_labels=component_labels or None, on_error=tell):
                yield from failed
                failed.clear()
                yield case
            yield from failed
        except HypocenterError as error:
            yield Failure(path.name or str(path), error, str(error))


def _note_failure(failed: list[Failure], case_id: str, error: HypocenterError) -> None:
    failed.append(Failure(case_id, error, str(error)))


def _members(path: Path) -> Sequence[Path]:
    """Return the case folders of a folder one by one, so that one that cannot be read does not hide the others."""
    from hypocenter.readers.folders import case_folders, is_case

    if path.is_dir() and not is_case(path):
        return list(case_folders(path)) or [path]
    return [path]


def _read_server(given: dict[str, Any]) -> Iterator[Case | Failure]:
    from hypocenter.readers import prometheus

    options = replace(server_options(given), component_labels=tuple(given["component_labels"]))
    match = given["match"] or prometheus.DEFAULT_MATCH
    yield prometheus.read_prometheus(given["prometheus"], given["at"], given["lookback"], match, options=options)


def _investigated(
    case: Case | Failure, options: Options, graph: KnownGraph | None, learned: Learned | None
) -> Investigation | Failure:
    from hypocenter_workers.investigate import investigate

    if isinstance(case, Failure):
        return case
    progress(f"investigating {case.case_id}")
    try:
        return investigate(case, options, graph, learned=learned)
    except HypocenterError as error:
        return Failure(case.case_id, error, f"{case.case_id}: {error}")


def _tell_one(result: Investigation | Failure, report: Path | None, as_json: bool) -> int:
    if isinstance(result, Failure):
        raise result.error
    _print(result, report, as_json)
    return 0


def _tell_one_of_several(result: Investigation | Failure, report: Path | None, as_json: bool) -> int:
    if not isinstance(result, Failure):
        return _tell_one(result, report, as_json)
    if as_json:
        from hypocenter.verdict_json import SCHEMA_VERSION

        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "case": result.case_id, "error": str(result.error)}))
    return _complain(result.told, result.error.exit_code)


def _print(investigation: Investigation, report: Path | None, as_json: bool) -> None:
    from hypocenter.verdict_json import verdict_to_json

    if report is not None:
        from hypocenter.report import render

        write_report(report, render(investigation))
    if as_json:
        click.echo(json.dumps(verdict_to_json(investigation.verdict), allow_nan=False))
    else:
        click.echo(verdict_text(investigation.verdict))
    if report is not None:
        click.echo(f"report       {visible(str(report.resolve()))}", err=as_json)


@cli.command(short_help="Measure how often the root cause is found.")
@click.argument("datasets", metavar="DATASET...", nargs=-1, required=True, type=PATH)
@click.option("--method", "methods", multiple=True, help="Method to measure beside the trivial baselines; repeatable.")
@click.option(
    "--start",
    type=click.Choice(["true", "detected"]),
    default="true",
    show_default=True,
    help="Tell each method when the incident began, or let it be found.",
)
@click.option(
    "--offset", "offset_s", type=Finite(), default=0.0, help="Seconds by which the start that is told is shifted."
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cases to run at the same time.")
@click.option("--json", "as_json", is_flag=True, help="Print rows and single outcomes as JSON and nothing else.")
def evaluate(datasets: tuple[Path, ...], methods: tuple[str, ...], as_json: bool, jobs: int, **start: Any) -> None:
    """Measure how often the root cause is found, over labelled cases.

    A DATASET is a case folder with a truth.json, a folder of them, or a .jsonl[.gz] file of incidents.
    """
    from hypocenter_workers import evaluate as evaluation
    from hypocenter_workers.scoreboard import evaluation_to_json, evaluation_to_text

    conditions = [evaluation.told(**start)]
    chosen = methods or (evaluation.OURS,)
    outcomes = evaluation.evaluate(datasets, chosen, conditions=conditions, jobs=jobs, progress=progress)
    click.echo(json.dumps(evaluation_to_json(outcomes)) if as_json else evaluation_to_text(outcomes))


cli.add_command(api)
cli.add_command(audit)
cli.add_command(backup)
cli.add_command(beat)
cli.add_command(detect)
cli.add_command(doctor)
cli.add_command(feedback)
cli.add_command(graph)
cli.add_command(history)
cli.add_command(models)
cli.add_command(restore)
cli.add_command(serve)
cli.add_command(simulate)
cli.add_command(token)
cli.add_command(train)
cli.add_command(worker)
