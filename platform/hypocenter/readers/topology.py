"""Topology files: who calls whom, as people keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.readers import statements
from hypocenter.readers.frames import is_table, read_frame, require
from hypocenter.readers.limits import limits_from_settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from hypocenter.model import Dependency
    from hypocenter.readers.limits import Limits

ENDS = ("caller", "callee")
_WORDS = (ENDS, ("from", "to"), ("source", "target"), ("src", "dst"), ("parent", "child"), ("client", "server"))


def read_topology(path: Path) -> tuple[Dependency, ...]:
    """Return the dependencies in `path`, each once, in their order.

    A CSV (or Parquet) file has columns `caller,callee` (or `from,to`, `source,target`, `src,dst`, `parent,child`,
    `client,server`) and maybe `type`, or two columns and no header; a JSON file is a list of `[caller, callee]` or
    `[caller, callee, type]`.
    The type is one of `model.DependencyType`.
    Raises InputError when the file is neither, or names no dependency.
    """
    limits = limits_from_settings()
    pairs = _table_pairs(path, limits) if is_table(path) else statements.read_json(path, limits)
    dependencies = statements.dependencies_of(pairs, str(path))
    if not dependencies:
        raise InputError(f"{path}: no dependency in it; write one `caller,callee` per line")
    return dependencies


def _table_pairs(path: Path, limits: Limits) -> list[list[str]]:
    frame, first = edge_table(path, limits)
    require(frame, ENDS, str(path))
    missing = frame[list(ENDS)].isna().any(axis=1)
    if missing.any():
        raise InputError(f"{path}: row {int(missing.to_numpy().argmax()) + first} lacks a caller or a callee")
    columns = [*ENDS, *(["type"] if "type" in frame.columns else [])]
    return [[cell for cell in row if isinstance(cell, str)] for row in frame[columns].itertuples(index=False)]


def edge_table(path: Path, limits: Limits, exact: tuple[str, ...] = ()) -> tuple[pd.DataFrame, int]:
    """Return a table in text, its columns in lower case and both ends in our words, and the number of its first row.

    Two columns that name neither end are a table without a header. Spaces around cells are left out, unless the columns
    are `exact`ly those of a program that writes none. Raises InputError when a column is there twice.
    """
    frame = read_frame(path, limits, list)
    names = [str(name).strip() for name in frame.columns]
    lower = _in_our_words([name.lower() for name in names])
    text = frame.astype("string")
    if tuple(names) != exact:
        text = text.apply(lambda column: column.str.strip())
    if len(names) == 2 and not set(lower) & {*ENDS, "name"}:
        text.columns = list(ENDS)
        text.loc[-1] = names
        return text.sort_index(), 1
    twice = [name for name in lower if lower.count(name) > 1]
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} is there {lower.count(twice[0])} times; keep one of them")
    return text.set_axis(lower, axis=1), 2


def names_both_ends(columns: Iterable[str]) -> bool:
    """Whether columns name a caller and a callee, in this project's words or in others.

    >>> names_both_ends(["Source", "Target", "weight"]), names_both_ends(["caller", "time"])
    (True, False)
    """
    return set(ENDS) <= set(_in_our_words([str(name).strip().lower() for name in columns]))


def _in_our_words(names: list[str]) -> list[str]:
    """Return a header in this project's words when it names both ends in words that others use."""
    pair = next((pair for pair in _WORDS if set(pair) <= set(names)), ())
    return [ENDS[pair.index(name)] if name in pair else name for name in names]
