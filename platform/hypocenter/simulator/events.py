"""Change events of a scenario: deploys and configs that bring faults, and those that do nothing."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.model import ChangeEvent
from hypocenter.simulator.faults import FAULTS

if TYPE_CHECKING:
    from hypocenter.simulator.scenario import Scenario


def changes(scenario: Scenario) -> tuple[ChangeEvent, ...]:
    """Return all changes in order of time; a fault that comes with a change follows it by seconds."""
    guilty = [
        (spec.component, spec.at, FAULTS[spec.type].change, "")
        for spec in scenario.faults
        if FAULTS[spec.type].change is not None
    ]
    innocent = [(spec.component, spec.at, "deploy", spec.title) for spec in scenario.decoys if spec.type == "deploy"]
    events = [
        ChangeEvent(
            component=component,
            at=scenario.start + timedelta(seconds=at),
            type=type_ or "deploy",
            title=title or f"{type_} of {component}",
            reference=f"{zlib.crc32(f'{component} {at}'.encode()):08x}",
        )
        for component, at, type_, title in guilty + innocent
    ]
    return tuple(sorted(events, key=lambda event: (event.at, event.component)))
