"""The graph in words, for the person at the terminal."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypocenter.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from hypocenter_graph.hidden import Hidden

Record = dict[str, Any]
LONGEST_NAME = 60
MOST_ROWS = 60
EDGE_HEAD = ("type", "sources", "confidence", "calls/s", "seen (UTC)")


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines with columns two blanks apart, safe for a terminal.

    >>> aligned([("a", "bb"), ("ccc", "d")])
    ['a    bb', 'ccc  d']
    """
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]


def short(name: str) -> str:
    """Return a name that is not longer than a line of a terminal bears."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def edge_cells(record: Record) -> tuple[str, ...]:
    """Return what is known of a dependency, as `EDGE_HEAD` names it."""
    rate = record["calls_per_s"]
    return (
        record["type"],
        ", ".join(record["sources"]),
        f"{record['confidence']:.2g}",
        "" if rate is None else f"{rate:.3g}",
        intervals_text(record["seen"]),
    )


def intervals_text(seen: Sequence[Sequence[str | None]], most: int = 3) -> str:
    """Return intervals to the minute, the last ones of many, and a gap between two as a semicolon.

    >>> intervals_text([["2026-03-01T10:00:00Z", "2026-03-01T11:30:00Z"], ["2026-03-03T00:00:00Z", None]])
    '2026-03-01 10:00 to 11:30; since 2026-03-03 00:00'
    """
    shown = [_interval_text(str(first), last) for first, last in seen[-most:]]
    return "; ".join(([f"{len(seen) - most} earlier"] if len(seen) > most else []) + shown)


def _interval_text(first: str, last: str | None) -> str:
    begin = first[:16].replace("T", " ")
    if last is None:
        return f"since {begin}"
    if last[:16] == first[:16]:
        return begin
    return f"{begin} to {last[11:16] if last[:10] == first[:10] else last[:16].replace('T', ' ')}"


def path_text(start: str, end: str, path: Sequence[str], back: Sequence[str], records: Iterable[Record]) -> list[str]:
    """Return a path as a line and a row for each step, or why there is none."""
    if not path:
        other = f"; but {short(end)} leans on {short(start)}: {' -> '.join(map(short, back))}" if back else ""
        return [visible(f"no path: {short(start)} does not lean on {short(end)}, directly or not{other}")]
    line = visible(" -> ".join(map(short, path)))
    if len(path) == 1:
        return [line]
    by_ends: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        by_ends.setdefault((record["caller"], record["callee"]), []).append(record)
    rows = [row for step in pairwise(path) for row in _step_rows(*step, by_ends)]
    return [line, "", *aligned([("from", "to", *EDGE_HEAD), *rows])]


def _step_rows(here: str, there: str, by_ends: Mapping[tuple[str, str], Sequence[Record]]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each dependency of a step; one that is passed against its arrow says so."""
    for record in by_ends.get((here, there), ()):
        yield short(here), short(there), *edge_cells(record)
    for record in by_ends.get((there, here), ()) if (here, there) not in by_ends else ():
        kind, *rest = edge_cells(record)
        yield short(here), short(there), f"{kind} (of {short(there)})", *rest


def graph_text(value: Record, at: datetime | None, hidden: Hidden) -> list[str]:
    """Return a graph (`components` and `dependencies` as records) as counts and a table of its components."""
    components, dependencies = value["components"], value["dependencies"]
    when = "ever" if at is None else f"as of {at:%Y-%m-%d %H:%M} UTC"
    if not components:
        more = elsewhen_text(hidden, "it knows of times") or "fill it with: hypocenter graph import FILE"
        return [f"the graph holds nothing {when}; {more}"]
    types = Counter(record["type"] for record in components)
    kinds = Counter(record["type"] for record in dependencies)
    sources = Counter(source for record in dependencies for source in record["sources"])
    return [
        *aligned(
            [
                ("graph", when),
                ("components", _counted(len(components), types)),
                ("dependencies", _counted(len(dependencies), kinds)),
                *([("", not_shown)] if (not_shown := _not_shown(hidden)) else []),
                *([("told by", _shares(sources))] if sources else []),
            ]
        ),
        "",
        *_component_table(components, dependencies),
    ]


