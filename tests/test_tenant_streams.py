"""Those who listen to events of one server: so many in all, and a tenant cannot take the seats of another."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import FIRST, OTHER, Served, serving

from hypocenter.api.query.seats import MOST_LISTENERS, Seats
from hypocenter.api.running import MOST_CONNECTIONS
from hypocenter.errors import SourceError
from hypocenter.stores.investigations import AskedInvestigation

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATH = "/api/v1/investigations/q/events"
# Half of all are for whoever comes first, and of the other half each tenant has its part.
MOST_OF_ONE = MOST_LISTENERS // 2 + MOST_LISTENERS // 4


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("HYPOCENTER_TENANTS", OTHER)
    with serving(tmp_path_factory.mktemp("served")) as found:
        for parts in found.parts.values():
            parts.records.investigations.add(AskedInvestigation("q", NOON, {"at": NOON.isoformat()}))
        yield found


class Listener:
    """A request for events that goes on until the client leaves; `status` and `body` are of its answer."""

    def __init__(self, served: Served, tenant: str) -> None:
        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {served.tokens[tenant, 'read']}".encode())]
        scope = {"type": "http", "method": "GET", "path": PATH, "raw_path": PATH.encode(), "query_string": b""}
        scope |= {"headers": headers, "client": ("192.0.2.1", 1), "http_version": "1.1", "scheme": "http"}
        scope |= {"server": ("localhost", 80), "root_path": "", "asgi": {"version": "3.0", "spec_version": "2.3"}}
        self._left, self._begun = asyncio.Event(), asyncio.Event()
        self.status, self.body = 0, b""
        self._task = asyncio.create_task(served.app(scope, self._receive, self._send))

    async def begun(self) -> int:
        await self._begun.wait()
        return self.status

    async def leave(self) -> None:
        self._left.set()
        await self._task

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")
        self._begun.set()


def test_a_tenant_takes_no_seats_that_are_kept_for_another(served: Served) -> None:
    async def listened() -> None:
        many = [Listener(served, FIRST) for _ in range(MOST_OF_ONE)]
        assert {await each.begun() for each in many} == {200}
        refused = Listener(served, FIRST)
        assert await refused.begun() == 503
        await refused.leave()
        assert json.loads(refused.body)["detail"].startswith(f"{MOST_OF_ONE} listen already")
        others = [Listener(served, OTHER) for _ in range(MOST_LISTENERS - MOST_OF_ONE)]
        assert {await each.begun() for each in others} == {200}
        full = Listener(served, OTHER)
        assert await full.begun() == 503
        await asyncio.gather(*(each.leave() for each in [full, *others, *many]))
        again = Listener(served, FIRST)
        assert await again.begun() == 200
        await again.leave()

    asyncio.run(listened())
    assert MOST_LISTENERS <= MOST_CONNECTIONS // 2, "who listens leaves room for who asks"


@given(
    most=st.integers(2, 40),
    tenants=st.integers(1, 8),
    comings=st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=120),
)
def test_seats_are_never_more_than_there_are_and_each_tenant_finds_its_own(
    most: int, tenants: int, comings: list[tuple[int, bool]]
) -> None:
    most = max(most, 2 * tenants)
    seats, held = Seats(tenants, most), {tenant: list[ExitStack]() for tenant in range(tenants)}
    for number, leaves in comings:
        tenant = number % tenants
        if leaves and held[tenant]:
            held[tenant].pop().close()
        elif not leaves:
            stack, own = ExitStack(), len(held[tenant])
            try:
                stack.enter_context(seats.seat(str(tenant)))
            except SourceError:
                assert own >= most // 2 // tenants, "its own part is always there"
            else:
                held[tenant].append(stack)
        assert sum(map(len, held.values())) <= most
