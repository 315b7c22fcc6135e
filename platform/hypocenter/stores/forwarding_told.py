"""How far counts have come to the server of metrics, told to processes that would score their time too soon."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import timedelta

    from hypocenter.stores.forwarding import Forwarder
    from hypocenter.stores.work_board import WorkBoard

NAME, LAST = "forwarded", "last forwarded"
# Who counts and is gone for longer is waited for no more; what would have been counted is not known for longer.
ALIVE_S, MISSED_S = 180.0, 3600.0


class Reached(NamedTuple):
    """Up to when what is settled may be scored, and since when counts are not known, None where they are."""

    until: datetime
    uncounted_since: datetime | None = None


def tell(board: WorkBoard, forwarder: Forwarder) -> None:
    """Tell up to when the server shows what was counted; raises SourceError for the board."""
    until = forwarder.shown_until()
    if until is not None:
        board.pin(NAME, until.isoformat(), ALIVE_S)
        board.pin(LAST, until.isoformat(), MISSED_S)


def reached(board: WorkBoard, now: datetime, settle: timedelta) -> Reached:
    """Return how far, `now` at most, what is settled has its counts, or nobody waits for them; raises SourceError."""
    told = board.pinned(NAME)
    if told is not None:
        return Reached(min(now, datetime.fromisoformat(told) + settle))
    last = board.pinned(LAST)
    return Reached(now, None if last is None else datetime.fromisoformat(last))
