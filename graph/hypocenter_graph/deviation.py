"""What ranking knows of one series: where it stood, where it stands, and how unusual that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter.model import Series

UNUSUAL = 3.0


@dataclass(frozen=True, slots=True)
class Deviation:
    """One series during the incident against its own normal.

    `before` and `after` are levels in the unit of the series, NaN where there is none; `z` is their difference in
    robust standard deviations with floors, signed, and 0 when the move is not both unusual and new. `silent` marks a
    series that reported before the onset and stopped.
    """

    series: Series
    before: float
    after: float
    z: float
    onset: datetime | None = None
    silent: bool = False

    @property
    def change(self) -> float:
        """How far the series moved, in its own unit."""
        return self.after - self.before
