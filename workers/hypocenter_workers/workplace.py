"""What tasks work with, opened once in each process of a worker."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypocenter.stores.records import Records
    from hypocenter.stores.work_board import WorkBoard


class Due(NamedTuple):
    """The ids of incidents for which something is to be done, and of asked investigations that nobody does."""

    investigate: Sequence[str] = ()
    notify: Sequence[str] = ()
    answer: Sequence[str] = ()


class Work(Protocol):
    """All that tasks can be asked to do. Every call may be made twice, late, or by two at once."""

    @property
    def records(self) -> Records:
        """Where positions, anomalies, incidents and dead letters are kept."""

    @property
    def board(self) -> WorkBoard:
        """Where beat, workers and server meet."""

    def warm(self) -> None:
        """Load what the first question would otherwise wait for; what cannot be had yet is left to it."""

    def tick(self, shard: int) -> None:
        """Score what is settled and not scored yet of a shard, at most so much at a time."""

    def correlate(self, send: Callable[[Due], None]) -> None:
        """Bring anomalies and alerts together to incidents, and send what is to be done for incidents now.

        What was not sent, since that failed or this process died, is due again the next time.
        """

    def discover(self) -> None:
        """Keep in the graph what labels of series show of the system."""

    def investigate(self, incident_id: str) -> None:
        """Investigate an incident and keep the verdict."""

    def answer(self, investigation_id: str) -> None:
        """Investigate what somebody asked for, and keep what comes of it."""

    def bands(self, name: str, question: Mapping[str, Any]) -> None:
        """Pin to the board what `hypocenter_workers.bands` answers to a question."""

    def notify(self, incident_id: str) -> None:
        """Tell the outside what it does not know yet of an incident."""


class Workplace:
    """What `opening` gives, and `others` for tenants that are not that of the settings, opened when first asked for.

    A process that was forked opens its own.
    """

    def __init__(self, opening: Callable[[], Work], others: Callable[[str], Work]) -> None:
        self._opening, self._others, self._lock = opening, others, threading.Lock()
        self._opened: dict[tuple[int, str | None], Work] = {}

    def work(self, tenant: str | None = None) -> Work:
        """Return what this process works with for a tenant; raises what opening it raises."""
        key = os.getpid(), tenant
        with self._lock:
            if key not in self._opened:
                self._opened[key] = self._opening() if tenant is None else self._others(tenant)
            return self._opened[key]
