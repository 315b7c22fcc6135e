"""Why a type of fault was said: what moved its chance most, in sentences."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from hypocenter_workers.learn.incident_features import LOCAL

if TYPE_CHECKING:
    from hypocenter_workers.learn.type_trees import Look, TypeTrees

MOST_REASONS = 3
LEAST_PUSH = 0.05
# By role of a feature: what is said of it. `signs` counts what it names, `size` is on the ranking's scale of strength.
_SAID = {
    "all": "{signs} in all of the incident",
    "wide": "{what} on {components}",
    "most": "{what} anywhere, {size}",
    "own": "{signs} on {root}",
    "asked": "{signs} in calls that {root} makes",
    "share": "{percent} of all signs of {what} on {root}",
    "moved": "{what} on {root}, {size}",
    "finding": "{what} on {root} as the ranking weighs it, {size}",
    "callers": "{signs} on callers of {root}",
    "callees": "{signs} on what {root} calls",
    "hosts": "{signs} on what {root} runs on",
    "guests": "{signs} on what runs on {root}",
}
_SAID_OF = {
    "wide|any": "signs on {components}",
    "own|rarity": "signs that few but {root} show",
    "own|alone": "{count} signs that {root} alone shows",
    "standing|chance": "a chance of {percent} that it began at {root}",
    "standing|place": "{place} of {root} among the suspects",
    "callers|number": "{count} callers of {root}",
    "callees|number": "{count} components that {root} calls",
    "hosts|number": "{count} that {root} runs on",
    "guests|number": "{count} that run on {root}",
}


def reasons(trees: TypeTrees, look: Look, fault_type: str, most: int = MOST_REASONS) -> tuple[str, ...]:
    """Return the features that spoke most for a type, as sentences, the strongest first."""
    root = next(iter(look.incident.chances), "")
    pushes = _pushes(trees, look, root, trees.classes.index(fault_type))
    values = look.rooted[root] if root else look.expected
    said = math.fsum(push for push in pushes.values() if push > 0)
    kept = [(-push, name) for name, push in pushes.items() if push > LEAST_PUSH and values.get(name)]
    return tuple(sentence(name, values[name], -push / said, root, fault_type) for push, name in sorted(kept)[:most])


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


def sentence(feature: str, value: float, share: float, root: str, fault_type: str) -> str:
    """Say what a feature shows, seen from a root, and which share it has of all that speaks for a type of fault.

    >>> sentence("own|metric memory up", 3.0, 0.412, "db", "memory leak")
    '3 signs of metric memory up on db: 41 % of what speaks for memory leak'
    """
    role, _, what = feature.partition("|")
    name = what.removeprefix(LOCAL[1]).strip()
    count = f"{value:.3g}"
    shown = _SAID_OF.get(feature) or _SAID.get(role, f"{{what}} ({role}), {{count}}")
    told = shown.format(
        what=name,
        root=root,
        count=count,
        signs=f"{count} {'sign' if count == '1' else 'signs'} of {name}",
        components=f"{count} {'component' if count == '1' else 'components'}",
        percent=f"{value:.0%}".replace("%", " %"),
        size=f"strength {value:.2f} of 1",
        place=f"place {value + 1:.0f}",
    )
    return f"{told}: {f'{share:.0%}'.replace('%', ' %')} of what speaks for {fault_type}"
