"""The server's memory stays flat under a steady load: ten minutes of it with the soak profile, seconds without."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import load_bodies
import load_client
from hypocenter_server import HypocenterServer
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

IS_SOAK = settings().max_examples > 1000
PARTS, SECONDS = (30, 20.0) if IS_SOAK else (3, 2.0)
RATE = 75_000.0
GROWN, SPARE_MB = 1.1, 64.0
# Up to its limit DuckDB keeps what it wrote, so that memory is flat only from there on; this one is reached early.
LIMIT = 128 << 20


def test_memory_stays_flat_under_a_steady_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setenv("HYPOCENTER_METRICS_MEMORY_BYTES", str(LIMIT))
    server = HypocenterServer(tmp_path / "data")
    try:
        held = held_under_load(server)
    finally:
        server.stop()
    record_property("minutes of load", round(PARTS * SECONDS / 60, 1))
    record_property("samples/s", RATE)
    record_property("MB held, by part of it", " ".join(f"{each:.0f}" for each in held))
    first, last = held[: PARTS // 3], held[-(PARTS // 3) :]
    assert max(last) < max(first) * GROWN + SPARE_MB, held


def held_under_load(server: HypocenterServer) -> list[float]:
    """Return the server's memory in MB after each part of the load."""
    load = load_client.Load(server.url, rate=RATE, seconds=SECONDS)
    turns = int(RATE * SECONDS / (load.connections * load.series)) + 1
    end_ms = int(time.time() * 1000)
    held: list[float] = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as client:
        for part in range(PARTS):
            ago = (PARTS - 1 - part) * turns * load_bodies.INTERVAL_MS
            sent = client.submit(load_client.run, replace(load, turns=turns, end_ms=end_ms - ago)).result()
            assert sent.samples > 0
            assert not sent.refused.total(), sent.refused
            held.append(megabytes(server.process.pid))
    return held


def megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
