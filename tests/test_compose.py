"""The compose file: pinned images, health checks, limits, no secret and no port open to the world."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_services_are_those_of_one_worker_machine() -> None:
    assert set(SERVICES) == {"redis", "neo4j", "worker"}
    assert SERVICES["neo4j"]["image"].startswith("neo4j:5.26.")


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


def test_the_worker_waits_for_redis_and_has_no_rights() -> None:
    worker = SERVICES["worker"]
    assert worker["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert worker["cap_drop"] == ["ALL"]
    assert worker["read_only"] is True


def test_the_image_is_pinned_and_runs_as_a_user() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert "USER hypocenter" in lines
    assert all("--require-hashes" in line for line in lines if "-r locks/" in line)
