"""Features by name turned into a sparse matrix whose columns a model remembers."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.stated import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scipy.sparse import csr_matrix

MOST_COLUMNS = 2000
SHARE_OF_ROWS = 0.002


@dataclass(frozen=True)
class Columns:
    """The features that a model knows, in the order of its columns; what it does not know counts as absent."""

    names: tuple[str, ...]

    @classmethod
    def stated(cls, names: Any) -> Columns:
        """Read the names of columns, each of which is there once. Raises ValueError."""
        found = cls(texts(names))
        if len(found._place) != len(found.names):
            raise ValueError("a column is there twice")
        return found

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.names)}

    def matrix(self, rows: Sequence[Mapping[str, float]]) -> csr_matrix:
        """Return [row, column] in float32, sparse."""
        from scipy.sparse import csr_matrix

        place = self._place
        values: list[float] = []
        where: list[int] = []
        ends = [0]
        for row in rows:
            known = sorted((place[name], value) for name, value in row.items() if name in place)
            where += [at for at, _ in known]
            values += [value for _, value in known]
            ends.append(len(where))
        shape = (len(rows), len(self.names))
        parts = (np.asarray(values, np.float32), np.asarray(where, np.int32), np.asarray(ends, np.int32))
        return csr_matrix(parts, shape=shape)


def choose_columns(rows: Sequence[Mapping[str, float]], admitted: Callable[[str], bool] = lambda _: True) -> Columns:
    """Keep the features that at least two rows, and one in five hundred, have: the commonest, sorted by name.

    >>> choose_columns([{"a": 1.0, "b": 2.0}, {"a": 3.0}]).names
    ('a',)
    """
    seen = Counter(name for row in rows for name in row)
    least = max(2, math.ceil(SHARE_OF_ROWS * len(rows)))
    kept = sorted((-count, name) for name, count in seen.items() if count >= least and admitted(name))
    return Columns(tuple(sorted(name for _, name in kept[:MOST_COLUMNS])))
