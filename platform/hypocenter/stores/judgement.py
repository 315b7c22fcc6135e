"""A verdict in brief: what a list of incidents says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """What verdict number `number` says, of `at` (UTC): `suspect` is the first, with its probability and fault type.

    `cause` is None where the verdict abstained.
    """

    number: int
    at: datetime
    summary: str = ""
    cause: str | None = None
    suspect: str | None = None
    probability: float | None = None
    fault_type: str = ""


def judgement_of(number: int, at: datetime, document: Mapping[str, Any]) -> Judgement:
    """Return in brief what the document of a verdict says, as `hypocenter.verdict_json` writes an investigation.

    What it does not say is left out: every document can be kept.
    """
    verdict = _object(document.get("verdict"))
    suspects = verdict.get("suspects")
    first = _object(suspects[0]) if isinstance(suspects, list) and suspects else {}
    probability = first.get("probability")
    return Judgement(
        number,
        at,
        summary=_text(verdict.get("summary")) or "",
        cause=_text(verdict.get("cause")),
        suspect=_text(first.get("component")),
        probability=probability if isinstance(probability, float) else None,
        fault_type=_text(first.get("fault_type")) or "",
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
