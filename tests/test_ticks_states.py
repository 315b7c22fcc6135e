"""The contract of caches of detector states, on files and on Redis; and what is in a state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from redis import Redis

from hypocenter.errors import InputError, SourceError
from hypocenter.stores.detections import Position
from hypocenter_workers.ticks.learned import arranged, begin, learned_from_bytes
from hypocenter_workers.ticks.scoring import score, watching
from hypocenter_workers.ticks.states import FileStates, RedisStates, SparedStates
from hypocenter_workers.ticks.steps import times_of

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIRST, SECOND = Position(AT, 1), Position(AT + timedelta(minutes=1), 2)


@pytest.fixture(params=["files", "spared", "redis"])
def new_states(request, tmp_path, new_tenant):
    def files():
        return FileStates(tmp_path / new_tenant())

    if request.param != "redis":
        yield files if request.param == "files" else lambda: SparedStates(files())
        return
    with Redis.from_url(request.getfixturevalue("redis_server")) as redis:
        yield lambda: RedisStates(redis, new_tenant())


def test_a_state_is_there_until_it_is_forgotten(new_states):
    states = new_states()
    assert states.load(3, FIRST) is None
    states.save(3, FIRST, b"one")
    states.save(3, SECOND, b"two")
    states.save(31, FIRST, b"another shard's")
    assert (states.load(3, FIRST), states.load(3, SECOND), states.load(31, FIRST)) == (
        b"one",
        b"two",
        b"another shard's",
    )
    states.forget(3, 2)
    assert (states.load(3, FIRST), states.load(3, SECOND), states.load(31, FIRST)) == (
        None,
        b"two",
        b"another shard's",
    )
    states.forget(3, 2)
    states.forget(7, 9)


def test_a_state_is_of_one_watermark_and_the_last_one_saved(new_states):
    states = new_states()
    states.save(0, FIRST, b"one")
    assert states.load(0, Position(AT + timedelta(minutes=1), 1)) is None
    states.save(0, FIRST, b"one again")
    assert states.load(0, FIRST) == b"one again"


def test_states_of_two_tenants_are_apart(new_states):
    one, other = new_states(), new_states()
    one.save(0, FIRST, b"one")
    assert other.load(0, FIRST) is None
    other.forget(0, 9)
    assert one.load(0, FIRST) == b"one"


def test_a_state_that_cannot_be_kept_leaves_no_draft(tmp_path):
    states = FileStates(tmp_path)
    states.save(0, FIRST, b"one")
    (file,) = tmp_path.iterdir()
    file.unlink()
    file.mkdir()
    with pytest.raises(SourceError, match="cannot be kept"):
        states.save(0, FIRST, b"two")
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(SourceError, match="cannot be forgotten"):
        states.forget(0, 9)


def test_any_bytes_come_back(new_states):
    states, data = new_states(), np.random.default_rng(1).bytes(3_000_000)
    states.save(0, FIRST, data)
    assert states.load(0, FIRST) == data


def test_a_server_that_is_not_there_is_a_source_that_cannot_be_reached():
    with Redis(host="127.0.0.1", port=1) as redis:
        states = RedisStates(redis, "shop")
        for call in (lambda: states.load(0, FIRST), lambda: states.save(0, FIRST, b""), lambda: states.forget(0, 1)):
            with pytest.raises(SourceError, match="Redis"):
                call()


class Full:
    """A cache that takes nothing."""

    def __init__(self):
        self.forgotten = []

    def load(self, shard, position):  # noqa: ARG002
        return None

    def save(self, shard, position, state):
        raise SourceError(f"no room for {shard} {position} {len(state)}")

    def forget(self, shard, before):
        self.forgotten.append((shard, before))


def test_what_a_full_cache_does_not_take_is_spared_the_newest_first():
    full = Full()
    states = SparedStates(full, most_bytes=10)
    for shard, data in enumerate((b"four", b"of 5.", b"four")):
        with pytest.raises(SourceError, match="no room"):
            states.save(shard, FIRST, data)
    assert [states.load(shard, FIRST) for shard in range(3)] == [None, b"of 5.", b"four"]
    assert states.load(1, SECOND) is None
    states.forget(1, 2)
    assert [states.load(shard, FIRST) for shard in range(3)] == [None, None, b"four"]
    assert full.forgotten == [(1, 2)]


def test_what_is_kept_is_spared_no_more(tmp_path):
    folder = tmp_path / "states"
    folder.touch()
    states = SparedStates(FileStates(folder))
    with pytest.raises(SourceError):
        states.save(0, FIRST, b"old")
    folder.unlink()
    states.save(0, FIRST, b"new")
    assert states.load(0, FIRST) == b"new"


def test_a_folder_that_is_a_file_is_a_source_that_cannot_be_reached(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(SourceError, match="detector state"):
        FileStates(tmp_path / "file").save(0, FIRST, b"")
    with pytest.raises(SourceError, match="detector state"):
        FileStates(tmp_path / "file").load(0, FIRST)


HOW = watching(60)
ROWS = 260
TIMES = times_of(1_772_409_600_000, ROWS, 60_000)


def begun(*keys):
    before = TIMES[0] - np.timedelta64(60, "s")
    return begin(np.array(keys, np.uint64), HOW.detector, HOW.stage, before, 8)


def values(columns):
    found = np.random.default_rng(2).normal(50, 2, (ROWS, 4))[:, columns]
    found[250:] += np.array([0, 40, 0, 60])[columns]
    return found


def figures(learned):
    flat = [
        np.asarray(rows)
        for part in (learned.detector, learned.silence, learned.events)
        for rows in part.arrays.values()
    ]
    return [rows.tobytes() for rows in flat]


def test_a_state_survives_the_way_through_bytes():
    _, learned = score(HOW, values([0, 1, 2]), TIMES, begun(7, 8, 9))
    again = learned_from_bytes(learned.to_bytes(), begun())
    assert again.keys.tolist() == [7, 8, 9]
    assert figures(again) == figures(learned)


@pytest.mark.parametrize("data", [b"", b"no state", b"PK\x03\x04 torn"])
def test_what_is_no_state_is_refused(data):
    with pytest.raises(InputError, match="state"):
        learned_from_bytes(data, begun())


def test_series_are_rearranged_as_if_they_had_been_learned_so():
    """Some leave, some come from elsewhere, the order is another: each series goes on as it was."""
    _, one = score(HOW, values([0, 1, 2]), TIMES, begun(10, 11, 12))
    _, other = score(HOW, values([3, 1]), TIMES, begun(13, 11))
    _, expected = score(HOW, values([3, 1, 0]), TIMES, begun(13, 11, 10))
    found = arranged(np.array([13, 11, 10], np.uint64), [one, other])
    assert figures(found) == figures(expected)
    assert len(np.asarray(found.events.arrays["under_way"])) == 2


def test_steps_before_a_first_sample_teach_nothing():
    silent = np.full((ROWS, 1), np.nan)
    _, waited = score(HOW, silent, TIMES, begun(7))
    later = times_of(1_772_409_600_000 + ROWS * 60_000, ROWS, 60_000)
    direct = begin(np.array([7], np.uint64), HOW.detector, HOW.stage, TIMES[-1], 8)
    assert figures(score(HOW, values([1]), later, waited)[1]) == figures(score(HOW, values([1]), later, direct)[1])
