"""Trees that tell types of fault apart, from two views of an incident whose chances are averaged.

The one is grown on what an incident is expected to show at its root, weighed over the suspects; it learns to live with
suspects that are wrong. The other is grown on what incidents showed at their true roots, and is asked once for every
suspect: what would it be if it began here?
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.learn.boosting import (
    Floats,
    Growth,
    Ints,
    Rows,
    chances,
    contributions,
    from_text,
    grow,
    to_text,
)
from hypocenter_workers.learn.columns import Columns, choose_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import lightgbm

    from hypocenter_workers.learn.incident_features import Features, IncidentFeatures

EXPECTED, ROOTED = "expected", "rooted"


@dataclass(frozen=True)
class Settings:
    """How fault types are learned; one set of values for every installation.

    `balance` is the power of a class's rareness by which its incidents weigh more: 0 not at all, 1 as if all types were
    equally common.
    """

    growth: Growth = field(default_factory=Growth)
    balance: float = 0.5
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True)
class Look:
    """An incident as both views see it: as expected over its suspects, and from components, suspects or roots."""

    incident: IncidentFeatures
    expected: Features
    rooted: Mapping[str, Features]


@dataclass(frozen=True)
class View:
    """Trees and the columns they were grown on."""

    columns: Columns
    booster: lightgbm.Booster

    def contributions(self, row: Features, number_of_classes: int) -> list[dict[str, float]]:
        """Return, for every class, by how much each feature that the row has moved it, in log-odds."""
        moved = contributions(self.booster, self.columns.matrix([row]), number_of_classes)[0]
        held = [(at, name) for at, name in enumerate(self.columns.names) if name in row]
        return [{name: float(moved[k, at]) for at, name in held} for k in range(number_of_classes)]


@dataclass(frozen=True)
class TypeTrees:
    """Two views that tell `classes` apart, at least two of them."""

    classes: tuple[str, ...]
    expected: View
    rooted: View

    def chances(self, looks: Sequence[Look], threads: int = 1) -> Floats:
        """Return [incident, class] probabilities, the mean of both views."""
        rows = [look.expected for look in looks]
        whole = chances(self.expected.booster, self.expected.columns.matrix(rows), threads)
        return (whole + self._rooted(looks, whole, threads)) / 2

    def _rooted(self, looks: Sequence[Look], otherwise: Floats, threads: int) -> Floats:
        asked = [(i, c) for i, look in enumerate(looks) for c in look.incident.chances]
        if not asked:
            return otherwise
        rows = [looks[i].rooted[c] for i, c in asked]
        told = chances(self.rooted.booster, self.rooted.columns.matrix(rows), threads)
        found = np.zeros_like(otherwise)
        weights = np.array([looks[i].incident.chances[c] for i, c in asked])
        np.add.at(found, [i for i, _ in asked], told * weights[:, None])
        nobody = [i for i, look in enumerate(looks) if not look.incident.chances]
        found[nobody] = otherwise[nobody]
        return found

    def to_parts(self) -> dict[str, str]:
        """Return the trees in LightGBM's text format, by view."""
        return {EXPECTED: to_text(self.expected.booster), ROOTED: to_text(self.rooted.booster)}

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Return the features of every view, in the order of its columns."""
        return {EXPECTED: self.expected.columns.names, ROOTED: self.rooted.columns.names}

    @classmethod
    def from_parts(
        cls, classes: Sequence[str], columns: Mapping[str, Sequence[str]], texts: Mapping[str, str]
    ) -> TypeTrees:
        """Read what `to_parts` wrote. Raises InputError when a text is no model of these."""
        expected, rooted = (
            View(known, from_text(texts[view], f"fault_types_{view}.txt", len(known.names), len(classes)))
            for view, known in ((view, Columns.stated(columns[view])) for view in (EXPECTED, ROOTED))
        )
        return cls(tuple(classes), expected, rooted)


def look_at(incident: IncidentFeatures, roots: Sequence[str] = (), *, suspects: bool = True) -> Look:
    """Look at an incident as a whole and from its suspects; from known roots besides, or instead of the suspects."""
    whole = incident.counts.whole()
    seen_from = {c: incident.counts.seen_from(c) for c in dict.fromkeys((*incident.chances, *roots))}
    expected: Features = dict(whole)
    for component, chance in incident.chances.items():
        for name, value in seen_from[component].items():
            expected[name] = expected.get(name, 0.0) + chance * value
    kept = dict.fromkeys((*incident.chances, *roots) if suspects or not roots else roots)
    return Look(incident, expected, {c: {**whole, **seen_from[c], **_standing(incident, c)} for c in kept})


def _standing(incident: IncidentFeatures, component: str) -> Features:
    """Return how a component stands among the suspects."""
    above = sum(chance > incident.chances.get(component, 0.0) for chance in incident.chances.values())
    return {"standing|chance": incident.chances.get(component, 0.0), "standing|place": float(above)}


def grow_types(
    looks: Sequence[Look],
    types: Sequence[str],
    roots: Sequence[Sequence[str]],
    settings: Settings,
    admitted: Callable[[str], bool] = lambda _: True,
) -> TypeTrees:
    """Grow both views on labelled incidents of two types or more; only `admitted` features are looked at."""
    classes = tuple(sorted(set(types)))
    places = np.array([classes.index(type_) for type_ in types], np.intp)
    weights = _weights(places, settings.balance)
    expected = _view([look.expected for look in looks], places, weights, settings, admitted)
    asked = [(i, c, share) for i, look in enumerate(looks) for c, share in looked_from(look, roots[i])]
    at = np.array([i for i, _, _ in asked], np.intp)
    shares = np.array([share for _, _, share in asked])
    rooted = _view([looks[i].rooted[c] for i, c, _ in asked], places[at], weights[at] * shares, settings, admitted)
    return TypeTrees(classes, expected, rooted)


def looked_from(look: Look, roots: Sequence[str]) -> list[tuple[str, float]]:
    """Return where to look at a labelled incident from, with weights: its roots, else its suspects."""
    if roots:
        return [(root, 1.0 / len(roots)) for root in roots]
    return list(look.incident.chances.items())


def _weights(places: Ints, balance: float) -> Floats:
    rare = (1.0 / np.bincount(places)) ** balance
    weights = rare[places]
    return np.asarray(weights / weights.mean(), np.float64)


def _view(
    rows: Sequence[Features], places: Ints, weights: Floats, settings: Settings, admitted: Callable[[str], bool]
) -> View:
    columns = choose_columns(rows, admitted)
    number = int(places.max()) + 1
    trees = grow(
        Rows(columns.matrix(rows), places, weights),
        number,
        settings.growth,
        seed=settings.seed,
        threads=settings.threads,
    )
    return View(columns, trees)
