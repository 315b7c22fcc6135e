"""The page that says how detection is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.report.templates import filled

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the page; `numbers` are the columns to be aligned as such, `empty` is said where no row is."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str
    numbers: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class StatusPage:
    """What the page says; `well` is whether all is."""

    headline: str
    well: bool
    at: str
    facts: Sequence[tuple[str, str]]
    tables: Sequence[Table]


def render_status(page: StatusPage) -> str:
    """Return the page as HTML."""
    parts = {"headline": page.headline, "well": page.well, "at": page.at, "facts": page.facts, "tables": page.tables}
    return filled("status.html.j2", ("report.css", "status.css"), **parts)
