"""`hypocenter doctor`: what it finds wrong with real servers and directories, and that its page knows all of it."""

from __future__ import annotations

import re
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypocenter_server import HypocenterServer
from server_process import free_port

from hypocenter.api.doctor.findings import EXIT_CODES, KINDS, Severity
from hypocenter.cli import main
from hypocenter.stores.dead_letters import DeadLetter
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from native_postgres import Postgres

    Doctor = Callable[..., tuple[int, dict[str, Any]]]

PAGE = (Path(__file__).parents[1] / "docs" / "doctor.md").read_text(encoding="utf-8")


def test_the_page_says_all_that_can_be_found() -> None:
    told = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert {code: (severity, advice) for code, severity, advice in told} == {
        code: (str(kind.severity), kind.advice) for code, kind in KINDS.items()
    }


def _gauge(name: str, ahead_s: float, **labels: str) -> dict[str, Any]:
    """Return a sample of a series of no resource, as OTLP has it."""
    of = [{"key": key, "value": {"stringValue": value}} for key, value in labels.items()]
    point = {"timeUnixNano": str(time.time_ns() + int(ahead_s * 1e9)), "asDouble": 21.0, "attributes": of}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": name, "gauge": {"dataPoints": [point]}}]}]}]}


def test_a_running_server_says_what_is_wrong_with_it(hypocenter_server: HypocenterServer, doctor: Doctor) -> None:
    code, found = doctor(hypocenter_server.url)
    # Detection does not run in this server.
    assert set(found) == {"no-samples", "beat-gone"}
    assert code == EXIT_CODES[Severity.ERROR]
    assert httpx.post(f"{hypocenter_server.url}/v1/metrics", json=_gauge("room", ahead_s=60)).is_success
    # A call has two ends, and needs no component of its own.
    edge = _gauge("calls", ahead_s=0, client="cart", server="cart-db")
    assert httpx.post(f"{hypocenter_server.url}/v1/metrics", json=edge).is_success
    _, found = doctor("--data-dir", hypocenter_server.data_dir)
    assert set(found) == {"beat-gone", "series-unattributed", "samples-ahead"}
    assert found["series-unattributed"]["message"].startswith("1 of 2 series name no component, such as room ")
    assert found["series-unattributed"]["do"] == KINDS["series-unattributed"].advice


def test_tokens_are_asked_for_and_missed(tmp_path: Path, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    with HypocenterServer(tmp_path / "data", "--open") as server:
        assert "tokens-none" in doctor(server.url)[1]
        texts = {}
        for scope in ("read", "admin"):
            with pytest.raises(SystemExit):
                main(["token", "create", scope, "--scope", scope, "--data-dir", str(server.data_dir)])
            texts[scope] = capsys.readouterr().out.strip()
        assert set(doctor(server.url)[1]) == {"server-refuses"}
        for scope, text in texts.items():
            (tmp_path / scope).write_text(text, encoding="utf-8")
        assert set(doctor(server.url, "--bearer-token-file", tmp_path / "read")[1]) == {"server-refuses"}
        assert set(doctor(server.url, "--bearer-token-file", tmp_path / "admin")[1]) == {"no-samples", "beat-gone"}


def test_a_server_that_is_not_there(doctor: Doctor) -> None:
    code, found = doctor(f"http://127.0.0.1:{free_port()}")
    assert (code, set(found)) == (2, {"server-unreachable"})


def test_settings_and_secrets(tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o644)
    settings = {
        "SHARDS": "many",
        "TENNANT": "shop",
        "WEBHOOK_SECRET_FILE": str(tmp_path / "nowhere"),
        "REDIS_PASSWORD_FILE": str(secret),
        "RETENTION_DAYS": "2",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"HYPOCENTER_{name}", value)
    code, found = doctor("--data-dir", tmp_path / "none")
    assert code == 2
    assert found["setting-invalid"]["subject"] == "HYPOCENTER_SHARDS"
    assert found["setting-unknown"]["subject"] == "HYPOCENTER_TENNANT"
    assert found["secret-open"]["subject"] == "HYPOCENTER_REDIS_PASSWORD_FILE"
    assert {"secret-unreadable", "data-directory-missing"} < set(found)
    monkeypatch.setenv("HYPOCENTER_SHARDS", "4")
    assert "retention-short" in doctor("--data-dir", tmp_path / "none")[1]


def test_servers_that_are_not_there(tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("HYPOCENTER_RECORDS", f"postgresql://hypocenter@{nowhere}/hypocenter")
    monkeypatch.setenv("HYPOCENTER_GRAPH", f"bolt://{nowhere}")
    monkeypatch.setenv("HYPOCENTER_METRICS", f"http://{nowhere}")
    monkeypatch.setenv("HYPOCENTER_NEO4J_TIMEOUT", "8")
    tmp_path.chmod(0o755)
    code, found = doctor("--data-dir", tmp_path)
    assert code == 2
    unreachable = {"records-unreachable", "graph-unreachable", "metrics-unreachable"}
    assert set(found) == unreachable | {"cannot-tell", "data-directory-open"}


def test_postgres_and_prometheus_are_well(
    tmp_path: Path,
    doctor: Doctor,
    monkeypatch: pytest.MonkeyPatch,
    postgres_server: Postgres,
    prometheus_server: str,
) -> None:
    monkeypatch.setenv("HYPOCENTER_RECORDS", postgres_server.url())
    monkeypatch.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(postgres_server.password_file))
    monkeypatch.setenv("HYPOCENTER_METRICS", prometheus_server)
    monkeypatch.setenv("HYPOCENTER_TENANT", "doctor")
    tmp_path.chmod(0o700)
    _, found = doctor("--data-dir", tmp_path)
    assert set(found) <= {"no-samples", "samples-stale", "secret-open"}


def test_what_was_given_up_is_told_of(tmp_path: Path, doctor: Doctor) -> None:
    tmp_path.chmod(0o700)
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        records.dead_letters.add(DeadLetter("1", "hypocenter.tick", "[]", "it broke", datetime.now(UTC)))
    code, found = doctor("--data-dir", tmp_path)
    assert (code, set(found)) == (1, {"no-samples", "dead-letters"})
    assert "hypocenter.tick" in found["dead-letters"]["message"]
