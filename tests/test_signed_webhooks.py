"""Webhooks of GitHub and LaunchDarkly: what is not signed by them is not theirs."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from asgi_client import AsgiClient
from hypocenter_server import HypocenterServer

from hypocenter.api.app import create_app
from hypocenter.api.intake import Intake
from hypocenter.api.signed_webhooks import GITHUB, LAUNCHDARKLY, Signatures, signature, signatures_of_settings
from hypocenter.api.tokens import Grant, TokenFile
from hypocenter.errors import InputError
from hypocenter.stores.group_commit import GroupCommit
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import open_records
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter.api.signed_webhooks import Signer
    from hypocenter.stores.opening import SqlRecords

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATH = "/api/v1/changes"
# The example of GitHub's page "Validating webhook deliveries".
SECRET, EXAMPLE = b"It's a Secret to Everybody", b"Hello, World!"
OF_EXAMPLE = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
DEPLOYED = json.dumps(
    {
        "deployment_status": {"id": 77, "state": "success", "created_at": "2026-03-01T12:00:00Z"},
        "deployment": {"ref": "v1.4.2"},
        "repository": {"name": "cart"},
    }
).encode()
TURNED_ON = json.dumps(
    {
        "_id": "57c0a8e2",
        "date": 1772366400000,
        "kind": "flag",
        "name": "New cart",
        "accesses": [{"resource": "proj/shop:env/production:flag/new-cart"}],
    }
).encode()
WEBHOOKS = pytest.mark.parametrize(("signer", "body"), [(GITHUB, DEPLOYED), (LAUNCHDARKLY, TURNED_ON)])


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqlRecords]:
    with closing(open_records(str(tmp_path / "records.db"))) as opened:
        yield opened


@pytest.fixture
def client(records: SqlRecords) -> Iterator[AsgiClient]:
    metrics = MemoryMetrics(lambda: NOW)
    secrets = Signatures({GITHUB: SECRET, LAUNCHDARKLY: SECRET})
    with closing(GroupCommit(metrics)) as writer:
        yield AsgiClient(create_app(Intake(metrics, writer, records, MemoryStore(), lambda: NOW, signatures=secrets)))


def kept(records: SqlRecords) -> int:
    return len(records.changes.changes(NOW - timedelta(hours=1), NOW + timedelta(hours=1)))


def signed(signer: Signer, body: bytes, secret: bytes = SECRET) -> dict[str, str]:
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {signer.header: ("sha256=" if signer is GITHUB else "") + digest}


def test_signatures_are_those_that_github_documents() -> None:
    assert signature(GITHUB, SECRET, EXAMPLE) == f"sha256={OF_EXAMPLE}"
    assert signature(LAUNCHDARKLY, SECRET, EXAMPLE) == OF_EXAMPLE


@WEBHOOKS
def test_what_is_signed_is_kept(client: AsgiClient, records: SqlRecords, signer: Signer, body: bytes) -> None:
    assert client.post(PATH, body, signed(signer, body)).status_code == 200
    assert kept(records) == 1


@WEBHOOKS
def test_what_bears_no_or_a_wrong_signature_is_not_kept(
    client: AsgiClient, records: SqlRecords, signer: Signer, body: bytes
) -> None:
    right = signed(signer, body)[signer.header]
    other = signed(LAUNCHDARKLY if signer is GITHUB else GITHUB, body)
    wrong = [signed(signer, body, b"another secret, not ours"), signed(signer, body + b" "), {}, other]
    wrong += [{signer.header: each} for each in ("", right[:-1], right.upper(), f"x{right}")]
    for headers in wrong:
        answer = client.post(PATH, body, headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert signer.header in answer.json()["detail"] or headers == other
        assert right not in answer.text
    assert kept(records) == 0


@pytest.mark.parametrize("signer", [GITHUB, LAUNCHDARKLY])
def test_a_wrong_signature_is_told_before_the_body_is_read(client: AsgiClient, signer: Signer) -> None:
    assert client.post(PATH, b"{ no JSON", {signer.header: "0" * 64}).status_code == 401
    assert client.post(PATH, b"{ no JSON", signed(signer, b"{ no JSON")).status_code == 400


def test_changes_of_others_need_no_signature(client: AsgiClient, records: SqlRecords) -> None:
    assert client.post(PATH, json={"component": "cart", "at": NOW.isoformat()}).status_code == 200
    assert kept(records) == 1


def test_a_server_checks_by_the_files_of_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "github_secret"
    file.write_bytes(SECRET + b"\n")
    monkeypatch.setenv("HYPOCENTER_GITHUB_SECRET_FILE", str(file))
    with HypocenterServer(tmp_path / "data") as server:
        url = server.url + PATH
        assert httpx.post(url, content=DEPLOYED).status_code == 401
        assert httpx.post(url, content=DEPLOYED, headers=signed(GITHUB, DEPLOYED)).status_code == 200
        assert httpx.post(url, content=TURNED_ON).status_code == 200


def test_the_secret_of_one_tenant_is_nothing_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tenant, secret in (("default", SECRET), ("acme", SECRET[::-1])):
        (tmp_path / tenant).write_bytes(secret)
    sections = f'[acme]\ngithub_secret_file = "{tmp_path / "acme"}"\n'
    (tmp_path / "tenants.toml").write_text(sections, encoding="utf-8")
    monkeypatch.setenv("HYPOCENTER_TENANTS", "acme,globex")
    monkeypatch.setenv("HYPOCENTER_TENANTS_FILE", str(tmp_path / "tenants.toml"))
    monkeypatch.setenv("HYPOCENTER_GITHUB_SECRET_FILE", str(tmp_path / "default"))
    ours, theirs = signed(GITHUB, DEPLOYED), {GITHUB.header: signature(GITHUB, SECRET[::-1], DEPLOYED)}
    tokens = TokenFile(tmp_path / "data")
    expected = {"default": (401, 200, 401), "acme": (401, 401, 200), "globex": (200, 200, 200)}
    opened = {each: tokens.create(each, NOW, Grant.of(["ingest"], each)) for each in expected}
    with HypocenterServer(tmp_path / "data") as server:
        for tenant, token in opened.items():
            bearer = {"Authorization": f"Bearer {token}"}
            told = [
                httpx.post(server.url + PATH, content=DEPLOYED, headers={**bearer, **headers}).status_code
                for headers in ({}, ours, theirs)
            ]
            assert tuple(told) == expected[tenant], tenant


@pytest.mark.parametrize("content", [None, b"", b"fifteen bytes..\n", b"\xff" * 20])
def test_a_secret_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("HYPOCENTER_LAUNCHDARKLY_SECRET_FILE", str(file))
    with pytest.raises(InputError, match="secret"):
        signatures_of_settings()
