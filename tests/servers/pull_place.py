"""Stores of one pull, a server that answers it as a script says, and how to wait for it."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scripted_prometheus import Reply, failure, success

from hypocenter.api.intake import Intake
from hypocenter.api.pull import Pull, PullPlan
from hypocenter.api.pull_marks import Marks
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.group_commit import GroupCommit
from hypocenter.stores.opening import open_records
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter.stores.opening import SqlRecords
    from hypocenter.stores.retention import MetricsLimits

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
OPTIONS = PrometheusOptions(timeout_s=20.0, attempts=2)
MINUTE = timedelta(minutes=1)


@dataclass
class Place:
    """Stores of one pull in a folder, and a clock that a test sets."""

    folder: Path
    metrics: DuckDbMetrics
    records: SqlRecords
    intake: Intake
    now: list[datetime]

    def pull(self, url: str, **plan: Any) -> Pull:
        made = PullPlan(url, **{"selectors": ("up{}",), "options": OPTIONS, **plan})
        return Pull(made, self.intake, Marks(self.folder, url))

    def samples(self) -> dict[str, list[tuple[float, float]]]:
        """Seconds from NOW and values, by pod."""
        series = self.metrics.series([parse_selector("up")], 0, NOW_MS * 2)
        pods = {one.number: dict(one.labels)["pod"] for one in series}
        return {
            pods[found.series]: list(zip(((found.at_ms - NOW_MS) / 1000).tolist(), found.values.tolist(), strict=True))
            for found in self.metrics.read(list(pods), 0, NOW_MS * 2)
        }


@contextmanager
def opened(folder: Path, limits: MetricsLimits | None = None) -> Iterator[Place]:
    now = [NOW]
    folder.mkdir(exist_ok=True)
    with (
        closing(DuckDbMetrics(folder, lambda: now[0], limits)) as metrics,
        closing(open_records(str(folder / "records.db"), "shop")) as records,
        closing(MemoryStore()) as graph,
        closing(GroupCommit(metrics)) as writer,
    ):
        yield Place(folder, metrics, records, Intake(metrics, writer, records, graph, lambda: now[0]), now)


@contextmanager
def stopping(pull: Pull) -> Iterator[Pull]:
    try:
        yield pull
    finally:
        pull.stop()


def matrix(*series: tuple[dict[str, str], list[tuple[float, float]]]) -> Reply:
    result = [{"metric": labels, "values": [[at, str(value)] for at, value in values]} for labels, values in series]
    return success({"resultType": "matrix", "result": result})


def vector(*labels: dict[str, str]) -> Reply:
    return success({"resultType": "vector", "result": [{"metric": one, "value": [0, "1"]} for one in labels]})


def span_of(params: dict[str, str]) -> tuple[float, float]:
    """Return after when and up to when a question about a range asks."""
    end = float(params["time"])
    return end - int(params["query"].rpartition("[")[2].removesuffix("ms]")) / 1000, end


class Script:
    """A server with a series for each of `pods` that has a sample each 15 s; remembers which times it was asked for."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self.largest_s = float("inf")
        self.pods = ["cart-0"]
        self.reply: Reply | None = None

    def __call__(self, _: str, params: dict[str, str]) -> Reply:
        if self.reply is not None:
            return self.reply
        if params["query"].startswith("ALERTS{"):
            return vector()
        start, end = span_of(params)
        if "ALERTS" in params["query"]:
            return matrix()
        if end - start > self.largest_s:
            return failure(422, "too many samples")
        self.spans.append((start, end))
        first = int(start // 15) + 1
        values = [(at * 15.0, float(at % 1000)) for at in range(first, int(end // 15) + 1)]
        return matrix(*(({"__name__": "up", "pod": pod}, values) for pod in self.pods))


def seconds(place: Place) -> list[float]:
    return [at for at, _ in place.samples()["cart-0"]]
