"""The platform's own services of docker-compose.yml as processes of this machine: same commands, same settings.

Only where they find servers and secrets is another place.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from native_neo4j import UnavailableError
from server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
SECRETS = "/run/secrets"
# What each says, last of all, when it does its work; in this order they are started.
READY = {"api": "OTEL_EXPORTER_OTLP_ENDPOINT", "worker": "ready", "beat": "ready"}
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+):-(?P<default>[^}]*)\})")


def whole() -> dict[str, Any]:
    """Return the compose file as it is written."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return read


def services() -> dict[str, dict[str, Any]]:
    """Return the services of the compose file as they are written there."""
    found: dict[str, dict[str, Any]] = whole()["services"]
    return found


def settings(service: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a service, with `places` (as it is written there to what it is here)."""
    found = {name: moved(value, places) for name, value in service["environment"].items()}
    return {name: value for name, value in found.items() if value}


def command(service: Mapping[str, Any], places: Mapping[str, str]) -> list[str]:
    """Return the command of a service, with `places` as for settings."""
    return [moved(word, places) for word in service["command"]]


def moved(text: str, places: Mapping[str, str]) -> str:
    """Return a text of the compose file as Compose reads it where no variable is set, with `places`."""
    text = _VARIABLE.sub(lambda found: found["default"] if found["name"] else "$", text)
    for there, here in places.items():
        text = text.replace(there, here)
    return text


def started(name: str, places: Mapping[str, str], folder: Path, listen: str) -> ServerProcess:
    """Start a service of the platform; `folder` and `listen` are what the image says for containers."""
    service = services()[name]
    bare = {key: value for key, value in os.environ.items() if not key.startswith("HYPOCENTER_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = {**bare, "PATH": path, **settings(service, places)}
    environment |= {"PYTHONUNBUFFERED": "1", "HYPOCENTER_DATA_DIR": str(folder.resolve()), "HYPOCENTER_LISTEN": listen}
    folder.mkdir(mode=0o700, exist_ok=True)
    return ServerProcess(command(service, places), READY[name], folder, environment=environment)


def redis(port: int, secrets: Path, folder: Path) -> ServerProcess:
    """Start Redis as its service does, on loopback."""
    folder.mkdir(mode=0o700)
    places = {SECRETS: str(secrets), "/run/redis": str(folder), "--dir /data": f"--dir {shlex.quote(str(folder))}"}
    *shell, script = command(services()["redis"], places)
    here = f"{script.rstrip()} --bind 127.0.0.1 --port {port}"
    return ServerProcess([*shell, here], "eady to accept connections", folder)


def victoria_metrics(port: int, folder: Path) -> ServerProcess:
    """Start VictoriaMetrics as its service does, on loopback."""
    places = {"/victoria-metrics-data": str(folder), ":8428": f"127.0.0.1:{port}"}
    words = command(services()["victoria-metrics"], places)
    return ServerProcess([program("victoria-metrics"), *words], "started VictoriaMetrics")


def program(name: str) -> str:
    """Return the path of a program; raises UnavailableError where it is not installed."""
    found = shutil.which(name)
    if not found:
        raise UnavailableError(f"{name} is not installed (Debian: apt-get install {name})")
    return found


def make_secrets(folder: Path, **given: str) -> None:
    """Make the secrets of the compose file in a folder; those of servers that run already are `given`."""
    folder.mkdir(mode=0o700)
    for name, text in given.items():
        (folder / name).write_text(text, encoding="utf-8")
    subprocess.run(["sh", str(ROOT / "deploy" / "make_secrets.sh"), str(folder.resolve())], check=True)
