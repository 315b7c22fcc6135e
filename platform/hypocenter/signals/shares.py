"""Shares that several raw series make together: used of capacity, busy of all time, hits of all look-ups."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hypocenter.model import MetricKind, Series
from hypocenter.naming import kind_of
from hypocenter.signals.aggregate import Fill, Ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypocenter.signals.aggregate import Recipe, Rows
    from hypocenter.signals.identify import Column

USED = frozenset({"used", "usage", "inuse", "active", "busy", "current", "open", "workingset", "allocated"})
CAPACITY = frozenset({"max", "maximum", "limit", "limits", "capacity", "size", "quota", "memtotal"})
FREE = frozenset({"free", "available", "avail", "memavailable", "memfree", "freeable"})
NEUTRAL = frozenset(
    {"spec", "count", "resource", "memory", "mem", "conns", "conn", "connections", "connection", "requests", "request"}
    | {"worker", "workers", "thread", "threads", "slots", "clients", "sessions"}
)
VESSELS = frozenset({MetricKind.MEMORY, MetricKind.DISK, MetricKind.SATURATION, MetricKind.OTHER})
STATE_LABELS = ("mode", "state", "cpu_mode")


def fill_recipes(columns: Sequence[Column]) -> tuple[list[Recipe], set[int]]:
    """Shares of what is used, per component, and the rows that they use up and that say nothing by themselves."""
    roles: dict[tuple[str, str], dict[str, list[Column]]] = defaultdict(lambda: defaultdict(list))
    for column in columns:
        role = _role(column)
        if role is not None:
            roles[owner(column), _fill_stem(column)][role].append(column)
    recipes: list[Recipe] = []
    spent: set[int] = set()
    for (component, _), found in sorted(roles.items()):
        part = "used" if found["used"] else "free"
        vessels = _vessels(_best(found[part]), _best(found["capacity"]))
        if vessels:
            recipes.append(Fill(_fill_series(component, _best(found[part])[0]), vessels, part == "free"))
            spent.update(column.at for column in found["free"])
    return recipes, spent


def _fill_series(component: str, part: Column) -> Series:
    """Name a share after the metric of what is used or free."""
    words = [word for word in part.measure.family.split("_") if word not in USED | FREE | {"spec", "resource"}]
    kind = kind_of(words)
    kind = kind if kind in (MetricKind.MEMORY, MetricKind.DISK) else MetricKind.SATURATION
    return Series(component, "_".join([*words, "share"]), kind, "share", "max", part.measure.side)


def _role(column: Column) -> str | None:
    if (
        column.measure.counter
        or column.measure.kind not in VESSELS
        or column.measure.unit not in ("bytes", "count", "")
    ):
        return None
    words = set(column.measure.family.split("_"))
    named = (("capacity", CAPACITY), ("free", FREE), ("used", USED))
    return next((role for role, of_role in named if words & of_role), None)


def _fill_stem(column: Column) -> str:
    words = column.measure.family.split("_")
    kept = [word for word in words if word not in USED | CAPACITY | FREE | {"spec", "resource"}]
    core = [word for word in kept if word not in NEUTRAL]
    kind = [word for word in words if word.startswith("mem")][:1]
    return "_".join([*core, *(["memory"] if kind else [])]) or "_".join(kept)


def _best(columns: Sequence[Column]) -> list[Column]:
    """One metric of several that could stand for the same thing: the working set, else the first by name."""
    if not columns:
        return []
    name = min({column.name for column in columns}, key=lambda name: ("working" not in name, name))
    return [column for column in columns if column.name == name]


def _vessels(parts: Sequence[Column], wholes: Sequence[Column]) -> tuple[tuple[Rows, Rows], ...]:
    """Pair what carries the same labels; where nothing does, all of one with all of the other."""
    by_labels: dict[frozenset[tuple[str, str]], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, columns in enumerate((parts, wholes)):
        for column in columns:
            by_labels[_member(column)][side].append(column.at)
    exact = tuple((tuple(part), tuple(whole)) for part, whole in by_labels.values() if part and whole)
    if exact or not parts or not wholes:
        return exact
    return ((rows_of(parts), rows_of(wholes)),)


def _member(column: Column) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in column.labels.items() if name != "__name__")


def idle_recipes(columns: Sequence[Column]) -> tuple[list[Recipe], set[int]]:
    """Processor time told by mode, idle among them: the share that is not idle, and the rows used up by that."""
    modes: dict[tuple[str, str], list[Column]] = defaultdict(list)
    for column in columns:
        if column.measure.kind is MetricKind.CPU and column.measure.counter and _mode(column) is not None:
            modes[owner(column), column.measure.family].append(column)
    recipes: list[Recipe] = []
    spent: set[int] = set()
    for (component, _), found in sorted(modes.items()):
        busy = tuple(column.at for column in found if _mode(column) not in ("idle", "iowait", "wait", "steal"))
        if len(busy) < len(found):
            recipes.append(Ratio(Series(component, "cpu", MetricKind.CPU, "share", "mean"), busy, rows_of(found)))
            spent.update(rows_of(found))
    return recipes, spent


def hit_recipes(columns: Sequence[Column]) -> tuple[list[Recipe], set[int]]:
    """Hits of a cache as a share of all look-ups, and the rows used up by that."""
    pairs: dict[tuple[str, str], dict[str, list[Column]]] = defaultdict(lambda: defaultdict(list))
    for column in columns:
        words = column.measure.family.split("_")
        outcome = next((word for word in words if word in ("hits", "misses")), None)
        if outcome is not None and column.measure.counter and not column.measure.part:
            pairs[owner(column), "_".join(word for word in words if word != outcome)][outcome].append(column)
    recipes: list[Recipe] = []
    spent: set[int] = set()
    for (component, stem), found in sorted(pairs.items()):
        if found["hits"] and found["misses"]:
            both = rows_of([*found["hits"], *found["misses"]])
            series = Series(component, f"{stem}_hit_share", MetricKind.OTHER, "share", "mean")
            recipes.append(Ratio(series, rows_of(found["hits"]), both))
            spent.update(both)
    return recipes, spent


def _mode(column: Column) -> str | None:
    return next((column.labels[name] for name in STATE_LABELS if name in column.labels), None)


def owner(column: Column) -> str:
    """The component that a resource belongs to."""
    return column.views[0].component


def rows_of(columns: Iterable[Column]) -> Rows:
    """The places of raw series in their block."""
    return tuple(column.at for column in columns)
