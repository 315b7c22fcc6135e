"""What an import understood and what it did not: counts by field and reason, with first examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypocenter.history.row import Names

EXAMPLES = 3
MOST_VALUES = 20_000
_LONGEST_EXAMPLE = 80


@dataclass(frozen=True, slots=True)
class Example:
    """One place where something was not understood."""

    line: int
    value: str


@dataclass(slots=True)
class Problem:
    """One kind of thing that was not understood: in which field, why, how often and where first.

    `fatal` problems keep the row out; after any other the incident is taken without what was not understood.
    """

    place: str
    reason: str
    fatal: bool
    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Findings:
    """Counts of one import, filled while rows pass; sizes are bounded whatever the file holds.

    `unit` is what is counted from the beginning of the export, to say where something is: a `line` or a `record`.
    `understood` rows make an incident, `repeated` are those among them whose incident was met before. `filled` counts
    incidents by our field, `kept` those in which a field stays as it was known, `unused` rows by their field,
    `fault_types` and `components` incidents by value.
    """

    unit: str = "line"
    rows: int = 0
    understood: int = 0
    repeated: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)
    fault_types: Counter[str] = field(default_factory=Counter)
    components: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    names: Names = field(default_factory=Names)
    _problems: dict[tuple[str, str], Problem] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    @property
    def left_out(self) -> int:
        """How many rows are no incidents."""
        return self.rows - self.understood

    @property
    def incidents(self) -> int:
        """How many incidents the rows are of: one for all rows of the same."""
        return self.understood - self.repeated

    @property
    def problems(self) -> list[Problem]:
        """What was not understood: what keeps rows out first, then the most frequent."""
        return sorted(self._problems.values(), key=lambda each: (not each.fatal, -each.count, each.place, each.reason))

    def problem(self, line: int, place: str, reason: str, value: str = "", *, fatal: bool = False) -> None:
        """Count something that was not understood, and keep it as an example if it is among the first."""
        found = self._problems.setdefault((place, reason), Problem(place, reason, fatal))
        found.count += 1
        if len(found.examples) < EXAMPLES:
            shown = value if len(value) <= _LONGEST_EXAMPLE else value[: _LONGEST_EXAMPLE - 3] + "..."
            found.examples.append(Example(line, shown))

    def count_records(self) -> None:
        """Say that places in the export are counted in records, as in a document without lines."""
        self.unit = "record"

    def note(self, text: str) -> None:
        """Keep a remark on the whole import, once."""
        if text not in self.notes:
            self.notes.append(text)

    def value(self, counts: Counter[str], value: str) -> None:
        """Count a value, unless there are too many different ones to keep."""
        if value in counts or len(counts) < MOST_VALUES:
            counts[value] += 1
        else:
            self.note(f"more than {MOST_VALUES:,} different components or fault types; the rest was not counted")

    def is_new(self, source: str, key: str) -> bool:
        """Whether an incident is met for the first time; hashes keep a million of them small."""
        before = len(self._seen)
        self._seen.add(hash((source, key)))
        return len(self._seen) > before
