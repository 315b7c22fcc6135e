"""What is read of an uploaded file: samples in batches of bounded size, and the rows that hold none, by their line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.batches import Batch, Samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hypocenter.batches import Labels, SeriesIndex

CHUNK = 50_000
# Characters of labels that are held at a time.
MOST_TEXT = 16 << 20
EXAMPLES = 10


class Sample(NamedTuple):
    """One sample of a file."""

    labels: Labels
    at_ms: int
    value: float


@dataclass(slots=True)
class Findings:
    """What a file holds, counted while it is read: its rows, those that were refused, and the first of these."""

    rows: int = 0
    refused: int = 0
    line: int = 0
    examples: list[str] = field(default_factory=list)

    def refuse(self, line: int, reason: str) -> None:
        """Count a row from which nothing is taken, and keep it as an example if it is among the first."""
        self.refused += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"line {line:,}: {reason}")


def batches(
    samples: Iterable[Sample], index: SeriesIndex, most: int = CHUNK
) -> Iterator[tuple[Batch, dict[int, Labels]]]:
    """Yield samples as batches of bounded size, each with the labels of its series by their numbers.

    Raises LimitError when there would be too many series; what was yielded before then stands.
    """
    for chunk in _chunks(samples, most):
        labels = list(dict.fromkeys(sample.labels for sample in chunk))
        numbers = dict(zip(labels, index.number(labels).tolist(), strict=True))
        series = np.array([numbers[sample.labels] for sample in chunk], np.int64)
        times = np.array([sample.at_ms for sample in chunk], np.int64)
        values = np.array([sample.value for sample in chunk], float)
        yield Batch(Samples(series, times, values)), {number: each for each, number in numbers.items()}


def _chunks(samples: Iterable[Sample], most: int) -> Iterator[list[Sample]]:
    chunk: list[Sample] = []
    seen: set[int] = set()
    text = 0
    for sample in samples:
        chunk.append(sample)
        if id(sample.labels) not in seen:
            seen.add(id(sample.labels))
            text += size_of(sample.labels)
        if len(chunk) == most or text > MOST_TEXT:
            yield chunk
            chunk, seen, text = [], set(), 0
    if chunk:
        yield chunk


def size_of(labels: Labels) -> int:
    """Return how many characters labels have."""
    return sum(len(name) + len(value) for name, value in labels)
