"""The commands that keep the dependency graph: import, show, export, paths, impact, and the graph as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hypocenter.arguments import PATH, TIME, about_the_graph, about_the_view, in_json
from hypocenter.cli_graph_import import import_
from hypocenter.cli_graph_picture import MOST_DRAWN, check_picture, picture, write_picture
from hypocenter.cli_graph_store import graph_file, read, view_asked
from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.stores.contract import GraphStore, View

SCHEMA_VERSION = 1
FORMATS = ("json", "csv", "dot", "graphml", "svg")


@click.group(short_help="Keep the dependency graph, look at it, and ask it.")
def graph() -> None:
    """Keep the dependency graph: fill it, look at it, and ask what leans on what."""


graph.add_command(import_)
about_the_picture = click.option("--svg", type=PATH, help="Where a picture of it goes.")


def _print(value: dict[str, Any], lines: Sequence[str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **value}, allow_nan=False))
    else:
        click.echo("\n".join(lines))


@graph.command(short_help="Show the graph, or a COMPONENT and what is around it.")
@click.argument("component", required=False)
@about_the_graph
@in_json
@about_the_view
@click.option("--depth", type=click.IntRange(1, 50), default=1, show_default=True, help="Steps around COMPONENT.")
@about_the_picture
def show(component: str | None, where: str | None, as_json: bool, depth: int, svg: Path | None, **given: Any) -> None:
    """Show the graph, or what is known of a COMPONENT and of what lies around it."""
    from hypocenter_graph.graph_text import around_text, graph_text
    from hypocenter_graph.hidden import hidden
    from hypocenter_graph.snapshot import find_component, neighbourhood

    check_picture(svg, graph_file(where))
    view = view_asked(given)
    with read(where) as store:
        if component is None:
            every, name, distances, left_out = store.claims(), "", dict[str, int](), 0
            claims = view.told(every)
        else:
            name = find_component(store, component)
            distances, left_out = neighbourhood(store, name, view, depth, MOST_DRAWN)
            claims = store.claims(distances, view)
            elsewhen = _elsewhen(store, [name], view)
    write_picture(svg, lambda: picture(claims, view, name, left_out))
    value = {**_records(claims, view), "left_out": left_out}
    if name:
        odd = (f"note: {visible(text)}" for text in _oddities(claims, name))
        lines = [*around_text(name, distances, left_out, value), *elsewhen, *odd]
    else:
        lines = graph_text(value, view.at, hidden(every, view))
    _print(value, lines, as_json)


def _oddities(claims: Discovered, name: str) -> Iterator[str]:
    from hypocenter_graph.oddities import oddities
    from hypocenter_graph.snapshot import by_ends

    return oddities(by_ends(claims.dependencies), lambda ends: name in ends[:2])


def _records(claims: Discovered, view: View) -> dict[str, Any]:
    from hypocenter_graph.exchange import dependency_records

    return {
        "as_of": view.at.isoformat() if view.at else None,
        "components": _component_records(claims, view),
        "dependencies": dependency_records(claims.dependencies, view.expiry),
    }


def _component_records(claims: Discovered, view: View) -> list[dict[str, Any]]:
    from hypocenter_graph.claims import precedence
    from hypocenter_graph.exchange import component_records
    from hypocenter_graph.hidden import sources_of_components

    sources = sources_of_components(claims, view)
    return [
        {**record, "sources": sorted(sources.get(record["name"], ()), key=precedence)}
        for record in component_records(claims)
    ]


def _elsewhen(store: GraphStore, names: Sequence[str], view: View, *, up_only: bool = False) -> list[str]:
    """Return a line for each component around which nothing is shown, and something is known."""
    from hypocenter_graph.graph_text import elsewhen_text, short
    from hypocenter_graph.hidden import hidden_around

    found = {name: hidden_around(store, name, view, up_only=up_only) for name in dict.fromkeys(names)}
    what = "what leans on" if up_only else "dependencies of"
    return [
        visible(f"nothing is known as of then; {elsewhen_text(more, f'the graph knows {what} {short(name)}')}")
        for name, more in found.items()
        if more is not None
    ]


@graph.command(short_help="Write the graph for other tools, or for `import`.")
@about_the_graph
@click.option("--as-of", type=TIME, help="What was there at this time alone; default: now, and all claims for json.")
@click.option("--learned", is_flag=True, help="With edges that are only suggested by metrics; json has them anyway.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="json", show_default=True, help="What is written."
)
@click.option("--out", type=PATH, help="Where it goes; default: standard output.")
def export(where: str | None, form: str, out: Path | None, **given: Any) -> None:
    """Write the graph for other tools, or as JSON from which `import` makes the same graph again."""
    from hypocenter.destination import check_destination, write_report

    if out is not None:
        check_destination(out, False, graph_file(where))
    text = _exported(where, form, given)
    if out is not None:
        write_report(out, text)
    else:
        click.echo(text, nl=False)


def _exported(where: str | None, form: str, given: dict[str, Any]) -> str:
    from hypocenter_graph import exchange

    view = view_asked(given)
    with read(where) as store:
        claims = store.claims()
    if form == "json" and given["as_of"] is None:
        return exchange.to_json(claims)
    shown = view.told(claims)
    if form == "svg":
        return picture(shown, view)
    return {"json": exchange.to_json, "csv": exchange.to_csv, "dot": exchange.to_dot, "graphml": exchange.to_graphml}[
        form
    ](shown)


@graph.command(short_help="Show the shortest way on which trouble in B reaches A.")
@click.argument("start", metavar="A")
@click.argument("end", metavar="B")
@about_the_graph
@in_json
@about_the_view
def path(start: str, end: str, where: str | None, as_json: bool, **given: Any) -> None:
    """Show the shortest way on which trouble in B reaches A: from A down to what it leans on.

    No way is an answer too, and no failure.
    """
    from hypocenter_graph.exchange import dependency_records
    from hypocenter_graph.graph_text import path_text
    from hypocenter_graph.snapshot import find_component
    from hypocenter_graph.walks import blame_path

    view = view_asked(given)
    with read(where) as store:
        first, last = find_component(store, start), find_component(store, end)
        names = blame_path(store, first, last, view)
        back = () if names else blame_path(store, last, first, view)
        claims = store.claims(names, view)
        elsewhen = [] if names else _elsewhen(store, [first, last], view)
    records = dependency_records(claims.dependencies, view.expiry)
    lines = [*path_text(first, last, names, back, records), *elsewhen]
    _print({"path": list(names), "dependencies": records}, lines, as_json)


@graph.command(short_help="Show what leans on A, and so suffers when A fails.")
@click.argument("component", metavar="A")
@about_the_graph
@in_json
@about_the_view
@click.option("--most", type=click.IntRange(1), default=500, show_default=True, help="Components to name, the nearest.")
def impact(component: str, where: str | None, as_json: bool, most: int, **given: Any) -> None:
    """Show what leans on A, directly or not, and so suffers when A fails: nearest first."""
    from hypocenter_graph.graph_text import impact_text
    from hypocenter_graph.snapshot import find_component
    from hypocenter_graph.walks import impact as walk_up

    view = view_asked(given)
    with read(where) as store:
        name = find_component(store, component)
        reach = walk_up(store, name, view, most)
        records = {record["name"]: record for record in _component_records(store.claims(reach.distances, view), view)}
        elsewhen = _elsewhen(store, [name], view, up_only=True)
    found = [{**records[one], "distance": steps} for one, steps in reach.distances.items() if one != name]
    value = {"component": name, "impact": found, "left_out": reach.left_out}
    _print(value, [*impact_text(name, found, reach.left_out), *elsewhen], as_json)


@graph.command("as-of", short_help="Show the graph as it was, and what changed since.")
@click.argument("time", type=TIME)
@about_the_graph
@in_json
@click.option("--until", type=TIME, default="now", show_default=True, help="Up to when changes are told.")
@click.option("--learned", is_flag=True, help="With edges that are only suggested by metrics.")
@about_the_picture
def as_of(time: datetime, where: str | None, as_json: bool, until: datetime, svg: Path | None, learned: bool) -> None:
    """Show the graph as it was at TIME, and which dependencies appeared, came back or vanished since."""
    from hypocenter_graph.graph_text import changes_text, graph_text
    from hypocenter_graph.hidden import hidden
    from hypocenter_graph.snapshot import changes_between

    check_picture(svg, graph_file(where))
    then = view_asked({"as_of": time, "learned": learned})
    with read(where) as store:
        claims = store.claims()
    was = then.told(claims)
    changes = changes_between(claims, time, until, then)
    write_picture(svg, lambda: picture(was, then, vanished=changes.vanished))
    told = {kind: [list(ends) for ends in getattr(changes, kind)] for kind in ("appeared", "returned", "vanished")}
    value = {**_records(was, then), "until": until.isoformat(), **told}
    _print(value, [*graph_text(value, time, hidden(claims, then)), "", *changes_text(value, until)], as_json)
