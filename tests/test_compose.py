"""The compose file: pinned images, health checks, limits, no secret and no port open to the world."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import native_neo4j
import pytest
import yaml
from server_process import free_port

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_services_are_those_of_one_worker_machine() -> None:
    assert set(SERVICES) == {"redis", "neo4j", "worker"}


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
    _, *command = [word.replace("$$", "$").replace("/7687", f"/{port}") for word in _health_of_neo4j()]
    return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=60, check=False).returncode == 0


def _health_of_neo4j() -> list[str]:
    test: list[str] = SERVICES["neo4j"]["healthcheck"]["test"]
    return test


@every_service
def test_images_are_pinned(name: str) -> None:
    assert re.search(r":\d+\.\d+\.\d+[\w.-]*$", SERVICES[name]["image"])


@every_service
def test_health_and_limits_are_stated(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


@every_service
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@every_service
def test_secrets_must_be_given(name: str) -> None:
    for value in SERVICES[name]["environment"].values():
        assert "PASSWORD" not in value or re.search(r"\$\{\w+:\?[^}]+\}", value)
    assert any(":?" in value for value in SERVICES[name]["environment"].values())


def test_named_volumes_are_declared() -> None:
    named = {mount.split(":")[0] for one in SERVICES.values() for mount in one["volumes"] if not mount.startswith("$")}
    assert named == set(COMPOSE["volumes"])


def test_the_worker_waits_for_both_servers_and_has_no_rights() -> None:
    worker = SERVICES["worker"]
    assert worker["depends_on"] == {name: {"condition": "service_healthy"} for name in ("redis", "neo4j")}
    assert worker["cap_drop"] == ["ALL"]
    assert worker["read_only"] is True


def test_the_worker_finds_the_graph_and_keeps_its_password_in_memory(tmp_path: Path) -> None:
    worker = SERVICES["worker"]
    assert worker["environment"]["HYPOCENTER_GRAPH"] == "neo4j://neo4j:7687"
    held = Path(worker["environment"]["HYPOCENTER_NEO4J_PASSWORD_FILE"])
    assert str(held.parent) in worker["tmpfs"]

    script = worker["command"][-1].replace("$$", "$").replace("exec celery", "exec echo ${NEO4J_PASSWORD-forgotten}")
    environment = {"NEO4J_PASSWORD": "a b$c'", "HYPOCENTER_NEO4J_PASSWORD_FILE": str(tmp_path / "password")}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("forgotten -A hypocenter_workers.app worker")
    assert (tmp_path / "password").read_text(encoding="utf-8") == "a b$c'"
    assert stat.S_IMODE((tmp_path / "password").stat().st_mode) == 0o600


def test_the_worker_runs_as_the_image_says() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    [command] = [json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD ")]
    assert SERVICES["worker"]["command"][-1].splitlines()[-1] == " ".join(["exec", *command])


def test_the_image_is_pinned_and_runs_as_a_user() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert "USER hypocenter" in lines
    assert all("--require-hashes" in line for line in lines if "-r locks/" in line)
