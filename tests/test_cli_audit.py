"""The audit log on the command line: what commands note there, and what of it is shown."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from hypocenter.api.tokens import TokenFile
from hypocenter.cli import main
from hypocenter.stores.audit import AuditEntry
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from native_postgres import Postgres

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """`command(*words)` is exit code, output and errors of a command for the data directory `data`."""
    monkeypatch.delenv("HYPOCENTER_RECORDS", raising=False)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--data-dir", str(tmp_path / "data")])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


def told(command: Callable[..., tuple[int, str, str]], *words: str) -> list[tuple[str, str, str]]:
    """Return action, target and details of what is shown."""
    code, out, _ = command("audit", "--json", *words)
    assert code == 0
    return [
        (each["action"], each["target"], each["details"].partition("by uid ")[0].strip()) for each in json.loads(out)
    ]


def test_tokens_made_and_revoked_on_the_machine_are_in_the_log_of_their_tenant(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    text = command("token", "create", "grafana", "--scope", "read", "--scope", "ingest")[1].strip()
    assert command("token", "create", "sre", "--tenant", "acme")[0] == 0
    assert command("token", "revoke", "grafana")[0] == 0
    assert command("token", "revoke", "grafana")[0] == 2, "what was not done is not in it"
    assert told(command) == [
        ("hypocenter token revoke", "grafana", ""),
        ("hypocenter token create", "grafana", "ingest,read"),
    ]
    assert told(command, "--tenant", "default") == told(command)
    assert told(command, "--tenant", "acme") == [("hypocenter token create", "sre", "ingest")]
    _, out, _ = command("audit", "--json")
    assert {(each["who"], each["how"], each["outcome"]) for each in json.loads(out)} == {("cli", "cli", "done")}
    assert text.removeprefix("hyp_") not in out
    for kept in (tmp_path / "data" / "records.db", tmp_path / "data" / "tenants" / "acme" / "records.db"):
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_token_that_is_accepted_already_is_not_noted_again(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hyp_" + "a1" * 22)
    for _ in range(2):
        assert command("token", "create", "compose", "--from-file", str(tmp_path / "token"))[0] == 0
    assert told(command) == [("hypocenter token create", "compose", "ingest")]


def test_a_token_is_revoked_also_while_the_log_is_away(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("token", "create", "stolen")
    monkeypatch.setenv("HYPOCENTER_RECORDS", "postgresql://nobody@127.0.0.1:1/none")
    code, out, err = command("token", "revoke", "stolen")
    assert (code, out) == (0, "stolen is accepted no more\n")
    assert "it is not in the audit log" in err
    assert TokenFile(tmp_path / "data").tokens() == ()


@pytest.mark.postgres
def test_the_log_is_where_the_records_are(
    command: Callable[..., tuple[int, str, str]],
    postgres_server: Postgres,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HYPOCENTER_RECORDS", postgres_server.url())
    monkeypatch.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(postgres_server.password_file))
    command("token", "create", "grafana", "--tenant", tenant)
    assert told(command, "--tenant", tenant) == [("hypocenter token create", "grafana", "ingest")]
    assert not (tmp_path / "data" / "tenants").exists()


@pytest.fixture
def entries(tmp_path: Path) -> None:
    """A log of 600 entries, one a minute, by three in turn; one in ten was refused."""
    (tmp_path / "data").mkdir()
    with closing(open_records(str(tmp_path / "data" / "records.db"))) as records:
        for number in range(600):
            who, outcome = f"user-{number % 3}", "done" if number % 10 else "refused"
            at = NOON + timedelta(minutes=number)
            records.audit.add(AuditEntry(at, who, "token", "PATCH /api/v1/settings", f"/{number}", outcome))


@pytest.mark.usefixtures("entries")
def test_what_is_asked_for_is_shown_newest_first(command: Callable[..., tuple[int, str, str]]) -> None:
    def shown(*words: str) -> list[int]:
        return [int(target[1:]) for _, target, _ in told(command, *words)]

    assert shown() == list(range(599, 549, -1))
    assert shown("--limit", "600") == list(range(599, -1, -1))
    assert shown("--outcome", "refused", "--limit", "9") == list(range(590, 509, -10))
    assert shown("--who", "user-1", "--limit", "3") == [598, 595, 592]
    assert shown("--since", "2026-03-01T21:58:00Z") == [599, 598]
    assert shown("--action", "settings", "--limit", "1") == [599]
    assert shown("--action", "token") == []


@pytest.mark.usefixtures("entries")
def test_a_line_for_people_steers_no_terminal(command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    with closing(open_records(str(tmp_path / "data" / "records.db"))) as records:
        records.audit.add(AuditEntry(NOON, "", "", "GET unknown", "/\x1b[2J\nfake", "refused", "192.0.2.1"))
    code, out, _ = command("audit", "--limit", "1")
    assert code == 0
    assert out == r"2026-03-01 12:00:00  refused  nobody (unknown)      GET unknown  /\x1b[2J\nfake" + "\n"
    assert command("audit", "--who", "nobody else")[1] == "there is no such entry\n"


def test_a_folder_in_which_nothing_was_kept_is_told(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, _, err = command("audit")
    assert code == 2
    assert "nothing was kept there" in err
    assert not (tmp_path / "data").exists()
