"""Api, worker and beat as processes that serve two tenants on shared servers, each with a system that falls ill."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from hook_receiver import Receiver, receiving
from server_process import ServerProcess, free_port
from steady_stream import HISTORY, Sender, Stream

from hypocenter.api.tokens import Grant, TokenFile
from hypocenter.model import DependencyType
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.opening import open_graph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

# While a slow machine starts its processes some systems are ill already, of which nothing needs to be told.
SYSTEMS, EVERY = 8, timedelta(seconds=15)


@dataclass(frozen=True)
class Tenant:
    """One tenant: its `name`, the stream of its system, its token, and the receiver of its webhook."""

    name: str
    stream: Stream
    token: str
    hook: Receiver


class TenantPlatform:
    """Two tenants, `names`, the first of which is that of the setting; `servers` are settings of what they share."""

    def __init__(self, folder: Path, names: tuple[str, str], servers: Mapping[str, str]) -> None:
        self._folder, self._port = folder, free_port()
        (folder / "secret").write_text("a secret of some length", encoding="utf-8")
        with ExitStack() as opening:
            hooks = [opening.enter_context(receiving()) for _ in names]
            self.first, self.other = self.tenants = [
                self._tenant(name, hook, "" if name == names[0] else name)
                for name, hook in zip(names, hooks, strict=True)
            ]
            self._environment = {f"HYPOCENTER_{name}": text for name, text in (self._settings() | servers).items()}
            self._begin(opening)
            self._open = opening.pop_all()

    def ask(self, tenant: Tenant, path: str, **question: Any) -> httpx.Response:
        """Return what the API answers a tenant to GET of a path, or to POST of `json`."""
        method = "POST" if "json" in question else "GET"
        headers = {"Authorization": f"Bearer {tenant.token}"}
        url = f"http://127.0.0.1:{self._port}{path}"
        return httpx.request(method, url, headers=headers, timeout=30.0, **question)

    def said(self) -> str:
        """Return what the parts said last."""
        return "\n".join(part.said() for part in self._parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _tenant(self, name: str, hook: Receiver, owner: str) -> Tenant:
        made, file = datetime.now(UTC), TokenFile(self._folder / "data")
        stream = Stream(made.replace(microsecond=0) - HISTORY, SYSTEMS, EVERY, name="till" if owner else "shop")
        return Tenant(name, stream, file.create("all", made, Grant.of(["admin"], owner)), hook)

    def _settings(self) -> dict[str, str]:
        first, other, secret = self.first, self.other, self._folder / "secret"
        section = f'[{other.name}]\nwebhook_url = "{other.hook.url}"\nwebhook_secret_file = "{secret}"\n'
        (self._folder / "tenants.toml").write_text(section, encoding="utf-8")
        return {
            "TENANT": first.name,
            "TENANTS": other.name,
            "TENANTS_FILE": str(self._folder / "tenants.toml"),
            "WEBHOOK_URL": first.hook.url,
            "WEBHOOK_SECRET_FILE": str(secret),
            "DATA_DIR": str(self._folder / "data"),
            "GRAPH": str(self._folder / "graph.db"),
            "TICK_SECONDS": "2",
            "SETTLE_SECONDS": "2",
            "SHARDS": "2",
        }

    def _begin(self, opening: ExitStack) -> None:
        for each in self.tenants:
            self._draw_graph(each)
        self._parts = [self._start(opening, "api", "listening", "--listen", f"127.0.0.1:{self._port}")]
        for each in self.tenants:
            opening.enter_context(Sender(each.stream, f"http://127.0.0.1:{self._port}", each.token))
        self._parts.append(self._start(opening, "worker", "ready ", "--jobs", "2"))
        self._parts.append(self._start(opening, "beat", "ready "))

    def _start(self, opening: ExitStack, role: str, ready: str, *options: str) -> ServerProcess:
        program = str(Path(sys.executable).with_name("hypocenter"))
        environment = {**os.environ, **self._environment}
        return opening.enter_context(
            ServerProcess([program, role, *options], ready, self._folder, environment=environment)
        )

    def _draw_graph(self, tenant: Tenant) -> None:
        always = (Interval(tenant.stream.begun - timedelta(days=1), None),)
        edges = [DependencyClaim(*pair, DependencyType.CALLS, "declared", always) for pair in tenant.stream.pairs]
        with closing(open_graph(str(self._folder / "graph.db"), tenant.name)) as store:
            store.upsert(Discovered((), tuple(edges)))
