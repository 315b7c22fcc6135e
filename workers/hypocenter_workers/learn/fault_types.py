"""The fault type of an incident, learned from labelled ones: chances that mean what they say, and why."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.errors import InputError
from hypocenter.stated import texts
from hypocenter_workers.learn.contributions import reasons
from hypocenter_workers.learn.incident_features import features_of
from hypocenter_workers.learn.part_checks import reading
from hypocenter_workers.learn.similar import Memory, memory_to_text, remember
from hypocenter_workers.learn.strangeness import KnownRoots
from hypocenter_workers.learn.trials import UNTRIED, Trials, try_out
from hypocenter_workers.learn.type_trees import Settings, TypeTrees, grow_types, look_at
from hypocenter_workers.learn.unknown import UNMEASURED, Doubt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypocenter_workers.learn.boosting import Floats
    from hypocenter_workers.learn.examples import Example, Label
    from hypocenter_workers.learn.incident_features import IncidentFeatures
    from hypocenter_workers.learn.similar import SimilarIncident
    from hypocenter_workers.learn.type_trees import Look

UNKNOWN = "unknown"
MODEL, MEMORY, KNOWN = "fault_types.json", "fault_types_memory.json", "fault_types_known.json"
# A model of the older version is read; it does not know what is strange.
VERSION, OLDER = 2, 1


@dataclass(frozen=True, slots=True)
class FaultTypePrediction:
    """What an incident was, as far as labelled ones tell.

    `chances` are of the known types, the likeliest first; with `unknown`, the chance of a fault unlike any of them,
    they sum to 1. `is_unknown` says that this chance is beyond what known faults reach.
    """

    chances: tuple[tuple[str, float], ...]
    unknown: float
    is_unknown: bool
    reasons: tuple[str, ...] = ()
    similar: tuple[SimilarIncident, ...] = ()

    @property
    def likeliest(self) -> str:
        """The likeliest of the known types; `unknown` where none is known."""
        return self.chances[0][0] if self.chances else UNKNOWN

    @property
    def fault_type(self) -> str:
        """What to say: the likeliest type, or `unknown` for a fault unlike any."""
        return UNKNOWN if self.is_unknown else self.likeliest


@dataclass(frozen=True)
class FaultTypeModel:
    """Tells the type of a fault; made by `fit`. `trees` and `known` are None of fewer than two types."""

    classes: tuple[str, ...]
    memory: Memory
    trees: TypeTrees | None = None
    known: KnownRoots | None = None
    trials: Trials = field(default=UNTRIED)

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        labels: Sequence[Label],
        suspects: Sequence[Mapping[str, float]] | None = None,
        settings: Settings | None = None,
    ) -> FaultTypeModel:
        """Learn from incidents and their labels, in the same order; those without a fault type are left out.

        `suspects` are the components' probabilities of being the root as a model says that has not seen the incident's
        own label; without them those of the unlearned ranking count. Raises InputError when LightGBM cannot be loaded.
        """
        stated = [None] * len(examples) if suspects is None else list(suspects)
        rows = zip(examples, labels, stated, strict=True)
        kept = [(features_of(e, s), label) for e, label, s in rows if label.fault_type]
        return cls.fit_features([incident for incident, _ in kept], [label for _, label in kept], settings)

    @classmethod
    def fit_features(
        cls, incidents: Sequence[IncidentFeatures], labels: Sequence[Label], settings: Settings | None = None
    ) -> FaultTypeModel:
        """Learn from features already at hand; every label states a fault type. Raises as `fit` does."""
        settings = settings or Settings()
        types = [label.fault_type or UNKNOWN for label in labels]
        classes = tuple(sorted(set(types)))
        roots = [label.roots for label in labels]
        looks = [look_at(i, r, suspects=False) for i, r in zip(incidents, roots, strict=True)]
        memory = remember(looks, labels)
        if len(classes) < 2:
            return cls(classes, memory)
        trials = try_out(incidents, types, roots, settings)
        trees = grow_types(looks, types, roots, settings, trials.admitted)
        return cls(classes, memory, trees, KnownRoots.of(trees, looks, roots), trials)

    def predict(self, example: Example, suspects: Mapping[str, float] | None = None) -> FaultTypePrediction:
        """Say what an incident was; `suspects` as in `fit`, from a model that may have learned from everything."""
        return self.predict_features(features_of(example, suspects))

    def predict_features(self, incident: IncidentFeatures) -> FaultTypePrediction:
        """Say what an incident was, from its features, and why."""
        look = look_at(incident)
        likenesses = self.memory.likenesses([look])
        known, unknown = self._probabilities([look])
        ordered = sorted(zip(self.classes, known[0].tolist(), strict=True), key=lambda c: (-c[1], c[0]))
        doubtful = bool(unknown[0] > self.trials.doubt.limit) if self.trees else not self.classes
        why = reasons(self.trees, look, ordered[0][0]) if self.trees else ()
        alike = self.memory.similar((incident.incident_id, incident.system), likenesses[0])
        return FaultTypePrediction(tuple(ordered), float(unknown[0]), doubtful, why, alike)

    def probabilities(self, incidents: Sequence[IncidentFeatures]) -> tuple[Floats, Floats]:
        """Return [incident, class] chances of known types and [incident] chances of none; together they sum to 1."""
        looks = [look_at(incident) for incident in incidents]
        return self._probabilities(looks)

    def _probabilities(self, looks: Sequence[Look]) -> tuple[Floats, Floats]:
        if self.trees is None:
            shape = (len(looks), len(self.classes))
            return np.ones(shape), np.full(len(looks), 0.0 if self.classes else 1.0)
        sure = self.trials.calibrated(self.trees.chances(looks))
        strange = self.known.strangeness(looks) if self.known else np.ones(len(looks))
        unknown = self.trials.doubt.chances(strange)
        return sure * (1.0 - unknown)[:, None], unknown

    def to_parts(self) -> dict[str, str]:
        """Return the model as texts by file name: JSON, and LightGBM's text format."""
        stated: dict[str, object] = {
            "version": VERSION if self.known or not self.trees else OLDER,
            "classes": self.classes,
            "trials": asdict(self.trials),
            "columns": {},
        }
        parts = {MEMORY: memory_to_text(self.memory)}
        if self.trees:
            stated["columns"] = self.trees.columns()
            parts |= {f"fault_types_{view}.txt": text for view, text in self.trees.to_parts().items()}
        if self.known:
            parts[KNOWN] = self.known.to_text()
        return {MODEL: json.dumps(stated, indent=1), **parts}

    @classmethod
    def from_parts(cls, parts: Mapping[str, str]) -> FaultTypeModel:
        """Read what `to_parts` wrote. Raises InputError naming the part that is missing or damaged."""
        with reading(MEMORY, "memory of past incidents"):
            memory = Memory.from_json(json.loads(parts[MEMORY]))
        with reading(MODEL, "model of fault types"):
            return cls._read(json.loads(parts[MODEL]), memory, parts)

    @classmethod
    def _read(cls, stated: Mapping[str, Any], memory: Memory, parts: Mapping[str, str]) -> FaultTypeModel:
        if stated["version"] not in (VERSION, OLDER):
            raise InputError(
                f"{MODEL}: is of version {stated['version']!r:.20}, this program reads {VERSION}; train it again"
            )
        classes, columns = texts(stated["classes"]), stated["columns"]
        if len(set(classes)) != len(classes) or bool(columns) != (len(classes) > 1):
            raise ValueError("trees are there for two types or more, each of which is named once")
        if columns and not memory.past:
            raise ValueError("trees are there, and no past incident")
        older = stated["version"] == OLDER
        trials = Trials.from_json(stated["trials"] | ({"doubt": asdict(UNMEASURED)} if older else {}))
        if not columns:
            return cls(classes, memory, trials=trials)
        trees = TypeTrees.from_parts(classes, columns, {view: parts[f"fault_types_{view}.txt"] for view in columns})
        if older:
            return cls(classes, memory, trees, trials=trials)
        with reading(KNOWN, "record of what known faults showed"):
            return cls(classes, memory, trees, KnownRoots.from_json(json.loads(parts[KNOWN]), trees.rooted), trials)


__all__ = ["UNKNOWN", "Doubt", "FaultTypeModel", "FaultTypePrediction", "Settings"]
