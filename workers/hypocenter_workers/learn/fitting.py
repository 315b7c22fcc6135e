"""Both learners fitted together, and what they say of incidents that they have not seen."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypocenter_workers.learn.boosting import Growth
from hypocenter_workers.learn.fault_types import FaultTypeModel, Settings
from hypocenter_workers.learn.figures import Said
from hypocenter_workers.learn.incident_features import Counts
from hypocenter_workers.learn.ranker import SuspectRanker
from hypocenter_workers.learn.spread import core_of
from hypocenter_workers.learn.stacking import cross_fitted
from hypocenter_workers.learn.suspect_stages import CORE, LOCAL
from hypocenter_workers.learn.validation import folds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypocenter_workers.learn.examples import Label
    from hypocenter_workers.learn.incident_features import Features, IncidentFeatures
    from hypocenter_workers.learn.suspect_features import Suspects

# A third of the incidents is held back, or the last fifth where times are known; of few, one such part after another.
FOLDS, FEW = 3, 60
# A model that ships with the package has to be small.
SMALL = Settings(growth=Growth(rounds=30))
ORDINARY = Settings()


@dataclass(frozen=True)
class Past:
    """A labelled incident as numbers; its telemetry is no longer needed. `prior` are the unlearned probabilities."""

    suspects: Suspects
    features: IncidentFeatures
    prior: Mapping[str, float]
    label: Label


@dataclass(frozen=True)
class Fitted:
    """Both learners. At level "prior" of its ranker the order of suspects is not touched."""

    ranker: SuspectRanker
    types: FaultTypeModel
    settings: Settings = ORDINARY

    def to_parts(self) -> dict[str, str]:
        """Return both as texts by file name."""
        return {**self.ranker.to_parts(), **self.types.to_parts()}

    @classmethod
    def from_parts(cls, parts: Mapping[str, str]) -> Fitted:
        """Read what `to_parts` wrote. Raises InputError for a part that is missing or damaged."""
        return cls(SuspectRanker.from_parts(parts), FaultTypeModel.from_parts(parts))


def fit(incidents: Sequence[Past], *, named: bool = True) -> Fitted:
    """Fit both learners on what is labelled; with `named` also on names that one installation alone knows."""
    known = incidents if named else [without_names(one) for one in incidents]
    rooted = [one for one in known if one.label.roots]
    typed = [one for one in known if one.label.fault_type]
    settings = ORDINARY if named else SMALL
    ranker = SuspectRanker.fit_suspects(
        [one.suspects for one in rooted], [one.label.roots for one in rooted], LOCAL if named else CORE
    )
    types = FaultTypeModel.fit_features(_stacked(typed, ranker), [one.label for one in typed], settings)
    return Fitted(ranker, types, settings)


def _stacked(typed: Sequence[Past], ranker: SuspectRanker) -> list[IncidentFeatures]:
    """Return features over the suspects of rankers that had not met the incident."""
    roots, prior = [one.label.roots for one in typed], [one.prior for one in typed]
    chances = cross_fitted([one.suspects for one in typed], roots, prior, ranker)
    return [one.features.with_suspects(own) for one, own in zip(typed, chances, strict=True)]


def held_back(incidents: Sequence[Past], fitted: Callable[[Sequence[Past]], Fitted]) -> list[tuple[Past, Said]]:
    """Return what is said of some incidents by a model of the others: of the latest, where times are known.

    Of fewer than `FEW` as many as possible are held back, some at a time. It is [] where there are too few.
    """
    groups = [f"{one.suspects.system}/{one.suspects.incident_id}" for one in incidents]
    strata = [one.label.fault_type or "" for one in incidents]
    found: list[tuple[Past, Said]] = []
    rounds = folds(groups, [one.suspects.at for one in incidents], strata, FOLDS)
    for fold in rounds if len(incidents) < FEW else rounds[-1:]:
        learned = fitted([incidents[at] for at in fold.learned])
        found += [(incidents[at], said_of(incidents[at], learned)) for at in fold.held]
    return found


def said_of(past: Past, fitted: Fitted) -> Said:
    """Return what a model says of an incident, beside its label."""
    chances = learned_chances(past, fitted.ranker)
    features = past.features.with_suspects(chances)
    told = fitted.types.predict_features(features) if past.label.fault_type and fitted.types.classes else None
    return Said(
        roots=past.label.roots,
        prior=dict(zip(past.suspects.components, past.suspects.prior, strict=True)),
        learned=chances,
        chances=chances,
        fault_type=past.label.fault_type,
        named=told.fault_type if told else None,
        types=dict((*told.chances, ("unknown", told.unknown))) if told else {},
    )


def learned_chances(past: Past, ranker: SuspectRanker) -> Mapping[str, float]:
    """Return each suspect's probability of being the root: the learned one, or the unlearned where nothing was."""
    if not ranker.speaks_of(past.suspects):
        return past.prior
    return dict(zip(past.suspects.components, ranker.chances(past.suspects).tolist(), strict=True))


def without_names(past: Past) -> Past:
    """Return an incident without features that hold a name, so that what is learned from it carries over."""
    return replace(past, features=replace(past.features, counts=Nameless(past.features.counts)))


class Nameless(Counts):
    """What an incident shows, in features that name nothing."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self.own = defaultdict(Counter)

    def whole(self) -> Features:
        """Return what the incident shows, wherever it began."""
        return core_of(self._counts.whole())

    def seen_from(self, component: str) -> Features:
        """Return what the incident shows, seen from a component."""
        return core_of(self._counts.seen_from(component))
