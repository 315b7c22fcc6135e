"""How far counts have come to the server of metrics, told to processes that would score their time too soon."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from hypocenter.stores.forwarding import Forwarder
    from hypocenter.stores.work_board import WorkBoard

NAME = "forwarded"
# Who counts and is gone for longer is waited for no more.
ALIVE_S = 180.0


def tell(board: WorkBoard, forwarder: Forwarder) -> None:
    """Tell up to when the server shows what was counted; raises SourceError for the board."""
    until = forwarder.shown_until()
    if until is not None:
        board.pin(NAME, until.isoformat(), ALIVE_S)


def heard(board: WorkBoard, now: datetime, settle: timedelta) -> datetime:
    """Return the latest time, `now` at most, at which what is settled has all its counts; raises SourceError."""
    told = board.pinned(NAME)
    return now if told is None else min(now, datetime.fromisoformat(told) + settle)
