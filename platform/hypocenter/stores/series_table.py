"""Every series of a store by its number: its labels, each pair of them held once, and its component."""

from __future__ import annotations

from bisect import insort
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import SeriesLimitError
from hypocenter.errors import InputError
from hypocenter.signals.series_component import component_of_series
from hypocenter.stores.metrics import StoredSeries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Labels
    from hypocenter.signals.identify import Measures

Pair = tuple[str, str]
_NO_PAIR = ("", "")


class SeriesTable:
    """Numbers of series, given in the order in which they are first seen; safe to share between threads.

    A number is for as long as the process lives, since others remember it. Series that are retired keep theirs, and are
    neither counted nor listed.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._numbers: dict[Labels, int] = {}
        self._series: list[StoredSeries | None] = []
        self._by_name: dict[str, list[int]] = {}
        self._by_component: dict[str, list[int]] = {}
        self._pair_ids: dict[Pair, int] = {}
        self._pairs: list[Pair] = []
        self._measures: Measures = {}
        self._retired: set[int] = set()

    def __len__(self) -> int:
        return len(self._numbers) - len(self._retired)

    @property
    def given(self) -> int:
        """How many numbers were given."""
        return len(self._series)

    def number(self, labels: Sequence[Labels], *, are_kept: bool = True) -> NDArray[np.int64]:
        """Return the number of each series, the next for a new one; all or none.

        New ones that are not kept here are retired from the beginning. Raises SeriesLimitError, and InputError for
        labels that are no Unicode.
        """
        found = [self._numbers.get(one, -1) for one in labels]
        if -1 in found:
            with self._lock:
                found = self._with_new(labels, are_kept=are_kept)
        return np.array(found, np.int64)

    def _with_new(self, labels: Sequence[Labels], *, are_kept: bool) -> list[int]:
        new = {one for one in labels if one not in self._numbers}
        if are_kept and len(self) + len(new) > self._most:
            raise SeriesLimitError(
                f"{len(new)} new series beside the {len(self)} that are kept are more than {self._most}; drop labels"
                " that have many values, or raise HYPOCENTER_MAX_SERIES"
            )
        for one in new:
            self._check_text(one)
        numbers = [self._numbers[one] if one in self._numbers else self._add(one) for one in labels]
        born = {self._numbers[one] for one in new}
        if are_kept:
            self._list(born)
        else:
            self._retired |= born
        return numbers

    def _check_text(self, labels: Labels) -> None:
        for pair in labels:
            if pair not in self._pair_ids:
                try:
                    "".join(pair).encode()
                except UnicodeEncodeError as error:
                    raise InputError(f"label {pair[0]!r} = {pair[1]!r} is no valid Unicode; send UTF-8") from error

    def _add(self, labels: Labels) -> int:
        number = len(self._series)
        self._series.append(None)
        kept = tuple(self._pairs[self._pair_id(pair)] for pair in labels)
        self._place(StoredSeries(number, kept, component_of_series(kept, self._measures)))
        return number

    def _pair_id(self, pair: Pair) -> int:
        at = self._pair_ids.setdefault(pair, len(self._pairs))
        if at == len(self._pairs):
            self._pairs.append(pair)
        return at

    def _place(self, one: StoredSeries) -> None:
        self._series[one.number] = one
        self._numbers[one.labels] = one.number

    def _list(self, numbers: Iterable[int]) -> None:
        for number in sorted(numbers):
            for listed in self._lists(number):
                insort(listed, number)

    def _unlist(self, numbers: set[int]) -> None:
        """Take numbers out of the lists in which they stand, each of those once."""
        lists = {id(listed): listed for number in numbers for listed in self._lists(number)}
        for listed in lists.values():
            listed[:] = [number for number in listed if number not in numbers]

    def _lists(self, number: int) -> Iterator[list[int]]:
        """Yield the lists in which a series stands by what it is called."""
        yield self._by_name.setdefault(_name(self[number].labels), [])
        for component in self[number].components:
            yield self._by_component.setdefault(component, [])

    def load(self, pairs: Iterable[tuple[int, Pair]], series: Iterable[tuple[int, list[int], str]]) -> None:
        """Take what was kept: pairs by their ids, series as number, ids of pairs and component."""
        for at, pair in pairs:
            self._pairs.extend(_NO_PAIR for _ in range(at + 1 - len(self._pairs)))
            self._pairs[at], self._pair_ids[pair] = pair, at
        for number, ids, component in series:
            self._series.extend(None for _ in range(number + 1 - len(self._series)))
            is_known = self._series[number] is not None
            self._place(StoredSeries(number, tuple(map(self._pairs.__getitem__, ids)), component))
            if not is_known:
                self._list([number])

    def __getitem__(self, number: int) -> StoredSeries:
        found = self._series[number]
        if found is None:
            raise KeyError(number)
        return found

    def check(self, numbers: NDArray[np.int64]) -> None:
        """Raise InputError when one of the numbers was never given."""
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(self._series)):
            raise InputError("a sample names a series by a number that was not given; ask `number` for it")

    def pair_ids(self, number: int) -> list[int]:
        """Return the ids of the pairs of a series' labels."""
        return [self._pair_ids[pair] for pair in self[number].labels]

    def pairs_from(self, at: int) -> list[Pair]:
        """Return the pairs from an id on."""
        return self._pairs[at:]

    def named(self, name: str, of: Collection[str] | None = None) -> Sequence[int]:
        """Return the numbers of the series of a metric, or of all where it is "", in order.

        With `of`, those of any metric that may speak of one of these components.
        """
        with self._lock:
            if of is not None:
                return sorted({number for component in of for number in self._by_component.get(component, ())})
            if name:
                return tuple(self._by_name.get(name, ()))
            return [one.number for one in self._series if one is not None and one.number not in self._retired]

    def retire(self, numbers: Iterable[int]) -> None:
        """Count and list these no more: none of their samples is left. They keep their numbers."""
        with self._lock:
            gone = set(numbers) - self._retired
            self._unlist(gone)
            self._retired |= gone

    def revive(self, numbers: Iterable[int]) -> None:
        """Count and list these again."""
        with self._lock:
            again = self._retired.intersection(numbers)
            self._retired -= again
            self._list(again)


def _name(labels: Labels) -> str:
    for name, value in labels:
        if name == "__name__":
            return value
    return ""
