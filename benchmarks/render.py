"""Draw docs/benchmarks.md from the kept results; with --check only say whether it is current."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
TITLES = {
    "rca": "Accuracy: which component did it begin at?",
    "rca_peers": "Accuracy beside other methods",
    "unseen": "Accuracy on simulated incidents that nothing was tuned on",
    "two_faults": "Two faults at once: are both named?",
    "counterfactual": "Counterfactuals beside what truly happens without the fault",
    "calibration": "Confidence: probabilities, abstention and candidate sets",
    "learn": "Learning: what past incidents are worth",
    "pipeline": "Time of an investigation by size of the system",
    "rank": "Time of a ranking",
    "simulator": "Time of a simulation",
    "detect": "Detection: speed, size and start",
    "nab": "Detection: the Numenta Anomaly Benchmark",
    "methods": "Detection: beside the methods that everybody knows",
    "alerts": "Detection: what an operator feels",
    "ingest": "Intake: taking remote write",
    "soak": "Long runs: kills, memory, bodies tampered with",
    "live_day": "Continuous detection: a day with a fault of every kind, and calm days",
    "forest": "Continuous detection: the forest of shapes, off and on",
    "workers": "Continuous detection: ticks over many series",
    "api": "The query API: one incident among many, and an investigation that is asked for",
    "history": "History: importing a table of incidents",
    "learned": "The graph: edges suggested from metrics alone",
    "graph": "The graph: loading and asking, in memory and in Neo4j",
}
OTHER_COMMANDS = {"soak": "make soak"}
HEAD = """# Benchmarks

This page is drawn from [the results](../benchmarks/results) by `make bench-docs`; every `make bench-NAME` measures,
keeps its result and draws the page anew. [Evaluation](evaluation.md) says how the figures of accuracy are computed,
what the baselines do, and what the figures do not tell. The labelled data is named by `DATA=` or `HYPOCENTER_DATA`.
"""


def page(results: Sequence[dict[str, Any]]) -> str:
    """Return the whole page, in the order of TITLES."""
    order = {name: place for place, name in enumerate(TITLES)}
    ordered = sorted(results, key=lambda result: (order.get(result["name"], len(order)), result["name"]))
    return "\n".join([HEAD, *(section(result) for result in ordered)])


def section(result: dict[str, Any]) -> str:
    """Return a result as a section of Markdown."""
    machine, versions = result["machine"], result["versions"]
    command = OTHER_COMMANDS.get(result["name"], f"make bench-{result['name'].replace('_', '-')}")
    software = ", ".join(f"{name} {number}" for name, number in versions.items())
    measured = (
        f"`{command}`, {result['date']}, {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB; {software}."
    )
    parts = [f"## {TITLES.get(result['name'], result['name'])}", result["note"], measured]
    for group, rows in _groups(result["rows"]):
        parts += [f"**{group}**", "\n".join(_markdown(rows))]
    return "\n\n".join(filter(None, parts)) + "\n"


def as_text(result: dict[str, Any]) -> str:
    """Return a result as aligned tables for a terminal."""
    from hypocenter_workers.scoreboard import aligned

    return "\n\n".join("\n".join([group, *aligned(_cells(rows))]) for group, rows in _groups(result["rows"]))


def shown(value: object) -> str:
    """Return a cell as it is read: three figures for a number, a dash for nothing.

    >>> [shown(value) for value in (None, 0.71666, 12.345, 1234.5, 7, "web")]
    ['-', '0.717', '12.3', '1234', '7', 'web']
    """
    if not isinstance(value, float):
        return "-" if value is None else str(value)
    digits = 3 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f}"


def _groups(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Split rows by their first column, which becomes the title of a table; columns without any cell are left out.

    Rows without a title are kept in the result alone.
    """
    key = next(iter(rows[0])) if rows else ""
    for group in dict.fromkeys(str(row[key]) for row in rows if row[key] is not None):
        own = [row for row in rows if str(row[key]) == group]
        names = [name for name in own[0] if name != key and any(row[name] is not None for row in own)]
        yield group, [{name: row[name] for name in names} for row in own]


def _cells(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [list(rows[0]), *([shown(value) for value in row.values()] for row in rows)]


def _markdown(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    heads, *lines = _cells(rows)
    yield f"| {' | '.join(heads)} |"
    yield f"| --- | {' | '.join('---:' for _ in heads[1:])} |"
    yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with --check return 1 when it is not what the results say."""
    files = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    text = page([json.loads(file.read_text(encoding="utf-8")) for file in files])
    if "--check" in arguments:
        current = PAGE.read_text(encoding="utf-8") == text
        print(f"{PAGE.relative_to(ROOT)} is {'current' if current else 'out of date: make bench-docs'}")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
