"""The words of the domain, frozen and without I/O: what a verdict is about and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class ComponentType(StrEnum):
    """What a component is."""

    SERVICE = "service"
    HOST = "host"
    POD = "pod"
    INSTANCE = "instance"
    DATABASE = "database"
    CACHE = "cache"
    QUEUE = "queue"
    EXTERNAL = "external"


class DependencyType(StrEnum):
    """How one component leans on another; the arrow always points at what is leaned on, or at what it is a part of.

    A consumer `CONSUMES` a queue that a producer `PUBLISHES` to; a pod or instance is an `INSTANCE_OF` its workload;
    `DEPENDS_ON` says that there is a dependency and not which.
    """

    CALLS = "CALLS"
    RUNS_ON = "RUNS_ON"
    INSTANCE_OF = "INSTANCE_OF"
    PUBLISHES = "PUBLISHES"
    CONSUMES = "CONSUMES"
    DEPENDS_ON = "DEPENDS_ON"


class MetricKind(StrEnum):
    """What a series measures; the catalog holds unit, harmful direction and wording of each."""

    TRAFFIC = "traffic"
    ERRORS = "errors"
    AVAILABILITY = "availability"
    LATENCY = "latency"
    SELF_TIME = "self_time"
    EDGE_GAP = "edge_gap"
    SATURATION = "saturation"
    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    NETWORK = "network"
    RESTARTS = "restarts"
    UP = "up"
    LOG_LINES = "log_lines"
    ERROR_LINES = "error_lines"
    OPERATION = "operation"
    OTHER = "other"


class Direction(StrEnum):
    """Which way a series left its normal."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Component:
    """A node of the dependency graph; `owner` and `links` say whom to ask and where to read on, where that is known."""

    name: str
    type: ComponentType = ComponentType.SERVICE
    owner: str = ""
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dependency:
    """`caller` leans on `callee`; `source` says who claims so, `confidence` (0 to 1) how sure that is."""

    caller: str
    callee: str
    type: DependencyType = DependencyType.CALLS
    source: str = "declared"
    confidence: float = 1.0
    calls_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one component, after names and units are resolved.

    `unit` is canonical: `s`, `share` (0 to 1), `1/s`, `cores`, `bytes`, `bytes/s`, `count`.
    `stat` is `mean`, `p50` ... `p99`, `rate`, `last` or `sum`. `peer` is the other end of an edge signal: the caller
    for what the component serves (`side` "server"), the callee for what it asks for (`side` "client").
    `host` marks a figure of the machine below the component rather than of the component.
    """

    component: str
    metric: str
    kind: MetricKind = MetricKind.OTHER
    unit: str = ""
    stat: str = "last"
    side: str | None = None
    peer: str | None = None
    host: bool = False

    @property
    def name(self) -> str:
        """`component|metric`, with the peer of an edge signal after a colon."""
        return f"{self.component}|{self.metric}" + (f":{self.peer}" if self.peer else "")


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A span of a series that is unlikely under its own normal.

    `score` is -log10 of the tail probability, the one scale of every detector; `value`, `expected`, `low` and `high`
    are the series and its band at the peak, in the unit of the series. `returned_at` is when it came back after its
    newest calm, None where it was never calm for long.
    """

    series: Series
    onset: datetime
    peak: datetime
    score: float
    value: float
    expected: float
    low: float
    high: float
    direction: Direction
    returned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """Something that people or robots changed: a deploy, config, flag or scaling."""

    component: str
    at: datetime
    type: str = "deploy"
    title: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """Somebody else's rule fired; `at` is None when only the fact is known.

    `modality` is `metric`, `trace` or `log`; `state` is the source's word (`up`, `down`, `500`, ...); `peer` and `host`
    name the other end of the call and the machine, where the source says so.
    """

    component: str
    name: str
    at: datetime | None = None
    modality: str = "metric"
    state: str = ""
    peer: str | None = None
    host: str | None = None
    severity: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """The symptom an investigation starts from: a component and, where known, its metric."""

    component: str
    metric: str | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """Anomalies and alerts with one story."""

    onset: datetime | None
    anomalies: tuple[Anomaly, ...] = ()
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One finding for (`supports`) or against a suspect, with its numbers.

    `channel` is the kind of finding (`cpu`, `latency`, `logs`, `silence`, `exoneration`, `change`, ...); `share` is
    its part of the suspect's score, 0 to 1; `before` and `after` are in `unit`.
    """

    channel: str
    text: str
    supports: bool = True
    share: float = 0.0
    series: str | None = None
    unit: str = ""
    before: float | None = None
    after: float | None = None
    onset: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Where a series of the symptom would be had a suspect stayed normal, all in the unit of the series.

    `observed` is its level during the incident, `expected` the estimate without the suspect's deviation; the truth lies
    between `low` and `high` with probability `level`.
    """

    series: str
    unit: str
    observed: float
    expected: float
    low: float
    high: float
    level: float
    text: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """A component with its probability of being the root cause and the evidence.

    `series` is the metric, or the log statement, that shows it best; None where no series does. `counterfactual` is
    None where the fit is too poor to say.
    """

    component: str
    probability: float
    score: float
    fault_type: str
    evidence: tuple[Evidence, ...] = ()
    path: tuple[str, ...] = ()
    series: str | None = None
    counterfactual: Counterfactual | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the propagation: `component` fell ill at `onset`, through what it leans on (`via`)."""

    component: str
    onset: datetime | None
    via: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A component that looked guilty and is not: `test` names what says so, `reason` says it with its numbers."""

    component: str
    reason: str
    test: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One rung of the robustness ladder: what the verdict would say if `change` were so.

    `cause` is the first suspect then, `holds` whether it is the one that the verdict puts first.
    """

    change: str
    cause: str | None
    holds: bool


@dataclass(frozen=True, slots=True)
class NextCheck:
    """The observation that would best tell the first two suspects apart."""

    components: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class FaultTypeChance:
    """A type of fault, by the name that past incidents gave it, and how likely it is."""

    fault_type: str
    probability: float


@dataclass(frozen=True, slots=True)
class SimilarIncident:
    """A past incident that looked like this one: `similarity` is 1 for a twin; `fixed_by` is what ended it."""

    incident_id: str
    similarity: float
    roots: tuple[str, ...] = ()
    fault_type: str | None = None
    fixed_by: str = ""


@dataclass(frozen=True, slots=True)
class LearnedOpinion:
    """What was learned from past incidents says of this one; `model` names what it was learned from.

    `re_ranked` says whether it ordered the suspects. `fault_types` and `unknown` (a fault unlike any that was learned)
    add up to one; `reasons` say what speaks for the first type.
    """

    model: str
    re_ranked: bool = False
    fault_types: tuple[FaultTypeChance, ...] = ()
    unknown: float | None = None
    reasons: tuple[str, ...] = ()
    similar: tuple[SimilarIncident, ...] = ()


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One dated fact of the incident; `type` is `onset`, `anomaly`, `alert` or `change`."""

    at: datetime
    type: str
    component: str
    text: str


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A component as the verdict saw it; `state` is `cause`, `suspect`, `affected`, `normal` or `unobserved`."""

    component: str
    type: ComponentType
    state: str
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class GraphView:
    """The part of the dependency graph that the verdict is about; `omitted` counts components left out."""

    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[Dependency, ...] = ()
    omitted: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """A series with its expected band over the incident, ready to draw; values are in the unit of the series."""

    series: Series
    times: tuple[datetime, ...]
    values: tuple[float | None, ...]
    expected: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    onset: datetime | None = None
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an investigation says: the suspects, the cause or "no confident cause", and what it could not see.

    `candidates` is the smallest set of suspects that holds the root cause with probability `coverage`; a cause is named
    from probability `threshold` on, which keeps the precision `wanted_precision` that the user wants of named causes.
    """

    case_id: str
    system: str
    suspects: tuple[Suspect, ...]
    cause: str | None
    causes: tuple[str, ...]
    abstained: bool
    onset: datetime | None
    onset_uncertainty_s: float | None
    target: Target | None
    propagation: tuple[Step, ...] = ()
    ruled_out: tuple[RuledOut, ...] = ()
    blind_spots: tuple[str, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    graph: GraphView = field(default_factory=GraphView)
    summary: str = ""
    observed: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    coverage: float | None = None
    wanted_precision: float | None = None
    threshold: float | None = None
    robustness: tuple[Trial, ...] = ()
    next_check: NextCheck | None = None
    learned: LearnedOpinion | None = None


@dataclass(frozen=True, slots=True)
class Investigation:
    """A verdict and the charts that show it: all that a report needs."""

    verdict: Verdict
    charts: tuple[Chart, ...] = ()
