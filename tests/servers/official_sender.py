"""The official Go client of remote write 2.0 as a program, built at its first use on a machine and kept in a cache.

`python tests/servers/official_sender.py` builds it ahead of that and prints where it is.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from native_neo4j import UnavailableError
from prompb import run

SOURCE = Path(__file__).with_name("remote_write_2_sender")


def built() -> Path:
    """Return the program. Raises UnavailableError without Go (as new as go.mod says) or a network."""
    files = sorted(SOURCE.iterdir())
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    program = Path(home) / "hypocenter" / f"{SOURCE.name}-{digest}"
    if not program.is_file():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as partial:
            run(["go", "build", "-o", str(Path(partial) / "made"), "."], SOURCE)
            (Path(partial) / "made").replace(program)
    return program


def main() -> int:
    """Build the program and print where it is."""
    try:
        print(built())
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
