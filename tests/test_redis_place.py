"""The address of Redis: its password comes from a file, and opens a server that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis
from server_process import ServerProcess, free_port

from hypocenter.errors import InputError
from hypocenter.stores.redis_place import redis_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "a/b@c:d#e%20 f"


@pytest.fixture
def password_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    monkeypatch.setenv("HYPOCENTER_REDIS_PASSWORD_FILE", str(file))
    return file


@pytest.mark.redis
def test_the_password_of_the_file_opens_the_server(require: Callable[[str], str], password_file: Path) -> None:
    port = free_port()
    command = [require("redis-server"), "--port", str(port), "--save", "", "--requirepass", PASSWORD]
    with ServerProcess(command, "eady to accept connections", password_file.parent):
        for url in (f"redis://127.0.0.1:{port}/0", f"redis://default@127.0.0.1:{port}/0"):
            with Redis.from_url(redis_url(url)) as client:
                assert client.ping()


def test_without_a_file_the_address_is_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPOCENTER_REDIS_PASSWORD_FILE", raising=False)
    monkeypatch.setenv("HYPOCENTER_REDIS_URL", "rediss://:secret@redis:6380/1")
    assert redis_url() == "rediss://:secret@redis:6380/1"


def test_two_passwords_are_one_too_many(password_file: Path) -> None:
    with pytest.raises(InputError, match="leave one"):
        redis_url("redis://:secret@redis/0")


def test_a_file_that_is_not_there_is_told(password_file: Path) -> None:
    password_file.unlink()
    with pytest.raises(InputError, match=r"HYPOCENTER_REDIS_PASSWORD_FILE: .* cannot be read"):
        redis_url("redis://redis/0")
