"""One incident as another tool wrote it: named texts, with the line they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """What is written of one incident: texts by the canonical name of their field, none for one that is empty.

    `line` counts from 1: lines of a table or of JSON lines, records of a JSON document.
    """

    line: int
    fields: Mapping[str, Sequence[str]]

    def speaks_of(self, name: str) -> bool:
        """Whether a field is there, filled or empty, or is inside one that is empty.

        >>> row = Row(1, {"service": [], "urgency": ["high"]})
        >>> row.speaks_of("service.summary"), row.speaks_of("urgency"), row.speaks_of("resolve_note")
        (True, True, False)
        """
        while name not in self.fields:
            name, dot, _ = name.rpartition(".")
            if not dot:
                return False
            if self.fields.get(name):
                return False
        return True


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no incident, and why; `value` is what is wrong with this one among those with the same reason."""

    line: int
    reason: str
    value: str = ""


class Names:
    """Canonical names of fields, and how each was written first.

    Tools write one field in many ways (`Created At`, `created_at`, `createdAt`): what counts are letters and digits,
    and the dots between the names of nested objects.

    >>> names = Names()
    >>> names("Created At") == names("createdAt"), names.written("createdat")
    (True, 'Created At')
    """

    def __init__(self) -> None:
        self._canonical: dict[str, str] = {}
        self._written: dict[str, str] = {}

    def __call__(self, written: str) -> str:
        """Return the canonical name; raises LimitError when a file makes up names without end."""
        found = self._canonical.get(written)
        if found is None:
            if len(self._canonical) >= MOST_NAMES:
                raise LimitError(f"more than {MOST_NAMES:,} different names of fields; these are no incidents")
            found = self._canonical[written] = canonical(written)
            self._written.setdefault(found, written)
        return found

    def __contains__(self, name: str) -> bool:
        """Whether a canonical name was met."""
        return name in self._written

    def written(self, name: str) -> str:
        """Return how a canonical name was written."""
        return self._written.get(name, name)


def canonical(written: str) -> str:
    """Return the letters, digits and dots of a field's name, in lower case.

    >>> canonical("Custom field (Root cause)")
    'customfieldrootcause'
    """
    return "".join(letter for letter in written.lower() if letter.isalnum() or letter == ".")
