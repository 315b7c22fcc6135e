"""Suspects of past incidents as a ranker names them that has not learned from these incidents.

What learns from suspects must learn from such as it will be asked with: those of a ranker that knows the incident's
root already are too good. Source: Wolpert, Stacked generalization, 1992.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter_workers.learn.levels import Admission
from hypocenter_workers.learn.ranker import SuspectRanker
from hypocenter_workers.learn.suspect_stages import PRIOR
from hypocenter_workers.learn.validation import folds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypocenter_workers.learn.sign_logit import Roots
    from hypocenter_workers.learn.suspect_features import Suspects

FOLDS = 5
# With this many incidents, half of them teach about as much.
MANY = 2000


def cross_fitted(
    history: Sequence[Suspects], roots: Sequence[Roots], prior: Sequence[Mapping[str, float]], ranker: SuspectRanker
) -> list[Mapping[str, float]]:
    """Return the suspects' probabilities by incident, each from a ranker that learned from other incidents.

    Level and weights are those that `ranker`, fitted on all, was admitted with; where it learned nothing the unlearned
    probabilities, `prior`, are returned. Incidents without a known root teach nothing, and are told by `ranker`.
    """
    if ranker.level == PRIOR:
        return list(prior)
    found: dict[int, Mapping[str, float]] = {}
    groups = [f"{suspects.system}/{suspects.incident_id}" for suspects in history]
    count = FOLDS if len(history) < MANY else 2
    for fold in folds(groups, [None] * len(history), ["/".join(own) for own in roots], count):
        learned = [at for at in fold.learned if roots[at]]
        other = SuspectRanker.fit_suspects(
            [history[at] for at in learned],
            [roots[at] for at in learned],
            ranker.level,
            lambda *_: Admission(ranker.level, ranker.weights),
        )
        for at in fold.held:
            found[at] = _chances(history[at], other) if other.level != PRIOR else prior[at]
    return [found[at] if at in found else _chances(own, ranker) for at, own in enumerate(history)]


def _chances(suspects: Suspects, ranker: SuspectRanker) -> dict[str, float]:
    if not suspects.components:
        return {}
    return dict(zip(suspects.components, ranker.chances(suspects).tolist(), strict=True))
