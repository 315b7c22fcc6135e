"""Redis, a worker and a beat as processes, on a line that can be cut, whose anomalies are known beforehand."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cut_proxy import CutProxy
from redis import Redis
from server_process import ServerProcess, free_port
from step_work import told
from waiting import awaited

from hypocenter.stores.opening import open_records
from hypocenter_workers.app import create_app

if TYPE_CHECKING:
    from typing import Self

SHARDS = 2
STEP = timedelta(seconds=1)
SETTINGS = {"TICK_SECONDS": "1", "SETTLE_SECONDS": "0", "SHARDS": str(SHARDS), "TICK_LIMIT_SECONDS": "4"}
TENANT = "faults"


class WorkerPlatform:
    """The parts, running; every one of them can be ended and started again. The settings must be SETTINGS."""

    def __init__(self, folder: Path, redis_server: str) -> None:
        self.folder, self._redis_server = folder, redis_server
        self.redis_port = free_port()
        self.place = str(folder / "records.db")
        self._open = ExitStack()
        self.line = self._open.enter_context(CutProxy(self.redis_port))
        self.records = self._open.enter_context(closing(open_records(self.place, TENANT)))
        self.url = f"redis://127.0.0.1:{self.redis_port}/0"
        self.app = self._open.enter_context(create_app(self.url))
        self.client = self._open.enter_context(closing(Redis(port=self.redis_port)))
        self.start_redis()
        self.worker, self.beat = self.start("worker"), self.start("beat")

    def start_redis(self) -> None:
        """Start Redis with what it kept."""
        folder = self.folder / "redis"
        folder.mkdir(exist_ok=True)
        command = [self._redis_server, "--bind", "127.0.0.1", "--port", str(self.redis_port), "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
        self.redis = ServerProcess(command, "eady to accept connections", folder)

    def forget_redis(self) -> None:
        """Have Redis keep nothing of before."""
        shutil.rmtree(self.folder / "redis")

    def start(self, role: str) -> ServerProcess:
        """Start one more worker or beat."""
        script = str(Path(__file__).with_name("step_work.py"))
        url = f"redis://127.0.0.1:{self.line.port}/0"
        return ServerProcess([sys.executable, script, role, url, self.place, TENANT], "ready", self.folder)

    def hold_ticks(self) -> int:
        """Have ticks wait from now on, and return the process of the first that does."""
        begun = Path(f"{self.place}.begun")
        begun.unlink(missing_ok=True)
        Path(f"{self.place}.wait").touch()
        awaited(lambda: begun.exists() and begun.read_text(encoding="utf-8"))
        return int(begun.read_text(encoding="utf-8"))

    def let_ticks_go(self) -> None:
        """Have ticks wait no more."""
        Path(f"{self.place}.wait").unlink()

    def stall(self, steps: int = 3) -> None:
        """Return when nothing was scored for some steps."""

        def stalled() -> bool:
            positions = self.records.detections.positions().values()
            return datetime.now(UTC) - max(each.watermark for each in positions) > steps * STEP

        awaited(stalled)

    def recovers(self) -> None:
        """Return when all steps up to now are scored; raises AssertionError when an anomaly was lost or doubled."""
        now = datetime.now(UTC)
        try:
            awaited(lambda: all(each >= now for each in self._watermarks()))
        except AssertionError as error:
            error.add_note(f"worker: {self.worker.said()}\nbeat: {self.beat.said()}")
            raise
        for shard, watermark in enumerate(self._watermarks()):
            onsets = [each for each in told(self.records, shard) if each < watermark]
            steps = [onsets[0] + n * STEP for n in range((watermark - onsets[0]) // STEP)]
            assert onsets == steps

    def close(self) -> None:
        """End all."""
        self.line.mend()
        for part in (self.beat, self.worker, self.redis):
            with suppress(ProcessLookupError):
                part.send(signal.SIGTERM)
        for part in (self.beat, self.worker, self.redis):
            part.wait()
        self._open.close()

    def kill_worker(self) -> None:
        """End the worker as a machine would that loses power: all of its processes at once."""
        children = _children(self.worker.pid)
        for pid in (self.worker.pid, *children):
            os.kill(pid, signal.SIGKILL)
        self.worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _watermarks(self) -> list[datetime]:
        positions = self.records.detections.positions()
        never = datetime.min.replace(tzinfo=UTC)
        return [positions[shard].watermark if shard in positions else never for shard in range(SHARDS)]


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
