"""The graph for other tools and for people: JSON that is read back as it was, CSV, DOT, GraphML, plain records."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from hypocenter_graph.claims import precedence
from hypocenter_graph.resolve import components_of, dependencies_of
from hypocenter_graph.snapshot import by_ends, seen_by_any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import timedelta

    from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval

VERSION = 1
Record = dict[str, Any]


def to_json(claims: Discovered) -> str:
    """Return every claim as JSON, which `discover.declared` reads back as it was.

    Components that nobody claims and that are ends of dependencies are left to those.
    """
    document = {
        "hypocenter_graph": VERSION,
        "components": [_component_claim(claim) for claim in claims.components if claim.source],
        "dependencies": [_dependency_claim(claim) for claim in claims.dependencies],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)


def _component_claim(claim: ComponentClaim) -> Record:
    said = {"type": claim.type, "owner": claim.owner, "links": list(claim.links), "aliases": list(claim.aliases)}
    kept = {name: value for name, value in said.items() if value}
    return {"name": claim.name, "source": claim.source, **kept, "seen": _times(claim.seen)}


def _dependency_claim(claim: DependencyClaim) -> Record:
    rate = {} if claim.calls_per_s is None else {"calls_per_s": claim.calls_per_s}
    ends = {"caller": claim.caller, "callee": claim.callee, "type": str(claim.type), "source": claim.source}
    return {**ends, "confidence": claim.confidence, **rate, "seen": _times(claim.seen)}


def _times(seen: Iterable[Interval]) -> list[list[str | None]]:
    return [[i.first.isoformat(), i.last.isoformat() if i.last else None] for i in seen]


def to_csv(claims: Discovered) -> str:
    """Return the dependencies as CSV: a row for each source and interval, which can be imported again.

    Everything is quoted, so that every name comes back as it was.
    """
    from hypocenter_graph.discover.declared import CSV_COLUMNS

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    table.writerow(CSV_COLUMNS)
    for claim in claims.dependencies:
        ends = (claim.caller, claim.callee, claim.type, claim.source, claim.confidence, claim.calls_per_s)
        table.writerows((*ends, *times) for times in _times(claim.seen) or [[None, None]])
    return text.getvalue()


def to_dot(claims: Discovered) -> str:
    """Return what the claims come to in the language of Graphviz."""
    components, dependencies = _resolved(claims)
    place = {component["name"]: f"n{number}" for number, component in enumerate(components)}
    lines = [f"  {place[c['name']]} [label={_quoted(c['name'])}, tooltip={_quoted(c['type'])}];" for c in components]
    lines += [
        f"  {place[d['caller']]} -> {place[d['callee']]} [label={_quoted(d['type'])}{_DOT_STYLE.get(d['type'], '')}];"
        for d in dependencies
    ]
    return "\n".join(["digraph hypocenter {", "  rankdir=LR;", "  node [shape=box];", *lines, "}", ""])


_DOT_STYLE = {"RUNS_ON": ", style=dotted", "INSTANCE_OF": ", style=dashed", "DEPENDS_ON": ", style=dashed"}


def _quoted(text: str) -> str:
    from hypocenter.report.wording import clean

    for mark, escape in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;"), ("\n", "\\n"), ("\r", "\\n")):
        text = text.replace(mark, escape)
    return f'"{clean(text, 10**6)}"'


def to_graphml(claims: Discovered) -> str:
    """Return what the claims come to as GraphML, names as the attribute `name`."""
    import networkx as nx

    from hypocenter.report.wording import clean

    components, dependencies = _resolved(claims)
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    place = {component["name"]: f"n{number}" for number, component in enumerate(components)}
    for component in components:
        texts = {name: clean(component[name]) for name in ("name", "type", "owner")}
        graph.add_node(place[component["name"]], **texts)
    for number, one in enumerate(dependencies):
        rate = {} if one["calls_per_s"] is None else {"calls_per_s": one["calls_per_s"]}
        said = {"type": one["type"], "sources": ",".join(one["sources"]), "confidence": one["confidence"], **rate}
        graph.add_edge(place[one["caller"]], place[one["callee"]], key=f"e{number}", **said)
    return "\n".join([*nx.generate_graphml(graph), ""])


def component_records(claims: Discovered) -> list[Record]:
    """Return what is known of each component, in order of name, as plain values."""
    others: dict[str, list[ComponentClaim]] = {}
    for claim in claims.components:
        others.setdefault(claim.name, []).append(claim)
    return [
        {
            "name": component.name,
            "type": str(component.type),
            "owner": component.owner,
            "links": list(component.links),
            "aliases": sorted({alias for claim in others[component.name] for alias in claim.aliases}),
            "sources": _sources(others[component.name]),
        }
        for component in components_of(claims.components, dependencies_of(claims.dependencies))
    ]


def dependency_records(claims: Iterable[DependencyClaim], gap: timedelta) -> list[Record]:
    """Return what is known of each dependency, in order of its ends, as plain values; `seen` joined over sources."""
    kept = list(claims)
    groups = by_ends(kept)
    return [
        {
            "caller": one.caller,
            "callee": one.callee,
            "type": str(one.type),
            "sources": _sources(groups[one.caller, one.callee, one.type]),
            "confidence": one.confidence,
            "calls_per_s": one.calls_per_s,
            "seen": _times(seen_by_any(groups[one.caller, one.callee, one.type], gap)),
        }
        for one in dependencies_of(kept)
    ]


def _sources(claims: Sequence[ComponentClaim] | Sequence[DependencyClaim]) -> list[str]:
    return sorted({claim.source for claim in claims} - {""}, key=precedence)


def _resolved(claims: Discovered) -> tuple[list[Record], list[Record]]:
    """Return components and dependencies; whatever is an end of a dependency is among the components."""
    from datetime import timedelta

    components = component_records(claims)
    dependencies = dependency_records(claims.dependencies, timedelta(0))
    return [*components, *_ends_unknown(components, dependencies)], dependencies


def _ends_unknown(components: Sequence[Record], dependencies: Sequence[Record]) -> Iterator[Record]:
    known = {component["name"] for component in components}
    for name in sorted({one[end] for one in dependencies for end in ("caller", "callee")} - known):
        yield {"name": name, "type": "service", "owner": ""}
