"""Signs by the names that one installation gives them, as marks of each of its components.

Names mean something only where they were seen before: whoever learns from marks learns of one installation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypocenter.stated import text
from hypocenter_workers.learn.signs import TRACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypocenter_workers.learn.signs import Sign

    Mark = tuple[str, ...]

OWN_CALL, ASKED, SERVED = "own call", "asked", "served"
FELT, UNFELT = "felt", "unfelt"
_SURELY = 0.9


@dataclass(frozen=True)
class Operations:
    """Which component serves an operation, where all calls of it that name both ends say the same."""

    server: Mapping[str, str]

    @classmethod
    def from_json(cls, stated: dict[str, Any]) -> Operations:
        """Read servers by operation. Raises AttributeError or ValueError for anything else."""
        return cls({name: text(server) for name, server in stated.items()})

    @classmethod
    def learn(cls, incidents: Iterable[Sequence[Sign]]) -> Operations:
        """Read who serves what from the signs of calls between two components."""
        served: dict[str, Counter[str]] = defaultdict(Counter)
        for signs in incidents:
            for sign in signs:
                if sign.modality == TRACE and sign.peer and sign.peer != sign.component:
                    served[sign.name][sign.component] += 1
        firsts = {name: by.most_common(1)[0] for name, by in served.items()}
        sure = {name: first for name, (first, n) in firsts.items() if n >= _SURELY * served[name].total()}
        return cls({name: sure[name] for name in sorted(sure)})


def marks_of(signs: Sequence[Sign], operations: Operations) -> dict[str, set[Mark]]:
    """Return the marks of every component that has any: (modality, name, state), whoever else shows them.

    A call marks the one that serves it, as one of its own or as `own call` where its caller reports it; the caller is
    marked `asked`. `served` marks the component whose operation another finds slow or failing, and says whether it
    finds so itself: where it does not, the trouble lies between the two.
    """
    marks: dict[str, set[Mark]] = defaultdict(set)
    for sign in signs:
        own = sign.modality == TRACE and sign.peer == sign.component
        marks[sign.component].add((OWN_CALL if own else sign.modality, sign.name, sign.state))
        if sign.modality == TRACE and sign.peer and not own:
            marks[sign.peer].add((ASKED, sign.name, sign.state))
    for sign in signs:
        server = operations.server.get(sign.name) if sign.modality == TRACE else None
        if server and server != sign.component:
            felt = (TRACE, sign.name, sign.state) in marks[server]
            marks[server].add((SERVED, "", sign.state, FELT if felt else UNFELT))
    return dict(marks)
