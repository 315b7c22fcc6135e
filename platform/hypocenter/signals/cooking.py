"""Many recipes cooked at once: those of one shape together, as one recipe is cooked."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.signals.aggregate import Average, Ratio, Total, average, share, total

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hypocenter.signals.aggregate import Recipe, Rows
    from hypocenter.telemetry import Values

Shape = tuple[type, int, int, float]
# So many recipes at a time, so that their working copies stay small.
AT_ONCE = 4096
NOT_ONE_SHAPE = (object, 0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Cooking:
    """Recipes made ready to be cooked again and again: places in what comes out, and what makes these."""

    size: int
    batches: tuple[tuple[NDArray[np.int64], Callable[[Values], Values]], ...]

    def cook(self, raw: Values) -> Values:
        """Return what each recipe makes of raw series in canonical units, [recipe, time]: as its own `cook` would."""
        found = np.empty((self.size, raw.shape[1]))
        for places, batch in self.batches:
            found[places] = batch(raw)
        return found


def cooking_of(recipes: Sequence[Recipe]) -> Cooking:
    """Make recipes ready: those that sum equally many rows go together."""
    shapes: dict[Shape, list[int]] = defaultdict(list)
    for at, recipe in enumerate(recipes):
        shapes[_shape(recipe)].append(at)
    parts = [places[at : at + AT_ONCE] for places in shapes.values() for at in range(0, len(places), AT_ONCE)]
    return Cooking(
        len(recipes), tuple((np.array(places, np.int64), _batch([recipes[at] for at in places])) for places in parts)
    )


def _shape(recipe: Recipe) -> Shape:
    match recipe:
        case Total(rows=rows) | Average(rows=rows):
            return type(recipe), len(rows), 0, 0.0
        case Ratio(part=part, whole=whole, empty=empty):
            # NaN is not equal to itself, and no share is below zero.
            return Ratio, len(part), len(whole), -1.0 if np.isnan(empty) else empty
    return NOT_ONE_SHAPE


def _batch(recipes: Sequence[Recipe]) -> Callable[[Values], Values]:
    match recipes[0]:
        case Total():
            return partial(total, rows=_rows([one.rows for one in recipes if isinstance(one, Total)]))
        case Average():
            return partial(average, rows=_rows([one.rows for one in recipes if isinstance(one, Average)]))
        case Ratio(empty=empty):
            ratios = [one for one in recipes if isinstance(one, Ratio)]
            part, whole = _rows([one.part for one in ratios]), _rows([one.whole for one in ratios])
            return partial(share, part=part, whole=whole, empty=empty)
    return partial(_one_by_one, recipes)


def _one_by_one(recipes: Sequence[Recipe], raw: Values) -> Values:
    return np.stack([recipe.cook(raw) for recipe in recipes])


def _rows(of_each: Sequence[Rows]) -> NDArray[np.int64]:
    return np.array(of_each, np.int64).reshape(len(of_each), -1)
