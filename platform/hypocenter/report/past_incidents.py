"""What was learned from past incidents, as a report shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.report.bars import share_bar
from hypocenter.report.wording import listed, percent, shorten

if TYPE_CHECKING:
    from hypocenter.model import LearnedOpinion, SimilarIncident, Verdict

MOST_TYPES = 4
MOST_SIMILAR = 5
LEAST_SHOWN = 0.01
UNLIKE_ANY = "unlike any past fault"
LONGEST_FIX = 200


@dataclass(frozen=True, slots=True)
class PastIncidents:
    """The parts of the section: rows of fault types as (words, percent, bar), and rows of similar incidents."""

    model: str
    re_ranked: bool
    types: tuple[tuple[str, str, str], ...]
    reasons: tuple[str, ...]
    similar: tuple[tuple[str, str, str, str], ...]


def past_incidents(verdict: Verdict) -> PastIncidents | None:
    """Return the section on what was learned, or None where no model was asked or it knows nothing."""
    told = verdict.learned
    if told is None or not (told.fault_types or told.similar or told.re_ranked):
        return None
    return PastIncidents(
        model=told.model,
        re_ranked=told.re_ranked,
        types=tuple(_type(words, chance) for words, chance in _chances(told)),
        reasons=told.reasons,
        similar=tuple(_similar(one) for one in told.similar[:MOST_SIMILAR]),
    )


def _chances(told: LearnedOpinion) -> list[tuple[str, float]]:
    named = [(shorten(one.fault_type.replace("_", " "), 40), one.probability) for one in told.fault_types]
    all_of_them = [*named, (UNLIKE_ANY, told.unknown or 0.0)]
    likely = [one for one in all_of_them if one[1] >= LEAST_SHOWN]
    return sorted(likely, key=lambda one: (-one[1], one[0]))[:MOST_TYPES]


def _type(words: str, chance: float) -> tuple[str, str, str]:
    return words, percent(chance), share_bar(chance, f"{words}: {percent(chance)}", "for")


def _similar(one: SimilarIncident) -> tuple[str, str, str, str]:
    where = listed([shorten(name, 30) for name in one.roots[:3]]) or "not known"
    kind = (one.fault_type or "not known").replace("_", " ")
    return shorten(one.incident_id, 40), where, shorten(kind, 40), shorten(one.fixed_by, LONGEST_FIX)
