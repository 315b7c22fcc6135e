"""Answers of an evaluation, kept in a file case by case: a run that was stopped goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rca_child import Tally

from hypocenter_workers.evaluate import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Asked = tuple[str, str, str]


@dataclass
class Answers:
    """What was asked, by (condition, case, method), what came of it, and how often there was no answer.

    With a `path` every answer is written there at once, a JSON line per case.
    """

    path: Path | None = None
    asked: set[Asked] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def open(self, condition: str, case: str, methods: Sequence[str]) -> tuple[str, ...]:
        """Return those of the methods that were not asked about a case under a condition."""
        return tuple(method for method in methods if (condition, case, method) not in self.asked)

    def add(self, condition: str, case: str, methods: Sequence[str], outcomes: Sequence[Outcome], tally: Tally) -> None:
        """Keep what was answered; a condition that leaves a case out gives no outcomes, and counts as asked."""
        line = {
            "condition": condition,
            "case": case,
            "methods": list(methods),
            "outcomes": [asdict(outcome) for outcome in outcomes],
            "runs": dict(tally.cases),
            "failures": [[*of, count] for of, count in tally.failures.items()],
        }
        self._take(line)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _take(self, line: dict[str, Any]) -> None:
        self.asked.update((line["condition"], line["case"], method) for method in line["methods"])
        self.outcomes += [_outcome(cells) for cells in line["outcomes"]]
        self.tally.add(line["runs"], line["failures"])


def read(path: Path | None) -> Answers:
    """Return the answers that a file holds; none where there is no such file yet."""
    answers = Answers(path)
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            answers._take(json.loads(line))
    return answers


def _outcome(cells: dict[str, Any]) -> Outcome:
    return Outcome(**cells | {"roots": tuple(cells["roots"]), "hits": tuple(cells["hits"])})
