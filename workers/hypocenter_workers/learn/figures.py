"""What is measured of a model on incidents that it had not seen: figures with intervals, reliability, confusion."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model_card import Bin, Confusion, Figure
from hypocenter_workers.scoring import hits, ranking_of, share_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]
    Measure = Callable[[Ints], float]

ROOT_FIRST, ROOT_OF_THREE, ROOT_OF_FIVE = "root cause first", "root cause among three", "root cause among five"
ROOT, FAULT_TYPE = "root cause", "fault type"
CUTS = {ROOT_FIRST: 0, ROOT_OF_THREE: 2, ROOT_OF_FIVE: 4}
BINS = 10
RESAMPLES = 400


@dataclass(frozen=True)
class Said:
    """What was said of one incident, held back from training, and what is known of it.

    `prior` and `learned` are scores by component, without and with the model; `chances` are those of `learned` as
    probabilities. `types` are probabilities of fault types, of which `named` was told; `fault_type` is the true one.
    """

    roots: tuple[str, ...] = ()
    prior: Mapping[str, float] = field(default_factory=dict)
    learned: Mapping[str, float] = field(default_factory=dict)
    chances: Mapping[str, float] = field(default_factory=dict)
    fault_type: str | None = None
    named: str | None = None
    types: Mapping[str, float] = field(default_factory=dict)


def figures_of(said: Sequence[Said]) -> tuple[Figure, ...]:
    """Return how often the root was found, with and without the model, how well types were told, and calibration."""
    rooted = [one for one in said if one.roots]
    typed = [one for one in said if one.fault_type and one.named]
    return (*_root_figures(rooted), *_type_figures(typed))


def bins_of_chances(said: Sequence[Said]) -> dict[str, tuple[Bin, ...]]:
    """Return what was said of the likeliest root and of the named fault type, and how often that was right."""
    pairs = {
        ROOT: [_first(one) for one in said if one.roots and one.chances],
        FAULT_TYPE: [_typed(one) for one in said if one.fault_type and one.named in one.types],
    }
    return {name: reliability(*np.array(found, dtype=float).T) for name, found in pairs.items() if found}


def confusion_of(said: Sequence[Said]) -> Confusion | None:
    """Return how often each true fault type was told as which; None where no type is known."""
    pairs = [(one.fault_type, one.named) for one in said if one.fault_type and one.named]
    if not pairs:
        return None
    names = sorted({str(name) for pair in pairs for name in pair})
    true, told = _places(pairs, names)
    counts = _counted(true, told, len(names))
    return Confusion(tuple(names), tuple(tuple(map(int, row)) for row in counts.tolist()))


def reliability(chances: Floats, right: Floats) -> tuple[Bin, ...]:
    """Return bins that hold equally many incidents, by what was said.

    >>> reliability(np.array([0.2, 0.9]), np.array([0.0, 1.0]))
    (Bin(said=0.2, right=0.0, incidents=1), Bin(said=0.9, right=1.0, incidents=1))
    """
    parts = np.array_split(np.argsort(chances, kind="stable"), BINS)
    return tuple(Bin(float(chances[part].mean()), float(right[part].mean()), len(part)) for part in parts if len(part))


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error. Source: Naeini, Cooper and Hauskrecht, 2015."""
    total = sum(one.incidents for one in bins)
    return sum(abs(one.said - one.right) * one.incidents for one in bins) / max(total, 1)


def f1_scores(counts: Floats) -> tuple[float, float]:
    """Return the F1 of fault types weighed by how often they truly are, and its mean over types (macro).

    `counts` is [true, told]. Types that never truly are count in neither.

    >>> f1_scores(np.array([[2.0, 0.0], [1.0, 1.0]]))
    (0.7333333333333334, 0.7333333333333334)
    """
    true, told, right = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    with np.errstate(invalid="ignore"):
        scores = np.nan_to_num(2 * right / (true + told))
    known = true > 0
    return float((scores * true).sum() / max(true.sum(), 1)), float(scores[known].mean()) if known.any() else 0.0


