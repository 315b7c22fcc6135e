"""The whole platform as processes beside its real servers, watching over a steady stream; each part can be ended."""

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
from steady_stream import HISTORY, Sender, Stream
from victoria_metrics import VictoriaMetrics
from waiting import awaited

from hypocenter.model import DependencyType
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.rhythm import Rhythm
from hypocenter.stores.opening import open_records
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.neo4j import Connection, Neo4jStore
from hypocenter_workers.app import create_app
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import FileStates
from hypocenter_workers.ticks.tick import Place, tick

if TYPE_CHECKING:
    from typing import Self

    from native_neo4j import Neo4j
    from native_postgres import Postgres

    from hypocenter.stores.live_incidents import LiveIncident

STEP = timedelta(seconds=2)
SETTLE = timedelta(seconds=2)
# What falls ill just before the newest step may be told a few steps later.
TELLING = timedelta(seconds=10)


class LivePlatform:
    """Servers, api, beat and two workers. Workers and beat reach Redis and the metrics over lines that can be cut.

    `ill` is how many systems there are, and how long after one the next falls ill.
    """

    def __init__(self, folder: Path, neo4j: Neo4j, postgres: Postgres, ill: tuple[int, timedelta]) -> None:
        self.folder, self.neo4j, self.postgres, self.shards = folder, neo4j, postgres, 4
        self.redis_port = free_port()
        self.stream = Stream(datetime.now(UTC).replace(microsecond=0) - HISTORY, *ill)
        self.workers: list[ServerProcess] = []
        with ExitStack() as opening:
            self._begin(opening)
            self._open = opening.pop_all()

    def _begin(self, opening: ExitStack) -> None:
        opening.callback(self._end_all)
        self.start_redis()
        self.metrics = opening.enter_context(VictoriaMetrics(_program("victoria-metrics"), self.folder))
        self.redis_line = opening.enter_context(CutProxy(self.redis_port))
        self.metrics_line = opening.enter_context(CutProxy(int(self.metrics.url.rpartition(":")[2])))
        self.records = opening.enter_context(closing(open_records(self.postgres.url())))
        self.client = opening.enter_context(closing(Redis(port=self.redis_port)))
        self.app = opening.enter_context(create_app(f"redis://127.0.0.1:{self.redis_port}/0"))
        self._draw_graph()
        port = free_port()
        self.api = self._start("api", "OTEL_EXPORTER_OTLP_ENDPOINT", "--listen", f"127.0.0.1:{port}")
        self.url = f"http://127.0.0.1:{port}"
        opening.enter_context(self.api)
        opening.enter_context(Sender(self.stream, self.url))
        self.metrics.flush()
        self.workers += [self.start_worker(), self.start_worker()]
        self.beat = self.start_beat()

    def start_redis(self) -> None:
        """Start Redis with what it kept."""
        folder = self.folder / "redis"
        folder.mkdir(exist_ok=True)
        command = [_program("redis-server"), "--bind", "127.0.0.1", "--port", str(self.redis_port)]
        command += ["--dir", str(folder), "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
        self.redis = ServerProcess(command, "eady to accept connections", folder)

    def forget_redis(self) -> None:
        """Have Redis keep nothing of before."""
        shutil.rmtree(self.folder / "redis")

    def start_worker(self, clock: str = "") -> ServerProcess:
        """Start one more worker, whose clock is as wrong as Debian's `faketime` is told, such as `+1h`."""
        return self._start("worker", "ready ", "--jobs", "1", clock=clock)

    def start_beat(self, clock: str = "") -> ServerProcess:
        """Start one more beat, with a clock as that of a worker."""
        return self._start("beat", "ready ", clock=clock)

    def kill_worker(self, number: int) -> None:
        """End a worker as a machine would that loses power: all of its processes at once."""
        pid = self.workers[number].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        for each in (pid, *map(int, children)):
            os.kill(each, signal.SIGKILL)
        self.workers[number].kill()

    def busy_worker(self) -> int:
        """Return the place of a worker that is amid a task."""
        busy: list[int] = []

        def found() -> bool:
            held = self.client.zcard("unacked_index")
            busy.extend(number for number, worker in enumerate(self.workers) if held and _is_at_work(worker.pid))
            return bool(busy)

        awaited(found, self.said)
        return busy[0]

    @property
    def watermark(self) -> datetime:
        """Up to when all is scored."""
        return min(each.watermark for each in self.records.detections.positions().values())

    def stall(self, lag: timedelta = timedelta(seconds=5)) -> None:
        """Return when the oldest settled time that is not scored is so long ago."""
        awaited(lambda: datetime.now(UTC) - SETTLE - self.watermark > lag, self.said)

    def recovers(self) -> bool:
        """Return True when all shards have scored what was settled when this was asked; raises AssertionError else."""
        now = datetime.now(UTC)
        awaited(lambda: self._has_begun() and self.watermark >= now, self.said)
        return True

    def told(self, until: datetime) -> set[str]:
        """Return the keys of the anomalies that began before a time."""
        everything = self.records.detections.anomalies(self.stream.begun, until)
        return {each.key for each in everything if each.anomaly.onset < until}

    def undisturbed(self, until: datetime, folder: Path) -> set[str]:
        """Return the keys that one process tells which nothing disturbs."""
        url = f"http://127.0.0.1:{self.metrics.url.rpartition(':')[2]}"
        with (
            closing(PrometheusMetrics(url, PrometheusOptions())) as metrics,
            closing(open_records(str(folder / "undisturbed.db"))) as records,
        ):
            rhythm = Rhythm(STEP, SETTLE, 1)
            states, roster = FileStates(folder / "states"), Roster(metrics, 1)
            place = Place(metrics, records.detections, states, roster, rhythm)
            tick(place, 0, self.stream.first + SETTLE)
            while tick(place, 0, until + TELLING + SETTLE).left:
                pass
            everything = records.detections.anomalies(self.stream.begun, until)
            return {each.key for each in everything if each.anomaly.onset < until}

    def incidents(self) -> list[LiveIncident]:
        """Return the incidents on which there is a verdict."""
        store = self.records.incidents
        return [each for each in store.incidents() if store.judged(each.incident_id) is not None]

    def said(self) -> str:
        """Return what the parts said last."""
        parts = {"beat": self.beat, **{f"worker {at}": worker for at, worker in enumerate(self.workers)}}
        return "\n".join(f"{name}: {part.said()}" for name, part in parts.items())

    def end(self, parts: list[ServerProcess]) -> None:
        """End parts as an operator would."""
        for part in parts:
            with suppress(ProcessLookupError):
                part.send(signal.SIGTERM)
        for part in parts:
            part.wait()
            part.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.redis_line.mend()
        self.metrics_line.mend()
        # Workers end in peace while there is a Redis.
        self.end([self.beat, *self.workers])
        self._open.close()

    def _end_all(self) -> None:
        for part in (getattr(self, "beat", None), *self.workers, getattr(self, "redis", None)):
            if part is not None:
                part.kill()

    def _has_begun(self) -> bool:
        return len(self.records.detections.positions()) == self.shards

    def _start(self, role: str, ready: str, *options: str, clock: str = "") -> ServerProcess:
        program = str(Path(sys.executable).with_name("hypocenter"))
        metrics = self.metrics.url if role == "api" else f"http://127.0.0.1:{self.metrics_line.port}"
        settings = {
            "DATA_DIR": str(self.folder / "data"),
            "RECORDS": self.postgres.url(),
            "RECORDS_PASSWORD_FILE": str(self.postgres.password_file),
            "METRICS": metrics,
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_line.port}/0",
            "GRAPH": self.neo4j.url,
            "NEO4J_PASSWORD_FILE": str(self.neo4j.password_file),
            "NEO4J_TIMEOUT": "5",
            "TICK_SECONDS": str(int(STEP.total_seconds())),
            "SETTLE_SECONDS": str(int(SETTLE.total_seconds())),
            "TICK_LIMIT_SECONDS": "20",
            "SHARDS": str(self.shards),
        }
        named = {f"HYPOCENTER_{name}": value for name, value in settings.items()} | _faked(clock)
        return ServerProcess([program, role, *options], ready, self.folder, environment={**os.environ, **named})

    def _draw_graph(self) -> None:
        """Have the graph know that each caller leans on its database, and on nothing else."""
        always = (Interval(self.stream.begun - timedelta(days=1), None),)
        edges = [DependencyClaim(*pair, DependencyType.CALLS, "declared", always) for pair in self.stream.pairs]
        server = Connection(self.neo4j.url, self.neo4j.user, self.neo4j.password, timeout_s=60)
        with closing(Neo4jStore(server)) as store:
            store.upsert(Discovered((), tuple(edges)))


def _faked(clock: str) -> dict[str, str]:
    """Return the environment of a process whose time of day is another, while its seconds pass as ever."""
    if not clock:
        return {}
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": clock,
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _is_at_work(pid: int) -> bool:
    """Whether a process of a worker runs at this moment."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return any(_state(child) == "R" for child in children)


def _state(pid: str) -> str:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    return ""


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed"
    return found
