"""The graph in a file: whole after a crash and a full disk, shared by processes and threads, and no other file."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from hypocenter.errors import InputError, SourceError
from hypocenter.model import DependencyType
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import EXPIRY, View
from hypocenter_graph.stores.file import VERSION, FileStore
from hypocenter_graph.walks import blame_path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BATCH = 400
PATIENCE_S = 60
# A process that writes batch after batch and says so after each; what it is told is the file, its name and a limit.
WRITER = f"""
import resource, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from hypocenter.errors import SourceError
from hypocenter.model import DependencyType
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.file import FileStore

path, name, batches, most_bytes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = FileStore(path)
if most_bytes:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
seen = datetime.fromisoformat(sys.argv[5])
for batch in range(batches):
    at = seen + timedelta(days=30 * batch)
    edges = [
        DependencyClaim(f"{{name}}-{{i}}", f"{{batch}}-{{i}}", DependencyType.CALLS, "spans", (Interval(at, at),))
        for i in range({BATCH} - 1)
    ]
    shared = DependencyClaim("web", "cart", DependencyType.CALLS, "spans", (Interval(at, at),))
    try:
        store.upsert(Discovered((), (shared, *edges)))
    except SourceError as error:
        print(len(store.claims().dependencies), error, flush=True)
        break
    print(batch, flush=True)
