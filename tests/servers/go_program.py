"""A Go program of this folder, built at its first use on a machine and kept in a cache."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from prompb import run


def built(source: Path) -> Path:
    """Return the program of a folder of sources.

    Raises UnavailableError without Go (as new as go.mod says) or a network.
    """
    files = sorted(source.iterdir())
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    program = Path(home) / "hypocenter" / f"{source.name}-{digest}"
    if not program.is_file():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as partial:
            run(["go", "build", "-o", str(Path(partial) / "made"), "."], source)
            (Path(partial) / "made").replace(program)
    return program
