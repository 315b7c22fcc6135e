"""Labels by what people said of verdicts: the latest opinion on an incident counts, before any other source."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.stores.records import Says

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hypocenter.stores.records import Opinion
    from hypocenter_workers.learn.examples import Example, Label

FEEDBACK = "feedback"


def latest(opinions: Iterable[Opinion]) -> dict[str, Opinion]:
    """Return the latest opinion on each incident by its id; of two at the same time, the one that was added later."""
    found: dict[str, Opinion] = {}
    for opinion in opinions:
        if opinion.incident_id not in found or opinion.at >= found[opinion.incident_id].at:
            found[opinion.incident_id] = opinion
    return found


def relabelled(
    examples: Iterable[tuple[Example, Label]], opinions: Iterable[Opinion]
) -> Iterator[tuple[Example, Label]]:
    """Yield incidents with the labels that people gave them; those that were said to be no incidents are left out."""
    said = latest(opinions)
    for example, label in examples:
        known = _label(label, example.incident_id, said)
        if known is not None:
            yield example, known


def _label(label: Label, incident_id: str, said: Mapping[str, Opinion]) -> Label | None:
    opinion = said.get(incident_id)
    if opinion is None:
        return label
    if opinion.says is Says.NOT_AN_INCIDENT:
        return None
    if opinion.says is Says.WRONG or not opinion.component:
        return label if not opinion.fault_type else replace(label, fault_type=opinion.fault_type)
    # The type that is known is of the fault at another component.
    kept = label.fault_type if opinion.component in label.roots else None
    return replace(label, roots=(opinion.component,), fault_type=opinion.fault_type or kept, source=FEEDBACK)
