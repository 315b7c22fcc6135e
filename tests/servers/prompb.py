"""Messages of remote write as Prometheus publishes them: its .proto files, through Go's module proxy, kept in a cache.

`python tests/servers/prompb.py` fetches them ahead of their first use and prints the folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from native_neo4j import UnavailableError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = "v0.316.0"
PROMETHEUS, GOGO = f"github.com/prometheus/prometheus@{VERSION}", "github.com/gogo/protobuf@v1.3.2"
FIRST, SECOND = "remote.proto", "io/prometheus/write/v2/types.proto"
FETCH_SECONDS = 300
PACKAGES = {"go": "golang-go", "protoc": "protobuf-compiler"}


@dataclass(frozen=True)
class Messages:
    """The classes of both requests, generated from the published files."""

    write_request: Any
    request: Any


def messages() -> Messages:
    """Return the classes of both versions' requests. Raises UnavailableError without Go, protoc or a network."""
    folder = fetch()
    first, second = folder / _compiled(FIRST), folder / _compiled(SECOND)
    return Messages(_class(first, "prometheus.WriteRequest"), _class(second, "io.prometheus.write.v2.Request"))


def fetch() -> Path:
    """Return the folder of the compiled files, made at the first call on a machine and kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "hypocenter" / f"prompb-{VERSION}"
    if not all((folder / _compiled(name)).is_file() for name in (FIRST, SECOND)):
        folder.mkdir(parents=True, exist_ok=True)
        sources = [module(PROMETHEUS) / "prompb", module(GOGO), module(GOGO) / "protobuf"]
        for name in (FIRST, SECOND):
            _compile(name, sources, folder)
    return folder


def module(name: str) -> Path:
    """Return the folder of a Go module, which Go has fetched and checked."""
    with tempfile.TemporaryDirectory() as folder:
        said = run(["go", "mod", "download", "-json", name], Path(folder))
    return Path(json.loads(said)["Dir"])


def run(command: Sequence[str], folder: Path) -> str:
    """Return what a program says. Raises UnavailableError where it is absent or fails."""
    if not shutil.which(command[0]):
        raise UnavailableError(f"{command[0]} is not installed (Debian: apt-get install {PACKAGES[command[0]]})")
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{' '.join(command)} took more than {FETCH_SECONDS} seconds") from error
    if done.returncode:
        raise UnavailableError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _compiled(name: str) -> str:
    return name.replace("/", "-") + ".binpb"


def _compile(name: str, sources: Sequence[Path], folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as partial:
        made = Path(partial) / "made"
        include = [f"--proto_path={source}" for source in sources]
        run(["protoc", *include, "--include_imports", f"--descriptor_set_out={made}", name], folder)
        made.replace(folder / _compiled(name))


def _class(compiled: Path, name: str) -> Any:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(compiled.read_bytes()).file:
        pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(name))


if __name__ == "__main__":
    sys.exit(shown(fetch))
