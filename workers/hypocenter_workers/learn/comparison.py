"""A new model beside what serves, on the same incidents that it did not learn from; `gate` judges the difference."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from hypocenter.model_card import Gate
from hypocenter_workers.learn.fault_types import UNKNOWN
from hypocenter_workers.learn.gate import Comparison, compare, reciprocal_rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypocenter_workers.learn.figures import Said

UNLEARNED = "the unlearned order"
# What is compared, as the gate's sentence names it.
ORDER, TYPE = "reciprocal rank of the root cause", "share of fault types told right"
CHANCE, SHARES = "logarithm of the chance of the fault type", "the share of each type"
_LEAST_CHANCE = 1e-4


def compare_orders(said: Sequence[Said], others: Sequence[Mapping[str, float]], champion: str) -> Comparison:
    """Compare the places of roots with those that other scores of the same incidents give them."""
    pairs = [(one, other) for one, other in zip(said, others, strict=True) if one.roots]
    ours = [_rank(one.learned, one.roots) for one, _ in pairs]
    return compare((ORDER, ours), (champion, [_rank(other, one.roots) for one, other in pairs]))


def compare_types(said: Sequence[Said], others: Sequence[Said], champion: str) -> Comparison:
    """Compare how often the fault type was told right."""
    pairs = [(one, other) for one, other in zip(said, others, strict=True) if one.fault_type and one.named]
    ours = [float(one.named == one.fault_type) for one, _ in pairs]
    return compare((TYPE, ours), (champion, [float(other.named == one.fault_type) for one, other in pairs]))


def compare_chances(said: Sequence[Said]) -> Comparison:
    """Compare the chances of what the fault types were with the shares of these types among all of them, one more each.

    Chances are of the known types alone: whether a type is unknown is not told by shares.
    """
    typed = [one for one in said if one.fault_type and one.named]
    common, classes = (
        Counter(one.fault_type for one in typed),
        {name for one in typed for name in one.types} - {UNKNOWN},
    )
    shares = [math.log((common[one.fault_type] + 1) / (len(typed) + max(1, len(classes)))) for one in typed]
    return compare((CHANCE, [_log_chance(one) for one in typed]), (SHARES, shares))


def _log_chance(said: Said) -> float:
    known = math.fsum(chance for name, chance in said.types.items() if name != UNKNOWN)
    return math.log(max(said.types.get(said.fault_type or "", 0.0) / known if known > 0 else 0.0, _LEAST_CHANCE))


def gate_of(comparisons: Sequence[Comparison], against: str) -> Gate:
    """Let a model through that is better in something and worse in nothing; `against` is what the card is to name."""
    made = [one for one in comparisons if one.incidents]
    told = "; ".join(map(told_of, made)) or "there was nothing to compare"
    admitted = any(one.admitted for one in made) and not any(one.high < 0 for one in made)
    return Gate(admitted, told, against)


def told_of(made: Comparison) -> str:
    """Return a comparison in words.

    >>> told_of(Comparison("share right", "shop version 2", 80, 0.05, 0.01, 0.09))
    'share right is +0.050 (+0.010 to +0.090) beside shop version 2 on 80 incidents: better'
    """
    verdict = "better" if made.admitted else "worse" if made.high < 0 else "may be chance"
    interval = f"{made.gain:+.3f} ({made.low:+.3f} to {made.high:+.3f})"
    return f"{made.challenger} is {interval} beside {made.champion} on {made.incidents} incidents: {verdict}"


def _rank(scores: Mapping[str, float], roots: Sequence[str]) -> float:
    components = sorted(scores)
    return reciprocal_rank([scores[c] for c in components], [c in roots for c in components])
