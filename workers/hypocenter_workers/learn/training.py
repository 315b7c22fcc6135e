"""Training: labelled incidents to numbers, judged on those held back, let through the gate, and fitted on all."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.model_card import Gate, ModelCard
from hypocenter_graph.calibration import probabilities
from hypocenter_workers.learn.comparison import (
    ORDER,
    UNLEARNED,
    compare_chances,
    compare_orders,
    compare_types,
    gate_of,
    told_of,
)
from hypocenter_workers.learn.figures import bins_of_chances, confusion_of, figures_of
from hypocenter_workers.learn.fitting import FEW, Fitted, Past, fit, held_back, said_of
from hypocenter_workers.learn.incident_features import features_of
from hypocenter_workers.learn.model_file import Model, model_of
from hypocenter_workers.learn.ranker import SuspectRanker
from hypocenter_workers.learn.spread import core_of, spread_of
from hypocenter_workers.learn.suspect_features import suspects_of
from hypocenter_workers.learn.suspect_stages import BOOSTING, PRIOR, ROUNDS, SEEDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from hypocenter_workers.learn.examples import Example, Label
    from hypocenter_workers.learn.figures import Said
    from hypocenter_workers.learn.gate import Comparison

    Tell = Callable[[str], None]

NOT_WORSE = f"a first model of fewer than {FEW} incidents has to be no worse, not better for sure"


@dataclass(frozen=True)
class Opponent:
    """What a new model has to beat: the texts of the model that serves, by the name that its gate is to state."""

    name: str
    texts: Mapping[str, str]


def train(
    examples: Iterable[tuple[Example, Label]],
    now: datetime,
    *,
    opponent: Opponent | None = None,
    simulated: bool = False,
    progress: Tell = lambda _: None,
) -> Model:
    """Train a model on labelled incidents; each is turned into numbers as it comes, and its telemetry let go.

    `simulated` says that the incidents are: then fault types alone are learned, without names. Else the ranker orders
    suspects anew where that did better than the unlearned order on incidents held back, and nowhere else. Raises
    InputError where nothing is labelled.
    """
    incidents = read(examples, progress)
    progress(f"judging on incidents held back, of {len(incidents)}")
    fitted = _fit_simulated if simulated else fit
    judged = held_back(incidents, fitted)
    progress(f"fitting on {len(incidents)} incidents")
    final = fitted(incidents)
    types, sureness = _types_beside_commonest(incidents, judged), compare_chances([one for _, one in judged])
    alone = _gate_of(final, types, sureness if len(incidents) < FEW else None)
    gate = alone if opponent is None else _gate_against(opponent, judged, alone)
    return Model(_card(incidents, [one for _, one in judged], now, simulated, gate, final), final.to_parts())


def _fit_simulated(incidents: Sequence[Past]) -> Fitted:
    """Fit fault types alone, on features without names.

    An order of suspects that simulated incidents teach beats the unlearned one on such, and is worse on real systems.
    """
    return replace(fit(incidents, named=False), ranker=SuspectRanker(incidents=len(incidents)))


def _gate_of(final: Fitted, types: Comparison, sureness: Comparison | None) -> Gate:
    """Judge a model where nothing serves: it must order suspects, or tell types better than their commonest would.

    The ranker has passed its own gate, or leaves the unlearned order alone. Few incidents prove nothing: with them,
    where `sureness` is stated, types need only be told as often right, with chances that are no worse than shares.
    """
    tells = f"tells {len(final.types.classes)} fault types" if final.types.trees else "tells no fault types"
    tried = [*_by_order(final), *([types] if types.incidents else [])]
    better = (final.ranker.level != PRIOR or types.admitted) and types.high >= 0.0
    if better or sureness is None or not types.incidents or final.types.trees is None:
        return Gate(better, "; ".join([*map(told_of, tried), tells]))
    not_worse = min(types.gain, types.high, sureness.gain) >= 0.0
    told = [*map(told_of, [*tried, sureness]), NOT_WORSE, tells]
    return Gate(not_worse, "; ".join(told))


def _types_beside_commonest(incidents: Sequence[Past], judged: Sequence[tuple[Past, Said]]) -> Comparison:
    """Compare fault types, told of incidents held back, with saying always the commonest of the others."""
    learned = _types_learned(incidents, judged)
    commonest = Counter(sorted(learned)).most_common(1)[0][0] if learned else ""
    said = [one for _, one in judged]
    return compare_types(said, [replace(one, named=commonest) for one in said], f"always saying {commonest}")


def _types_learned(incidents: Sequence[Past], judged: Sequence[tuple[Past, Said]]) -> list[str]:
    """Return the types of incidents that were not held back; of all where each was, some at a time."""
    held = {id(past) for past, _ in judged}
    typed = [one for one in incidents if one.label.fault_type]
    return [one.label.fault_type or "" for one in typed if id(one) not in held or len(incidents) < FEW]


def _gate_against(opponent: Opponent, judged: Sequence[tuple[Past, Said]], alone: Gate) -> Gate:
    """Judge a model beside what serves; one that this version cannot read any more is no opponent."""
    try:
        theirs = Fitted.from_parts(model_of(opponent.texts).parts)
    except InputError as error:
        return Gate(alone.admitted, f"{opponent.name} cannot be read ({error}); {alone.reason}", opponent.name)
    ours, others = [one for _, one in judged], [said_of(past, theirs) for past, _ in judged]
    orders = compare_orders(ours, [one.learned for one in others], opponent.name)
    return gate_of([orders, compare_types(ours, others, opponent.name)], opponent.name)


def _by_order(final: Fitted) -> Iterator[Comparison]:
    for one in final.ranker.comparisons:
        yield replace(one, challenger=f"{ORDER}, learned at level {one.challenger},", champion=UNLEARNED)


def read(examples: Iterable[tuple[Example, Label]], progress: Tell) -> list[Past]:
    """Turn labelled incidents into numbers, one at a time, in the order of their time, those without one first.

    Of two with the same id in one system the later read counts. Raises InputError when none is labelled.
    """
    found: dict[tuple[str, str], Past] = {}
    for example, label in examples:
        if label.roots or label.fault_type:
            past = past_of(example, label)
            found[past.suspects.system, past.suspects.incident_id] = past
    progress(f"read {len(found)} labelled incidents")
    if not found:
        raise InputError("there is no incident whose root or fault type is known; nothing can be learned")
    return sorted(found.values(), key=_order)


def past_of(example: Example, label: Label) -> Past:
    """Turn a labelled incident into numbers; the features do not look at the label."""
    return Past(suspects_of(example), features_of(example), probabilities(example.ranking), label)


def data_hash(incidents: Sequence[Past]) -> str:
    """Return a text that is the same for the same incidents with the same labels, in whatever order they came."""
    lines = sorted(
        json.dumps([one.suspects.system, one.suspects.incident_id, one.label.roots, one.label.fault_type])
        + sha256(one.suspects.core.tobytes()).hexdigest()
        for one in incidents
    )
    return sha256("\n".join(lines).encode()).hexdigest()


def _card(
    incidents: Sequence[Past], said: Sequence[Said], now: datetime, simulated: bool, gate: Gate, final: Fitted
) -> ModelCard:
    # The time of a simulated incident says nothing.
    times = [one.suspects.at for one in incidents if one.suspects.at and not simulated]
    kind = "simulated incidents" if simulated else "past incidents"
    return ModelCard(
        trained_on=f"{len(incidents):,} {kind}",
        simulated=simulated,
        created_at=now,
        data_hash=data_hash(incidents),
        incidents=len(incidents),
        held_back=len(said),
        systems=len({one.suspects.system for one in incidents}),
        first_at=min(times, default=None),
        last_at=max(times, default=None),
        labelled_by=_counted(one.label.source or "not said" for one in incidents),
        fault_types=_counted(one.label.fault_type for one in incidents if one.label.fault_type),
        parameters=_parameters(final),
        figures=figures_of(said),
        bins=bins_of_chances(said),
        confusion=confusion_of(said),
        features=spread_of([core_of(one.features.counts.whole()) for one in incidents]),
        gate=gate,
        notes=tuple(_notes(final, simulated)),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _parameters(final: Fitted) -> dict[str, Any]:
    ranker = {**BOOSTING, "rounds": ROUNDS, "seeds": len(SEEDS), "level": final.ranker.level}
    return {"order of suspects": ranker, "fault types": asdict(final.settings)}


def _notes(final: Fitted, simulated: bool) -> Iterator[str]:
    if simulated:
        yield "suspects stay in the unlearned order: what simulated incidents teach of it does not carry over"
    elif final.ranker.level == PRIOR:
        yield "suspects stay in the unlearned order: nothing that was learned beats it for sure"
    if final.types.trees is None:
        yield "no fault types are told: fewer than two are labelled"


def _order(past: Past) -> tuple[bool, float, str, str]:
    at = past.suspects.at
    return at is not None, at.timestamp() if at else 0.0, past.suspects.system, past.suspects.incident_id
