"""Backups of tenants of one server: each of its own by its own token, and of both the same server again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest
from hypocenter_server import HypocenterServer

from hypocenter.api.backup_restoring import checked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., tuple[int, str, str]]

OTHER = "acme"


class Served:
    """A server of two tenants, each with a token of scope admin, and what each is told."""

    def __init__(self, data: Path, texts: dict[str, str]) -> None:
        self.server, self._texts = HypocenterServer(data), texts

    def tell(self, tenant: str) -> None:
        change = {"component": "cart", "at": time.time(), "type": "deploy", "title": f"of {tenant}"}
        self._ask("POST", tenant, json=change)

    def told(self, tenant: str) -> list[str]:
        return [each["title"] for each in self._ask("GET", tenant).json()["items"]]

    def _ask(self, method: str, tenant: str, **more: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._texts[tenant]}"}
        return httpx.request(method, f"{self.server.url}/api/v1/changes", headers=headers, **more).raise_for_status()


@pytest.fixture
def texts(tmp_path: Path, called: Command, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The token of each tenant, which is in a file of its name as well."""
    monkeypatch.setenv("HYPOCENTER_TENANTS", OTHER)
    made = {}
    for tenant in ("ours", OTHER):
        of = [] if tenant == "ours" else ["--tenant", tenant]
        code, out, said = called("token", "create", tenant, "--scope", "admin", "--data-dir", "data", *of)
        assert code == 0, said
        made[tenant] = out.strip()
        (tmp_path / tenant).write_text(out, encoding="utf-8")
    return made


def test_each_tenant_is_backed_up_by_itself_and_both_come_back(
    tmp_path: Path, texts: dict[str, str], called: Command
) -> None:
    served = Served(tmp_path / "data", texts)
    with served.server:
        for tenant in texts:
            served.tell(tenant)
        for tenant in texts:
            code, out, said = called("backup", f"{tenant}.tar", "--data-dir", "data", "--bearer-token-file", tenant)
            assert code == 0, said
            assert (f"of tenant {OTHER}" in out) == (tenant == OTHER)
            assert (f"not in it: tenant {OTHER}, of which" in said) == (tenant != OTHER)
    names = {tenant: {each.name for each in checked(tmp_path / f"{tenant}.tar").files} for tenant in texts}
    assert names["ours"] == names[OTHER]
    for tenant, folder in (("ours", "again"), (OTHER, f"again/tenants/{OTHER}")):
        code, out, said = called("restore", f"{tenant}.tar", "--data-dir", folder)
        assert (code, said) == (0, "")
        assert (f"tenants/{OTHER} of a data directory" in out) == (tenant == OTHER)
    again = Served(tmp_path / "again", texts)
    with again.server:
        assert {tenant: again.told(tenant) for tenant in texts} == {tenant: [f"of {tenant}"] for tenant in texts}
