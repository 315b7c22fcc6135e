"""Settings that tenants have of their own: a webhook's messages go to whom the incident is of, and to nobody else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hook_receiver import Receiver, receiving

from hypocenter import settings
from hypocenter.api.doctor.examined import Examined
from hypocenter.api.doctor.of_settings import secrets_are_readable
from hypocenter.api.parts import Places
from hypocenter.cli import main
from hypocenter.errors import InputError
from hypocenter.notify.webhook import check_webhooks
from hypocenter.stores.live_incidents import LiveIncident, Status
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.retention import MetricsLimits
from hypocenter.stores.work_board import MemoryBoard
from hypocenter.tenant_settings import of_tenant
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_workers.live_stores import GivenStores, known
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter_workers.workplace import Due

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME, GLOBEX = "acme", "globex"
SECRETS = {None: b"the secret of the setting", ACME: b"the secret of acme alone"}


def tenants_file(folder: Path, text: str) -> str:
    (folder / "tenants.toml").write_text(text, encoding="utf-8")
    return str(folder / "tenants.toml")


def secret_file(folder: Path, tenant: str | None) -> str:
    path = folder / f"{tenant or 'ours'}.secret"
    path.write_bytes(SECRETS[tenant])
    return str(path)


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str | None, Receiver]]:
    """The receivers of the setting's tenant and of acme; globex has none."""
    with receiving() as ours, receiving() as theirs:
        section = f'[acme]\nwebhook_url = "{theirs.url}"\nwebhook_secret_file = "{secret_file(tmp_path, ACME)}"\n'
        named = {
            "TENANTS": f"{ACME},{GLOBEX}",
            "TENANTS_FILE": tenants_file(tmp_path, section),
            "WEBHOOK_URL": ours.url,
            "WEBHOOK_SECRET_FILE": secret_file(tmp_path, None),
        }
        for name, value in named.items():
            monkeypatch.setenv(f"HYPOCENTER_{name}", value)
        yield {None: ours, ACME: theirs}


@pytest.fixture
def works(tmp_path: Path) -> Iterator[dict[str | None, LiveWork]]:
    """The work of three tenants whose records are one file; each has an incident of the same name, on its own."""
    with ExitStack() as stack:
        found = {}
        for tenant in (None, ACME, GLOBEX):
            records = stack.enter_context(closing(open_records(str(tmp_path / "records.db"), tenant)))
            metrics = MemoryMetrics(lambda: NOON, MetricsLimits())
            stores = GivenStores(
                metrics, records, known(MemoryStore()), FileStates(tmp_path / f"{tenant}"), MemoryBoard()
            )
            assert records.incidents.save(LiveIncident("abc", Status.OPEN, NOON, NOON, NOON, (f"of-{tenant}",)))
            found[tenant] = LiveWork(stores, lambda: NOON + timedelta(minutes=1), tenant=tenant)
        yield found


def told(receiver: Receiver) -> list[list[str]]:
    return [json.loads(body)["data"]["incident"]["components"] for _, body in receiver.requests]


def due(work: LiveWork) -> list[str]:
    """Return the incidents of which something is to be told now."""
    sent: list[Due] = []
    work.correlate(sent.append)
    return [each for one in sent for each in one.notify]


def test_an_incident_is_told_to_the_webhook_of_its_tenant_and_to_no_other(
    hooks: dict[str | None, Receiver], works: dict[str | None, LiveWork]
) -> None:
    assert {tenant: due(work) for tenant, work in works.items()} == {None: ["abc"], ACME: ["abc"], GLOBEX: []}
    for work in works.values():
        work.notify("abc")
    assert told(hooks[None]) == [["of-None"]]
    assert told(hooks[ACME]) == [["of-acme"]]
    assert [due(work) for work in works.values()] == [[], [], []]


def test_each_is_signed_with_the_secret_of_its_tenant(
    hooks: dict[str | None, Receiver], works: dict[str | None, LiveWork]
) -> None:
    for tenant, receiver in hooks.items():
        works[tenant].notify("abc")
        ((headers, body),) = receiver.requests
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(SECRETS[tenant], signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[acme", "cannot be read"),
        ('webhook_url = "http://h"', "stands before any section"),
        ('[initech]\nwebhook_url = "http://h"', "HYPOCENTER_TENANTS names"),
        ('[default]\nwebhook_url = "http://h"', "HYPOCENTER_TENANTS names"),
        ('[acme]\nrecords = "their.db"', "choose from pull_url, "),
        ("[acme]\nwebhook_url = ['http://h']", "webhook_url: write a text or a number"),
        ("[acme]\nwebhook_url = true", "webhook_url: write a text or a number"),
        ('[acme]\nwebhook_url = "http://h"', "tenant acme: HYPOCENTER_WEBHOOK_SECRET_FILE"),
        ('[acme]\nwebhook_url = "ftp://h"\nwebhook_secret_file = "s"', "tenant acme: HYPOCENTER_WEBHOOK_URL"),
    ],
)
def test_what_a_file_of_tenants_cannot_say_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.setenv("HYPOCENTER_TENANTS", ACME)
    monkeypatch.setenv("HYPOCENTER_TENANTS_FILE", tenants_file(tmp_path, text))
    with pytest.raises(InputError) as refused:
        check_webhooks()
    assert words in str(refused.value)


def test_the_file_that_the_documentation_shows_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    page = (pytestconfig.rootpath / "docs" / "access.md").read_text(encoding="utf-8")
    shown = page.partition("```toml\n")[2].partition("```")[0]
    monkeypatch.setenv("HYPOCENTER_TENANTS", f"{ACME},{GLOBEX}")
    monkeypatch.setenv("HYPOCENTER_TENANTS_FILE", tenants_file(tmp_path, shown))
    monkeypatch.setenv("HYPOCENTER_WEBHOOK_URL", "https://ours.example")
    urls = [of_tenant(each, lambda environ: settings.read("webhook_url", environ)) for each in (None, ACME, GLOBEX)]
    assert urls == ["https://ours.example", "https://hooks.acme.example/hypocenter", "https://globex.example/incidents"]


def test_the_doctor_looks_at_the_secrets_of_every_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'[acme]\nwebhook_url = "http://h"\nwebhook_secret_file = "{tmp_path / "none"}"\n'
    monkeypatch.setenv("HYPOCENTER_TENANTS", ACME)
    monkeypatch.setenv("HYPOCENTER_TENANTS_FILE", tenants_file(tmp_path, text))
    found = list(secrets_are_readable(Examined(Places(tmp_path), lambda: NOON)))
    assert [(each.code, each.subject) for each in found] == [("secret-unreadable", "HYPOCENTER_WEBHOOK_SECRET_FILE")]


@pytest.fixture
def _umask() -> Iterator[None]:
    """What a server sets for its process is not for the tests that follow."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("role", ["serve", "api", "worker", "beat"])
def test_no_process_starts_with_a_webhook_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], role: str
) -> None:
    monkeypatch.setenv("HYPOCENTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HYPOCENTER_TENANTS", ACME)
    monkeypatch.setenv("HYPOCENTER_TENANTS_FILE", tenants_file(tmp_path, '[acme]\nwebhook_url = "http://h"'))
    with pytest.raises(SystemExit) as ended:
        main([role])
    assert ended.value.code == 2
    assert "tenant acme: HYPOCENTER_WEBHOOK_SECRET_FILE" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
