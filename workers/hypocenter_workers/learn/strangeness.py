"""How unlike all that was learned an incident is: how few trees see it as they saw any one past root.

Two incidents are alike by the share of trees in which they end in the same leaf. Source: Breiman, Random forests, 2001
(proximity).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter_workers.learn.part_checks import MOST, sparse, sparse_to_json
from hypocenter_workers.learn.type_trees import looked_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy.sparse import csr_matrix

    from hypocenter_workers.learn.boosting import Floats, Ints
    from hypocenter_workers.learn.type_trees import Look, TypeTrees, View

MOST_KEPT = 400


@dataclass(frozen=True)
class KnownRoots:
    """What labelled incidents showed, seen from their roots: `rows` is [root, column of the view], sparse."""

    view: View
    rows: csr_matrix

    @classmethod
    def of(cls, trees: TypeTrees, looks: Sequence[Look], roots: Sequence[Sequence[str]]) -> KnownRoots:
        """Keep the last incidents of those that the trees were grown on, from their roots or else their suspects."""
        seen = [
            look.rooted[component]
            for look, own in zip(looks, roots, strict=True)
            for component, _ in looked_from(look, own)
        ]
        return cls(trees.rooted, trees.rooted.columns.matrix(seen[-MOST_KEPT:]))

    def strangeness(self, looks: Sequence[Look]) -> Floats:
        """Return for every incident in which share of trees it is not like the past root that it is most like.

        It is the mean over the suspects; an incident without any is as strange as can be, 1.
        """
        asked = [(i, c, chance) for i, look in enumerate(looks) for c, chance in look.incident.chances.items()]
        found = np.ones(len(looks))
        if not asked or not self.rows.shape[0]:
            return found
        ends = self._leaves_of(self.view.columns.matrix([looks[i].rooted[c] for i, c, _ in asked]))
        shared = np.array([(self._leaves == one).mean(axis=1).max() for one in ends])
        np.subtract.at(found, [i for i, _, _ in asked], shared * np.array([chance for _, _, chance in asked]))
        return found

    @cached_property
    def _leaves(self) -> Ints:
        return self._leaves_of(self.rows)

    def _leaves_of(self, rows: csr_matrix) -> Ints:
        """Return [row, tree] leaves."""
        found = self.view.booster.predict(rows, pred_leaf=True, num_threads=1)
        return np.asarray(found, np.intp).reshape(rows.shape[0], -1)

    def to_text(self) -> str:
        """Return the rows as JSON; the view is written with the trees."""
        return json.dumps(sparse_to_json(self.rows), separators=(",", ":"))

    @classmethod
    def from_json(cls, stated: dict[str, Any], view: View) -> KnownRoots:
        """Read what `to_text` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(view, sparse(stated, len(view.columns.names), MOST))
