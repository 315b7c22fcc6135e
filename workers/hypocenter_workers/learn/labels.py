"""Labels by what people said of verdicts: the latest opinion on an incident counts, before any other source.

An opinion is on the incident of its system. One that names no system is on the only incident of that id: where several
systems have one, nobody can tell which was meant.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.stores.records import Says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hypocenter.stores.records import Opinion
    from hypocenter_workers.learn.examples import Example, Label

FEEDBACK = "feedback"


def latest(opinions: Iterable[Opinion]) -> dict[tuple[str, str], Opinion]:
    """Return the latest opinion on each incident by its id and system, "" where the opinion names none.

    Of two at the same time, the one that was added later. One without a system takes the place of all before it on
    incidents of that id, and is itself replaced by the next that names a system.
    """
    found: dict[str, dict[str, Opinion]] = {}
    for opinion in sorted(opinions, key=lambda one: one.at):
        said = found.setdefault(opinion.incident_id, {})
        said.pop("", None)
        if not opinion.system:
            said.clear()
        said[opinion.system] = opinion
    return {(incident, system): one for incident, said in found.items() for system, one in said.items()}


def relabelled(
    examples: Iterable[tuple[Example, Label]], opinions: Iterable[Opinion], note: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[Example, Label]]:
    """Yield incidents with the labels that people gave them; those that were said to be no incidents are left out.

    `note` is told of opinions on a system that no incident of that id is of. Raises InputError for an opinion that
    teaches something, names no system, and is on an id that incidents of two systems have.
    """
    said = latest(opinions)
    seen: dict[str, set[str]] = {}
    for example, label in examples:
        incident_id, system = example.incident_id, example.system
        seen.setdefault(incident_id, set()).add(system)
        anywhere = said.get((incident_id, ""))
        if anywhere is not None:
            _check_only(anywhere, seen[incident_id])
        known = _label(label, anywhere or said.get((incident_id, system)))
        if known is not None:
            yield example, known
    for text in _missed(said, seen):
        note(text)


def taught(opinion: Opinion) -> str:
    """Say what training takes from an opinion while it is the latest, "" for one that teaches nothing."""
    if opinion.says is Says.NOT_AN_INCIDENT:
        return "it is left out, for it was no incident"
    place = "did not begin" if opinion.says is Says.WRONG else "began"
    known = [f"it {place} at {opinion.component}"] if opinion.component else []
    return ", and ".join([*known, f"it was a fault of type {opinion.fault_type}"] if opinion.fault_type else known)


def ambiguous(incident_id: str, systems: Iterable[str]) -> str:
    """Say that an opinion has to name a system, and how."""
    named = ", ".join(sorted(filter(None, systems)))
    return (
        f"{incident_id} is an incident of more than one system, and what was said of it names none; say it anew with "
        f"`hypocenter feedback {incident_id} ... --system SYSTEM`, one of: {named}"
    )


def _check_only(opinion: Opinion, systems: set[str]) -> None:
    """Raise InputError where incidents of several systems have the id of which an opinion without a system is."""
    if len(systems) > 1 and taught(opinion):
        raise InputError(ambiguous(opinion.incident_id, systems))


def _missed(said: Mapping[tuple[str, str], Opinion], seen: Mapping[str, set[str]]) -> Iterator[str]:
    for incident_id, system in sorted(said):
        systems = seen.get(incident_id, set())
        if system and systems and system not in systems:
            others = ", ".join(sorted(systems)) or "none"
            yield f"what was said of {incident_id} in {system} is not learned: it was read as one of system {others}"


def _label(label: Label, opinion: Opinion | None) -> Label | None:
    if opinion is None:
        return label
    if opinion.says is Says.NOT_AN_INCIDENT:
        return None
    if opinion.says is Says.WRONG or not opinion.component:
        known = _contradicted(label, opinion.component) if opinion.says is Says.WRONG else label
        return known if not opinion.fault_type else replace(known, fault_type=opinion.fault_type)
    # The type that is known is of the fault at another component.
    kept = label.fault_type if opinion.component in label.roots else None
    return replace(label, roots=(opinion.component,), fault_type=opinion.fault_type or kept, source=FEEDBACK)


def _contradicted(label: Label, component: str) -> Label:
    """Return a label without the root that was said to be none; with the last root goes the type, which was its."""
    if component not in label.roots:
        return label
    roots = tuple(root for root in label.roots if root != component)
    return replace(label, roots=roots, fault_type=label.fault_type if roots else None)
