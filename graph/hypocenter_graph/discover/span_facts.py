"""What spans of one sort have in common: sorted once, a million spans are a few hundred sorts.

Names of kinds, operations and systems: OpenTelemetry semantic conventions, the present and the former ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from hypocenter.signals.spans import SpanTree

_SENDING = frozenset({"send", "publish", "create"})
_TAKING = frozenset({"receive", "process", "deliver", "settle"})
_KIND_OF_NUMBER = {
    "0": "",
    "unspecified": "",
    "1": "internal",
    "2": "server",
    "3": "client",
    "4": "producer",
    "5": "consumer",
}
_REMOTE = ("client", "producer", "server", "consumer")
_TRUE = frozenset({"true", "1"})


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """One sort of span; texts are "" where the source does not say.

    `caller` is the service of the parent where that is another one. `is_end` marks the client's end of a call that no
    recorded span, of this or another service, continues.
    """

    service: str
    caller: str
    is_end: bool
    kind: str
    peer: str
    address: str
    db_system: str
    db_name: str
    messaging_system: str
    messaging_operation: str
    destination: str
    temporary: str

    @property
    def publishes(self) -> bool:
        """Whether such a span gives a message to a queue."""
        sends = self.kind == "client" and self.messaging_operation in _SENDING
        return bool(self.queue) and (self.kind == "producer" or sends)

    @property
    def consumes(self) -> bool:
        """Whether such a span takes a message from a queue."""
        takes = self.kind == "client" and self.messaging_operation in _TAKING
        return bool(self.queue) and (self.kind == "consumer" or takes)

    @property
    def queue(self) -> str:
        """The queue's name, `system:destination`, or the broker's where destinations are made up for a moment."""
        if self.destination and self.temporary not in _TRUE:
            return f"{self.messaging_system or 'queue'}:{self.destination}"
        return (self.peer or self.address or self.messaging_system) if self.messaging_system else ""


TEXTS = SpanFacts.__match_args__[4:]


def sorts_of(spans: pd.DataFrame, tree: SpanTree) -> tuple[list[SpanFacts], NDArray[np.int64]]:
    """Return the sorts of spans there are and the sort of each span."""
    kinds = kinds_of(spans)
    caller = np.where(tree.crosses, tree.service[tree.parent_row], -1)
    columns = [tree.service, caller, _ends(tree, kinds).astype(np.int64)]
    coded = [codes_of(kinds), *(_public(*codes_of(texts_of(spans, name))) for name in TEXTS)]
    sort, first = distinct([*columns, *(codes for codes, _ in coded)])
    names = (*tree.names, "")
    return [
        SpanFacts(
            names[tree.service[row]],
            names[caller[row]],
            bool(columns[2][row]),
            *(words[codes[row]] for codes, words in coded),
        )
        for row in first.tolist()
    ], sort


def _public(codes: NDArray[np.int64], words: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return texts that may become names without the credentials that some hold."""
    return codes, [without_credentials(word) for word in words]


def kinds_of(spans: pd.DataFrame) -> NDArray[np.object_]:
    """Return each span's kind in lower case, whether the frame has words, `SPAN_KIND_` words or numbers."""
    codes, words = codes_of(texts_of(spans, "kind"))
    short = [word.lower().removeprefix("span_kind_") for word in words]
    return np.array([_KIND_OF_NUMBER.get(word, word) for word in short], dtype=object)[codes]


def texts_of(spans: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Return a column as text, "" where it is empty or not there at all."""
    if name not in spans:
        return np.full(len(spans), "", dtype=object)
    return np.asarray(spans[name].astype(object).where(spans[name].notna(), "").to_numpy(dtype=object))


def codes_of(values: NDArray[np.object_]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the place of each text among the distinct ones, and these."""
    import pandas as pd

    codes, words = pd.factorize(values)
    return codes.astype(np.int64), [str(word) for word in words]


def distinct(columns: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (which distinct row each row is, a row of each distinct one), comparing all columns."""
    import pandas as pd

    group = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns if len(group) else ():
        # Counted anew after each column, so that the product never leaves 64 bits.
        low = column - column.min()
        group = pd.factorize(group * (int(low.max()) + 1) + low)[0].astype(np.int64)
    return group, np.unique(group, return_index=True)[1]


def _ends(tree: SpanTree, kinds: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether nothing that was recorded continues each span's call.

    A span is continued by one of another service below it, or by one of its own service that itself asks or answers:
    then it only wraps that one.
    """
    continued = np.zeros(len(kinds), dtype=bool)
    remote = np.isin(kinds.astype(str), _REMOTE)
    rows = tree.parent_row[(tree.crosses | remote) & (tree.parent_row >= 0)]
    while len(rows := np.unique(rows[~continued[rows]])):
        continued[rows] = True
        inside = rows[(tree.parent_row[rows] >= 0) & ~tree.crosses[rows]]
        rows = tree.parent_row[inside]
    return np.asarray(~continued)