def _root_figures(said: Sequence[Said]) -> Iterator[Figure]:
    if not said:
        return
    learned = np.array([hits(ranking_of(one.learned), one.roots) for one in said])
    prior = np.array([hits(ranking_of(one.prior), one.roots) for one in said])
    for name, place in CUTS.items():
        low, high = share_interval(float(learned[:, place].sum()), len(said))
        yield Figure(
            name, float(learned[:, place].mean()), low, high, len(said), unlearned=float(prior[:, place].mean())
        )
    told = np.array([_first(one) for one in said if one.chances], dtype=float)
    if len(told):
        yield _error_figure(f"calibration error, {ROOT}", told)


def _type_figures(said: Sequence[Said]) -> Iterator[Figure]:
    if not said:
        return
    pairs = [(one.fault_type, one.named) for one in said]
    names = sorted({str(name) for pair in pairs for name in pair})
    true, told = _places(pairs, names)
    for place, name in enumerate(("fault type, weighted F1", "fault type, macro F1")):
        yield _doubted(_measured(name, len(said), partial(_f1, true, told, len(names), place)), true == told)
    chances = np.array([_typed(one) for one in said if one.named in one.types], dtype=float)
    if len(chances):
        yield _error_figure(f"calibration error, {FAULT_TYPE}", chances)


def _f1(true: Ints, told: Ints, size: int, which: int, at: Ints) -> float:
    return f1_scores(_counted(true[at], told[at], size))[which]


def _error_figure(name: str, told: Floats) -> Figure:
    """Return the calibration error; where all or nothing was right, its interval holds what the share may be."""
    figure, right = _measured(name, len(told), _error_of(told)), told[:, 1]
    if 0 < right.sum() < len(right):
        return figure
    furthest = max(abs(float(told[:, 0].mean()) - end) for end in share_interval(float(right.sum()), len(right)))
    return replace(figure, high=max(figure.high, furthest))


def _error_of(told: Floats) -> Measure:
    return lambda at: calibration_error(reliability(told[at, 0], told[at, 1]))


def _measured(name: str, incidents: int, measure: Measure) -> Figure:
    """Return what `measure` says of all incidents, with the percentile-bootstrap interval. Source: Efron, 1979."""
    draw = np.random.default_rng(0)
    found = [measure(draw.integers(0, incidents, incidents)) for _ in range(RESAMPLES)]
    low, high = np.quantile(found, [0.025, 0.975])
    return Figure(name, measure(np.arange(incidents)), float(low), float(high), incidents)


def _doubted(figure: Figure, right: NDArray[np.bool_]) -> Figure:
    """Widen the interval of a score where all incidents were told right, or none: resampling them shows no doubt."""
    if right.any() and not right.all():
        return figure
    low, high = share_interval(float(right.sum()), len(right))
    return replace(figure, low=min(figure.low, low), high=max(figure.high, high))


def _first(said: Said) -> tuple[float, bool]:
    """Return the probability of the likeliest root, and whether it is one."""
    component, chance = ranking_of(said.chances)[0]
    return chance, component in said.roots


def _typed(said: Said) -> tuple[float, bool]:
    return said.types[said.named or ""], said.named == said.fault_type


def _places(pairs: Sequence[tuple[str | None, str | None]], names: Sequence[str]) -> tuple[Ints, Ints]:
    place: Mapping[str | None, int] = {name: at for at, name in enumerate(names)}
    true, told = zip(*((place[true], place[told]) for true, told in pairs), strict=True)
    return np.array(true, np.intp), np.array(told, np.intp)


def _counted(true: Ints, told: Ints, size: int) -> Floats:
    return np.bincount(true * size + told, minlength=size * size).reshape(size, size).astype(np.float64)