def elsewhen_text(hidden: Hidden, known: str) -> str:
    """Return of which times there is something that is not shown, after the words `known`, and what is suggested."""
    said = []
    if hidden.first:
        until = f"to {_minute(hidden.last)}" if hidden.last else "on"
        said.append(f"{known} from {_minute(hidden.first)} {until}")
    if hidden.learned:
        said.append(f"{hidden.learned:,} suggestions learned from metrics are shown with --learned")
    return "; ".join(said)


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _not_shown(hidden: Hidden) -> str:
    parts = (
        (hidden.better, "said better by another"),
        (hidden.learned, "learned from metrics (--learned)"),
        (hidden.other_times, "of other times"),
    )
    told = ", ".join(f"{count:,} {why}" for count, why in parts if count)
    return f"{sum(count for count, _ in parts):,} more are not shown: {told}" if told else ""


def _counted(total: int, parts: Counter[str]) -> str:
    return f"{total:,}" + (f" ({_shares(parts)})" if parts else "")


def _shares(parts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(parts.items(), key=lambda part: (-part[1], part[0])))


def _component_table(components: Sequence[Record], dependencies: Sequence[Record]) -> list[str]:
    """Return a row for each component, the most connected first, up to `MOST_ROWS`."""
    below, above = (Counter(record[end] for record in dependencies) for end in ("caller", "callee"))
    ordered = sorted(components, key=lambda one: (-below[one["name"]] - above[one["name"]], one["name"]))
    head = ("component", "type", "owner", "leaned on by", "leans on", "told by")
    rows = [
        (
            short(one["name"]),
            one["type"],
            short(one["owner"]),
            f"{above[one['name']]:,}",
            f"{below[one['name']]:,}",
            ", ".join(one["sources"]),
        )
        for one in ordered[:MOST_ROWS]
    ]
    more = len(ordered) - len(rows)
    return [*aligned([head, *rows]), *([f"and {more:,} more; --json lists all"] if more else [])]


def around_text(name: str, distances: Mapping[str, int], left_out: int, value: Record) -> list[str]:
    """Return what is known of a component, who leans on it, what it leans on, and what else lies around it."""
    (mine,) = (record for record in value["components"] if record["name"] == name)
    dependencies = value["dependencies"]
    above = [((short(one["caller"]),), one) for one in dependencies if one["callee"] == name != one["caller"]]
    below = [((short(one["callee"]),), one) for one in dependencies if one["caller"] == name != one["callee"]]
    beyond = [
        ((short(one["caller"]), short(one["callee"])), one)
        for one in dependencies
        if name not in (one["caller"], one["callee"])
    ]
    lines = aligned(_facts(mine))
    lines += _edge_table(("leaned on by",), above, "nothing leans on it")
    lines += _edge_table(("leans on",), below, "it leans on nothing")
    if beyond:
        lines += _edge_table(("around it", ""), beyond, "")
    if left_out:
        lines += ["", f"the {len(distances):,} nearest components; at least {left_out:,} more are as near as the last"]
    return lines


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    yield "component", short(record["name"])
    yield "type", record["type"]
    for label, text in (
        ("owner", record["owner"]),
        ("links", " ".join(record["links"])),
        ("other names", ", ".join(map(short, record["aliases"]))),
        ("told by", ", ".join(record["sources"])),
    ):
        if text:
            yield label, text


def _edge_table(head: Sequence[str], edges: Sequence[tuple[Sequence[str], Record]], none: str) -> list[str]:
    if not edges:
        return ["", none]
    return ["", *aligned([(*head, *EDGE_HEAD), *((*ends, *edge_cells(record)) for ends, record in edges)])]


def impact_text(name: str, found: Sequence[Record], left_out: int) -> list[str]:
    """Return what leans on a component as rows, the nearest first."""
    if not found:
        return [visible(f"nothing leans on {short(name)}")]
    rows = [(str(one["distance"]), short(one["name"]), one["type"], short(one["owner"])) for one in found]
    lines = aligned([("steps", "component", "type", "owner"), *rows])
    return [*lines, *([f"and at least {left_out:,} more; --most raises the limit"] if left_out else [])]


def changes_text(value: Record, until: datetime) -> list[str]:
    """Return which dependencies appeared, came back and vanished, as rows."""
    words = (("appeared", "appeared"), ("returned", "came back"), ("vanished", "vanished"))
    rows = [
        (word, short(caller), short(callee), str(type_))
        for kind, word in words
        for caller, callee, type_ in value[kind]
    ]
    when = f"until {until:%Y-%m-%d %H:%M} UTC"
    if not rows:
        return [f"no dependency changed {when}"]
    shown = aligned([(f"changed {when}", "caller", "callee", "type"), *rows[:MOST_ROWS]])
    return [*shown, *([f"and {len(rows) - MOST_ROWS:,} more; --json lists all"] if len(rows) > MOST_ROWS else [])]
