"""The columns that a frame of OTLP spans has, and the attributes that fill them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.readers.limits import check_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from hypocenter.readers.limits import Limits

# Each column's attributes in the OpenTelemetry semantic conventions: the present name before former ones.
RESOURCE_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "service": ("service.name",),
    "namespace": ("k8s.namespace.name", "service.namespace"),
    "pod": ("k8s.pod.name",),
    "node": ("k8s.node.name",),
    "host": ("host.name",),
    "instance": ("service.instance.id",),
    "container": ("container.id",),
}
SPAN_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "peer": ("service.peer.name", "peer.service"),
    "address": (
        "server.address",
        "net.peer.name",
        "network.peer.address",
        "server.socket.address",
        "net.sock.peer.addr",
        "net.peer.ip",
    ),
    "db_system": ("db.system.name", "db.system"),
    "db_name": ("db.namespace", "db.name"),
    "messaging_system": ("messaging.system",),
    "messaging_operation": ("messaging.operation.type", "messaging.operation"),
    "destination": (
        "messaging.destination.template",
        "messaging.destination.name",
        "messaging.source.template",
        "messaging.source.name",
        "messaging.destination",
    ),
    "temporary": ("messaging.destination.temporary", "messaging.destination.anonymous", "messaging.temp_destination"),
}
WANTED = frozenset(name for names in (*RESOURCE_ATTRIBUTES.values(), *SPAN_ATTRIBUTES.values()) for name in names)
KINDS = ("", "internal", "server", "client", "producer", "consumer")
STATUS_ERROR = 2
_OWN = ("time", "trace", "span", "parent", "operation", "duration_us", "error", "kind")
COLUMNS = (*_OWN, *SPAN_ATTRIBUTES, *RESOURCE_ATTRIBUTES)
_NUMBERS = {"duration_us": "float64", "error": "float64"}
Row = tuple[str | float, ...]


@dataclass(frozen=True, slots=True)
class SpanFields:
    """A span's own fields as the format states them: times in ns since 1970, `status` and `kind` as numbers."""

    trace: str
    span: str
    parent: str
    name: str
    start_ns: int
    end_ns: int
    status: int
    kind: int


def row_of(fields: SpanFields, attributes: Mapping[str, str], resource: tuple[str, ...]) -> Row:
    """Return one span in the order of `COLUMNS`; a kind that nobody knows is none, a negative duration is 0."""
    return (
        fields.start_ns,
        fields.trace,
        fields.span,
        fields.parent,
        fields.name,
        max(fields.end_ns - fields.start_ns, 0) / 1000,
        float(fields.status == STATUS_ERROR),
        KINDS[fields.kind] if 0 <= fields.kind < len(KINDS) else "",
        *cells_of(attributes, SPAN_ATTRIBUTES),
        *resource,
    )


def cells_of(attributes: Mapping[str, str], columns: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return each column's text: its first attribute that is there and not empty, else "".

    >>> cells_of({"db.system": "redis"}, {"peer": ("peer.service",), "db_system": ("db.system.name", "db.system")})
    ('', 'redis')
    """
    if not attributes:
        return ("",) * len(columns)
    return tuple(next((attributes[name] for name in names if attributes.get(name)), "") for names in columns.values())


def frame_of(rows: Iterable[Row], where: str, limits: Limits) -> pd.DataFrame:
    """Return rows as a frame, text as `str`, time in UTC; raises LimitError before it holds too many cells."""
    import pandas as pd

    kept: list[Row] = []
    for row in rows:
        kept.append(row)
        if len(kept) * len(COLUMNS) > limits.cells:
            check_cells(where, len(kept), len(COLUMNS), limits)
    frame = pd.DataFrame(kept, columns=list(COLUMNS))
    times = pd.to_datetime(frame["time"].astype("int64"), utc=True)
    texts = dict.fromkeys((column for column in COLUMNS[1:] if column not in _NUMBERS), "str")
    return frame.assign(time=times).astype({**texts, **_NUMBERS})
