"""Which series have samples, asked of the store by one of many processes, and taken from the board by the others."""

from __future__ import annotations

import json
import logging
import secrets
import time
from contextlib import contextmanager
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, Any

from hypocenter.errors import SourceError
from hypocenter.signals.series_component import component_of_series
from hypocenter.stores.identity import number_of
from hypocenter.stores.metrics import StoredSeries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from hypocenter.batches import Labels
    from hypocenter.readers.selectors import Selector
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.work_board import WorkBoard

# Whoever asks holds the others up for no longer; a listing is there for those who come a few listings late.
HELD_S, TOLD_S, POLL_S = 60.0, 1_200.0, 0.02
# More is as quickly asked for.
MOST_TOLD = 50_000
_log = logging.getLogger(__name__)


class Listing:
    """The series of a store that match any selector; for one thread at a time.

    Where there is a `board`, the first of those who meet there asks the store and tells what changed since the listing
    before; the others, who knew the same before, know the same after. Whoever knew something else asks the store too.
    """

    def __init__(self, metrics: MetricsStore, selectors: Sequence[Selector], board: WorkBoard | None = None) -> None:
        self._metrics, self._selectors, self._board = metrics, selectors, board
        self._own_name = secrets.token_hex(8)
        self._found: dict[int, StoredSeries] = {}
        self._keys: dict[int, int] = {}

    def at(self, start_ms: int, until_ms: int) -> Collection[StoredSeries]:
        """Return the series with samples in [start, until]; raises SourceError."""
        if self._board is None or not self._found:
            self._found = self._asked(start_ms, until_ms)
        else:
            self._found = self._shared(self._board, start_ms, until_ms)
        return self._found.values()

    def _asked(self, start_ms: int, until_ms: int) -> dict[int, StoredSeries]:
        found = {each.number: each for each in self._metrics.series(self._selectors, start_ms, until_ms)}
        self._note(found)
        return found

    def _note(self, found: Mapping[int, StoredSeries]) -> None:
        """Keep what names series for all processes: numbers are for this one alone."""
        self._keys |= {number: _key(found[number].labels) for number in found.keys() - self._keys.keys()}

    def _shared(self, board: WorkBoard, start_ms: int, until_ms: int) -> dict[int, StoredSeries]:
        """Return what another told, or ask; where nobody told, tell the others."""
        name, told = f"series {until_ms}", None
        with _by_oneself():
            told = self._waited_for(board, name)
        if told is not None:
            return self._after(json.loads(told)) or self._asked(start_ms, until_ms)
        try:
            found = self._asked(start_ms, until_ms)
            with _by_oneself():
                board.pin(name, json.dumps(self._change(found)), TOLD_S)
        finally:
            with _by_oneself():
                board.let_go(name, self._own_name)
        return found

    def _waited_for(self, board: WorkBoard, name: str) -> str | None:
        """Return what another told under a name, None where it is ours to tell."""
        while (told := board.pinned(name)) is None and not board.hold(name, self._own_name, HELD_S):
            time.sleep(POLL_S)
        return told

    def _after(self, change: Mapping[str, Any]) -> dict[int, StoredSeries] | None:
        """Return the series after a change, None where it is of others than those that were found before."""
        if change["of"] != self._digest() or change["new"] is None:
            return None
        silent = set(change["silent"])
        labels = [tuple((name, value) for name, value in one) for one in change["new"]]
        numbers = self._metrics.number(labels).tolist()
        new = {at: StoredSeries(at, one, component_of_series(one)) for at, one in zip(numbers, labels, strict=True)}
        self._note(new)
        return {at: each for at, each in self._found.items() if self._keys[at] not in silent} | new

    def _change(self, after: Mapping[int, StoredSeries]) -> Mapping[str, Any]:
        """Return what tells others how to get from what was found to what is now."""
        new = [after[number].labels for number in after.keys() - self._found.keys()]
        silent = sorted(self._keys[number] for number in self._found.keys() - after.keys())
        is_told = len(new) + len(silent) <= MOST_TOLD
        return {"of": self._digest(), "new": sorted(new) if is_told else None, "silent": silent if is_told else []}

    def _digest(self) -> int:
        return reduce(xor, (self._keys[number] for number in self._found), len(self._found))


def _key(labels: Labels) -> int:
    return number_of(repr(labels))


@contextmanager
def _by_oneself() -> Iterator[None]:
    """Go on where the board is away or full: what others would tell can be asked for."""
    try:
        yield
    except SourceError as error:
        _log.warning("the series are listed by this process alone", extra={"fields": {"why": str(error)}})
