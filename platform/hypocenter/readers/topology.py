"""Topology files: who calls whom, as people keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.readers import statements
from hypocenter.readers.frames import is_table, read_frame, require
from hypocenter.readers.limits import limits_from_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hypocenter.model import Dependency
    from hypocenter.readers.limits import Limits

_ENDS = (("caller", "callee"), ("from", "to"), ("source", "target"), ("src", "dst"), ("parent", "child"))


def read_topology(path: Path) -> tuple[Dependency, ...]:
    """Return the dependencies in `path`, each once, in their order.

    A CSV (or Parquet) file has columns `caller,callee` (or `from,to`, `source,target`, `src,dst`, `parent,child`) and
    maybe `type`, or two columns and no header; a JSON file is a list of `[caller, callee]` or `[caller, callee, type]`.
    The type is `CALLS`, `RUNS_ON` or `INSTANCE_OF`.
    Raises InputError when the file is neither, or names no dependency.
    """
    limits = limits_from_settings()
    pairs = _table_pairs(path, limits) if is_table(path) else statements.read_json(path, limits)
    dependencies = statements.dependencies_of(pairs, str(path))
    if not dependencies:
        raise InputError(f"{path}: no dependency in it; write one `caller,callee` per line")
    return dependencies


def _table_pairs(path: Path, limits: Limits) -> list[list[str]]:
    frame = read_frame(path, limits, list)
    names = [str(name).strip() for name in frame.columns]
    lower = _in_our_words([name.lower() for name in names])
    text = frame.astype("string").apply(lambda column: column.str.strip())
    if len(names) == 2 and not {"caller", "callee"} & set(lower):
        return _pairs(text.set_axis(["caller", "callee"], axis=1), path, [names])
    text = text.set_axis(lower, axis=1)
    require(text, ("caller", "callee"), str(path))
    return _pairs(text[["caller", "callee", *(["type"] if "type" in lower else [])]], path, [])


def _in_our_words(names: list[str]) -> list[str]:
    """Return a header in this project's words when it names both ends in words that others use."""
    pair = next((pair for pair in _ENDS if set(pair) <= set(names)), ())
    return [("caller", "callee")[pair.index(name)] if name in pair else name for name in names]


def _pairs(text: pd.DataFrame, path: Path, pairs: list[list[str]]) -> list[list[str]]:
    missing = text[["caller", "callee"]].isna().any(axis=1)
    if missing.any():
        raise InputError(f"{path}: row {int(missing.to_numpy().argmax()) + 2} lacks a caller or a callee")
    return [*pairs, *([cell for cell in row if isinstance(cell, str)] for row in text.itertuples(index=False))]