"""


def call(caller, callee, first=NOON):
    return DependencyClaim(caller, callee, DependencyType.CALLS, "spans", (Interval(first, first),))


def edges(*claims):
    return Discovered((), claims)


def writer(path, name, batches, most_bytes=0, seen=NOON):
    words = [path, name, batches, most_bytes, seen.isoformat()]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def said(process):
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    return out.splitlines()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "all.graph"


@pytest.mark.parametrize("after", [1, 3, 8])
def test_a_writer_that_is_killed_leaves_whole_batches(path, after):
    process = writer(path, "killed", 1000)
    told = [process.stdout.readline() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    assert told[-1] == f"{after - 1}\n"
    with closing(FileStore(path)) as store:
        own = [claim for claim in store.claims().dependencies if claim.caller != "web"]
        batches, over = divmod(len(own), BATCH - 1)
        assert over == 0
        assert batches >= after
        (shared,) = store.claims(["web", "cart"]).dependencies
        assert len(shared.seen) == batches
        store.upsert(edges(call("web", "db")))
        assert store.steps(["web"], View()) == {"web": ["cart", "db"]}


def test_writers_in_several_processes_lose_nothing(path):
    writers = [writer(path, name, 3, seen=NOON + number * 500 * EXPIRY) for number, name in enumerate("abc")]
    for process in writers:
        assert said(process) == ["0", "1", "2"]
    with closing(FileStore(path)) as store:
        found = store.claims().dependencies
        assert len(found) == 3 * 3 * (BATCH - 1) + 1
        assert len(next(claim for claim in found if claim.caller == "web").seen) == 9


def test_what_another_writes_is_seen_at_once(path):
    with closing(FileStore(path)) as one, closing(FileStore(path)) as other:
        one.upsert(edges(call("web", "cart")))
        other.upsert(edges(call("cart", "db")))
        assert blame_path(one, "web", "db", View()) == ("web", "cart", "db")
        one.upsert(edges(call("web", "cart", NOON + 9 * EXPIRY)))
        other.upsert(edges(call("web", "cart", NOON + 18 * EXPIRY)))
        assert [len(claim.seen) for claim in one.claims(["web", "cart"]).dependencies] == [3]
        other.remove(["cart"])
        assert one.claims() == other.claims() == Discovered((ComponentClaim("db", ""), ComponentClaim("web", "")))


def test_threads_share_a_store(path):
    with closing(FileStore(path)) as store, ThreadPoolExecutor(8) as pool:

        def write_and_read(number):
            store.upsert(edges(call("web", f"{number}"), call("web", "cart", NOON + number * 2 * EXPIRY)))
            return store.steps(["web"], View())["web"]

        answers = list(pool.map(write_and_read, range(24)))
        assert all(f"{number}" in answer for number, answer in enumerate(answers))
        assert len(store.claims(["web", "cart"]).dependencies[0].seen) == 24


def test_a_full_disk_is_told_with_the_file_and_changes_nothing(path):
    """A limit on the size of files fails a write in the same place as a disk without room."""
    *written, last = said(writer(path, "full", 1000, most_bytes=400_000))
    count, _, message = last.partition(" ")
    assert written == [f"{batch}" for batch in range(len(written))]
    assert written
    assert message.startswith(f"{path}: the graph cannot be read or written: ")
    with closing(FileStore(path)) as store:
        assert len(store.claims().dependencies) == int(count) == len(written) * (BATCH - 1) + 1


def test_a_failed_write_is_no_part_of_later_answers(path):
    with closing(FileStore(path)) as store:
        store.upsert(edges(call("web", "cart")))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("CREATE TRIGGER no BEFORE INSERT ON dependencies BEGIN SELECT RAISE(ROLLBACK, 'no'); END")
            with pytest.raises(SourceError, match=r"all\.graph: the graph cannot be read or written: no"):
                store.upsert(edges(call("web", "db")))
            assert store.steps(["web"], View()) == {"web": ["cart"]}
            other.execute("DROP TRIGGER no")
        store.upsert(edges(call("web", "db")))
        assert store.steps(["web"], View()) == {"web": ["cart", "db"]}


@pytest.mark.parametrize("where", ["absent/all.graph", ".", "/proc/all.graph"])
def test_a_file_that_cannot_be_opened_is_named(tmp_path, where):
    with pytest.raises(SourceError, match="the graph cannot be read or written") as told:
        FileStore(tmp_path / where)
    assert str(told.value).startswith(str(tmp_path / where))


def sqlite_file(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for statement in statements:
            file.execute(statement)


def test_other_files_are_refused_and_left_as_they_are(tmp_path):
    text, foreign, newer = tmp_path / "a.json", tmp_path / "b.sqlite", tmp_path / "c.graph"
    text.write_text(json.dumps([["web", "cart"]] * 999), encoding="utf-8")
    sqlite_file(foreign, "CREATE TABLE people (name TEXT)")
    FileStore(newer).close()
    sqlite_file(newer, f"PRAGMA user_version = {VERSION + 1}")
    for path in (text, foreign, newer):
        before = path.read_bytes()
        with pytest.raises(InputError, match=f"{path.name}: is no graph") as told:
            FileStore(path)
        assert "name another file" in str(told.value)
        assert path.read_bytes() == before


def test_a_torn_file_is_told(path):
    with closing(FileStore(path)) as store:
        store.upsert(edges(*(call("web", f"{number}") for number in range(999))))
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with closing(FileStore(path)) as store, pytest.raises(SourceError, match=r"all\.graph: .*malformed"):
        store.claims()


def test_a_closed_store_says_so_by_its_name(path):
    store = FileStore(path)
    store.close()
    with pytest.raises(SourceError, match=r"all\.graph: .* closed"):
        store.claims()


def test_hostile_tenants_never_meet(path):
    tenants = [
        "default",
        "",
        "DEFAULT",
        "'; DROP TABLE components; --",
        "nul\0a",
        "nul\0b",
        "caf\N{COMBINING ACUTE ACCENT}",
    ]
    for tenant in tenants:
        with closing(FileStore(path, tenant)) as store:
            store.upsert(edges(call("web", f"of {tenant}")))
    for tenant in tenants:
        with closing(FileStore(path, tenant)) as store:
            assert store.steps(["web"], View()) == {"web": [f"of {tenant}"]}
            assert store.retract("spans", NOON + timedelta(days=1), Discovered()) == 0
            store.remove(["web"])
            assert store.steps(["web"], View()) == {}
