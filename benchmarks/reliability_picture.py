"""A reliability diagram as SVG: what was said against what was, with intervals, one panel per kind of incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confidence_measures import bins_of

from hypocenter_workers.scoring import share_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confidence_measures import Floats

SIDE, LEFT, TOP, GAP = 260, 56, 48, 60
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
BINS = 10
STYLE = """
svg { color-scheme: light dark; --paper: #ffffff; --ink: #1a222c; --muted: #525d6b; --line: #7b8794; --data: #0072b2;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif; }
@media (prefers-color-scheme: dark) { svg { --paper: #12171d; --ink: #e8edf2; --muted: #a6b1bd; --line: #6f7c89;
  --data: #56b4e9; } }
.ground { fill: var(--paper); }
text { fill: var(--muted); font-size: 12px; }
.title { fill: var(--ink); font-size: 14px; font-weight: 600; }
.frame, .tick { fill: none; stroke: var(--line); }
.ideal { stroke: var(--line); stroke-dasharray: 5 4; }
.range { stroke: var(--data); stroke-width: 2; }
.point { fill: var(--data); }
"""


def draw(panels: Mapping[str, tuple[Floats, Floats]]) -> str:
    """Return the picture; a panel's value is what was said of each incident, and whether it was right (0 or 1)."""
    width, height = LEFT + len(panels) * (SIDE + GAP), TOP + SIDE + 56
    names = " and ".join(panels)
    parts = [
        f'<svg role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'aria-label="Reliability of probabilities, {names}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>Reliability of probabilities, {names}</title><style>{STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
    ]
    for place, (name, (said, right)) in enumerate(panels.items()):
        parts.append(f'<g transform="translate({LEFT + place * (SIDE + GAP)} {TOP})">')
        parts += [*_axes(f"{name}, {len(said)} incidents"), *_points(said, right), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axes(title: str) -> Iterator[str]:
    yield f'<text class="title" x="0" y="-16">{title}</text>'
    yield f'<rect class="frame" width="{SIDE}" height="{SIDE}"/><path class="ideal" d="M0 {SIDE}L{SIDE} 0"/>'
    for tick in TICKS:
        yield f'<text x="{_x(tick)}" y="{SIDE + 18}" text-anchor="middle">{tick:g}</text>'
        yield f'<text x="-8" y="{_y(tick) + 4}" text-anchor="end">{tick:g}</text>'
        yield f'<path class="tick" d="M{_x(tick)} {SIDE}v4M0 {_y(tick)}h-4"/>'
    yield f'<text x="{SIDE / 2}" y="{SIDE + 38}" text-anchor="middle">probability said</text>'
    yield f'<text transform="translate(-42 {SIDE / 2}) rotate(-90)" text-anchor="middle">share that was right</text>'


def _points(said: Floats, right: Floats) -> Iterator[str]:
    for mean, share, size in bins_of(said, right, BINS):
        low, high = share_interval(round(share * size), size)
        tip = f"{size} incidents: said {mean:.2f}, right {share:.2f} ({low:.2f} to {high:.2f})"
        yield f'<g><title>{tip}</title><path class="range" d="M{_x(mean)} {_y(low)}V{_y(high)}"/>'
        yield f'<circle class="point" cx="{_x(mean)}" cy="{_y(share)}" r="4"/></g>'


def _x(share: float) -> float:
    return round(share * SIDE, 1)


def _y(share: float) -> float:
    return round((1.0 - share) * SIDE, 1)
