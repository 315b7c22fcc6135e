"""What a restore refuses, and that a backup that was cut off is nowhere to be seen."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from waiting import PATIENCE_S

from hypocenter.api.backup_restoring import checked, restore
from hypocenter.api.data_directory import owned
from hypocenter.batches import Batch, Samples
from hypocenter.cli import main
from hypocenter.errors import InputError
from hypocenter.stores.opening import open_records
from hypocenter.stores.opening_metrics import open_metrics

if TYPE_CHECKING:
    from hypocenter_server import HypocenterServer

ROWS = 400_000


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a directory that no server owns."""
    folder = tmp_path_factory.mktemp("kept")
    data = folder / "data"
    with closing(open_metrics(data)) as metrics:
        numbers = metrics.number([(("__name__", "up"), ("job", "cart"))])
        at_ms = np.array([int(time.time() * 1000) - 1000])
        metrics.append([Batch(Samples(numbers, at_ms, np.ones(1)))])
    open_records(str(data / "records.db")).close()
    (data / "reports").mkdir()
    (data / "reports" / "one.html").write_text("<!DOCTYPE html>", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["backup", str(folder / "kept.tar"), "--data-dir", str(data)])
    assert not ended.value.code
    return folder / "kept.tar"


def altered(source: Path, goal: Path, names: dict[str, str], extra: tarfile.TarInfo | None = None) -> Path:
    """Write a backup anew with other names, and with another member before the rest."""
    with tarfile.open(source) as old, tarfile.open(goal, "w") as new:
        if extra is not None:
            new.addfile(extra, io.BytesIO(b"x" * extra.size))
        for member in old:
            content = old.extractfile(member)
            member.name = names.get(member.name, member.name)
            new.addfile(member, content)
    return goal


def test_a_backup_restores_what_was_there(kept: Path, tmp_path: Path) -> None:
    assert oct(kept.stat().st_mode & 0o777) == "0o600"
    manifest = restore(kept, tmp_path / "new")
    assert {each.name for each in manifest.files} == {"metrics.duckdb", "records.db", "reports/one.html"}
    assert (tmp_path / "new" / "reports" / "one.html").read_text(encoding="utf-8") == "<!DOCTYPE html>"
    assert oct((tmp_path / "new").stat().st_mode & 0o777) == "0o700"
    with closing(open_metrics(tmp_path / "new")) as metrics:
        assert metrics.usage().series == 1


def test_a_folder_in_use_is_refused(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").touch()
    with pytest.raises(InputError, match="not empty"):
        restore(kept, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_a_folder_where_a_volume_is_mounted_stays_what_it_is(kept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    (folder / "lost+found").mkdir(parents=True)
    before = folder.stat().st_ino
    restore(kept, folder)
    assert folder.stat().st_ino == before
    assert (folder / "reports" / "one.html").is_file()
    assert sorted(path.name for path in folder.iterdir()) == ["lost+found", "metrics.duckdb", "records.db", "reports"]
    assert [path.name for path in tmp_path.iterdir()] == ["volume"]


def test_no_server_starts_with_what_was_half_restored(kept: Path, tmp_path: Path) -> None:
    (tmp_path / ".restoring").mkdir()
    with pytest.raises(InputError, match="a restore was cut off"), owned(tmp_path):
        pass
    with pytest.raises(InputError, match="not empty"):
        restore(kept, tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_what_is_cut_off_is_refused(share: float, kept: Path, tmp_path: Path) -> None:
    cut, empty = tmp_path / "cut.tar", tmp_path / "empty"
    cut.write_bytes(kept.read_bytes()[: int(share * kept.stat().st_size)])
    empty.mkdir()
    for folder in (tmp_path / "new", empty):
        with pytest.raises(InputError, match=r"cut off|damaged|no backup"):
            restore(cut, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.tar", "empty"]
    assert list(empty.iterdir()) == []


def test_what_is_altered_is_refused(kept: Path, tmp_path: Path) -> None:
    bytes_ = bytearray(kept.read_bytes())
    bytes_[100_000] ^= 1
    (tmp_path / "altered.tar").write_bytes(bytes_)
    with pytest.raises(InputError, match="not as the manifest says"):
        restore(tmp_path / "altered.tar", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def _sparse(name: str) -> tarfile.TarInfo:
    """A file of a megabyte of which not a byte is packed."""
    sparse = tarfile.TarInfo(name)
    sparse.pax_headers = {"GNU.sparse.map": "1000000,0", "GNU.sparse.size": "1000000"}
    return sparse


def _link(name: str) -> tarfile.TarInfo:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    return link


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../outside"),
        tarfile.TarInfo("/tmp/outside"),
        tarfile.TarInfo("a/../../b"),
        _link("reports"),
        _sparse("reports"),
    ],
    ids=lambda member: member.name,
)
def test_what_leads_out_of_the_folder_is_refused(member: tarfile.TarInfo, kept: Path, tmp_path: Path) -> None:
    hostile = altered(kept, tmp_path / "hostile.tar", {}, member)
    with pytest.raises(InputError, match="which no backup does"):
        restore(hostile, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.tar"]


def test_what_the_manifest_does_not_name_is_refused(kept: Path, tmp_path: Path) -> None:
    more = altered(kept, tmp_path / "more.tar", {}, tarfile.TarInfo("more.txt"))
    with pytest.raises(InputError, match=r"more\.txt"):
        checked(more)
    renamed = altered(kept, tmp_path / "renamed.tar", {"records.db": "other.db"})
    with pytest.raises(InputError, match=r"other\.db"):
        checked(renamed)


@pytest.mark.parametrize(
    "stated",
    [
        {"made_at": 7},
        {"made_at": "\x1b[2J"},
        {"tenant": ["acme"]},
        {"elsewhere": {"records": 7}},
        {"elsewhere": ["records"]},
        {"schema": {"records": "0001", "metrics": "one"}},
        {"schema": {}},
        {"files": [7]},
        {"more": 7},
    ],
    ids=str,
)
def test_a_manifest_that_is_none_is_refused(stated: dict[str, object], kept: Path, tmp_path: Path) -> None:
    with tarfile.open(kept) as old, tarfile.open(tmp_path / "hostile.tar", "w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            text = content.read()
            if member.name == "manifest.json":
                text = json.dumps({**json.loads(text), **stated}).encode()
                member.size = len(text)
            new.addfile(member, io.BytesIO(text))
    with pytest.raises(InputError, match="a manifest that is none"):
        restore(tmp_path / "hostile.tar", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.tar"]


def test_a_backup_that_is_killed_leaves_no_file_of_its_name(
    hypocenter_server: HypocenterServer, tmp_path: Path
) -> None:
    rows = "time,service,metric,value\n" + "".join(
        f"{int(time.time()) - ROWS // 100 + at // 100},s{at % 100},m,{at}\n" for at in range(ROWS)
    )
    sent = httpx.post(f"{hypocenter_server.url}/api/v1/upload/metrics", content=rows, timeout=PATIENCE_S)
    assert sent.is_success, sent.text
    goal, data = tmp_path / "kept.tar", hypocenter_server.data_dir
    program = str(Path(sys.executable).with_name("hypocenter"))
    command = [program, "backup", str(goal), "--data-dir", str(data)]
    with subprocess.Popen(command) as backup:
        draft, until = goal.with_name(".kept.tar.part"), time.monotonic() + PATIENCE_S
        while not draft.exists():
            assert backup.poll() is None
            assert time.monotonic() < until
        os.kill(backup.pid, signal.SIGKILL)
    assert not goal.exists()
    subprocess.run(command, check=True)
    assert checked(goal).files
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith("part")] == []
