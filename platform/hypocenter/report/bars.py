"""Shares of a whole as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.report.svg import add, drawing, to_text
from hypocenter.report.wording import percent, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.model import Suspect

WIDTH, HEIGHT = 400.0, 14.0
SEGMENTS = 4
GAP, NARROWEST = 1.5, 2.0


def share_bar(share: float, label: str, css: str) -> str:
    """Return a bar that is filled to `share`, 0 to 1."""
    root = drawing(60, 6, label, "", f"share {css}")
    add(root, "rect", width=60, height=6, rx=3, css="whole")
    held = min(max(share, 0.0), 1.0) if share == share else 0.0
    if held > 0:
        add(root, "rect", width=max(60 * held, 2.0), height=6, rx=3, css="part")
    return to_text(root)


def probability_bar(suspects: Sequence[Suspect], causes: Sequence[str]) -> str:
    """Return one bar on which the suspects share the probability; a gap to the right end is what all others have."""
    label = ", ".join(f"{shorten(item.component, 30)} {percent(item.probability)}" for item in suspects[:SEGMENTS])
    root = drawing(WIDTH, HEIGHT, "Probability of being the cause", label, "probability")
    root.set("preserveAspectRatio", "none")
    add(root, "rect", width=WIDTH, height=HEIGHT, css="whole")
    x = 0.0
    for index, suspect in enumerate(suspects):
        known = suspect.probability == suspect.probability
        width = min(max(suspect.probability, 0.0) * WIDTH, WIDTH - x) if known else 0.0
        if width < NARROWEST:
            continue
        css = "cause" if suspect.component in causes else f"shade{index % 2}"
        part = add(root, "rect", x=x, width=width - GAP, height=HEIGHT, css=css)
        add(part, "title", f"{suspect.component}: {percent(suspect.probability)}")
        x += width
    return to_text(root)
