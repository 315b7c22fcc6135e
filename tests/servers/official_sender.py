"""The programs in Go that tests run: the official client of remote write 2.0, and the loader of Docker Compose.

`python tests/servers/official_sender.py` builds them ahead of the tests and prints where they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

import go_program
from native_neo4j import UnavailableError

SENDER = Path(__file__).with_name("remote_write_2_sender")
COMPOSE = Path(__file__).with_name("compose_config")


def built() -> Path:
    """Return the client as a program. Raises UnavailableError without Go (as new as go.mod says) or a network."""
    return go_program.built(SENDER)


def main() -> int:
    """Build the programs and print where they are."""
    try:
        print(*map(go_program.built, (SENDER, COMPOSE)), sep="\n")
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
