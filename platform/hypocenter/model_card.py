"""What is told of a learned model: what it was trained on, how well it did on incidents that it had not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.stated import number, text, texts, truth, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number with its 95 % interval; `incidents` is how many it was measured on.

    `unlearned` is what the same measure is without the model, None where there is no such thing.
    """

    name: str
    value: float
    low: float
    high: float
    incidents: int
    unlearned: float | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """Incidents of which about the same probability was said: `said` on the mean, `right` the share that was."""

    said: float
    right: float
    incidents: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often a fault of one type was taken for another: a row of `counts` is a true type, a column a told one."""

    fault_types: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class FeatureBins:
    """How one feature was spread over the incidents of training: bounds of bins, and the share of incidents in each.

    There is one share more than spaces between `edges` and beyond them: the last is of incidents without the feature.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a model did better than what served when it was trained, which `against` names; "" for nothing learned.

    `reason` is what was compared, in a sentence.
    """

    admitted: bool
    reason: str
    against: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The description of a model. `figures` were measured on incidents held back, later than those it learned from.

    `trained_on` is a phrase for verdicts; `data_hash` is the same for the same incidents and labels; `labelled_by`
    and `fault_types` count incidents; `bins` are by what was said: the root cause, the fault type.
    """

    trained_on: str
    simulated: bool
    created_at: datetime
    data_hash: str
    incidents: int
    held_back: int
    systems: int
    first_at: datetime | None = None
    last_at: datetime | None = None
    labelled_by: Mapping[str, int] = field(default_factory=dict)
    fault_types: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    bins: Mapping[str, tuple[Bin, ...]] = field(default_factory=dict)
    confusion: Confusion | None = None
    features: Mapping[str, FeatureBins] = field(default_factory=dict)
    gate: Gate | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """How far a feature of recent incidents moved from training, as a population stability index: 0 is not at all."""

    feature: str
    stability: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many of the verdicts of a month that people judged were right, with the 95 % interval of the share."""

    month: str
    right: int
    judged: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How the world moved since a model was trained: features that moved furthest first, months in order.

    `incidents` is how many recent ones features were compared on; `reasons` say why to train anew, () for no reason.
    """

    incidents: int = 0
    features: tuple[FeatureDrift, ...] = ()
    accuracy: tuple[Accuracy, ...] = ()
    reasons: tuple[str, ...] = ()


def card_to_json(card: ModelCard) -> dict[str, Any]:
    """Return a card as plain JSON; times are ISO 8601."""
    record = asdict(card)
    return record | {name: time.isoformat() for name in _TIMES if (time := record[name])}


def card_from_json(record: Any) -> ModelCard:
    """Return the card that `card_to_json` wrote; fields that it does not know are passed over.

    Raises InputError naming the field that is missing or of the wrong form.
    """
    if not isinstance(record, dict):
        raise InputError("the card of a model must be a JSON object")
    return ModelCard(**{name: _field(name, reader, record) for name, reader in _READERS.items()})


def _field(name: str, reader: Callable[[Any], Any], record: Mapping[str, Any]) -> Any:
    try:
        return reader(record[name])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"the card of a model: field {name!r} cannot be read: {error!r}") from error


def _time(value: Any) -> datetime | None:
    return None if value is None else _zoned(value)


def _zoned(value: Any) -> datetime:
    time = datetime.fromisoformat(text(value))
    if time.tzinfo is None:
        raise ValueError(f"{value!r:.40} does not say its time zone")
    return time


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(map(number, value))


def _counts(value: Any) -> dict[str, int]:
    return {name: whole(count) for name, count in value.items()}


def _figure(value: Any) -> Figure:
    middle, low, high = (number(value[name]) for name in ("value", "low", "high"))
    unlearned = value.get("unlearned")
    return Figure(
        text(value["name"]),
        middle,
        low,
        high,
        whole(value["incidents"]),
        None if unlearned is None else number(unlearned),
    )


def _bin(value: Any) -> Bin:
    return Bin(number(value["said"]), number(value["right"]), whole(value["incidents"]))


def _bins(value: Any) -> dict[str, tuple[Bin, ...]]:
    return {name: tuple(map(_bin, bins)) for name, bins in value.items()}


def _gate(value: Any) -> Gate | None:
    if value is None:
        return None
    return Gate(truth(value["admitted"]), text(value["reason"]), text(value.get("against", "")))


def _confusion(value: Any) -> Confusion | None:
    if value is None:
        return None
    counts = tuple(tuple(map(whole, row)) for row in value["counts"])
    fault_types = texts(value["fault_types"])
    if any(len(row) != len(fault_types) for row in (*counts, counts)):
        raise ValueError("it must have a row and a column for each fault type")
    return Confusion(fault_types, counts)


def _features(value: Any) -> dict[str, FeatureBins]:
    return {name: FeatureBins(_numbers(one["edges"]), _numbers(one["shares"])) for name, one in value.items()}


_TIMES = ("created_at", "first_at", "last_at")
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "trained_on": text,
    "simulated": truth,
    "created_at": _zoned,
    "data_hash": text,
    "incidents": whole,
    "held_back": whole,
    "systems": whole,
    "first_at": _time,
    "last_at": _time,
    "labelled_by": _counts,
    "fault_types": _counts,
    "parameters": dict,
    "figures": lambda value: tuple(map(_figure, value)),
    "bins": _bins,
    "confusion": _confusion,
    "features": _features,
    "gate": _gate,
    "notes": texts,
}
