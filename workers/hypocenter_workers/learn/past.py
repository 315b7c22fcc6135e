"""Past incidents of the kept history as incidents to learn from: those whose telemetry is at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.readers import read_cases
from hypocenter_workers.learn.examples import Label
from hypocenter_workers.learn.from_history import example_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from hypocenter.history.past_incident import PastIncident
    from hypocenter_workers.learn.examples import Example

HISTORY = "history"


def is_labelled(incident: PastIncident) -> bool:
    """Whether somebody wrote down where an incident began or what kind of fault it was."""
    return bool(incident.root_components or incident.fault_type)


def examples_of_history(
    incidents: Iterable[PastIncident],
    *,
    also: Collection[str] = (),
    progress: Callable[[str], None] = lambda _: None,
    on_error: Callable[[str, InputError], None] = lambda _name, _error: None,
) -> Iterator[tuple[Example, Label]]:
    """Yield past incidents that have telemetry and a label, as they were seen when they began.

    `also` are ids of incidents to yield without a label, for somebody may have said more of them elsewhere. Each place
    of telemetry is read once. One that cannot be read, or holds no such incident, is told to `on_error` and passed
    over: it may have been deleted since.
    """
    by_place: dict[str, dict[str, PastIncident]] = {}
    for incident in incidents:
        if incident.telemetry and (is_labelled(incident) or incident.incident_id in also):
            by_place.setdefault(incident.telemetry, {})[incident.incident_id] = incident
    for number, (place, wanted) in enumerate(by_place.items(), start=1):
        try:
            yield from _examples(place, wanted)
        except InputError as error:
            on_error(place, error)
        progress(f"{number}/{len(by_place)} {place}")


def _examples(place: str, wanted: dict[str, PastIncident]) -> Iterator[tuple[Example, Label]]:
    missing = dict(wanted)
    for case in read_cases(Path(place)):
        # A folder holds one incident, whatever it is called there.
        incident = missing.popitem()[1] if Path(place).is_dir() and missing else missing.pop(case.case_id, None)
        if incident is not None:
            begun = case.started_at or incident.started_at
            known = replace(case, case_id=incident.incident_id, started_at=begun)
            yield example_of(known, incident.system), _label(incident)
    if missing:
        raise InputError(f"{place}: holds no case {', '.join(sorted(missing)[:5])}")


def _label(incident: PastIncident) -> Label:
    roots, fault_type = incident.root_components, incident.fault_type or None
    return Label(roots, fault_type, HISTORY, incident.notes)
