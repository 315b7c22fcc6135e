"""`hypocenter backup` and `hypocenter restore`: what is copied while a server writes, and what a restore refuses."""

from __future__ import annotations

import struct
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from retrying_sender import Acknowledged, Sender

from hypocenter.readers.selectors import parse_selector
from hypocenter.remote_write_encoding import HEADERS, encoded_labels, encoded_series, request_body
from hypocenter.stores.opening import open_records
from hypocenter.stores.opening_metrics import open_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypocenter_server import HypocenterServer

    Command = Callable[..., tuple[int, str, str]]

SERIES, SECOND_MS = 50, 1_000
ALWAYS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def written(begin_ms: int, turn: int) -> bytes:
    """Return a sample of each series, the number of the turn."""
    word = int.from_bytes(struct.pack("<d", turn), "little")
    labels = [(("__name__", "written"), ("n", f"{series:02d}")) for series in range(SERIES)]
    return request_body(encoded_series(encoded_labels(each), [begin_ms + turn * SECOND_MS], [word]) for each in labels)


@pytest.fixture
def sender(hypocenter_server: HypocenterServer) -> Iterator[Sender]:
    """A sender that writes until the end of the test, and posts a change after each turn that was acknowledged."""
    begin_ms = int(time.time() - 86_400) * 1000

    def body(turn: int) -> bytes:
        change = {"component": "cart", "type": "deploy", "at": begin_ms / 1000 + turn, "title": str(turn - 1)}
        assert httpx.post(f"{hypocenter_server.url}/api/v1/changes", json=change).is_success
        return written(begin_ms, turn)

    sending = Sender(lambda: hypocenter_server.url, "/api/v1/write", HEADERS, body, Acknowledged())
    sending.start()
    yield sending
    sending.stop()


def samples(data_dir: Path) -> dict[str, list[float]]:
    """Return the values of each series that a data directory holds, in the order of time."""
    with closing(open_metrics(data_dir)) as store:
        named = {each.number: each.labels[-1][1] for each in store.series([parse_selector("written")], 0, 1 << 50)}
        return {named[found.series]: found.values.tolist() for found in store.read(sorted(named), 0, 1 << 50)}


def titles(data_dir: Path) -> list[int]:
    with closing(open_records(str(data_dir / "records.db"))) as records:
        return sorted(int(each.change.title) for each in records.changes.changes(*ALWAYS))


def test_a_backup_under_load_holds_all_that_was_acknowledged(
    hypocenter_server: HypocenterServer, sender: Sender, called: Command, tmp_path: Path
) -> None:
    sender.acknowledged.wait_for(20)
    before = sender.turns
    code, out, said = called("backup", tmp_path / "kept.tar", "--data-dir", hypocenter_server.data_dir)
    assert (code, said) == (0, "")
    assert "kept.tar" in out
    sender.acknowledged.wait_for(5)
    assert sender.refused == []
    assert called("restore", tmp_path / "kept.tar", "--data-dir", tmp_path / "again")[0] == 0
    restored = samples(tmp_path / "again")
    assert len(restored) == SERIES
    # A turn is there as a whole, and none before it is missing.
    (turns,) = {tuple(values) for values in restored.values()}
    assert list(turns) == [float(turn) for turn in range(len(turns))]
    assert len(turns) >= before
    # What records tell of is in the metrics.
    told = titles(tmp_path / "again")
    assert told == list(range(-1, told[-1] + 1))
    assert before - 2 <= told[-1] < len(turns)
