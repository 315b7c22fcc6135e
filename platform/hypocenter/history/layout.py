"""Which fields of a tool fill which of ours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.history.row import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# In the order in which a report tells them.
OURS = (
    "incident_id",
    "key",
    "source",
    "title",
    "system",
    "started_at",
    "resolved_at",
    "symptom_component",
    "root_component",
    "fault_type",
    "severity",
    "confirmed_by",
    "change",
    "notes",
    "labels",
    "url",
    "telemetry",
)

NO_ID = "no incident_id"


def _as_it_is(record: dict[str, Any], _where: str) -> dict[str, Any]:
    return record


@dataclass(frozen=True, slots=True)
class Layout:
    """How one tool writes incidents down.

    `fields` names, for each of `OURS`, the fields of the tool that may hold it: the first with a value fills it, and
    all its values where ours takes several. `labels` are fields kept as labels, with the label's name ("" for a bare
    word). `separators` part several values in one text. `lists` are where servers put lists; `prepare` turns odd
    shapes of a JSON record, which lies in the named place, into plain ones; `not_fault_types` are canonical texts that
    stand in the fault type's field and say something else.
    """

    source: str
    fields: Mapping[str, tuple[str, ...]]
    labels: tuple[tuple[str, str], ...] = ()
    separators: Mapping[str, str] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    prepare: Callable[[dict[str, Any], str], dict[str, Any]] = _as_it_is
    not_fault_types: frozenset[str] = frozenset()

    def with_fields(self, more: Mapping[str, Sequence[str]]) -> Layout:
        """Return the layout in which `more` go before its own; raises InputError for a field that is not ours."""
        unknown = sorted(set(more) - set(OURS))
        if unknown:
            raise InputError(f"fields: {', '.join(map(repr, unknown))}: none of {', '.join(OURS)}")
        joined = {ours: (*more.get(ours, ()), *self.fields.get(ours, ())) for ours in {**self.fields, **more}}
        return replace(self, fields=joined)

    def canonical_fields(self) -> dict[str, tuple[str, ...]]:
        """Return `fields` with the canonical names of the tool's, each once."""
        return {ours: tuple(dict.fromkeys(map(canonical, theirs))) for ours, theirs in self.fields.items()}
