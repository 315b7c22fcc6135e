"""What an import found, as lines for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from hypocenter.history.findings import Findings, Problem

MOST_TOLD = 12
_LABELLED = ("started_at", "resolved_at", "symptom_component", "root_component", "fault_type", "notes", "telemetry")


def findings_rows(findings: Findings) -> Iterator[tuple[str, str]]:
    """Yield a heading and a line of text for each thing worth telling; a heading is "" where it is the one before."""
    yield "rows", _rows(findings)
    yield "known", _filled(findings)
    yield from _under("left out", [_problem(each, findings.unit) for each in findings.problems if each.fatal])
    yield from _under("unclear", [_problem(each, findings.unit) for each in findings.problems if not each.fatal])
    yield from _under("kept", _kept(findings))
    yield from _under("fault types", _most(findings.fault_types))
    yield from _under("not used", _most_unused(findings))
    yield from _under("note", findings.notes)


def findings_to_json(findings: Findings) -> dict[str, Any]:
    """Return the same as a JSON object."""
    return {
        "unit": findings.unit,
        "rows": findings.rows,
        "incidents": findings.incidents,
        "repeated": findings.repeated,
        "left_out": findings.left_out,
        "filled": dict(findings.filled),
        "kept": dict(sorted(findings.kept.items())),
        "problems": [asdict(each) for each in findings.problems],
        "fault_types": dict(findings.fault_types.most_common()),
        "components": dict(findings.components.most_common()),
        "not_used": {findings.names.written(name): count for name, count in findings.unused.most_common()},
        "notes": list(findings.notes),
    }


def most(values: Counter[str]) -> str:
    """Return the most frequent values with their counts in one line, and how many more there are.

    >>> from collections import Counter
    >>> most(Counter("aab"))
    'a (2), b (1)'
    """
    told = [f"{value} ({count:,})" for value, count in values.most_common(MOST_TOLD)]
    more = len(values) - len(told)
    return ", ".join([*told, f"and {more:,} more"] if more else told)


def _most(values: Counter[str]) -> list[str]:
    return [most(values)] if values else []


def _most_unused(findings: Findings) -> list[str]:
    written = type(findings.unused)({findings.names.written(name): count for name, count in findings.unused.items()})
    return _most(written)


def _filled(findings: Findings) -> str:
    counts = {name: findings.filled["root_components" if name == "root_component" else name] for name in _LABELLED}
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _rows(findings: Findings) -> str:
    repeated = f"{findings.repeated:,} of an incident that is there already, " if findings.repeated else ""
    return f"{findings.rows:,} read, {findings.incidents:,} incidents, {repeated}{findings.left_out:,} left out"


def _kept(findings: Findings) -> list[str]:
    counts = ", ".join(f"{name} {count:,}" for name, count in sorted(findings.kept.items()))
    return [f"{counts} (as known before: this export does not speak of them)"] if counts else []


def _under(heading: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield ("" if number else heading), line


def _problem(problem: Problem, unit: str) -> str:
    places = ", ".join(f"{unit} {each.line}{f' {each.value!r}' if each.value else ''}" for each in problem.examples)
    more = ", ..." if problem.count > len(problem.examples) else ""
    return f"{problem.count:,} x {problem.place}: {problem.reason} ({places}{more})"
