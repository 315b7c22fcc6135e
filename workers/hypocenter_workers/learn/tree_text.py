"""Trees in LightGBM's text format, looked through before LightGBM reads them: it trusts every place that they name.

A place beyond an array, a tree without end or a false `tree_sizes` ends the process, which no caller can catch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.stated import within
from hypocenter_workers.learn.part_checks import MOST

if TYPE_CHECKING:
    from collections.abc import Mapping

_TREE, _END = "\nTree=", "\nend of trees"
_SIZES = "tree_sizes="
_CATEGORICAL = 1


def checked(text: str, columns: int, outputs: int) -> str:
    """Return the text without `tree_sizes`, which LightGBM can do without.

    Raises ValueError where it is not of trees over so many columns that give so many outputs a row.
    """
    whole, _, _ = text.partition(_END)
    header, *trees = whole.split(_TREE)
    stated = _fields(header)
    if int(stated["max_feature_idx"]) + 1 != columns:
        raise ValueError(f"trees over {int(stated['max_feature_idx']) + 1} features rather than {columns}")
    if {int(stated["num_class"]), int(stated["num_tree_per_iteration"])} != {outputs}:
        raise ValueError(f"trees of {stated['num_class']} classes rather than {outputs}")
    if not trees or len(trees) % outputs:
        raise ValueError(f"{len(trees)} trees, which do not share out among {outputs} classes")
    for tree in trees:
        _check_tree(_fields(tree), columns)
    return "\n".join(line for line in text.split("\n") if not line.startswith(_SIZES))


def _fields(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, _, value in pairs}


def _check_tree(tree: Mapping[str, str], columns: int) -> None:
    leaves = int(tree["num_leaves"])
    if int(tree["num_cat"]) or int(tree.get("is_linear", "0")):
        raise ValueError("a tree with categories or linear leaves")
    for value in _values(tree, "leaf_value", leaves):
        within(float(value), -MOST, MOST)
    if leaves == 1:
        return
    places = [int(value) for value in _values(tree, "split_feature", leaves - 1)]
    if not all(0 <= place < columns for place in places):
        raise ValueError("a tree splits by a feature that is not there")
    if any(int(value) & _CATEGORICAL for value in _values(tree, "decision_type", leaves - 1)):
        raise ValueError("a tree with categories")
    _values(tree, "threshold", leaves - 1)
    _check_children(tree, leaves)


def _check_children(tree: Mapping[str, str], leaves: int) -> None:
    """Check that branches lead on: to leaves, counted down from -1, or to splits that come later."""
    for side in ("left_child", "right_child"):
        for at, child in enumerate(map(int, _values(tree, side, leaves - 1))):
            if not (at < child < leaves - 1 or -leaves <= child < 0):
                raise ValueError("a branch of a tree leads nowhere")


def _values(tree: Mapping[str, str], name: str, length: int) -> list[str]:
    found = tree[name].split()
    if len(found) != length:
        raise ValueError(f"a tree has {len(found)} of {name} rather than {length}")
    return found
