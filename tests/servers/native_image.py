"""The Dockerfile followed without Docker, in a clean folder: what it builds is installed, and starts as it would there.

`python tests/servers/native_image.py` prints what became of each step and ends with 0 when the server was healthy.
Packages come from the package index, as for Docker; the base image and the packages of apt-get are this machine's.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import composed
from server_process import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
# Where pip is told to look, uv is to look as well.
MIRRORS = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_FIND_LINKS": "UV_FIND_LINKS"}
LISTENED = "127.0.0.1:4477"


class Step(NamedTuple):
    """A line of a Dockerfile: its instruction and the rest."""

    instruction: str
    text: str


def stages(dockerfile: str) -> list[list[Step]]:
    """Return the steps of each stage, continued lines joined, comments left out.

    >>> stages("FROM a AS b\\n# why\\nRUN c \\\\\\n && d\\nFROM e\\nUSER 7\\n")[0]
    [Step(instruction='FROM', text='a AS b'), Step(instruction='RUN', text='c  && d')]
    """
    lines = [line for line in dockerfile.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "").splitlines()
    found: list[list[Step]] = []
    for step in (Step(*line.split(maxsplit=1)) for line in joined):
        if step.instruction == "FROM":
            found.append([])
        found[-1].append(step)
    return found


class Image:
    """What the Dockerfile makes, below a folder that stands for the root of its images."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._build, self._last = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
        self._tools = folder / "tools"

    def build(self) -> None:
        """Follow the first stage; raises CalledProcessError where a step fails."""
        subprocess.run([_python(), "-m", "venv", self._tools], check=True)
        source = self._folder / "src"
        source.mkdir()
        mirrors = {uv: os.environ[pip] for pip, uv in MIRRORS.items() if pip in os.environ}
        environment = {**os.environ, **mirrors, "PATH": f"{self._tools}/bin:{os.environ['PATH']}"}
        for step in self._build:
            if step.instruction == "COPY":
                _copy(step.text, source)
            elif step.instruction == "RUN":
                print(f"RUN {step.text[:100]}", flush=True)
                subprocess.run(["sh", "-ec", self._here(step.text)], cwd=source, env=environment, check=True)

    def started(self, port: int) -> ServerProcess:
        """Start what the image starts, as its user where this one may, on a port of loopback."""
        data = self._folder / "var/lib/hypocenter"
        data.mkdir(parents=True, mode=0o700)
        account = self._one("USER") if os.geteuid() == 0 else str(os.geteuid())
        if os.geteuid() == 0:
            os.chown(data, int(account), int(account))
        environment = {**self._environment(), "HYPOCENTER_LISTEN": f"127.0.0.1:{port}"}
        command = [*_as(account), *shlex.split(re.sub(r'[\[\],"]', " ", self._one("CMD")))]
        return ServerProcess(command, "OTEL_EXPORTER_OTLP_ENDPOINT", data, environment=environment)

    def healthy(self, port: int) -> bool:
        """Whether the health check of docker-compose.yml says so, by the image's own Python."""
        _, *check = composed.services()["api"]["healthcheck"]["test"]
        command = [word.replace(LISTENED, f"127.0.0.1:{port}") for word in check]
        assert command != check
        return subprocess.run(command, env=self._environment(), timeout=60, check=False).returncode == 0

    def _environment(self) -> Mapping[str, str]:
        pairs = (word.split("=", 1) for word in shlex.split(self._here(self._one("ENV"))))
        return {name: value.replace("$PATH", "/usr/bin:/bin") for name, value in pairs}

    def _one(self, instruction: str) -> str:
        (found,) = (step.text for step in self._last if step.instruction == instruction)
        return found

    def _here(self, text: str) -> str:
        """Return a text with the images' folders below this one."""
        return re.sub(r"(?<![\w.])/(?=(opt/hypocenter|wheels|var/lib/hypocenter)\b)", f"{self._folder}/", text)


def _python() -> str:
    """Return a Python that any account may run, as that of the base image: this one, or else the system's."""
    own = Path(sys.executable).resolve()
    if all(folder.stat().st_mode & 0o001 for folder in own.parents):
        return str(own)
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    assert found, f"{own} is in a folder that others may not enter, and there is no other Python"
    return found


def _copy(text: str, target: Path) -> None:
    *sources, place = text.split()
    for name in sources:
        there = target / place / (Path(name).name if place.endswith("/") else "")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, there)


def _as(account: str) -> Sequence[str]:
    """Return what a command begins with that is run as another account."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", "--reuid", account, "--regid", account, "--clear-groups", "--no-new-privs")


def _said(image: Image) -> Iterator[str]:
    """Yield what is wrong with an image."""
    port = free_port()
    server = image.started(port)
    try:
        if not image.healthy(port):
            yield f"the health check fails: {server.said()}"
        server.send(signal.SIGTERM)
        if server.wait() != 0:
            yield f"it does not end with 0: {server.said()}"
    finally:
        server.kill()


def main() -> int:
    """Build the image, start it, ask whether it is healthy, and stop it."""
    with tempfile.TemporaryDirectory(prefix="image-") as name:
        # The image's own account must reach what was built.
        Path(name).chmod(0o755)
        image = Image(Path(name))
        image.build()
        wrong = list(_said(image))
    print(*(wrong or ["the image is built as the Dockerfile says, and healthy"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
