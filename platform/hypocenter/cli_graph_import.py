"""The command that fills the graph: reads everything first, and then writes all of it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import PATH, TIME, about_a_server, about_the_graph, in_json, refuse_server_options
from hypocenter.cli_graph_store import graph_place
from hypocenter.cli_graph_write import Wanted, write
from hypocenter.cli_server import server_options
from hypocenter.stopping import telling_when_stopped
from hypocenter.terminal import progress, visible
from hypocenter_graph.discover.files import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hypocenter.cli_graph_write import Done
    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.identity_overrides import Overrides


@click.command("import")
@click.argument("files", metavar="[FILE|FOLDER]...", nargs=-1, type=PATH)
@about_the_graph
@in_json
@click.option("--from", "kind", type=click.Choice(list(KINDS)), help="What the files are, instead of finding out.")
@click.option("--at", type=TIME, help="When declarations were made and answers of servers given; default now.")
@click.option("--names", type=PATH, help="What names are names of: YAML `name: component` or a table `name,component`.")
@click.option("--replace", "replaces", is_flag=True, help="End what the same sources declared before and do not now.")
@click.option("--yes", is_flag=True, help="With --replace: end even most of what a source declared.")
@click.option("--dry-run", is_flag=True, help="Read, resolve and count everything, and write nothing.")
@click.option("--learn", is_flag=True, help="Suggest edges from the metrics of a case that states and shows none.")
@about_a_server(
    "Ask a Prometheus-compatible server for service-graph and Istio metrics, beside the files.",
    "How much to ask the server for before --at, and how far back Jaeger's answer reaches.",
)
def import_(files: tuple[Path, ...], kind: str | None, names: Path | None, as_json: bool, **given: Any) -> None:
    """Put into the graph what files or a Prometheus server tell of it.

    A FILE may be OTLP traces, a table of spans, saved service-graph or Istio metrics, Jaeger's dependencies,
    Kubernetes manifests, a Backstage catalog, a graph of your own or an export, a case folder or a table of metrics.
    """
    _check(files, given)
    at = given["at"] or datetime.now(UTC)
    with telling_when_stopped("nothing was written"):
        overrides = _overrides(names)
        sources, counts = _read_all(files, kind, at, given)
    with telling_when_stopped("the graph may hold a part of this; importing the same again completes it"):
        wanted = Wanted(at if given["replaces"] else None, given["yes"], given["dry_run"])
        done = write(given["where"], sources, overrides, wanted)
    if as_json:
        click.echo(json.dumps(_to_json(done, counts), allow_nan=False))
        return
    for note in done.notes:
        click.echo(f"hypocenter: note: {visible(note)}", err=True)
    click.echo("\n".join(_to_text(done, counts, graph_place(given["where"]))))


def _check(files: Sequence[Path], given: Mapping[str, Any]) -> None:
    context = click.get_current_context()
    if not files and not given["prometheus"]:
        raise click.UsageError("give one or more FILEs, or --prometheus URL", context)
    if not given["prometheus"]:
        refuse_server_options(context, but=("lookback",))


def _overrides(path: Path | None) -> Overrides:
    from hypocenter_graph.identity_overrides import NO_OVERRIDES, read_overrides

    return NO_OVERRIDES if path is None else read_overrides(path)


def _read_all(
    files: Sequence[Path], kind: str | None, at: datetime, given: Mapping[str, Any]
) -> tuple[list[Discovered], dict[str, int]]:
    """Return what files and the server say, and how many inputs there were of each kind."""
    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.discover.file_readers import Asked, discover
    from hypocenter_graph.discover.files import find_inputs

    inputs, notes = find_inputs(files, kind) if files else ([], [])
    asked = Asked(at, given["lookback"], given["learn"], progress)
    found = [Discovered(notes=tuple(notes)), *discover(inputs, asked)]
    counts = {name: count for name in KINDS if (count := sum(each.kind == name for each in inputs))}
    if given["prometheus"]:
        found += _ask_server(given, at)
        counts["server"] = 1
    return found, counts


def _ask_server(given: Mapping[str, Any], at: datetime) -> Iterator[Discovered]:
    from hypocenter.readers.prometheus import read_prometheus
    from hypocenter.readers.selectors import parse_selector
    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.discover.cases import COUNTER_LABELS, COUNTERS, discover_counters

    wanted = [parse_selector(text).of(COUNTERS) for text in given["match"] or ['{__name__=~".+"}']]
    options = replace(server_options(given), lookahead=timedelta(0), component_labels=COUNTER_LABELS)
    progress(f"asking {given['prometheus']}")
    case = read_prometheus(given["prometheus"], at, given["lookback"], list(filter(None, wanted)), options=options)
    if case.metrics is not None:
        yield from discover_counters(case.metrics, "--prometheus")
    yield Discovered(notes=case.notes)


def _to_json(done: Done, counts: Mapping[str, int]) -> dict[str, Any]:
    plan = done.plan
    return {
        "schema_version": 1,
        "inputs": dict(counts),
        "sources": {name: asdict(sizes) for name, sizes in plan.by_source().items()},
        "new": asdict(plan.new),
        "extended": asdict(plan.extended),
        "retracted": done.ended,
        "folded": dict(plan.folded),
        "written": done.written,
        "notes": list(done.notes),
    }


def _to_text(done: Done, counts: Mapping[str, int], place: str) -> list[str]:
    from hypocenter_graph.graph_text import aligned, short

    plan = done.plan
    rows = [("read", ", ".join(f"{kind} ({count:,})" for kind, count in counts.items()))]
    told = {**plan.by_source(), "new": plan.new, "extended": plan.extended}
    rows += [
        (name, f"{each.components:,} components, {each.dependencies:,} dependencies") for name, each in told.items()
    ]
    rows += [("retracted", f"{done.ended:,} declarations ended")] if done.ended else []
    rows += [("folded", f"{short(name)} into {short(to)}") for name, to in sorted(plan.folded.items())]
    return aligned([*rows, ("graph", place if done.written else f"{place}: nothing was written")])
