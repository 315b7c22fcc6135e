"""The learned order of suspects: LightGBM over the evidence of the unlearned ranking, as calibrated probabilities.

Source: Burges, From RankNet to LambdaRank to LambdaMART: an overview, 2010.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.errors import InputError
from hypocenter.stated import texts, truth, whole, within
from hypocenter_workers.learn.chances import scores_of
from hypocenter_workers.learn.conditional_logit import log_chances
from hypocenter_workers.learn.gate import Comparison
from hypocenter_workers.learn.habits import Habits
from hypocenter_workers.learn.levels import Admission, admit
from hypocenter_workers.learn.modalities import KnownModalities
from hypocenter_workers.learn.part_checks import finite, reading
from hypocenter_workers.learn.sign_logit import SignLogit
from hypocenter_workers.learn.suspect_features import CORE, suspects_of
from hypocenter_workers.learn.suspect_stages import BOOSTER, LEVELS, LOCAL, PRIOR, WEIGHTS, Local, Stages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from hypocenter.telemetry import Values
    from hypocenter_graph.rank import Ranking
    from hypocenter_workers.learn.examples import Example, Label
    from hypocenter_workers.learn.sign_logit import Roots
    from hypocenter_workers.learn.suspect_features import Suspects
    from hypocenter_workers.learn.suspect_stages import History

FEWEST, MOST = 20, 3000
# Names of pods change from day to day, and some names are everywhere.
LEAST_KNOWN = 0.25
STATE = "suspects.json"
# A model that is sure that no suspect is the root says nothing of their order.
_MOST_ELSEWHERE = 1.0 - 1e-6


@dataclass(frozen=True)
class SuspectRanker:
    """Re-orders the suspects of an incident by what past incidents taught; at level "prior" it changes nothing.

    `weights` join what the parts of `stages` say; `elsewhere` is the probability that no suspect is the root;
    `incidents` counts those it learned from, `components` are all that were in them, and `comparisons` are the gate's.
    Unless it may serve `abroad` it leaves incidents of systems that it does not know as they are, and always those
    of other `modalities` than it learned from: what alerts alone teach says nothing of metrics.
    """

    level: str = PRIOR
    stages: Stages = field(default_factory=lambda: Stages(()))
    weights: tuple[float, ...] = ()
    elsewhere: float = 0.0
    incidents: int = 0
    comparisons: tuple[Comparison, ...] = ()
    abroad: bool = False
    components: frozenset[str] = frozenset()
    modalities: KnownModalities = field(default_factory=KnownModalities)

    @classmethod
    def fit(cls, examples: Sequence[Example], labels: Sequence[Label], most: str = LOCAL) -> SuspectRanker:
        """Learn from labelled incidents as much as the gate admits, up to a level; no label teaches nothing."""
        labelled = [(suspects_of(e), label.roots) for e, label in zip(examples, labels, strict=True) if label.roots]
        return cls.fit_suspects([suspects for suspects, _ in labelled], [roots for _, roots in labelled], most)

    @classmethod
    def fit_suspects(
        cls,
        history: History,
        roots: Sequence[Roots],
        most: str = LOCAL,
        gate: Callable[[History, Sequence[Roots], str], Admission] = admit,
    ) -> SuspectRanker:
        """Learn from incidents that are known by their features.

        With fewer than `FEWEST` it stays the prior. Of more than `MOST` the latest count, which tell of the system as
        it is now, or where times are not known as many of all.
        """
        listed = [(s, own) for s, own in zip(history, roots, strict=True) if set(own) & set(s.components)]
        if most == PRIOR or len(listed) < FEWEST:
            return cls(incidents=len(history))
        kept = _latest([s.at for s, _ in listed])
        known, own = [listed[at][0] for at in kept], [listed[at][1] for at in kept]
        let = gate(known, own, most)
        elsewhere = (len(history) - len(listed) + 1.0) / (len(history) + 2.0)
        stages = Stages.fit(known, own, let.level)
        names = frozenset(name for suspects in known for name in suspects.components)
        had = KnownModalities.of([suspects.modalities for suspects in known])
        return cls(let.level, stages, let.weights, elsewhere, len(history), let.comparisons, let.abroad, names, had)

    def speaks_of(self, suspects: Suspects) -> bool:
        """Say whether the learned order is to be asked about an incident: one like those that it learned from.

        Each modality that the incident has, a fair share of those had, and each that it lacks, a fair share lacked:
        20 of them, or a tenth. At least a quarter of its components were in them, or it may serve in other systems too.
        """
        if self.level == PRIOR or not suspects.components or not self.modalities.covers(suspects.modalities):
            return False
        known = sum(component in self.components for component in suspects.components)
        return self.abroad or known >= LEAST_KNOWN * len(suspects.components)

    def chances(self, suspects: Suspects) -> Values:
        """Return the probability of each suspect to be the root, in their order; what is missing from 1 is none.

        Not for the level "prior", whose probabilities are those of the unlearned ranking. Raises InputError when the
        model's trees cannot be read.
        """
        utility = self.stages.utilities(suspects) @ np.array(self.weights)
        return np.asarray(np.exp(log_chances(utility)) * (1.0 - self.elsewhere))

    def rescore(self, example: Example) -> Ranking:
        """Return the ranking of the same components, their findings kept, in the learned order where there is one.

        Each score is the one that `hypocenter_graph.calibration` reads as the learned probability.
        """
        if self.level == PRIOR:
            return example.ranking
        suspects = suspects_of(example)
        if not self.speaks_of(suspects):
            return example.ranking
        scores = dict(zip(suspects.components, scores_of(example.ranking, self.chances(suspects)), strict=True))
        scored = (replace(one, score=scores[one.component]) for one in example.ranking.scored)
        # Sorting is stable: suspects that tie stay in the order of the unlearned ranking.
        return replace(example.ranking, scored=tuple(sorted(scored, key=lambda s: -s.score)))

    def to_parts(self) -> dict[str, str]:
        """Return the model as texts by file name: JSON, and LightGBM's text format."""
        local = self.stages.local
        state = {
            "level": self.level,
            "features": list(CORE),
            "weights": list(self.weights),
            "elsewhere": self.elsewhere,
            "incidents": self.incidents,
            "abroad": self.abroad,
            "components": sorted(self.components),
            "modalities": self.modalities.to_json(),
            "gate": [asdict(comparison) for comparison in self.comparisons],
            "boosters": len(self.stages.boosters),
            "habits": local.habits.to_json() if local else None,
            "marks": local.logit.to_json() if local else None,
        }
        boosters = {BOOSTER.format(number): text for number, text in enumerate(self.stages.boosters)}
        return {STATE: json.dumps(state, ensure_ascii=False), **boosters}

    @classmethod
    def from_parts(cls, parts: Mapping[str, str]) -> SuspectRanker:
        """Read what `to_parts` wrote. Raises InputError for a part that is missing, broken or of other features."""
        with reading(STATE, "ranker of suspects"):
            return cls._read(json.loads(parts[STATE]), parts)

    @classmethod
    def _read(cls, state: Mapping[str, Any], parts: Mapping[str, str]) -> SuspectRanker:
        if state["level"] not in LEVELS:
            raise InputError(f"{STATE}: level {state['level']!r} is none of {', '.join(LEVELS)}")
        if state["level"] != PRIOR and tuple(state["features"]) != CORE:
            raise InputError(f"{STATE}: made for other features than this version computes; train it again")
        if state["level"] != PRIOR and "modalities" not in state:
            raise InputError(f"{STATE}: does not say which modalities it learned from; train it again")
        count = whole(state["boosters"], int(state["level"] != PRIOR))
        boosters = tuple(parts[BOOSTER.format(number)] for number in range(count))
        habits, marks = state["habits"], state["marks"]
        local = Local(Habits.from_json(habits), SignLogit.from_json(marks)) if state["level"] == LOCAL else None
        stages = Stages(boosters, local)
        stages.check()
        return cls(
            state["level"],
            stages,
            finite(state["weights"], WEIGHTS[state["level"]]),
            within(state["elsewhere"], 0.0, _MOST_ELSEWHERE),
            whole(state["incidents"]),
            tuple(Comparison.from_json(stated) for stated in state["gate"]),
            truth(state["abroad"]),
            frozenset(texts(state["components"])),
            KnownModalities.from_json(state["modalities"]) if state["level"] != PRIOR else KnownModalities(),
        )


def _latest(times: Sequence[datetime | None]) -> list[int]:
    """Return the places of the incidents to learn from, in their order."""
    if len(times) <= MOST:
        return list(range(len(times)))
    dated = [(at, place) for place, at in enumerate(times) if at is not None]
    if len(dated) == len(times):
        return sorted(place for _, place in sorted(dated)[-MOST:])
    return [place * len(times) // MOST for place in range(MOST)]
