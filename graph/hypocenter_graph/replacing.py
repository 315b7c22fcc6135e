"""What would end when declarations replace those before them: told before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter_graph.claims import SOURCES, retracted_claims
from hypocenter_graph.importing import write_import
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered
    from hypocenter_graph.importing import Plan

_FEW = 5


@dataclass(frozen=True)
class Ending:
    """How many of the declarations that a source `said` would be `ended`."""

    source: str
    said: int
    ended: int

    @property
    def is_most(self) -> bool:
        """Whether that is more than a few, and more than half of what the source said."""
        return self.ended > _FEW and 2 * self.ended > self.said


def endings(there: Discovered, plan: Plan, at: datetime, gap: timedelta) -> list[Ending]:
    """Return what would end of what each declaring source of a plan said before, given all that is `there`."""
    trial = MemoryStore(gap)
    trial.upsert(there)
    write_import(trial, plan)
    after = trial.claims()
    found = []
    for source in (name for name in plan.by_source() if name in SOURCES and not SOURCES[name].observed):
        ended = retracted_claims(after.components, after.dependencies, source, at, plan.found)
        said = _holding(there.components, source) + _holding(there.dependencies, source)
        found.append(Ending(source, said, len(ended.components) + len(ended.dependencies)))
    return found


def _holding(claims: Sequence[ComponentClaim] | Sequence[DependencyClaim], source: str) -> int:
    return sum(claim.source == source and any(i.last is None for i in claim.seen) for claim in claims)
