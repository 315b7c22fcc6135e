"""How detection is doing, as records and board say."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypocenter.api.work_state import Overseen, work_state
from hypocenter.rhythm import Rhythm
from hypocenter.stores.opening import open_records
from hypocenter.stores.work_board import BEAT_SEEN, SERIES, STATE_BYTES, WAITING, Figure, MemoryBoard

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_shards_that_are_no_more_say_nothing(tmp_path: Path, tenant: str) -> None:
    board = MemoryBoard()
    kept = [BEAT_SEEN, Figure(WAITING, "detect"), Figure(SERIES, "1"), Figure(STATE_BYTES, "1")]
    for figure in (*kept, Figure(SERIES, "2"), Figure(STATE_BYTES, "15")):
        board.put(figure, 1)
    with closing(open_records(str(tmp_path / "records.db"), tenant)) as records:
        state = work_state(Overseen(records, board, Rhythm(shards=2), lambda: NOON))
    assert sorted(state.levels) == sorted(kept)
