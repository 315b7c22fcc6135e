"""Why a type of fault was said: what moved its chance most, in sentences."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hypocenter_workers.learn.incident_features import LOCAL

if TYPE_CHECKING:
    from hypocenter_workers.learn.type_trees import Look, TypeTrees

MOST_REASONS = 3
LEAST_PUSH = 0.05
_WHERE = {
    "all": "in all of the incident",
    "wide": "on how many components",
    "most": "the furthest anywhere",
    "own": "on {root}",
    "asked": "in calls that {root} makes",
    "share": "on {root} as a share of all such signs",
    "moved": "on {root}, how far it moved",
    "finding": "on {root}, as the ranking weighs it",
    "standing": "of {root} among the suspects",
    "callers": "on callers of {root}",
    "callees": "on what {root} calls",
    "hosts": "on what {root} runs on",
    "guests": "on what runs on {root}",
}


def reasons(trees: TypeTrees, look: Look, fault_type: str, most: int = MOST_REASONS) -> tuple[str, ...]:
    """Return the features that spoke most for a type, as sentences, the strongest first."""
    root = next(iter(look.incident.chances), "")
    pushes = _pushes(trees, look, root, trees.classes.index(fault_type))
    values = look.rooted[root] if root else look.expected
    kept = [(-push, name) for name, push in pushes.items() if push > LEAST_PUSH and values.get(name)]
    return tuple(sentence(name, values[name], -push, root, fault_type) for push, name in sorted(kept)[:most])


def _pushes(trees: TypeTrees, look: Look, root: str, place: int) -> dict[str, float]:
    number = len(trees.classes)
    views = [(trees.expected, look.expected)]
    if root:
        views.append((trees.rooted, look.rooted[root]))
    found: dict[str, float] = defaultdict(float)
    for view, row in views:
        for name, push in view.contributions(row, number)[place].items():
            found[name] += push / len(views)
    return dict(found)


def sentence(feature: str, value: float, push: float, root: str, fault_type: str) -> str:
    """Say that a feature, seen from a root, pushes towards a type of fault, in log-odds."""
    role, _, what = feature.partition("|")
    where = _WHERE.get(role, role).format(root=root)
    name = what.removeprefix(LOCAL[1]).strip()
    return f"{name} {where} ({value:.3g}) speaks for {fault_type} (+{push:.2f} log-odds)"
