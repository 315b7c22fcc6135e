"""The command that fills the history: reads an export or asks a server, and takes all of it or nothing."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import PATH, TIME, about_the_graph, about_the_records, in_json
from hypocenter.cli_history_source import opened_export
from hypocenter.cli_history_store import opened_history
from hypocenter.history.sources import SOURCES
from hypocenter.stopping import telling_when_stopped
from hypocenter.terminal import progress, visible

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from hypocenter.history.findings import Findings
    from hypocenter.history.past_incident import Counts
    from hypocenter_graph.stores.contract import GraphStore


@click.command("import", short_help="Add the incidents of a FILE, or of a tool at a URL.")
@click.argument("export", metavar="FILE|URL")
@click.option("--from", "source", type=click.Choice(SOURCES), required=True, help="The tool that wrote it.")
@about_the_records
@about_the_graph
@in_json
@click.option("--mapping", type=PATH, help="What their names mean here: YAML with components, fault_types, fields.")
@click.option("--telemetry", type=PATH, help="Folder with case folders to attach, by the incident's id.")
@click.option("--dry-run", is_flag=True, help="Read and count everything, and keep nothing.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows that are no incidents, and import the others.")
@click.option("--timezone", default="UTC", show_default=True, metavar="NAME", help="Zone of times that state none.")
@click.option("--time-format", metavar="FORMAT", help="How times are written, as '%d/%m/%Y %H:%M'.")
@click.option("--encoding", metavar="NAME", help="Encoding of the file, instead of finding it out.")
@click.option("--since", type=TIME, help="With a URL: only incidents that began then or later.")
@click.option("--until", type=TIME, help="With a URL: only incidents that began before.")
@click.option("--query", help="With a URL: which incidents, in the words of Jira, ServiceNow or Opsgenie.")
@click.option("--token-file", type=PATH, help="File that holds the token; default HYPOCENTER_HISTORY_TOKEN_FILE.")
@click.option("--username", help="User whose password the token is, for basic authentication.")
@click.option("--ca-file", type=PATH, help="Certificates to trust instead of the system's.")
def import_(export: str, source: str, records: str | None, where: str | None, as_json: bool, **given: Any) -> None:
    """Add the incidents in a FILE, or of the tool at a URL, to the history: all of them, or none."""
    from hypocenter.history.findings import Findings
    from hypocenter.history.importing import LeftOutError
    from hypocenter.stores.opening import records_place

    findings = Findings()
    with _graph(where) as graph:
        try:
            with telling_when_stopped("nothing was imported"):
                counts = _imported(export, source, records, given, findings)
        except LeftOutError:
            _tell(_told(findings, graph, None, ""), as_json)
            raise
        place = "" if given["dry_run"] else records_place(records)
        _tell(_told(findings, graph, counts, place), as_json)


def _imported(export: str, source: str, records: str | None, given: Mapping[str, Any], findings: Findings) -> Counts:
    from hypocenter.history.importing import import_history

    how = {name: given[name] for name in ("skip_bad", "dry_run")}
    with (
        opened_export(export, source, given) as (path, reading),
        opened_history(records, dry_run=given["dry_run"]) as history,
    ):
        return import_history(path, reading, history, findings, **how, progress=progress)


def _graph(where: str | None) -> AbstractContextManager[GraphStore | None]:
    """Open the graph that is named; where none is named and none is kept, there is nothing to compare with."""
    from hypocenter.cli_graph_store import graph_file, read

    kept = all(path.exists() for path in graph_file(where))
    return read(where) if where or kept else nullcontext()


def _told(findings: Findings, graph: GraphStore | None, counts: Counts | None, place: str) -> dict[str, Any]:
    return {"findings": findings, "unknown": _unknown(graph, findings), "counts": counts, "place": place}


def _unknown(graph: GraphStore | None, findings: Findings) -> Counter[str] | None:
    """Return the components that the graph knows by no name, with their incidents; None without a graph."""
    if graph is None:
        return None
    met = findings.components
    known = {claim.name for claim in graph.claims(met).components} | set(graph.named(met))
    return type(met)({name: count for name, count in met.items() if name not in known})


def _tell(told: dict[str, Any], as_json: bool) -> None:
    from hypocenter.history.wording import findings_to_json

    if not as_json:
        for heading, text in _rows(**told):
            click.echo(f"{heading:<12} {visible(text)}".rstrip())
        return
    counts, unknown = told["counts"], told["unknown"]
    more = {
        "counts": counts._asdict() if counts else None,
        "saved": bool(told["place"]),
        "unknown_components": dict(unknown.most_common()) if unknown is not None else None,
    }
    click.echo(json.dumps({"schema_version": 1, **more, **findings_to_json(told["findings"])}, allow_nan=False))


def _rows(
    findings: Findings, unknown: Counter[str] | None, counts: Counts | None, place: str
) -> Iterator[tuple[str, str]]:
    from hypocenter.history.wording import findings_rows, most

    yield from findings_rows(findings)
    if unknown:
        yield "not in graph", most(unknown)
    if unknown is None and findings.components:
        yield "not in graph", "no graph is kept here to look for the components in; see hypocenter graph import"
    if counts is not None:
        yield "history", f"{counts.new:,} new, {counts.changed:,} changed, {counts.same:,} the same"
        yield "records", place or "nothing was written"
