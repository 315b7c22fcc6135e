"""What a user says that names are the names of: exact names, and regular expressions that no name can make slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter_graph.claims import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

LONGEST_PATTERN = 200
# A point stands in names of hosts, so it alone makes no regular expression.
_MARKS = frozenset("*+?[](){}|^$\\")


@dataclass(frozen=True)
class Overrides:
    """Components by exact `names`, and by `patterns` (expression, component), of which the first that matches holds.

    Expressions are RE2's, which match in linear time whatever they are, and must match a name wholly.
    """

    names: Mapping[str, str]
    patterns: tuple[tuple[str, str], ...] = ()

    @property
    def targets(self) -> frozenset[str]:
        """The components that names are overridden with."""
        return frozenset(self.names.values()) | {component for _, component in self.patterns}

    def components_of(self, names: Iterable[str]) -> dict[str, str]:
        """Return the component of each name that the user speaks of.

        >>> Overrides({"db": "orders-db"}, (("web-v[0-9]+", "web"),)).components_of(["db", "web-v12", "web"])
        {'db': 'orders-db', 'web-v12': 'web'}
        """
        asked = list(names)
        found = {name: self.names[name] for name in asked if name in self.names}
        rest = [name for name in asked if name not in found]
        for pattern, component in self.patterns if rest else ():
            matched = _matching(rest, pattern)
            found |= dict.fromkeys(matched, component)
            rest = [name for name in rest if name not in found] if matched else rest
        return found


NO_OVERRIDES = Overrides({})


def _matching(names: list[str], pattern: str) -> list[str]:
    hits = _hits(names, rf"\A(?:{pattern})\z")
    return [name for name, hit in zip(names, hits, strict=True) if hit]


def _hits(names: list[str], pattern: str) -> list[bool]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    hits: list[bool] = pc.match_substring_regex(pa.array(names, pa.string()), pattern=pattern).to_pylist()
    return hits


def read_overrides(path: Path) -> Overrides:
    """Return the overrides in a file: YAML or JSON `name: component`, or a table with columns `name,component`.

    Raises InputError that names the entry and the fix.
    """
    from hypocenter.readers.frames import is_table, read_frame, require
    from hypocenter.readers.limits import limits_from_settings
    from hypocenter.readers.yaml_documents import read_yaml

    if not is_table(path):
        documents = read_yaml(path)
        if len(documents) > 1:
            raise InputError(f"{path}: {len(documents)} documents; keep one")
        return overrides_of(documents[0] if documents else {}, str(path))
    frame = read_frame(path, limits_from_settings(), list)
    require(frame, ("name", "component"), str(path))
    rows = [(str(name).strip(), component) for name, component in zip(frame["name"], frame["component"], strict=True)]
    names = [name for name, _ in rows]
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise InputError(f"{path}: {twice[:80]!r} is there twice; keep one of them")
    return overrides_of(dict(rows), str(path))


def overrides_of(value: Any, where: str) -> Overrides:
    """Check overrides that came from outside, `{name or regular expression: component}`; `where` begins every message.

    An entry is an expression when it holds one of the marks of expressions other than a point.

    >>> overrides_of({"cart.shop.svc": "cart", "web-v[0-9]+": "web"}, "names.yaml")
    Overrides(names={'cart.shop.svc': 'cart'}, patterns=(('web-v[0-9]+', 'web'),))
    """
    if not isinstance(value, dict):
        raise InputError(f"{where}: must be an object, as cart-svc: cart, not {type(value).__name__}")
    checked = list(_checked(value, where))
    patterns = tuple((name, component) for name, component in checked if _MARKS & set(name))
    return Overrides({name: component for name, component in checked if not _MARKS & set(name)}, patterns)


def _checked(value: dict[Any, Any], where: str) -> Iterator[tuple[str, str]]:
    for name, component in value.items():
        place = f"{where}: {str(name)[:80]!r}"
        name = check_name(name, place)
        component = check_name(component.strip() if isinstance(component, str) else component, place)
        if _MARKS & set(name):
            _check_pattern(name, place)
        yield name, component


def _check_pattern(pattern: str, place: str) -> None:
    import pyarrow as pa

    if len(pattern) > LONGEST_PATTERN:
        raise InputError(f"{place} is longer than the {LONGEST_PATTERN} letters an expression may have; split it")
    try:
        # By itself: what surrounds it may complete what is no expression.
        _hits([""], pattern)
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
        raise InputError(
            f"{place} is no regular expression of RE2 ({reason}); write \\ before a mark meant so"
        ) from error
