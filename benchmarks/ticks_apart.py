"""Ticks by workers that are processes of their own, on Redis, PostgreSQL and VictoriaMetrics."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis
from tick_worker import NOW
from ticks_made import Made, Timed, import_lines, shards_of

from hypocenter.stores.opening import open_records
from hypocenter.stores.redis_board import RedisBoard
from hypocenter.stores.work_board import STATE_BYTES
from hypocenter_workers.app import create_app
from hypocenter_workers.sending import send_once, tick_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from celery import Celery
    from numpy.typing import NDArray
    from server_process import ServerProcess
    from victoria_metrics import VictoriaMetrics

    from hypocenter.stores.records import Records

POLL_S, PATIENCE_S, LINES = 0.005, 300.0, 20_000
TENANT = "default"
# Its own limit of what one listing may hold is 300,000.
MOST_SERIES = "-search.maxUniqueTimeseries=2000000"
HZ = os.sysconf("SC_CLK_TCK")


class Platform:
    """The servers, and the series that they are about; a worker is started for each measurement."""

    def __init__(self, folder: Path, size: int, stack: ExitStack) -> None:
        from native_postgres import Postgres
        from server_process import ServerProcess, free_port
        from victoria_metrics import VictoriaMetrics

        port, self._shards = free_port(), shards_of(size)
        command = [str(shutil.which("redis-server")), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        (folder / "postgres").mkdir()
        victoria = VictoriaMetrics(str(shutil.which("victoria-metrics")), folder, MOST_SERIES)
        self.victoria = stack.enter_context(victoria)
        redis = stack.enter_context(ServerProcess([*command, "--appendonly", "no"], "eady to accept", folder))
        postgres = stack.enter_context(Postgres(folder / "postgres"))
        self.url = f"redis://127.0.0.1:{port}/0"
        self.settings = {
            "HYPOCENTER_REDIS_URL": self.url,
            "HYPOCENTER_METRICS": self.victoria.url,
            "HYPOCENTER_RECORDS": postgres.url(),
            "HYPOCENTER_RECORDS_PASSWORD_FILE": str(postgres.password_file),
            "HYPOCENTER_TENANT": TENANT,
            "HYPOCENTER_SHARDS": str(self._shards),
            "HYPOCENTER_MAX_SERIES": str(2 * size),
            "HYPOCENTER_TICK_LIMIT_SECONDS": "600",
            "HYPOCENTER_PROMETHEUS_TIMEOUT": "120",
            "OMP_NUM_THREADS": "1",
        }
        os.environ |= self.settings
        self.records: Records = stack.enter_context(closing(open_records()))
        self.board = stack.enter_context(closing(RedisBoard(self.url, TENANT)))
        self.redis = stack.enter_context(Redis.from_url(self.url))
        self.app: Celery = stack.enter_context(create_app(self.url))
        self.servers = [self.victoria.pid, redis.pid, postgres.pid]
        self.made = Made(_Import(self.victoria, size), size)

    @contextmanager
    def worker(self, jobs: int) -> Iterator[ServerProcess]:
        """Have a worker with so many processes."""
        from server_process import ServerProcess

        script = str(Path(__file__).with_name("tick_worker.py"))
        with ServerProcess([sys.executable, script, str(jobs)], "ready", environment=dict(os.environ)) as started:
            yield started

    def tick(self, worker: int, steps: int = 1) -> Timed:
        """Write `steps` more, have every shard ticked and return what that took."""
        self.made.write(steps)
        self.redis.set(NOW, self.made.now.timestamp())
        before = _cpu_s([worker]), _cpu_s(self.servers)
        begun = time.perf_counter()
        for shard in range(self._shards):
            send_once(self.app, self.board, tick_of(shard))
        done = self._done(begun)
        return Timed(done, _cpu_s([worker]) - before[0], _cpu_s(self.servers) - before[1])

    def state_bytes(self) -> float:
        """Return the size of the states of all shards."""
        return sum(value for figure, value in self.board.levels().items() if figure.name == STATE_BYTES)

    def _done(self, begun: float) -> list[float]:
        wanted = self.made.now.replace(second=0)
        done: dict[int, float] = {}
        while len(done) < self._shards:
            positions = self.records.detections.positions()
            at = time.perf_counter() - begun
            done |= {s: at for s, one in positions.items() if one.watermark >= wanted and s not in done}
            if at > PATIENCE_S:
                raise RuntimeError(f"{self._shards - len(done)} shards were not ticked within {PATIENCE_S} s")
            time.sleep(POLL_S)
        return list(done.values())


@contextmanager
def platform(size: int) -> Iterator[Platform]:
    """Start the servers, and end them."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # PostgreSQL runs as another user, who has to pass.
        Path(folder).chmod(0o755)
        yield Platform(Path(folder), size, stack)


class _Import:
    """Writes to VictoriaMetrics by its own import: remote write is measured elsewhere."""

    def __init__(self, server: VictoriaMetrics, size: int) -> None:
        self._server, self._heads = server, import_lines(size)

    def take(self, at_ms: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Write [scrape, series] and wait until it shows."""
        end = f',"timestamps":{json.dumps(at_ms.tolist())}}}\n'
        for first in range(0, len(self._heads), LINES):
            rows = values[:, first : first + LINES].T.tolist()
            heads = self._heads[first : first + LINES]
            body = "".join([f"{head}{row}{end}" for head, row in zip(heads, rows, strict=True)])
            with urllib.request.urlopen(f"{self._server.url}/api/v1/import", body.encode()) as answer:
                answer.read()
        self._server.flush()


def _cpu_s(processes: list[int]) -> float:
    """Return the seconds of CPU that processes used with their children."""
    used = 0.0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
        used += (int(fields[11]) + int(fields[12])) / HZ
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        used += _cpu_s([int(child) for child in children])
    return used
