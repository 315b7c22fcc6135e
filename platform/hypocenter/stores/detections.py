"""What detection keeps: how far each shard is, and the anomalies it told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hypocenter.stores.documents import microseconds, to_text
from hypocenter.stores.identity import identity_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter.listing import Listed, Part
    from hypocenter.model import Anomaly


@dataclass(frozen=True, slots=True)
class Position:
    """How far a shard is: every sample before `watermark` (UTC) is scored; `version` is that of the state it left."""

    watermark: datetime
    version: int


@dataclass(frozen=True, slots=True)
class KeptAnomaly:
    """An anomaly of a series that was told; `ended_at` is the last moment of it, None while it lasts.

    Series and onset name it: what is told again of both replaces what was told before.
    """

    anomaly: Anomaly
    ended_at: datetime | None = None
    shard: int = 0

    @property
    def key(self) -> str:
        """What names it for good: a digest of all that says which series it is, and of the onset."""
        return identity_of(f"{to_text(self.anomaly.series)} {microseconds(self.anomaly.onset)}")


class DetectionStore(Protocol):
    """Positions and anomalies of one tenant."""

    def position(self, shard: int) -> Position | None:
        """Return how far a shard is, None before its first tick."""

    def positions(self) -> dict[int, Position]:
        """Return how far every shard is, by number."""

    def shards(self) -> int:
        """Return among how many shards the work is divided, 0 where nobody said so yet."""

    def divide(self, shards: int) -> bool:
        """Divide the work among so many shards from now on; False, and nothing is changed, where it is so already.

        Every shard then begins where the one that was farthest behind is, or anew where none had begun; what was under
        way commits no more.
        """

    def commit(self, shard: int, before: Position | None, after: Position, anomalies: Sequence[KeptAnomaly]) -> bool:
        """Keep what a tick found and move the shard on, in one transaction.

        False, and nothing is changed, when the shard is no longer at `before`: somebody else was quicker.
        """

    def anomalies(self, start: datetime, end: datetime, *, lasting: bool = False) -> Sequence[KeptAnomaly]:
        """Return the anomalies that were there at any time in [start, end], or (`lasting`) are still at `end`.

        By onset, then name of the series. What ended is there up to its last moment, that one included.
        """

    def listed(self, part: Part, *, metric: str | None = None, lasting: bool = False) -> Sequence[Listed[KeptAnomaly]]:
        """Return a part of the list of anomalies, by onset; of one metric, or those that last, where that is wanted."""

    def named(self, keys: Sequence[str], part: Part) -> Sequence[Listed[KeptAnomaly]]:
        """Return a part of the list of those anomalies that have one of these keys."""

    def forget(self, before: datetime) -> int:
        """Forget the anomalies that ended before a time and return how many; those that last stay."""
