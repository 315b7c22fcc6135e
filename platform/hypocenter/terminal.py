"""Verdicts and progress as a few lines of text, for the person at the terminal."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hypocenter.model import Suspect, Verdict

EVIDENCE = 3
OTHERS = 4
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
    """Return the verdict in some ten lines: the cause or the candidates, the onset, the best evidence, the doubts."""
    return "\n".join(f"{label:<12} {visible(text)}".rstrip() for label, text in _rows(verdict))


def _rows(verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "incident", " · ".join(filter(None, (verdict.case_id, verdict.system)))
    yield "cause", _cause(verdict)
    yield "onset", _onset(verdict.onset, verdict.onset_uncertainty_s)
    if verdict.suspects:
        yield from _labelled(
            "evidence", [item.text for item in verdict.suspects[0].evidence if item.supports][:EVIDENCE]
        )
    others = verdict.suspects if verdict.abstained else verdict.suspects[1:]
    yield from _labelled(
        "candidates" if verdict.abstained else "less likely", [_suspect(one) for one in others[:OTHERS]]
    )
    yield from _labelled("ruled out", [f"{one.component}: {one.reason}" for one in verdict.ruled_out[:EVIDENCE]])
    yield from _labelled("blind spots", list(verdict.blind_spots[:EVIDENCE]))


def _labelled(label: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield ("" if number else label), line


def _cause(verdict: Verdict) -> str:
    if verdict.cause is None:
        return "no confident cause"
    named = [one for one in verdict.suspects if one.component == verdict.cause]
    return _suspect(named[0]) if named else verdict.cause


def _suspect(suspect: Suspect) -> str:
    kind = suspect.fault_type.replace("_", " ")
    return f"{suspect.component}, {kind}, probability {suspect.probability:.0%}"


def _onset(onset: datetime | None, uncertainty_s: float | None) -> str:
    if onset is None:
        return "not dated by the data"
    doubt = "" if uncertainty_s is None else f" ± {uncertainty_s:.0f} s"
    return f"{onset:%Y-%m-%d %H:%M:%S} UTC{doubt}"
