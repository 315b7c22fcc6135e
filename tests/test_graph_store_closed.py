"""A Neo4j store that is closed: a question that comes too late connects to nothing, for nobody would close that."""

from __future__ import annotations

import socket

import pytest

from hypocenter.errors import SourceError
from hypocenter_graph.stores.neo4j import Connection, Neo4jStore


def test_what_is_asked_after_the_end_opens_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"bolt://127.0.0.1:{server.getsockname()[1]}"
        store = Neo4jStore(Connection(url), "tenant")
        store.close()
        with pytest.raises(SourceError, match=f"{url} did not answer: it is closed"):
            store.claims()
        with pytest.raises(BlockingIOError):
            server.accept()
        store.close()
