"""What to do about an export whose rows are no incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.history.layout import NO_ID
from hypocenter.history.row import canonical
from hypocenter.history.sources import SOURCES, layout_of

if TYPE_CHECKING:
    from hypocenter.history.findings import Findings
    from hypocenter.history.row import Names

_IDS = ("incident_id", "key")


def advice(findings: Findings, source: str) -> str:
    """Return what to do about the rows that were left out; where none has an ID, the tool may be another one."""
    reasons = {(each.place, each.reason): each.count for each in findings.problems if each.fatal}
    if reasons.get(("incident_id", NO_ID)) == findings.rows:
        return _of_no_id(findings.names, source)
    times = (
        "say with --time-format how times are written, " if any(place == "started_at" for place, _ in reasons) else ""
    )
    return f"mend them, {times}say with --mapping which fields to read, or leave them out with --skip-bad"


def _of_no_id(names: Names, source: str) -> str:
    fitting = fitting_sources(names)
    missing = f"none has an ID as {source} writes it"
    if fitting:
        return f"{missing}; is it written by {' or '.join(fitting)}? Then say so with --from"
    return f"{missing}; say with --mapping which field holds it, as `fields: {{incident_id: NAME}}`"


def fitting_sources(names: Names) -> list[str]:
    """Return the tools that call an incident's ID by one of the names, those alone of whose fields most are there."""
    counts = {source: _fitting_fields(source, names) for source in SOURCES}
    most = max(counts.values())
    return [source for source, count in counts.items() if count == most > 0]


def _fitting_fields(source: str, names: Names) -> int:
    """Return how many of our fields a tool's layout finds among the names, 0 where it finds no ID.

    An answer of its server that was read as another's is one record, whose names begin with that of the list in it.
    """
    layout = layout_of(source)
    above = ("", *(f"{canonical(name)}." for name in layout.lists))
    fields = layout.canonical_fields().items()
    there = {ours for ours, theirs in fields if any(start + name in names for start in above for name in theirs)}
    return len(there) if there.intersection(_IDS) else 0
