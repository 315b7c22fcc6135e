"""What clears a component: a finding against it that something else explains, or that came too late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter_graph.channels import CHANGE_MEMORY_S, CHANGE_SLACK_S, Finding
from hypocenter_graph.event_words import of_change

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from hypocenter.model import ChangeEvent
    from hypocenter_graph.deviation import Deviation

BY_CALLEES = "explained by what it leans on"
BY_CALLS = "explained by its calls"
BY_CONSUMERS = "explained by who drains it"
BY_HOST = "explained by what it runs on"
BY_GUESTS = "explained by what runs on it"
BY_LOAD = "explained by more traffic"
TOO_LATE = "its change came after the onset"
BESIDE = "not on a way to the symptom"


@dataclass(frozen=True, slots=True)
class Cleared:
    """A finding as strong as it was found, and what explains a `share` of it, 0 to 1: `by` a component, as `test` says.

    `shown` are the deviations that say so, the telling one first; the finding itself says it where there are none.
    """

    finding: Finding
    share: float
    test: str
    by: str | None = None
    shown: tuple[Deviation, ...] = ()


def late_changes(events: Iterable[ChangeEvent], onset: datetime | None) -> tuple[Cleared, ...]:
    """Return the changes that came too long after the onset to have caused it."""
    if onset is None:
        return ()
    found = []
    for event in events:
        late_s = (event.at - onset).total_seconds()
        if CHANGE_SLACK_S < late_s <= CHANGE_MEMORY_S:
            text = f"{of_change(event)} came {late_s / 60:.0f} min after the onset"
            found.append(Cleared(Finding(event.component, "change", 1.0, text=text), 1.0, TOO_LATE))
    return tuple(found)
