"""The programs in Go that tests run: the official client of remote write 2.0, and the loader of Docker Compose.

`python tests/servers/official_sender.py` builds them ahead of the tests and prints where they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

import go_program
from native_neo4j import shown

SENDER = Path(__file__).with_name("remote_write_2_sender")
COMPOSE = Path(__file__).with_name("compose_config")


def built() -> Path:
    """Return the client as a program. Raises UnavailableError without Go (as new as go.mod says) or a network."""
    return go_program.built(SENDER)


def all_built() -> str:
    """Return where both programs are. Raises UnavailableError as `built` does."""
    return "\n".join(str(go_program.built(source)) for source in (SENDER, COMPOSE))


if __name__ == "__main__":
    sys.exit(shown(all_built))
