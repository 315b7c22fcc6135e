"""How sure a verdict is, in words: its candidates, the threshold it keeps, and what it would say if less were known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.report.svg import add, drawing, to_text
from hypocenter.report.wording import listed, named_causes, percent, shorten

if TYPE_CHECKING:
    from hypocenter.model import Trial, Verdict

MOST_CANDIDATES = 6
MOST_TRIALS = 24
LONGEST_NAME = 60
MARK = 16.0


@dataclass(frozen=True, slots=True)
class TrialView:
    """A rung of the ladder: what was changed, whether the verdict holds, and what it would say instead."""

    change: str
    holds: bool
    mark: str
    outcome: str


def sureness(verdict: Verdict) -> list[str]:
    """Return what there is to say beside the probability: one sentence each, none where nothing is known."""
    return [line for line in (_candidates(verdict), _threshold(verdict)) if line]


def _candidates(verdict: Verdict) -> str:
    if not verdict.candidates or verdict.coverage is None:
        return ""
    names = [shorten(name, LONGEST_NAME) for name in verdict.candidates[:MOST_CANDIDATES]]
    more = len(verdict.candidates) - len(names)
    names += [f"one of {more} more"] if more else []
    several = len(named_causes(verdict)) > 1
    if len(names) == 1:
        return (
            "" if several else f"To be {percent(verdict.coverage)} sure, no other candidate than {names[0]} is needed."
        )
    if several:
        return f"{percent(verdict.coverage)} sure that no cause is missing from {listed(names)}."
    return f"{percent(verdict.coverage)} sure that the cause is {listed(names, 'or')}."


def _threshold(verdict: Verdict) -> str:
    """Say from which probability on a cause is named, and what an abstaining verdict lacks for it."""
    if verdict.threshold is None or verdict.wanted_precision is None:
        return ""
    if verdict.threshold == 1 and not named_causes(verdict):
        return (
            f"No cause is named: what is known cannot keep {percent(verdict.wanted_precision)} of named causes right."
        )
    rule = (
        f"A cause is named from {percent(verdict.threshold)} on,"
        f" so that {percent(verdict.wanted_precision)} of named causes are right"
    )
    best = verdict.suspects[0] if verdict.suspects else None
    if best is None or named_causes(verdict) or not best.probability < verdict.threshold:
        return f"{rule}."
    return f"{rule}: {shorten(best.component, LONGEST_NAME)} reaches only {percent(best.probability)}."


def holding(verdict: Verdict) -> str:
    """Return the ladder in one sentence, or nothing where there is none."""
    trials = verdict.robustness
    if not trials or not verdict.suspects:
        return ""
    first = shorten(verdict.suspects[0].component, LONGEST_NAME)
    held = sum(trial.holds for trial in trials)
    return f"{first} stays the first suspect in {'all' if held == len(trials) else held} of {len(trials)} trials."


def trial_views(verdict: Verdict) -> list[TrialView]:
    """Return the rungs in the order of the verdict."""
    return [_trial_view(trial) for trial in verdict.robustness[:MOST_TRIALS]]


def _trial_view(trial: Trial) -> TrialView:
    instead = f"then {shorten(trial.cause, LONGEST_NAME)}" if trial.cause else "then nobody is suspected"
    return TrialView(trial.change, trial.holds, mark_svg(trial.holds), "" if trial.holds else instead)


def mark_svg(holds: bool) -> str:
    """Return a filled disc with a tick for what holds, an open square with a cross for what does not."""
    root = drawing(MARK, MARK, "yes" if holds else "no", "", "verdict-mark")
    if holds:
        add(root, "circle", cx=8, cy=8, r=7, css="held")
        add(root, "path", d="M4.7 8.3l2.3 2.4 4.4-5", css="tick-line")
    else:
        add(root, "rect", x=1.5, y=1.5, width=13, height=13, css="broken")
        add(root, "path", d="M5 5l6 6M11 5l-6 6", css="cross-line")
    return to_text(root)
