"""The compose file: Compose reads it, images are pinned, what runs has limits and no rights, secrets are files."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import composed
import go_program
import native_neo4j
import official_sender
import pytest
from server_process import free_port

from hypocenter.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = composed.ROOT
SERVICES = composed.services()
OURS = [name for name in SERVICES if "build" in SERVICES[name]]
every_service = pytest.mark.parametrize("name", sorted(SERVICES))
every_one_of_ours = pytest.mark.parametrize("name", OURS)


@pytest.fixture(scope="module")
def as_compose_reads_it() -> dict[str, Any]:
    """The file as Docker Compose's own loader reads it, with no variable set."""
    try:
        program = go_program.built(official_sender.COMPOSE)
    except native_neo4j.UnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    command = [str(program), str(ROOT / "docker-compose.yml"), "monitoring"]
    read: dict[str, Any] = json.loads(subprocess.run(command, env={}, capture_output=True, check=True).stdout)
    return read


def test_compose_reads_it(as_compose_reads_it: dict[str, Any]) -> None:
    assert set(as_compose_reads_it["services"]) == set(SERVICES)
    for name in OURS:
        service = as_compose_reads_it["services"][name]
        assert composed.command(SERVICES[name], {}) == [word.replace("$$", "$") for word in service["command"]]
        assert composed.settings(SERVICES[name], {}) == {
            key: text for key, text in service["environment"].items() if text
        }


def test_what_is_mounted_from_here_is_here(as_compose_reads_it: dict[str, Any], tmp_path: Path) -> None:
    mounts = [mount for one in as_compose_reads_it["services"].values() for mount in one.get("volumes", [])]
    files = {Path(mount["source"]).relative_to(ROOT) for mount in mounts if mount["type"] == "bind"}
    assert all((ROOT / file).is_dir() for file in files - {Path("cases")})
    composed.make_secrets(tmp_path / "secrets")
    wanted = {Path(one["file"]).name for one in as_compose_reads_it["secrets"].values()}
    assert {file.name for file in (tmp_path / "secrets").iterdir()} == wanted


@every_service
def test_images_are_pinned(name: str) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?[\w.-]*$", SERVICES[name]["image"])


@every_service
def test_health_and_limits_are_stated(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["security_opt"] == ["no-new-privileges:true"]


@every_service
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    assert all("127.0.0.1:" in composed.moved(port, {}) for port in SERVICES[name].get("ports", []))


@every_service
def test_no_secret_is_in_the_environment_or_on_a_command_line(name: str) -> None:
    service = SERVICES[name]
    for key, value in service.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|AUTH", key) and not key.startswith("POSTGRES_INITDB"):
            assert re.fullmatch(r"/run/secrets/\w+", value)
            assert Path(value).name in service["secrets"]
    assert set(service.get("secrets", [])) <= set(_secrets())


def _secrets() -> dict[str, Any]:
    read: dict[str, Any] = composed.whole()["secrets"]
    return read


@every_one_of_ours
def test_ours_have_no_rights_and_write_nowhere_else(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert "user" not in service


@every_one_of_ours
def test_ours_are_told_settings_that_there_are(name: str) -> None:
    assert set(SERVICES[name]["environment"]) <= {setting.variable for setting in SETTINGS}


@every_one_of_ours
def test_ours_wait_for_every_server(name: str) -> None:
    servers = {"postgres", "redis", "neo4j", "victoria-metrics"}
    assert {server: {"condition": "service_healthy"} for server in servers}.items() <= SERVICES[name][
        "depends_on"
    ].items()


def test_neo4j_is_the_release_that_the_tests_run() -> None:
    assert SERVICES["neo4j"]["image"] == f"neo4j:{native_neo4j.version()}-community"


def test_nothing_of_neo4j_but_bolt_is_on() -> None:
    neo4j = SERVICES["neo4j"]
    assert neo4j["ports"] == ["127.0.0.1:7687:7687"]
    off = {name for name, value in neo4j["environment"].items() if value == "false"}
    assert {"NEO4J_server_http_enabled", "NEO4J_server_https_enabled", "NEO4J_dbms_usage__report_enabled"} <= off


@pytest.mark.neo4j
def test_neo4j_is_healthy_when_it_answers_on_bolt(neo4j_server: native_neo4j.Neo4j) -> None:
    assert _bolt_answers(neo4j_server.port)
    assert not _bolt_answers(free_port())


def _bolt_answers(port: int) -> bool:
    _, *command = [
        word.replace("$$", "$").replace("/7687", f"/{port}") for word in SERVICES["neo4j"]["healthcheck"]["test"]
    ]
    return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=60, check=False).returncode == 0


def test_secrets_are_made_once_at_random_for_their_owner_alone(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        composed.make_secrets(folder)
    texts = [{file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} for folder in folders]
    assert not set(texts[0].values()) & set(texts[1].values())
    assert texts[0]["neo4j_auth"] == f"neo4j/{texts[0]['neo4j_password']}"
    assert all(re.fullmatch(r"(hyp_|neo4j/)?[0-9a-f]{64}", text) for text in texts[0].values())
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
    # Containers read them as users of their own.
    assert all(file.stat().st_mode & 0o777 == 0o444 for file in folders[0].iterdir())

    (folders[0] / "read_token").unlink()
    subprocess.run(["sh", str(ROOT / "deploy" / "make_secrets.sh"), str(folders[0])], check=True)
    again = {file.name: file.read_text(encoding="utf-8") for file in folders[0].iterdir()}
    assert {name for name in again if again[name] != texts[0][name]} == {"read_token"}


def test_the_image_is_of_the_oldest_python_that_the_tests_run_and_has_no_rights() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert oldest
    assert all(re.fullmatch(rf"python:{re.escape(oldest[1])}\.\d+-slim-bookworm", base) for base in bases)
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", last, re.MULTILINE)
    assert all("--require-hashes" in command for command in text.split("&&") if "-r locks/" in command)


def test_what_the_image_copies_is_sent_to_the_builder() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for word in line.split()}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert copied == {line[1:] for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)


def test_prometheus_takes_its_configuration(require: Callable[[str], str], tmp_path: Path) -> None:
    folder = ROOT / "deploy" / "prometheus"
    (tmp_path / "read_token").write_text("hyp_", encoding="utf-8")
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8").replace(composed.SECRETS, str(tmp_path))
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    expressions = [target["expr"] for panel in _dashboard()["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel{number}", "expr": expression} for number, expression in enumerate(expressions)]
    (tmp_path / "panels.json").write_text(
        json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8"
    )
    promtool = require("promtool")
    assert len(rules) > 20
    subprocess.run([promtool, "check", "config", str(tmp_path / "prometheus.yml")], check=True)
    subprocess.run([promtool, "check", "rules", str(tmp_path / "panels.json")], check=True)


def _dashboard() -> dict[str, Any]:
    file = ROOT / "deploy" / "grafana" / "dashboards" / "hypocenter.json"
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read
