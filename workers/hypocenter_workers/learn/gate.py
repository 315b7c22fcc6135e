"""The gate: what was learned may serve where it beats what serves now on incidents held back, by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.stated import number, text, whole
from hypocenter_workers.scoring import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better a challenger did than the champion, by incident: the mean, and the interval of that mean."""

    challenger: str
    champion: str
    incidents: int
    gain: float
    low: float
    high: float

    @classmethod
    def from_json(cls, stated: dict[str, Any]) -> Comparison:
        """Read what `dataclasses.asdict` made. Raises KeyError, TypeError or ValueError for anything else."""
        gain, low, high = (number(stated[name]) for name in ("gain", "low", "high"))
        names = text(stated["challenger"]), text(stated["champion"])
        return cls(*names, whole(stated["incidents"]), gain, low, high)

    @property
    def admitted(self) -> bool:
        """Whether the challenger is better by more than chance makes of it."""
        return self.low > 0.0


def compare(
    challenger: tuple[str, Sequence[float]], champion: tuple[str, Sequence[float]], seed: int = 0
) -> Comparison:
    """Compare what two reached on the same incidents, by a paired bootstrap (Efron, 1979).

    >>> compare(("new", [1.0, 0.5, 1.0]), ("old", [0.5, 0.5, 0.5])).admitted
    False
    >>> compare(("new", [1.0] * 9), ("old", [0.5] * 9)).admitted
    True
    """
    gains = np.asarray(challenger[1], dtype=np.float64) - np.asarray(champion[1], dtype=np.float64)
    if not len(gains):
        return Comparison(challenger[0], champion[0], 0, 0.0, 0.0, 0.0)
    low, high = bootstrap_interval(gains.tolist(), seed)
    return Comparison(challenger[0], champion[0], len(gains), float(gains.mean()), low, high)


def reciprocal_rank(scores: Sequence[float], is_root: Sequence[bool]) -> float:
    """Return 1 / the place of the best root, those that tie sharing the mean of theirs; 0 without a root.

    >>> reciprocal_rank([0.9, 0.5, 0.5], [False, True, False])
    0.4
    """
    told, right = np.asarray(scores, dtype=np.float64), np.asarray(is_root, dtype=np.bool_)
    if not right.any():
        return 0.0
    best = told[right].max()
    return float(1.0 / ((told > best).sum() + ((told == best).sum() + 1.0) / 2.0))
