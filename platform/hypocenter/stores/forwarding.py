"""Increments of a file, sent on to a server of Prometheus' kind for the processes that read that alone."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from hypocenter.batches import BIN_MS
from hypocenter.errors import SourceError
from hypocenter.stores.forwarding_totals import RunningTotals

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.duckdb_outbox import Outbox
    from hypocenter.stores.prometheus_metrics import PrometheusMetrics

# After a server was away, so much time at most is sent in one piece.
MOST_MS = 60_000
LONGEST_LAG_S = 120.0
# VictoriaMetrics shows what it took a second ago, and a series that is new to it, or to the day, ten seconds later.
SHOWN_AFTER, NEW_SHOWN_AFTER = timedelta(seconds=3), timedelta(seconds=12)
MOST_TOLD = 60
# What a server that answers does not take for so long keeps nobody waiting any more.
PATIENCE = timedelta(minutes=10)


class _Complete(NamedTuple):
    """When all that was counted `until` a time had been sent, and how long after that the server shows it."""

    at: datetime
    shown_after: timedelta
    until: datetime

    def shows(self, now: datetime) -> bool:
        """Whether the server shows it by now."""
        # A clock that was set back must not hide it until it is there again.
        return abs(now - self.at) >= self.shown_after


class Forwarder:
    """Sends each increment once in effect, whatever dies: the samples that tell of it are kept before they are sent.

    They are sent again as they are until the server has taken them; `refused` counts those that it will never take. A
    bin is sent `after` its end; what comes later for it is told of at the end of the next that is sent. Where this
    begins anew, so do the totals, with a 0.
    """

    def __init__(
        self,
        log: DuckDbMetrics,
        outbox: Outbox,
        server: PrometheusMetrics,
        now: Callable[[], datetime],
        after: timedelta,
    ) -> None:
        self._log, self._outbox, self._server = log, outbox, server
        self._now, self._after = now, after
        self._one, self._is_closed = Lock(), False
        self._totals: RunningTotals | None = None
        self._done_at, self.refused = now(), 0
        with log.writing() as connection:
            outbox.take_up(connection, int(now().timestamp() * 1000))
        # All up to a time had been sent: the newest that shows, and those that are to show. Who was here before may
        # have sent what is new.
        self._complete = deque([_Complete(now(), SHOWN_AFTER, self._complete_until(now()))], MOST_TOLD)
        self._has_new = True
        self._stuck_since: datetime | None = None

    def turn(self) -> None:
        """Send what is due; raises SourceError, and then it is sent with a later turn."""
        with self._one:
            begun_at = self._now()
            try:
                while not self._is_closed and (self._send() or self._begin()):
                    self._stuck_since = None
            except SourceError:
                self._stuck_since = (self._stuck_since or begun_at) if self._answers() else None
                raise
            self._done_at, self._stuck_since = begun_at, None
            shown_after = NEW_SHOWN_AFTER if self._has_new else SHOWN_AFTER
            self._complete.append(_Complete(self._now(), shown_after, self._complete_until(begun_at)))
            self._has_new = False

    def shown_until(self) -> datetime | None:
        """Return up to when the server shows all that was counted, also while a turn goes on; one may ask at a time.

        None where nobody is to wait for that any more: the server answers, and takes nothing.
        """
        now, stuck_since = self._now(), self._stuck_since
        while len(self._complete) > 1 and self._complete[1].shows(now):
            self._complete.popleft()
        return None if stuck_since is not None and now - stuck_since > PATIENCE else self._complete[0].until

    def lag_s(self) -> float:
        """Return how many s ago all that was due then had been sent."""
        return max((self._now() - self._done_at).total_seconds(), 0.0)

    def problem(self) -> str:
        """Say why nothing is sent, "" while it is."""
        lag_s = self.lag_s()
        return "" if lag_s <= LONGEST_LAG_S else f"counts of {lag_s:.0f} s wait to be sent to the server of metrics"

    def close(self) -> None:
        """End what is going on and begin nothing more; what was not sent is sent by the next that opens the file."""
        self._is_closed = True
        with self._one:
            pass

    def _complete_until(self, now: datetime) -> datetime:
        """Return up to when the server was sent all that was counted and due at a time."""
        with self._log.writing() as connection:
            waiting_ms = self._outbox.waiting_ms(connection)
        due_at = now - self._after
        return due_at if waiting_ms is None else min(due_at, datetime.fromtimestamp(waiting_ms / 1000, UTC))

    def _answers(self) -> bool:
        try:
            self._server.usage()
        except SourceError:
            return False
        return True

    def _due_ms(self) -> int:
        return int((self._now() - self._after).timestamp() * 1000) // BIN_MS * BIN_MS

    def _send(self) -> bool:
        """Send what was begun, and return whether there was any."""
        with self._log.writing() as connection:
            samples = self._outbox.sending(connection)
        if not len(samples):
            return False
        self.refused += self._server.write_totals(samples, self._log.labels)
        with self._log.writing() as connection:
            self._outbox.end(connection)
        return True

    def _begin(self) -> bool:
        """Make samples of what is due next, and return whether there was any."""
        try:
            with self._log.writing() as connection:
                sent_ms = self._outbox.sent_until_ms(connection)
                until_ms = self._until_ms(sent_ms, self._outbox.oldest_ms(connection))
                gains = self._outbox.unsent(connection, until_ms)
                if until_ms <= sent_ms or not len(gains):
                    return False
                self._totals = self._totals or RunningTotals(sent_ms)
                self._has_new |= self._totals.has_new(gains, until_ms)
                self._outbox.begin(connection, self._totals.samples(gains, until_ms), until_ms)
        except BaseException:
            # The totals tell of what was not kept.
            self._totals = None
            raise
        return True

    def _until_ms(self, sent_ms: int, oldest_ms: int | None) -> int:
        begins_ms = max(sent_ms, (oldest_ms or 0) // BIN_MS * BIN_MS)
        return min(self._due_ms(), begins_ms + MOST_MS)
