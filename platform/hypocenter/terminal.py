"""Verdicts and progress as a few lines of text, for the person at the terminal."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hypocenter.model import LearnedOpinion, SimilarIncident, Suspect, Trial, Verdict

EVIDENCE = 3
OTHERS = 4
LEAST_TOLD = 0.01
CANDIDATES = 5
# Control characters, and those that turn the direction of writing or break lines.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""Return one line of text, with escapes for what would steer a terminal or break the line.

    >>> visible("db\x1b[2J")
    'db\\x1b[2J'
    """
    return _HIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)


def progress(text: str) -> None:
    """Tell on standard error what is being done, where somebody sees it."""
    if sys.stderr.isatty():
        click.echo(visible(text), err=True)


def verdict_text(verdict: Verdict) -> str:
    """Return the verdict in a dozen lines: the causes or the candidates, the onset, the best evidence, the doubts."""
    return "\n".join(f"{label:<12} {visible(text)}".rstrip() for label, text in _rows(verdict))


def _rows(verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "incident", " · ".join(filter(None, (verdict.case_id, verdict.system)))
    yield from _labelled("cause", _causes(verdict))
    yield from _labelled("sure", _sureness(verdict))
    yield "onset", _onset(verdict.onset, verdict.onset_uncertainty_s)
    if verdict.suspects:
        yield from _labelled(
            "evidence", [item.text for item in verdict.suspects[0].evidence if item.supports][:EVIDENCE]
        )
    yield from _labelled("without it", _without(verdict))
    named = () if verdict.abstained else {verdict.cause, *verdict.causes}
    others = [one for one in verdict.suspects if one.component not in named and one.probability >= LEAST_TOLD]
    yield from _labelled(
        "candidates" if verdict.abstained else "less likely", [_suspect(one) for one in others[:OTHERS]]
    )
    yield from _labelled("ruled out", [f"{one.component}: {one.reason}" for one in verdict.ruled_out[:EVIDENCE]])
    yield from _labelled("blind spots", list(verdict.blind_spots[:EVIDENCE]))
    yield from _labelled("holds", _holds(verdict.robustness))
    yield from _labelled("past faults", _learned(verdict.learned))
    yield from _labelled("next check", [verdict.next_check.text] if verdict.next_check else [])


def _labelled(label: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield ("" if number else label), line


def _causes(verdict: Verdict) -> list[str]:
    if verdict.cause is None:
        return ["no confident cause"]
    by_name = {one.component: one for one in verdict.suspects}
    named = dict.fromkeys((verdict.cause, *verdict.causes))
    alone = " as the only cause" if len(named) > 1 else ""
    return [_suspect(by_name[name]) + alone if name in by_name else name for name in named]


def _sureness(verdict: Verdict) -> list[str]:
    """Say how sure several causes are, what the cause is among, and what it would take to name one where none is."""
    causes = [one for one in verdict.suspects if one.component in verdict.causes]
    lines = []
    if len(causes) > 1 and not verdict.abstained:
        lines.append(f"{sum(one.probability for one in causes):.0%} that at least one of these is a cause")
    # One candidate that is needed says nothing beside two causes.
    if verdict.candidates and verdict.coverage is not None and not len(verdict.candidates) < len(causes):
        more = len(verdict.candidates) - CANDIDATES
        names = ", ".join(verdict.candidates[:CANDIDATES]) + (f" and {more} more" if more > 0 else "")
        among = f"the cause is among {names}" if len(verdict.candidates) > 1 else f"no candidate but {names} is needed"
        lines.append(f"{verdict.coverage:.0%} that {among}")
    if verdict.abstained and verdict.threshold == 1:
        lines.append("no cause is named: what is known cannot keep so many named causes right")
    elif verdict.abstained and verdict.threshold is not None and verdict.wanted_precision is not None:
        lines.append(
            f"a cause is named from {verdict.threshold:.0%} on, for {verdict.wanted_precision:.0%} to be right"
        )
    return lines


def _without(verdict: Verdict) -> list[str]:
    """The counterfactual of the first suspect."""
    first = [one.counterfactual for one in verdict.suspects[:1]]
    return [one.text for one in first if one is not None]


def _holds(trials: Sequence[Trial]) -> list[str]:
    if not trials:
        return []
    lost = [f"not {trial.change}: {trial.cause or 'nobody'}" for trial in trials if not trial.holds]
    more = [f"and {len(lost) - EVIDENCE} more"] if len(lost) > EVIDENCE else []
    return ["; ".join([f"in {len(trials) - len(lost)} of {len(trials)} trials", *lost[:EVIDENCE], *more])]


def _learned(told: LearnedOpinion | None) -> list[str]:
    """Say what type of fault past incidents make it, and which of them looked like it."""
    if told is None or not (told.fault_types or told.similar):
        return []
    likely = [one for one in told.fault_types[:OTHERS] if one.probability >= LEAST_TOLD]
    chances = [f"{one.fault_type.replace('_', ' ')} {one.probability:.0%}" for one in likely]
    chances += [f"unlike any {told.unknown:.0%}"] if told.unknown and told.unknown >= LEAST_TOLD else []
    alike = [_alike(one) for one in told.similar[:1]]
    return [f"{', '.join(chances)} (learned from {told.model})", *alike] if chances else alike


def _alike(one: SimilarIncident) -> str:
    known = ", ".join(filter(None, (*one.roots, one.fault_type)))
    ended = f", ended by: {one.fixed_by}" if one.fixed_by else ""
    return f"like {one.incident_id}{f' ({known})' if known else ''}{ended}"


def _suspect(suspect: Suspect) -> str:
    kind = suspect.fault_type.replace("_", " ")
    return f"{suspect.component}, {kind}, probability {suspect.probability:.0%}"


def _onset(onset: datetime | None, uncertainty_s: float | None) -> str:
    if onset is None:
        return "not dated by the data"
    doubt = "" if uncertainty_s is None else f" ± {uncertainty_s:.0f} s"
    return f"{onset:%Y-%m-%d %H:%M:%S} UTC{doubt}"
