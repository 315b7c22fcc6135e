"""A confusion matrix as a picture: each row is a true fault type, its cells the shares of what was said instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.report.svg import add, drawing, to_text
from hypocenter.report.wording import percent, shorten

if TYPE_CHECKING:
    from hypocenter.model_card import Confusion
    from hypocenter.report.svg import Element, Point

CELL, SMALL_CELL, MOST_LARGE = 42.0, 30.0, 14
LONGEST = 20
DARK = 0.55
# What a letter adds: to the height of a leaning name of a column, to its reach to the right, to a name of a row.
RISE, RUN, LENGTH, HEAD = 5.6, 3.9, 6.8, 34.0


def confusion_svg(matrix: Confusion) -> str:
    """Return the drawing, with a count in each cell that has one; the darker, the larger the share of its row."""
    names = [shorten(name, LONGEST) for name in matrix.fault_types]
    cell = CELL if len(names) <= MOST_LARGE else SMALL_CELL
    letters, size = max(map(len, names), default=0), len(names) * cell
    left, top = max(LENGTH * letters, HEAD) + 10, HEAD + RISE * letters
    title, told = "Confusion of fault types", "rows are true, columns said"
    root = drawing(left + size + max(RUN * letters - cell / 2, 4.0), top + size + 4, title, told, "confusion")
    add(root, "text", "said", x=left, y=14, css="note")
    add(root, "text", "true", x=left - 8, y=top - 10, css="note", text_anchor="end")
    for place, name in enumerate(names):
        at = place * cell + cell / 2 + 4
        turned = f"rotate(-55 {left + at:.1f} {top - 8:.1f})"
        add(root, "text", name, x=left + at, y=top - 8, css="tick", transform=turned)
        add(root, "text", name, x=left - 8, y=top + at, css="tick", text_anchor="end")
        _row(root, matrix, place, (left, top + place * cell), cell)
    return to_text(root)


def _row(root: Element, matrix: Confusion, row: int, corner: Point, cell: float) -> None:
    left, y = corner
    total = sum(matrix.counts[row]) or 1
    for column, count in enumerate(matrix.counts[row]):
        x, share = left + column * cell, count / total
        square = add(root, "rect", x=x + 1, y=y + 1, width=cell - 2, height=cell - 2, css="cell")
        said = f"{matrix.fault_types[row]} said to be {matrix.fault_types[column]}: {count}, {percent(share)}"
        add(square, "title", said)
        if count:
            css = "filled right" if row == column else "filled wrong"
            add(root, "rect", x=x + 1, y=y + 1, width=cell - 2, height=cell - 2, css=css, fill_opacity=f"{share:.2f}")
            on = "count on" if share > DARK else "count"
            add(root, "text", str(count), x=x + cell / 2, y=y + cell / 2 + 4, css=on, text_anchor="middle")
