"""The card of a learned model as one HTML page: what it learned from, how well it does, where not to use it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypocenter.model_card import Drift
from hypocenter.report.confusion_svg import MOST_LARGE, confusion_svg
from hypocenter.report.reliability_svg import reliability_svg
from hypocenter.report.templates import filled
from hypocenter.report.wording import listed, moment, percent, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hypocenter.model_card import Figure, ModelCard

LONGEST_NAME = 60
MOST_TYPES = 24
MOST_DRIFTED = 12
FEW, MOST_NAMED = 10, 8
MOVED, MOVED_FAR = 0.1, 0.25


@dataclass(frozen=True)
class ModelPage:
    """What the page shows: a card, the name of the model and where it is in its life, and what happened since.

    `events` are lines, as "2026-03-01 promoted by Ada".
    """

    title: str
    card: ModelCard
    status: str = ""
    drift: Drift | None = None
    events: Sequence[str] = ()


def render_model_card(page: ModelPage) -> str:
    """Return one HTML file without scripts that asks for nothing over a network; every name in it is escaped."""
    card, drift = page.card, page.drift or Drift()
    return filled(
        "model_card.html.j2",
        ["report.css", "model_card.css"],
        title=shorten(page.title, LONGEST_NAME),
        status=page.status,
        trained_on=card.trained_on,
        simulated=card.simulated,
        facts=list(_facts(card)),
        reasons=drift.reasons,
        not_for=list(not_for(card)),
        figures=[_figure(figure) for figure in card.figures],
        diagrams=[(name, reliability_svg(name, bins)) for name, bins in card.bins.items() if bins],
        confusion=_confusion(card),
        labels=list(card.labelled_by.items()),
        types=_counted(card.fault_types),
        drift=_drift(drift),
        parameters=list(_flat(card.parameters)),
        gate=card.gate,
        notes=card.notes,
        events=list(page.events),
    )


def not_for(card: ModelCard) -> Iterator[str]:
    """Yield what a model must not be used for, in sentences."""
    yield "Acting on a system without a person in between: what it says is to be checked."
    yield "Judging people or teams: it knows components, and labels that may be wrong."
    if card.simulated:
        yield (
            "Being believed like a model of your own history: it has seen simulated systems only, and its figures are "
            "of such."
        )
    else:
        yield "Other installations: its figures are of the systems that it learned from."
    rare = [name for name, count in sorted(card.fault_types.items()) if count < FEW]
    if rare:
        named = [shorten(name, 30) for name in rare[:MOST_NAMED]]
        more = [f"{len(rare) - MOST_NAMED} others"] if len(rare) > MOST_NAMED else []
        yield f"Telling apart faults that it saw fewer than {FEW} times: {listed([*named, *more])}."


def _facts(card: ModelCard) -> Iterator[tuple[str, str]]:
    yield "Incidents", f"{card.incidents:,}"
    yield "Held back to measure", f"{card.held_back:,}"
    yield "Systems", f"{card.systems:,}"
    if card.first_at and card.last_at:
        yield "From", f"{card.first_at:%Y-%m-%d}"
        yield "Until", f"{card.last_at:%Y-%m-%d}"
    yield "Trained", moment(card.created_at)


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "value": _number(figure.value),
        "interval": f"{_number(figure.low)} to {_number(figure.high)}",
        "unlearned": "" if figure.unlearned is None else _number(figure.unlearned),
        "incidents": f"{figure.incidents:,}",
    }


def _number(value: float) -> str:
    """Return a measure with three decimals.

    >>> _number(0.8125), _number(float("nan"))
    ('0.812', '–')
    """
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _confusion(card: ModelCard) -> dict[str, Any] | None:
    matrix = card.confusion
    if matrix is None or not matrix.fault_types or len(matrix.fault_types) > MOST_TYPES:
        return None
    rows = [
        (shorten(name, LONGEST_NAME), [str(count) if count else "" for count in counts], place)
        for place, (name, counts) in enumerate(zip(matrix.fault_types, matrix.counts, strict=True))
    ]
    columns = [shorten(name, LONGEST_NAME) for name in matrix.fault_types]
    beside = len(columns) <= MOST_LARGE
    return {"columns": columns, "rows": rows, "drawn": confusion_svg(matrix), "beside": beside}


def _counted(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _drift(drift: Drift) -> dict[str, Any]:
    return {
        "incidents": drift.incidents,
        "features": [
            (item.feature, f"{item.stability:.2f}", _moved(item.stability)) for item in drift.features[:MOST_DRIFTED]
        ],
        "accuracy": [
            (item.month, f"{item.right} of {item.judged}", f"{percent(item.low)} to {percent(item.high)}")
            for item in drift.accuracy
        ],
    }


def _moved(stability: float) -> str:
    """Return what an index means, by the usual bounds.

    >>> _moved(0.02), _moved(0.2), _moved(0.3)
    ('as in training', 'moved', 'moved far')
    """
    return "moved far" if stability >= MOVED_FAR else "moved" if stability >= MOVED else "as in training"


def _flat(parameters: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in sorted(parameters.items()):
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name} ")
        else:
            yield f"{path}{name}", str(value)
