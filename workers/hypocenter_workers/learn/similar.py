"""Past incidents that resemble one: what they were, where they began and what fixed them.

An incident is the set of its features, each weighing as much as it is rare (tf-idf), and the names of what was ill,
which only an incident of the same system can share; two are alike by the cosine of their angle.
Source: Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.stated import text, texts
from hypocenter_workers.learn.columns import Columns, choose_columns
from hypocenter_workers.learn.part_checks import finite, sparse, sparse_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy.sparse import csr_matrix

    from hypocenter_workers.learn.boosting import Floats
    from hypocenter_workers.learn.examples import Label
    from hypocenter_workers.learn.incident_features import Features
    from hypocenter_workers.learn.type_trees import Look

MOST_KEPT = 2000
ROOT_WEIGHT = 3.0
# A memory is written as text: what no comparison needs is not kept.
DIGITS = 4
_MOST_RARE = 100.0
# Rows are of length 1 before their values are rounded.
_LONGEST = 1.01


@dataclass(frozen=True, slots=True)
class PastIncident:
    """What is remembered of an incident: `began` in ISO 8601, "" where not known."""

    incident_id: str
    system: str
    began: str
    fault_type: str
    roots: tuple[str, ...]
    fixed_by: str


@dataclass(frozen=True, slots=True)
class SimilarIncident:
    """A past incident and how much one resembles it, 0 to 1."""

    past: PastIncident
    similarity: float


@dataclass(frozen=True)
class Memory:
    """Past incidents, searchable: `matrix` is [incident, column], every row of length 1."""

    past: tuple[PastIncident, ...]
    columns: Columns
    rarity: Floats
    matrix: csr_matrix

    def likenesses(self, looks: Sequence[Look]) -> Floats:
        """Return [incident, past incident] similarities, 0 to 1."""
        asked = _weighed(self.columns, self.rarity, [_terms(look) for look in looks])
        # This way round the many rows of the memory are not turned over for a few that ask.
        return np.asarray((self.matrix @ asked.T.tocsr()).toarray().T, np.float64)

    def similar(self, itself: tuple[str, str], likenesses: Floats, most: int = 3) -> tuple[SimilarIncident, ...]:
        """Return the past incidents that one resembles most by `likenesses`; `itself`, its id and system, is none."""
        nearest = np.argsort(-likenesses, kind="stable")[: most + 1].tolist()
        others = [at for at in nearest if likenesses[at] > 0 and _name(self.past[at]) != itself]
        return tuple(SimilarIncident(self.past[at], float(likenesses[at])) for at in others[:most])

    def to_json(self) -> dict[str, Any]:
        """Return the memory as JSON holds it."""
        return {
            "past": [asdict(past) for past in self.past],
            "columns": list(self.columns.names),
            "rarity": self.rarity.tolist(),
            **sparse_to_json(self.matrix),
        }

    @classmethod
    def from_json(cls, stated: dict[str, Any]) -> Memory:
        """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        columns = Columns.stated(stated["columns"])
        past = tuple(_past_of(each) for each in stated["past"])
        rarity = np.array(finite(stated["rarity"], len(columns.names), 0.0, _MOST_RARE))
        return cls(past, columns, rarity, _matrix(stated, (len(past), len(columns.names))))


def _name(past: PastIncident) -> tuple[str, str]:
    return past.incident_id, past.system


def remember(looks: Sequence[Look], labels: Sequence[Label]) -> Memory:
    """Remember labelled incidents, the last `MOST_KEPT` of them."""
    kept = list(zip(looks, labels, strict=True))[-MOST_KEPT:]
    terms = [_terms(look) for look, _ in kept]
    columns = choose_columns(terms)
    share = np.asarray(columns.matrix(terms).astype(bool).sum(axis=0), np.float64).ravel() / max(1, len(terms))
    rarity = np.asarray(np.round(np.log1p(1.0 / np.maximum(share, 1e-9)), DIGITS), np.float64)
    matrix = _weighed(columns, rarity, terms)
    matrix.data = np.round(matrix.data, DIGITS)
    return Memory(tuple(_past(*each) for each in kept), columns, rarity, matrix)


def _past(look: Look, label: Label) -> PastIncident:
    incident = look.incident
    began = incident.began.isoformat() if incident.began else ""
    fault_type = label.fault_type or ""
    return PastIncident(incident.incident_id, incident.system, began, fault_type, label.roots, label.fixed_by)


def _past_of(stated: dict[str, Any]) -> PastIncident:
    words = {name: text(value) for name, value in stated.items() if name != "roots"}
    return PastIncident(**words, roots=texts(stated["roots"]))


def _matrix(stated: dict[str, Any], shape: tuple[int, int]) -> csr_matrix:
    """Return [incident, column], one row for every incident, none longer than 1. Raises KeyError or ValueError."""
    matrix = sparse(stated, shape[1], _LONGEST)
    if matrix.shape != shape or (matrix.multiply(matrix).sum(axis=1) > _LONGEST).any():
        raise ValueError("ends or values of the memory do not fit its incidents")
    return matrix


def _terms(look: Look) -> Features:
    incident = look.incident
    names = {f"ill|={incident.system}/{component}": 1.0 for component in incident.ill}
    likely = {
        f"root|={incident.system}/{c}": ROOT_WEIGHT * chance
        for c, chance in incident.chances.items()
        if c in incident.ill
    }
    return {**look.expected, **names, **likely}


def _weighed(columns: Columns, rarity: Floats, terms: Sequence[Features]) -> csr_matrix:
    from scipy.sparse import csr_matrix, diags_array

    counts = columns.matrix(terms).astype(np.float64)
    counts.data = np.log1p(np.abs(counts.data))
    weighed = counts @ diags_array(rarity)
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    return csr_matrix(diags_array(1.0 / np.maximum(lengths, 1e-12)) @ weighed)


def memory_to_text(memory: Memory) -> str:
    """Return a memory as JSON."""
    return json.dumps(memory.to_json(), separators=(",", ":"))
