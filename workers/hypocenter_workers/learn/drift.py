"""Whether the world moved since a model was trained: its features, and how often people found verdicts right."""

from __future__ import annotations

from collections import defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from hypocenter.model_card import Accuracy, Drift, FeatureBins, FeatureDrift
from hypocenter.stores.records import Says
from hypocenter_workers.learn.labels import latest
from hypocenter_workers.scoring import share_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from hypocenter.model_card import ModelCard
    from hypocenter.stores.records import Opinion

Floats = NDArray[np.float64]

BINS = 10
# Where a share is none, it is taken for this, or one incident alone would be drift without end.
LEAST_SHARE = 1e-3
FAR = 0.25
CHANCE = 0.01
MOST_NAMED = 3
FIRST_FIGURE = "root cause first"
# History outweighs simulation soon, and a model of history when there is a quarter more of it.
ENOUGH, MORE = 20, 0.25
NOTHING: Mapping[str, Floats] = MappingProxyType({})


def bins_of(values: Floats) -> FeatureBins:
    """Return how a feature is spread, in bins that hold equally many incidents; NaN is an incident without it."""
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.empty(0)
    return FeatureBins(tuple(edges.tolist()), tuple(_shares(values, edges).tolist()))


def stability(training: FeatureBins, values: Floats) -> float:
    """Return the population stability index of `values` beside training: 0 where shares of bins are the same.

    Source: Yurdakul, Statistical properties of population stability index, 2018.
    """
    then = np.maximum(training.shares, LEAST_SHARE)
    now = np.maximum(_shares(values, np.array(training.edges)), LEAST_SHARE)
    return float(np.sum((now - then) * np.log(now / then)))


def feature_drift(card: ModelCard, recent: Mapping[str, Floats]) -> tuple[FeatureDrift, ...]:
    """Return how far each feature of training moved in recent incidents, the furthest first."""
    moved = (
        FeatureDrift(name, stability(bins, recent[name])) for name, bins in card.features.items() if name in recent
    )
    return tuple(sorted(moved, key=lambda item: (-item.stability, item.feature)))


def accuracy_by_month(opinions: Iterable[Opinion]) -> tuple[Accuracy, ...]:
    """Return how many verdicts were right by the month in which they were judged; the latest opinion counts."""
    months: dict[str, list[bool]] = defaultdict(list)
    for opinion in latest(opinions).values():
        if opinion.says is not Says.NOT_AN_INCIDENT:
            months[f"{opinion.at:%Y-%m}"].append(opinion.says is Says.RIGHT)
    counts = ((month, sum(right), len(right)) for month, right in sorted(months.items()))
    return tuple(Accuracy(month, right, judged, *share_interval(right, judged)) for month, right, judged in counts)


def drift_of(
    card: ModelCard, opinions: Sequence[Opinion], labelled: int = 0, recent: Mapping[str, Floats] = NOTHING
) -> Drift:
    """Return what moved since a model was trained, and the reasons that are in it to train anew.

    `labelled` is how many incidents became known since; `recent` are features of such by name, as in the card, one
    value an incident.
    """
    incidents = max(map(len, recent.values()), default=0)
    moved = feature_drift(card, recent)
    judged = accuracy_by_month(opinion for opinion in opinions if opinion.at > card.created_at)
    reasons = (*_learned_little(card, labelled), *_moved_far(card, moved, incidents), *_less_accurate(card, judged))
    return Drift(incidents, moved, judged, reasons)


def since(card: ModelCard, at: datetime | None) -> bool:
    """Whether an incident came after those that a model was trained on; one without a time is not known to have."""
    return at is not None and at > (card.last_at or card.created_at)


def _shares(values: Floats, edges: Floats) -> Floats:
    known = np.isfinite(values)
    places = np.where(known, np.searchsorted(edges, np.where(known, values, 0.0), side="right"), len(edges) + 1)
    return np.bincount(places, minlength=len(edges) + 2) / max(len(values), 1)


def _moved_far(card: ModelCard, moved: Sequence[FeatureDrift], incidents: int) -> Iterator[str]:
    """Yield the features that moved far, and further than chance moves the first of so many."""
    if not incidents or not card.incidents:
        return
    apart = 1 / incidents + 1 / card.incidents
    far = [
        item
        for item in moved
        if item.stability >= FAR
        and chi2.sf(item.stability / apart, len(card.features[item.feature].shares) - 1) < CHANCE / len(moved)
    ]
    for item in far[:MOST_NAMED]:
        yield f"{item.feature} of {incidents} recent incidents is unlike training (index {item.stability:.2f})"
    if len(far) > MOST_NAMED:
        yield f"so are {len(far) - MOST_NAMED} other features"


def _learned_little(card: ModelCard, labelled: int) -> Iterator[str]:
    if labelled >= (ENOUGH if card.simulated else max(ENOUGH, MORE * card.incidents)):
        yield f"{labelled} incidents with a known root came since; it was trained on {card.trained_on}"


def _less_accurate(card: ModelCard, judged: Sequence[Accuracy]) -> Iterator[str]:
    """Yield that verdicts are less often right than measured, where the intervals leave no doubt."""
    measured = next((figure for figure in card.figures if figure.name == FIRST_FIGURE), None)
    right, of = sum(item.right for item in judged), sum(item.judged for item in judged)
    if measured is not None and of and share_interval(right, of)[1] < measured.low:
        yield f"of {of} verdicts judged since, {right} were right; measured in training were {measured.value:.0%}"
