"""Where a server listens, and what it does beside the requests."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hypocenter.api.data_directory import data_directory, owned
from hypocenter.api.listening import is_loopback, listening, place_of, url_of
from hypocenter.api.schedule import Schedule
from hypocenter.errors import InputError, SourceError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1", ":80", "80", "a:b", "a:65536", "a:-1", "::1:80", "[::1]", "[::1]80", "a:1:2", "http://a:80"],
)
def test_what_is_no_place_is_told(text: str) -> None:
    with pytest.raises(InputError, match="HOST:PORT"):
        place_of(text)


@pytest.mark.parametrize(
    ("host", "loopback", "url"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:"),
        ("127.1.2.3", True, "http://127.1.2.3:"),
        ("localhost", True, "http://"),
        ("0.0.0.0", False, "http://0.0.0.0:"),
    ],
)
def test_who_reaches_a_socket_is_known(host: str, loopback: bool, url: str) -> None:
    with closing(listening(host, 0)) as bound:
        assert is_loopback(bound) == loopback
        assert url_of(bound).startswith(url)
        assert not url_of(bound).endswith(":0")


@pytest.mark.parametrize(
    ("host", "told"), [("203.0.113.7", "cannot be had"), ("no.such.name.invalid", "no such address")]
)
def test_a_place_that_is_not_to_be_had_is_told(host: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        listening(host, 0)


def test_a_port_is_had_once() -> None:
    with closing(listening("127.0.0.1", 0)) as bound:
        bound.listen()
        with pytest.raises(InputError, match="name another"):
            listening("127.0.0.1", bound.getsockname()[1])


def test_a_folder_is_owned_once_and_free_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a" / "b"
    with owned(folder):
        with pytest.raises(InputError, match="another server owns this folder"), owned(folder):
            pass
        assert folder.stat().st_mode & 0o777 == 0o700
    with owned(folder):
        pass
    monkeypatch.setenv("HYPOCENTER_DATA_DIR", str(folder))
    assert (data_directory(), data_directory(tmp_path)) == (folder, tmp_path)


@pytest.mark.parametrize("failure", [SourceError("gone"), RuntimeError("surprise")])
def test_work_that_fails_is_done_again(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    turns: list[int] = []
    enough = threading.Event()

    def work() -> None:
        turns.append(len(turns))
        if len(turns) == 3:
            enough.set()
        raise failure

    with Schedule(0.001, "maintenance") as schedule:
        schedule.start(work)
        assert enough.wait(60)
    assert any("maintenance failed" in record.getMessage() for record in caplog.records)
    assert not [thread for thread in threading.enumerate() if thread.name == "maintenance"]
