"""Where records are: files, servers, settings, and what is said when they cannot be opened."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from server_process import free_port

from hypocenter.errors import InputError, SourceError
from hypocenter.history.past_incident import PastIncident
from hypocenter.settings import data_home
from hypocenter.stores.opening import open_records, records_place

if TYPE_CHECKING:
    from pathlib import Path

    from native_postgres import Postgres

INCIDENT = PastIncident("INC-7", "jira", "INC-7")
SECRET = "hunter2hunter2"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    for name in ("RECORDS", "RECORDS_PASSWORD_FILE", "TENANT"):
        monkeypatch.delenv(f"HYPOCENTER_{name}", raising=False)


def test_where_nobody_names_a_place_it_is_the_users_folder(tmp_path: Path) -> None:
    with closing(open_records()) as records:
        records.history.save_incidents([INCIDENT])
    file = tmp_path / "home" / "hypocenter" / "records.db"
    assert file.is_file()
    assert file.parent.stat().st_mode & 0o077 == 0


def test_the_setting_names_a_place_and_what_is_typed_goes_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_RECORDS", str(tmp_path / "set.db"))
    assert records_place() == str(tmp_path / "set.db")
    assert records_place("typed.db") == "typed.db"


def test_a_relative_home_is_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_home({"XDG_DATA_HOME": "data"}).is_absolute()


def test_the_setting_says_whose_records_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(tmp_path / "records.db")
    monkeypatch.setenv("HYPOCENTER_TENANT", "blue")
    with closing(open_records(place)) as records:
        records.history.save_incidents([INCIDENT])
    with closing(open_records(place, "blue")) as blue, closing(open_records(place, "red")) as red:
        assert (list(blue.history.incidents()), list(red.history.incidents())) == ([INCIDENT], [])


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("mysql://me@localhost/db", "no address of a PostgreSQL database"),
        ("postgresql://me@localhost", "no address of a PostgreSQL database"),
        ("postgresql:///db", "no address of a PostgreSQL database"),
        (f"postgresql://me:{SECRET}@localhost/db", "holds no password; set HYPOCENTER_RECORDS_PASSWORD_FILE"),
        (f"postgresql://me:{SECRET}@localhost:port/db", "no address of a database"),
        (f"oracle://me:{SECRET}@localhost/db", "holds no password"),
    ],
)
def test_an_address_that_is_none_is_told_without_secrets(place: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        open_records(place)
    assert SECRET not in str(raised.value)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        open_records(str(tmp_path / "typo" / "records.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file_of_records(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no file"):
        open_records(str(tmp_path))


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("These are notes, and no database at all. " * 50)
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"notes\.txt: is no file of records"):
        open_records(str(file))
    assert file.read_bytes() == before


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    with closing(open_records(str(file))) as records:
        records.history.save_incidents(PastIncident(str(n), "jira", str(n), "x" * 200) for n in range(400))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    file.write_bytes(content)
    with pytest.raises((InputError, SourceError), match=r"records\.db"), closing(open_records(str(file))) as records:
        list(records.history.incidents())


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(SourceError, match="records cannot be read or written"):
        open_records(f"postgresql://me@127.0.0.1:{free_port()}/db")


def test_a_password_file_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"HYPOCENTER_RECORDS_PASSWORD_FILE: .*absent cannot be read"):
        open_records("postgresql://me@127.0.0.1/db")


@pytest.mark.postgres
def test_a_wrong_password_is_told_and_not_repeated(
    postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(SECRET)
    monkeypatch.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(SourceError, match="password authentication failed") as raised:
        open_records(postgres_server.url())
    assert SECRET not in repr(raised.getrepr(chain=True))


def test_opening_records_in_a_file_loads_no_driver_of_a_server(tmp_path: Path) -> None:
    code = (
        "import sys; from hypocenter.stores.opening import open_records; "
        f"open_records({str(tmp_path / 'records.db')!r}).close(); "
        f"open_records({str(tmp_path / 'records.db')!r}).close(); print('psycopg' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "False"
