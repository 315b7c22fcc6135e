"""The observation that would best tell the first two suspects apart: what was not seen, and what seeing it would mean.

Every check that applies has two outcomes. How much the better-known of the two suspects would change by its outcome is
counted in bits, and the check that is expected to tell most is proposed (Lindley 1956, "On a measure of the information
provided by an experiment").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.model import NextCheck
from hypocenter_graph import checks_of_both, checks_of_one
from hypocenter_graph.suspect_pair import Check, Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypocenter.model import Suspect
    from hypocenter_graph.rank import Ranking
    from hypocenter_graph.topology import Topology

LEAST_PROBABLE = 0.02
# Of checks that tell as much, the first is proposed.
CHECKS: tuple[Callable[[Pair], Iterator[Check]], ...] = (
    checks_of_both.calls,
    checks_of_one.OWN_TIME,
    checks_of_both.below,
    checks_of_one.CHANGE,
    checks_of_one.ANYTHING,
    checks_of_one.RESOURCES,
    checks_of_one.PROCESSOR,
    checks_of_one.MEMORY,
    checks_of_one.LOG,
    checks_of_one.NEIGHBOUR,
    checks_of_both.rest,
    checks_of_one.DIRECTLY,
    checks_of_both.order,
    checks_of_both.relief,
)


def next_check(
    ranking: Ranking,
    topology: Topology,
    suspects: Sequence[Suspect],
    causes: Sequence[str] = (),
    uncertainty_s: float | None = None,
) -> NextCheck | None:
    """Return the check expected to tell most of which of the first two suspects it is; deterministic.

    Components in `causes` that are named beside the first are no rivals of it. `uncertainty_s` is how well onsets are
    known, in seconds. None with fewer than two suspects, or when the second is below 2 %.
    """
    rivals = [s for s in suspects[1:] if s.component not in causes]
    if not rivals or not rivals[0].probability >= LEAST_PROBABLE or not suspects[0].probability > 0:
        return None
    pair = Pair(suspects[0], rivals[0], ranking, topology, uncertainty_s)
    checks = [check for find in CHECKS for check in find(pair)]
    best = max(checks, key=lambda check: round(pair.bits(check), 9))
    return NextCheck((pair.first.component, pair.second.component), best.text)
