"""A model at work: the order that it gives an incident's suspects, and what it says of the fault."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.errors import InputError
from hypocenter.model import FaultTypeChance, LearnedOpinion, SimilarIncident
from hypocenter.settings import read
from hypocenter_workers.learn.boosting import can_load
from hypocenter_workers.learn.fitting import Fitted
from hypocenter_workers.learn.incident_features import features_of
from hypocenter_workers.learn.model_file import is_model, read_model
from hypocenter_workers.learn.review_queue import ToReview, review_queue
from hypocenter_workers.learn.suspect_features import suspects_of
from hypocenter_workers.learn.type_trees import look_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypocenter.stores.records import ModelStore, Records
    from hypocenter_graph.rank import Ranking
    from hypocenter_workers.learn.examples import Example
    from hypocenter_workers.learn.model_file import Model

NONE = "none"
KNOWN = ", this one among them"
COLD_START = Path(__file__).parent / "cold_start" / "simulated.model"


@dataclass(frozen=True)
class Served:
    """A model as `hypocenter_workers.learn.examples.Learned`; its parts are read when it is first asked.

    `name` is its file's, or what it is registered as, with the version.
    """

    model: Model
    name: str = ""

    @property
    def label(self) -> str:
        """Which model it is and what it was learned from, as verdicts say it."""
        return ": ".join(filter(None, (self.name, self.model.card.trained_on)))

    def rescore(self, example: Example) -> Ranking:
        """Return the ranking of an incident in the learned order; as it is where the model is not to order suspects."""
        return self._fitted.ranker.rescore(example)

    def opinion(self, example: Example) -> LearnedOpinion:
        """Say what type of fault it is, why, and which past incidents looked like it.

        Simulated incidents are like nobody's past: a model of such names none.
        """
        told = self._fitted.types.predict(example)
        similar = () if self.model.card.simulated else told.similar
        re_ranked = self._fitted.ranker.speaks_of(suspects_of(example))
        label = self.label + (KNOWN if self._remembers(example) else "")
        if not told.chances:
            return LearnedOpinion(label, re_ranked)
        return LearnedOpinion(
            model=label,
            re_ranked=re_ranked,
            fault_types=tuple(FaultTypeChance(name, chance) for name, chance in told.chances),
            unknown=told.unknown,
            reasons=told.reasons,
            similar=tuple(
                SimilarIncident(
                    one.past.incident_id, one.similarity, one.past.roots, one.past.fault_type, one.past.fixed_by
                )
                for one in similar
            ),
        )

    def _remembers(self, example: Example) -> bool:
        known = ((past.incident_id, past.system) for past in self._fitted.types.memory.past)
        return not self.model.card.simulated and (example.incident_id, example.system) in known

    def to_review(self, examples: Iterable[Example], most: int = 10) -> tuple[ToReview, ...]:
        """Return which of these incidents would teach most if their label were known, first things first."""
        seen = [features_of(replace(one, ranking=self.rescore(one))) for one in examples]
        if not seen:
            return ()
        known, unknown = self._fitted.types.probabilities(seen)
        chances = np.column_stack([known, unknown]).tolist()
        return review_queue([look_at(one) for one in seen], chances, most)

    @cached_property
    def _fitted(self) -> Fitted:
        return Fitted.from_parts(self.model.parts)


def load(path: Path | None = None) -> Served:
    """Return the model in a file or folder; without one, that of simulated incidents which is part of the package.

    Raises InputError as `read_model` does.
    """
    return Served(read_model(COLD_START)) if path is None else Served(read_model(path), path.name)


def chosen(where: str | None = None) -> Served | None:
    """Return the model to ask: a file or folder, or the served version of a registered name; None for `none`.

    A name without a folder means a file or folder only where that holds a model: others may be called like it.
    Without `where` the setting `model` says; where it says nothing either, it is the model of the package, or None
    where LightGBM cannot be loaded, since nobody asked for it. Raises InputError when a named one cannot be read.
    """
    stated = where or read("model")
    if stated == NONE:
        return None
    if stated is None:
        return load() if can_load() else None
    path = Path(str(stated))
    if path.name != str(stated) or is_model(path):
        return load(path)
    try:
        return load_served(str(stated))
    except InputError as error:
        if not path.exists():
            raise
        raise InputError(f"{error}; and {path}, which lies in this folder, is no model") from error


def chosen_of(records: Records) -> Served | None:
    """Return the model to ask for a tenant other than that of the settings, whose models are in its own records.

    What was learned of one tenant's incidents is not asked of another's: where the setting `model` names a registered
    model, it is the one of that name that serves the tenant, else that of the package.
    """
    stated = read("model")
    if stated is None or stated == NONE or Path(str(stated)).name != str(stated) or is_model(Path(str(stated))):
        return chosen()
    return served_of(records.models, str(stated)) or (load() if can_load() else None)


def load_served(name: str, where: str | None = None) -> Served:
    """Return the version of a registered model that serves. Raises InputError when none does."""
    from hypocenter import model_life
    from hypocenter.stores.opening import open_records

    with closing(open_records(where)) as records:
        found = served_of(records.models, name)
        if found is None:
            versions = model_life.versions_of(records.models, name)
            raise InputError(f"no version of the model {name} serves; hypocenter models promote {name} {len(versions)}")
    return found


def served_of(models: ModelStore, name: str) -> Served | None:
    """Return the version of a model of these that serves, None where none does."""
    from hypocenter import model_life
    from hypocenter_workers.learn import registry

    current = model_life.serving(models, name)
    if current is None:
        return None
    return Served(registry.load(models, name, current.version), f"{name} version {current.version}")
