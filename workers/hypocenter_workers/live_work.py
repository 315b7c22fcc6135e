"""What tasks do, with the stores that they do it with."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from hypocenter.stores.redis_board import open_board

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.stores.records import Records
    from hypocenter.stores.work_board import WorkBoard


class LiveWork:
    """The Work with the stores that the settings name, each opened when it is first needed.

    A worker that only investigates cases needs none of them.
    """

    @cached_property
    def board(self) -> WorkBoard:
        """Where beat, workers and server meet."""
        return open_board()

    @cached_property
    def records(self) -> Records:
        """Where positions, anomalies, incidents and dead letters are kept."""
        from hypocenter.stores.opening import open_records

        return open_records()

    def tick(self, shard: int) -> None:
        """Score what is settled and not scored yet of a shard."""
        raise NotImplementedError

    def correlate(self) -> Sequence[str]:
        """Bring anomalies and alerts together to incidents; return the ids of those that changed."""
        raise NotImplementedError

    def investigate(self, incident_id: str) -> None:
        """Investigate an incident and keep the verdict."""
        raise NotImplementedError

    def notify(self, incident_id: str) -> None:
        """Tell the outside what it does not know yet of an incident."""
        raise NotImplementedError
