"""The tables of records as they are now; `migrations` says how they came to be so, and a test that both agree.

Times are microseconds since 1970. A `record` is a JSON object, of which the other columns hold what is asked by;
an `origin` says who told of it. A component, metric or type of fault is asked by its `number_of`. What lasts until
further notice ends at the last number there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

V = TypeVar("V")
METADATA = MetaData()
# PostgreSQL sorts by the rules of a language otherwise, SQLite by bytes.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite counts up by itself only in a column of exactly this type.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _keys(*names: str) -> list[Column[str]]:
    """Return the texts that tell rows apart together."""
    return [Column(name, TEXT, primary_key=True) for name in names]


def _given(kind: TypeEngine[V] | type[TypeEngine[V]], *names: str) -> list[Column[V]]:
    """Return columns of a kind that each row has."""
    return [Column(name, kind, nullable=False) for name in names]


def _added(name: str) -> Column[int]:
    """Return a column that came when there were rows already; each of them was given its value then."""
    return Column(name, BigInteger, nullable=False, server_default="0")


INCIDENTS = Table(
    "incidents",
    METADATA,
    *_keys("tenant", "identity"),
    Column("version", Integer, primary_key=True),
    *_given(Boolean, "is_current"),
    *_given(TEXT, "saved_by", "source", "key"),
    Column("started_us", BigInteger),
    *_given(TEXT, "record"),
    Index("incidents_current", "tenant", "is_current", "started_us"),
)
OPINIONS = Table(
    "opinions",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    *_given(TEXT, "tenant", "incident_id", "record"),
    Index("opinions_by_incident", "tenant", "incident_id"),
)
MODELS = Table(
    "models",
    METADATA,
    *_keys("tenant", "name"),
    Column("version", Integer, primary_key=True),
    *_given(TEXT, "kind", "status"),
    *_given(BigInteger, "created_us"),
    *_given(TEXT, "data_hash", "card"),
)
MODEL_PARTS = Table(
    "model_parts",
    METADATA,
    *_keys("tenant", "name"),
    Column("version", Integer, primary_key=True),
    *_keys("part"),
    *_given(TEXT, "content"),
)
MODEL_EVENTS = Table(
    "model_events",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    *_given(TEXT, "tenant", "name", "record"),
    Index("model_events_by_name", "tenant", "name"),
)
ALERTS = Table(
    "alerts",
    METADATA,
    *_keys("tenant", "identity"),
    *_given(BigInteger, "starts_us", "ends_us"),
    *_given(Boolean, "resolved"),
    *_given(TEXT, "record", "origin"),
    _added("component"),
    Index("alerts_by_time", "tenant", "ends_us", "starts_us"),
    Index("alerts_by_start", "tenant", "starts_us", "identity"),
    Index("alerts_by_component", "tenant", "component", "starts_us", "identity"),
)
CHANGES = Table(
    "changes",
    METADATA,
    *_keys("tenant", "identity"),
    *_given(BigInteger, "at_us"),
    *_given(TEXT, "record", "origin"),
    _added("component"),
    Index("changes_by_time", "tenant", "at_us"),
    Index("changes_by_component", "tenant", "component", "at_us", "identity"),
)
SHARD_POSITIONS = Table(
    "shard_positions",
    METADATA,
    *_keys("tenant"),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    *_given(BigInteger, "watermark_us", "version"),
)
ANOMALIES = Table(
    "anomalies",
    METADATA,
    *_keys("tenant", "identity"),
    *_given(Integer, "shard"),
    *_given(BigInteger, "onset_us", "ended_us"),
    *_given(TEXT, "record"),
    _added("component"),
    _added("metric"),
    Index("anomalies_by_time", "tenant", "ended_us", "onset_us"),
    Index("anomalies_by_onset", "tenant", "onset_us", "identity"),
    Index("anomalies_by_component", "tenant", "component", "onset_us", "identity"),
    Index("anomalies_by_metric", "tenant", "metric", "onset_us", "identity"),
)
LIVE_INCIDENTS = Table(
    "live_incidents",
    METADATA,
    *_keys("tenant", "identity"),
    *_given(TEXT, "status"),
    *_given(BigInteger, "resolved_us", "version"),
    *_given(TEXT, "record"),
    _added("onset_us"),
    _added("judged"),
    _added("fault_type"),
    Index("live_incidents_by_status", "tenant", "status", "resolved_us"),
    Index("live_incidents_by_onset", "tenant", "onset_us", "identity"),
)
INCIDENT_COMPONENTS = Table(
    "incident_components",
    METADATA,
    *_keys("tenant", "identity"),
    Column("component", BigInteger, primary_key=True, autoincrement=False),
    *_given(BigInteger, "onset_us"),
    Index("incident_components_by_onset", "tenant", "component", "onset_us", "identity"),
)
JUDGEMENTS = Table(
    "judgements",
    METADATA,
    *_keys("tenant", "identity"),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    *_given(TEXT, "record"),
)
REVISIONS = Table(
    "revisions",
    METADATA,
    *_keys("tenant", "identity"),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    *_given(BigInteger, "incident_version"),
    *_given(TEXT, "record"),
    # Behind what is read without it: SQLite reads a row from its beginning on.
    Column("charts", TEXT),
    Index("revisions_by_version", "tenant", "identity", "incident_version", unique=True),
)
NOTICES = Table(
    "notices",
    METADATA,
    *_keys("tenant", "identity", "notice"),
)
DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    *_keys("tenant", "identity"),
    *_given(BigInteger, "at_us"),
    *_given(TEXT, "record"),
    Index("dead_letters_by_time", "tenant", "at_us"),
)
INVESTIGATIONS = Table(
    "investigations",
    METADATA,
    *_keys("tenant", "identity"),
    *_given(BigInteger, "asked_us"),
    *_given(TEXT, "status"),
    *_given(BigInteger, "version"),
    *_given(TEXT, "record"),
    Column("document", TEXT),
    Index("investigations_by_time", "tenant", "asked_us"),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    *_given(TEXT, "tenant"),
    *_given(BigInteger, "at_us"),
    *_given(TEXT, "record"),
    Index("audit_by_time", "tenant", "at_us"),
)
RUNTIME_SETTINGS = Table(
    "runtime_settings",
    METADATA,
    *_keys("tenant", "name"),
    *_given(TEXT, "value"),
)
