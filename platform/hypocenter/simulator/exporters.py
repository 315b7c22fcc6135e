"""The exporters of a system, one function each: which series they show, under which names and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import ComponentType
from hypocenter.simulator.calling import PACKETS
from hypocenter.simulator.counting import BUCKETS, Chance, Histogram, counter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.simulator.record import Record
    from hypocenter.simulator.scenario import Scenario
    from hypocenter.simulator.system import Bools, Floats, Ints, System

Labels = dict[str, str]
CONNECTIONS = {
    ComponentType.DATABASE: "database",
    ComponentType.CACHE: "database",
    ComponentType.QUEUE: "messaging_system",
    ComponentType.EXTERNAL: "virtual_node",
}


@dataclass(frozen=True)
class Block:
    """Series of one exporter: `labels` and `source` (the component that is scraped) per column of `values`.

    `exporter` is `app` (the component itself), `container` (its node's agent), `cluster` (the orchestrator) or empty
    (somebody who watches from outside and is not touched by the component's troubles).
    """

    labels: list[Labels]
    values: Floats
    source: Ints
    exporter: str


@dataclass(frozen=True)
class View:
    """What all exporters look at; `restarts` is [step, component]."""

    scenario: Scenario
    system: System
    record: Record
    chance: Chance
    restarts: Bools

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the components."""
        return self.system.components.names

    def scraped(self) -> Ints:
        """Return the components that have exporters of their own."""
        inside = self.system.components.of_type(*(t for t in ComponentType if t is not ComponentType.EXTERNAL))
        silent = [self.system.number(name) for name in self.scenario.silent]
        return np.setdiff1d(inside, silent)

    def of_type(self, type_: ComponentType) -> Ints:
        """Return the components of a type that have exporters of their own."""
        return np.intersect1d(self.system.components.of_type(type_), self.scraped())

    def gauge(self, name: str, values: Floats, numbers: Ints, exporter: str = "app", **more: str) -> Block:
        """Return one gauge per component of `numbers`."""
        return Block([self.label(name, i, **more) for i in numbers], values, numbers, exporter)

    def counter(self, name: str, steps: Floats, numbers: Ints, exporter: str = "app", **more: str) -> Block:
        """Return one counter per component of `numbers`, from its increments; it restarts with the component."""
        labels = [self.label(name, i, **more) for i in numbers]
        values = counter(steps, self.restarts[:, numbers], self.scenario.seed, f"{name} {sorted(more.items())}")
        return Block(labels, values, numbers, exporter)

    def label(self, name: str, number: int, **more: str) -> Labels:
        """Return the labels of a component's series."""
        return {"__name__": name, "service": self.names[number], **more}

    def histogram(
        self, name: str, seen: Histogram, labels: list[Labels], source: Ints, exporter: str
    ) -> Iterator[Block]:
        """Yield `_sum`, `_count` and, in full detail, `_bucket` counters of a histogram."""
        restarts = self.restarts[:, source] if exporter else np.zeros(seen.count.shape, dtype=bool)
        parts: list[tuple[str, Floats, dict[str, str]]] = [("_sum", seen.total, {}), ("_count", seen.count, {})]
        if self.scenario.telemetry.detail == "full":
            parts += [("_bucket", steps, {"le": f"{le:g}"}) for le, steps in zip(BUCKETS, seen.buckets, strict=True)]
            parts += [("_bucket", seen.count, {"le": "+Inf"})]
        for suffix, steps, more in parts:
            named = [{**each, "__name__": name + suffix, **more} for each in labels]
            yield Block(named, counter(steps, restarts, self.scenario.seed, name), source, exporter)


def services(view: View) -> Iterator[Block]:
    """Yield what services tell of the requests that they serve."""
    numbers, record = view.of_type(ComponentType.SERVICE), view.record
    count, refused, failed = _requests(view, numbers, "http")
    for code, steps in (("200", count - refused - failed), ("500", failed), ("503", refused)):
        yield view.counter("http_server_requests_total", steps, numbers, code=code)
    yield from _durations(view, "http_server_request_duration_seconds", count, numbers)
    yield view.gauge("http_server_active_requests", np.round(record.busy[:, numbers]), numbers)
    yield view.gauge("http_server_queued_requests", np.round(record.queue[:, numbers]), numbers)
    workers = np.broadcast_to(view.system.components.workers[numbers], (len(record.busy), len(numbers)))
    yield view.gauge("http_server_worker_limit", workers, numbers)


def databases(view: View) -> Iterator[Block]:
    """Yield what databases tell of their queries and connections."""
    numbers, record = view.of_type(ComponentType.DATABASE), view.record
    count, refused, failed = _requests(view, numbers, "db")
    yield view.counter("db_queries_total", count - refused - failed, numbers, status="ok")
    yield view.counter("db_queries_total", refused + failed, numbers, status="error")
    yield from _durations(view, "db_query_duration_seconds", count, numbers)
    yield view.gauge("db_connections_active", np.round(record.busy[:, numbers]), numbers)
    yield view.gauge("db_connections_waiting", np.round(record.queue[:, numbers]), numbers)
    workers = np.broadcast_to(view.system.components.workers[numbers], (len(record.busy), len(numbers)))
    yield view.gauge("db_connections_max", workers, numbers)


def caches(view: View) -> Iterator[Block]:
    """Yield what caches tell, in the names of a Redis exporter."""
    numbers, record = view.of_type(ComponentType.CACHE), view.record
    count, _, failed = _requests(view, numbers, "cache")
    fine = count - failed
    seen = view.chance.histogram(count, record.response[:, numbers], record.deviation[:, numbers], "cache")
    hits = view.chance.part(fine, np.broadcast_to(_hit(view)[numbers], fine.shape), "hits")
    yield view.counter("redis_commands_processed_total", count, numbers)
    yield view.counter("redis_commands_duration_seconds_total", seen.total, numbers)
    yield view.counter("redis_keyspace_hits_total", hits, numbers)
    yield view.counter("redis_keyspace_misses_total", fine - hits, numbers)
    yield view.counter("redis_errors_total", failed, numbers)
    yield view.gauge("redis_memory_used_bytes", view.chance.around(record.memory[:, numbers], 0.002, "redis"), numbers)
    yield view.gauge("redis_connected_clients", np.round(8 + record.busy[:, numbers]), numbers)


def queues(view: View) -> Iterator[Block]:
    """Yield what message brokers tell, in the names of a RabbitMQ exporter."""
    numbers, record = view.of_type(ComponentType.QUEUE), view.record
    count, refused, failed = _requests(view, numbers, "queue")
    kept = np.round(record.depth[:, numbers])
    taken = np.maximum(count - refused - failed - np.diff(kept, axis=0, prepend=kept[:1]), 0.0)
    yield view.counter("rabbitmq_queue_messages_published_total", count - refused - failed, numbers)
    yield view.counter("rabbitmq_queue_messages_delivered_total", taken, numbers)
    yield view.counter("rabbitmq_queue_publish_errors_total", refused + failed, numbers)
    yield view.gauge("rabbitmq_queue_messages_ready", kept, numbers)


def pools(view: View) -> Iterator[Block]:
    """Yield what callers tell of their connection pools."""
    calls, record = view.system.calls, view.record
    edges = np.flatnonzero(np.isfinite(calls.pool) & np.isin(calls.caller, view.scraped()))
    source, left = calls.caller[edges], record.capacity[:, edges]
    size = np.broadcast_to(calls.pool[edges], left.shape)
    for name, values in (
        ("db_client_connections_usage", np.minimum(np.ceil(record.connections[:, edges] + size - left), size)),
        ("db_client_connections_max", size),
        ("db_client_connections_pending_requests", np.round(record.waiters[:, edges])),
    ):
        labels = [view.label(name, calls.caller[e], pool=view.names[calls.callee[e]]) for e in edges]
        yield Block(labels, values, source, "app")


def containers(view: View) -> Iterator[Block]:
    """Yield what the agent of each node tells of containers, and the orchestrator of restarts and volumes."""
    numbers, record, step = view.scraped(), view.record, view.scenario.step
    c = view.system.components
    traffic = record.arrivals[:, numbers] * c.bytes[numbers] * step
    around, written = view.chance.around, record.io * 10e6 + record.served * c.writes * 8192
    flows = {
        "container_cpu_usage_seconds_total": around(record.cpu[:, numbers] * step, 0.02, "cpu"),
        "container_cpu_cfs_throttled_seconds_total": (record.throttled * record.busy)[:, numbers] * step * 0.1,
        "container_network_receive_bytes_total": around(traffic * 0.25, 0.02, "received"),
        "container_network_transmit_bytes_total": around(traffic * 0.75, 0.02, "sent"),
        "container_network_receive_packets_dropped_total": np.floor(_dropped(view)[:, numbers] * step),
        "container_fs_reads_bytes_total": around(record.io[:, numbers] * step * 20e6, 0.05, "reads"),
        "container_fs_writes_bytes_total": around(written[:, numbers] * step, 0.05, "writes"),
    }
    for name, steps in flows.items():
        yield view.counter(name, np.maximum(steps, 0.0), numbers, "container")
    memory = around(record.memory[:, numbers], 0.004, "memory")
    yield view.gauge("container_memory_working_set_bytes", memory, numbers, "container")
    limits = np.broadcast_to(c.limit[numbers], memory.shape)
    yield view.gauge("container_spec_memory_limit_bytes", limits, numbers, "cluster")
    yield view.gauge("kube_pod_container_status_restarts_total", record.restarts[:, numbers], numbers, "cluster")
    writes = numbers[c.writes[numbers] > 0]
    used = 0.35 + 0.65 * record.fill[:, writes]
    yield view.gauge("kubelet_volume_stats_available_bytes", (1 - used) * c.volume[writes], writes, "cluster")
    sizes = np.broadcast_to(c.volume[writes], used.shape)
    yield view.gauge("kubelet_volume_stats_capacity_bytes", sizes, writes, "cluster")


def calls(view: View) -> Iterator[Block]:
    """Yield what is known per call edge: from traces (service graph), or from each caller's own client."""
    style, c, record = view.scenario.telemetry.edges, view.system.calls, view.record
    edges = np.arange(len(c.caller)) if style == "graph" else np.flatnonzero(np.isin(c.caller, view.scraped()))
    if style == "none" or not len(edges):
        return
    count = view.chance.events(record.attempts[:, edges], "calls")
    failed = view.chance.part(count, record.failed[:, edges], "failed calls")
    seen = view.chance.histogram(count, record.client[:, edges], record.client_deviation[:, edges], "client")
    yield from (_graph if style == "graph" else _client)(view, edges, count, failed, seen)


def _graph(view: View, edges: Ints, count: Floats, failed: Floats, seen: Histogram) -> Iterator[Block]:
    record, callee = view.record, view.system.calls.callee[edges]
    labels = [_ends(view, e) for e in edges]
    outside = np.full(len(edges), -1)
    zero = np.zeros(count.shape, dtype=bool)
    for name, steps in (
        ("traces_service_graph_request_total", count),
        ("traces_service_graph_request_failed_total", failed),
    ):
        values = counter(steps, zero, view.scenario.seed, name)
        yield Block([{"__name__": name, **each} for each in labels], values, outside, "")
    yield from view.histogram("traces_service_graph_request_client_seconds", seen, labels, outside, "")
    answered = np.flatnonzero([view.system.components.types[i] is ComponentType.SERVICE for i in callee])
    server = view.chance.histogram(
        count[:, answered], record.response[:, callee[answered]], record.deviation[:, callee[answered]], "server"
    )
    some = [labels[i] for i in answered]
    yield from view.histogram("traces_service_graph_request_server_seconds", server, some, outside[answered], "")


def _client(view: View, edges: Ints, count: Floats, failed: Floats, seen: Histogram) -> Iterator[Block]:
    c = view.system.calls
    source = c.caller[edges]
    labels = [{"service": view.names[c.caller[e]], "peer": view.names[c.callee[e]]} for e in edges]
    for code, steps in (("200", count - failed), ("504", failed)):
        named = [{"__name__": "http_client_requests_total", "code": code, **each} for each in labels]
        values = counter(steps, view.restarts[:, source], view.scenario.seed, f"client {code}")
        yield Block(named, values, source, "app")
    yield from view.histogram("http_client_request_duration_seconds", seen, labels, source, "app")


def hosts(view: View) -> Iterator[Block]:
    """Yield what a node exporter tells of each host."""
    h, record, step = view.system.hosts, view.record, view.scenario.step
    numbers, seed = np.arange(len(h.names)), view.scenario.seed
    zero = np.zeros((len(record.host_cpu), len(numbers)), dtype=bool)
    used = np.clip(view.chance.around(record.host_cpu, 0.02, "host cpu"), 0.0, h.cpus)
    inside = view.system.components.host[None, :] == numbers[:, None]
    memory = h.memory - 2e9 - record.memory @ inside.T.astype(float)
    for name, mode, steps in (
        ("node_cpu_seconds_total", "user", used * step),
        ("node_cpu_seconds_total", "idle", (h.cpus - used) * step),
        ("node_disk_io_time_seconds_total", "", np.clip(record.host_io, 0, 1) * step),
    ):
        more = {"mode": mode} if mode else {"device": "sda"}
        labels = [{"__name__": name, "instance": host, **more} for host in h.names]
        yield Block(labels, counter(steps, zero, seed, name + mode), numbers, "")
    gauges = {
        "node_memory_MemAvailable_bytes": np.maximum(memory, 0.0),
        "node_memory_MemTotal_bytes": np.broadcast_to(h.memory, memory.shape),
        "node_load1": used,
    }
    for name, values in gauges.items():
        yield Block([{"__name__": name, "instance": host} for host in h.names], values, numbers, "")


def _requests(view: View, numbers: Ints, purpose: str) -> tuple[Floats, Floats, Floats]:
    """Return all, refused and failed requests per step of some components."""
    record = view.record
    count = view.chance.events((record.served + record.refused)[:, numbers], purpose)
    share = record.refused / np.maximum(record.served + record.refused, 1e-9)
    refused = view.chance.part(count, share[:, numbers], purpose + " refused")
    left = np.clip((record.failing - share) / np.maximum(1 - share, 1e-9), 0.0, 1.0)
    return count, refused, view.chance.part(count - refused, left[:, numbers], purpose + " failed")


def _durations(view: View, name: str, count: Floats, numbers: Ints) -> Iterator[Block]:
    record = view.record
    seen = view.chance.histogram(count, record.response[:, numbers], record.deviation[:, numbers], name)
    yield from view.histogram(name, seen, [view.label(name, i) for i in numbers], numbers, "app")


def _hit(view: View) -> Floats:
    c = view.system.calls
    hit = np.full(len(view.names), 0.9)
    for edge in np.flatnonzero(c.behind >= 0):
        hit[c.callee[c.behind[edge]]] = c.hit[edge]
    return hit


def _dropped(view: View) -> Floats:
    """Return packets lost per second and component: half of a call's losses on its way there, half on its way back."""
    c, lost = view.system.calls, np.zeros(view.record.arrivals.shape)
    for edge, packets in enumerate((view.record.dropped * view.record.attempts * PACKETS).T):
        lost[:, c.caller[edge]] += packets / 2
        lost[:, c.callee[edge]] += packets / 2
    return lost


def _ends(view: View, edge: int) -> Labels:
    c, types = view.system.calls, view.system.components.types
    kind = CONNECTIONS.get(types[c.callee[edge]])
    ends = {"client": view.names[c.caller[edge]], "server": view.names[c.callee[edge]]}
    return ends | ({"connection_type": kind} if kind else {})
