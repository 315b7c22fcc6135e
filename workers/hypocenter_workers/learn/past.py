"""Past incidents of the kept history as incidents to learn from: those whose telemetry is at hand."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.readers import read_cases
from hypocenter_workers.learn.examples import Label
from hypocenter_workers.learn.from_history import example_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from hypocenter.history.past_incident import PastIncident
    from hypocenter.telemetry import Case
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
    of telemetry is read once. The case that is called as an incident is that incident's; a folder of one case is that
    of the one incident which names it, whatever the case is called. A place that cannot be read, or in which it cannot
    be told which case is an incident's, is told to `on_error` and passed over: it may have been deleted since.
    """
    by_place: dict[str, list[PastIncident]] = {}
    for incident in incidents:
        if incident.telemetry and (is_labelled(incident) or incident.incident_id in also):
            by_place.setdefault(incident.telemetry, []).append(incident)
    for number, (place, wanted) in enumerate(by_place.items(), start=1):
        try:
            yield from _examples(place, wanted)
        except InputError as error:
            on_error(place, error)
        progress(f"{number}/{len(by_place)} {place}")


def _examples(place: str, wanted: Sequence[PastIncident]) -> Iterator[tuple[Example, Label]]:
    called: dict[str, list[PastIncident]] = defaultdict(list)
    for one in wanted:
        called[one.incident_id].append(one)
    missing = set(wanted)
    for case in _cases(Path(place), wanted):
        incident = _of_case(called.get(case.case_id, ()), case)
        if incident in missing:
            missing.remove(incident)
            known = replace(case, started_at=case.started_at or incident.started_at)
            yield example_of(known, incident.system), _label(incident)
    if missing:
        lost = sorted({incident.incident_id for incident in missing})
        raise InputError(
            f"{place}: holds no case {', '.join(lost[:5])} of its own; name each incident's own folder, or call the "
            "case as the incident (and its system, where several are called so)"
        )


def _cases(place: Path, wanted: Sequence[PastIncident]) -> Iterator[Case]:
    """Yield the cases of a place; one alone in a folder takes the name of the one incident that is said to be there."""
    cases = read_cases(place)
    first = list(islice(cases, 2))
    if len(first) == len(wanted) == 1 and place.is_dir():
        first = [replace(first[0], case_id=wanted[0].incident_id)]
    return chain(first, cases)


def _of_case(called: Sequence[PastIncident], case: Case) -> PastIncident | None:
    """Return which incident of those that are called as a case is this one; None where that cannot be told."""
    alike = called if len(called) == 1 else [one for one in called if case.system and one.system == case.system]
    return alike[0] if len(alike) == 1 else None


def _label(incident: PastIncident) -> Label:
    roots, fault_type = incident.root_components, incident.fault_type or None
    return Label(roots, fault_type, HISTORY, incident.notes)
