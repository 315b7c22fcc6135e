"""Which series belong to which shard: those of its components, and those whose edges may be of its components."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING

from hypocenter.readers.prometheus_options import DEFAULT_MATCH_OF_KEPT
from hypocenter.readers.selectors import parse_selector
from hypocenter_workers.ticks.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypocenter.stores.metrics import MetricsStore, StoredSeries
    from hypocenter.stores.work_board import WorkBoard

GONE_MS = 86_400_000
LISTED_EACH_MS = 300_000
NO_TIME = 0


def shard_of(component: str, shards: int) -> int:
    """Return the shard that a component belongs to, the same on every machine.

    >>> [shard_of(name, 16) for name in ("cart", "checkout", "")]
    [6, 0, 4]
    """
    return int.from_bytes(blake2b(component.encode(), digest_size=8).digest()) % shards


@dataclass(frozen=True, slots=True)
class Member:
    """A raw series; `since_ms` is a time before which it has no samples."""

    series: StoredSeries
    since_ms: int


@dataclass(frozen=True, slots=True)
class Members:
    """The raw series of a shard by number, and all components that series name; equal `key`s mean equal members."""

    series: tuple[Member, ...]
    components: frozenset[str]
    key: int


class Roster:
    """The raw series of every shard, as the store of metrics has them; safe to share between threads.

    It is asked each five minutes, and each time while there is none: a series is there from the first listing that has
    it until a day after its last sample. Those who meet at a `board` ask once for all of them.
    """

    def __init__(
        self,
        metrics: MetricsStore,
        shards: int,
        match: tuple[str, ...] = DEFAULT_MATCH_OF_KEPT,
        board: WorkBoard | None = None,
    ) -> None:
        self.shards = shards
        self._listing = Listing(metrics, [parse_selector(text) for text in match], board)
        self._lock = Lock()
        self._until = NO_TIME
        self._known: dict[int, Member] = {}
        self._heard: dict[int, int] = {}
        self._members: dict[int, Members] = {}
        self._changes = 0

    def members(self, shard: int, until_ms: int) -> Members:
        """Return the series of a shard that are known at a time, by number; raises SourceError."""
        with self._lock:
            wanted = until_ms // LISTED_EACH_MS * LISTED_EACH_MS if self._known else until_ms
            if wanted > self._until:
                self._list(wanted)
            return self._members[shard]

    def listed(self, until_ms: int) -> int:
        """Return the time of the newest listing at a time, NO_TIME where nothing is known yet; raises SourceError."""
        self.members(0, until_ms)
        with self._lock:
            return self._until if self._known else NO_TIME

    def heard(self, numbers: Iterable[int]) -> int:
        """Return the time of the newest listing that had one of these series, NO_TIME where all of them are gone."""
        with self._lock:
            return max((self._heard.get(number, NO_TIME) for number in numbers), default=NO_TIME)

    def _list(self, until_ms: int) -> None:
        """Take in what has samples since the listing before the last; while nothing is known it looks a day back."""
        # What came late, or a server did not show yet, must not depend on a further sample to be known.
        start = self._until - LISTED_EACH_MS if self._known else until_ms - GONE_MS
        # The first who sends may bring a past along, which came after a listing that found nothing.
        since = start if self._known else NO_TIME
        found = self._listing.at(start, until_ms)
        known = len(self._known)
        for each in found:
            self._heard[each.number] = until_ms
            if each.number not in self._known:
                self._known[each.number] = Member(each, since)
        gone = [number for number, heard in self._heard.items() if until_ms - heard > GONE_MS]
        for number in gone:
            del self._heard[number], self._known[number]
        self._until = until_ms
        if gone or len(self._known) != known or not self._members:
            self._share_out()

    def _share_out(self) -> None:
        shared: list[list[Member]] = [[] for _ in range(self.shards)]
        for number in sorted(self._known):
            member = self._known[number]
            for shard in {shard_of(name, self.shards) for name in member.series.components}:
                shared[shard].append(member)
        components = frozenset(member.series.component for member in self._known.values()) - {""}
        self._changes += 1
        for shard, series in enumerate(shared):
            self._members[shard] = self._same_or_new(shard, Members(tuple(series), components, self._changes))

    def _same_or_new(self, shard: int, new: Members) -> Members:
        """Return what was there when it says the same, so that its plan stays."""
        old = self._members.get(shard)
        is_same = old is not None and (old.series, old.components) == (new.series, new.components)
        return old if old is not None and is_same else new
