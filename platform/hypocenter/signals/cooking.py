"""Many recipes cooked at once: those of one shape together, as one recipe is cooked."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.signals.aggregate import Average, Ratio, Total, average, share, total

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hypocenter.signals.aggregate import Recipe
    from hypocenter.telemetry import Values

Shape = tuple[type, tuple[int, ...], float]
# So many recipes at a time, so that their working copies stay small.
AT_ONCE = 4096


def cook(recipes: Sequence[Recipe], raw: Values) -> Values:
    """Return what each recipe makes of raw series in canonical units, [recipe, time]: as its own `cook` would."""
    found = np.empty((len(recipes), raw.shape[1]))
    for shape, places in _by_shape(recipes).items():
        for first in range(0, len(places), AT_ONCE):
            some = places[first : first + AT_ONCE]
            _STACKED[shape[0]]([recipes[at] for at in some], raw, found, some)
    return found


def _by_shape(recipes: Sequence[Recipe]) -> dict[Shape, list[int]]:
    shapes: dict[Shape, list[int]] = defaultdict(list)
    for at, recipe in enumerate(recipes):
        shapes[_shape(recipe)].append(at)
    return shapes


def _shape(recipe: Recipe) -> Shape:
    match recipe:
        case Total(rows=rows) | Average(rows=rows):
            return type(recipe), (len(rows),), 0.0
        case Ratio(part=part, whole=whole, empty=empty):
            return Ratio, (len(part), len(whole)), empty if empty == empty else -1.0
    return object, (), 0.0


def _totals(recipes: Sequence[Total], raw: Values, found: Values, places: Sequence[int]) -> None:
    found[places] = total(raw, _rows([recipe.rows for recipe in recipes]))


def _averages(recipes: Sequence[Average], raw: Values, found: Values, places: Sequence[int]) -> None:
    found[places] = average(raw, _rows([recipe.rows for recipe in recipes]))


def _ratios(recipes: Sequence[Ratio], raw: Values, found: Values, places: Sequence[int]) -> None:
    part, whole = _rows([recipe.part for recipe in recipes]), _rows([recipe.whole for recipe in recipes])
    found[places] = share(raw, part, whole, recipes[0].empty)


def _one_by_one(recipes: Sequence[Recipe], raw: Values, found: Values, places: Sequence[int]) -> None:
    for at, recipe in zip(places, recipes, strict=True):
        found[at] = recipe.cook(raw)


def _rows(of_each: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
    return np.array(of_each, np.int64).reshape(len(of_each), -1)


_STACKED: dict[type, Callable[..., None]] = {Total: _totals, Average: _averages, Ratio: _ratios, object: _one_by_one}
