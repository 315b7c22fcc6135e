"""The driver's own log does not come between what a command says."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
from hypocenter.errors import SourceError
from hypocenter_graph.stores.neo4j import Connection, Neo4jStore

store = Neo4jStore(Connection("bolt://127.0.0.1:1", timeout_s=6.0), "default")
try:
    store.claims()
except SourceError:
    print("lost")
store.close()
"""


def test_the_log_of_the_driver_stays_off_the_standard_error() -> None:
    shown = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    assert (shown.stdout, shown.stderr) == ("lost\n", "")
