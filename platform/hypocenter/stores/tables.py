"""The tables of records as they are now; `migrations` says how they came to be so, and a test that both agree.

Times are microseconds since 1970. A `record` is a JSON object, of which the other columns hold what is asked by;
an `origin` says who told of it. A component, metric or type of fault is asked by its `number_of`. What lasts until
further notice ends at the last number there is.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

METADATA = MetaData()
# PostgreSQL sorts by the rules of a language otherwise, SQLite by bytes.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite counts up by itself only in a column of exactly this type.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _added(name: str) -> Column[int]:
    """Return a column that came when there were rows already; each of them was given its value then."""
    return Column(name, BigInteger, nullable=False, server_default="0")


INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("is_current", Boolean, nullable=False),
    Column("saved_by", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("key", TEXT, nullable=False),
    Column("started_us", BigInteger),
    Column("record", TEXT, nullable=False),
    Index("incidents_current", "tenant", "is_current", "started_us"),
)
OPINIONS = Table(
    "opinions",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("tenant", TEXT, nullable=False),
    Column("incident_id", TEXT, nullable=False),
    Column("record", TEXT, nullable=False),
    Index("opinions_by_incident", "tenant", "incident_id"),
)
MODELS = Table(
    "models",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("data_hash", TEXT, nullable=False),
    Column("card", TEXT, nullable=False),
)
MODEL_PARTS = Table(
    "model_parts",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("part", TEXT, primary_key=True),
    Column("content", TEXT, nullable=False),
)
MODEL_EVENTS = Table(
    "model_events",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("tenant", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("record", TEXT, nullable=False),
    Index("model_events_by_name", "tenant", "name"),
)
ALERTS = Table(
    "alerts",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("starts_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger, nullable=False),
    Column("resolved", Boolean, nullable=False),
    Column("record", TEXT, nullable=False),
    Column("origin", TEXT, nullable=False),
    _added("component"),
    Index("alerts_by_time", "tenant", "ends_us", "starts_us"),
    Index("alerts_by_start", "tenant", "starts_us", "identity"),
    Index("alerts_by_component", "tenant", "component", "starts_us", "identity"),
)
CHANGES = Table(
    "changes",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("record", TEXT, nullable=False),
    Column("origin", TEXT, nullable=False),
    _added("component"),
    Index("changes_by_time", "tenant", "at_us"),
    Index("changes_by_component", "tenant", "component", "at_us", "identity"),
)
SHARD_POSITIONS = Table(
    "shard_positions",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("watermark_us", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
)
ANOMALIES = Table(
    "anomalies",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("onset_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("record", TEXT, nullable=False),
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
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("status", TEXT, nullable=False),
    Column("resolved_us", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("record", TEXT, nullable=False),
    _added("onset_us"),
    _added("judged"),
    _added("fault_type"),
    Index("live_incidents_by_status", "tenant", "status", "resolved_us"),
    Index("live_incidents_by_onset", "tenant", "onset_us", "identity"),
)
INCIDENT_COMPONENTS = Table(
    "incident_components",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("component", BigInteger, primary_key=True, autoincrement=False),
    Column("onset_us", BigInteger, nullable=False),
    Index("incident_components_by_onset", "tenant", "component", "onset_us", "identity"),
)
JUDGEMENTS = Table(
    "judgements",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("record", TEXT, nullable=False),
)
REVISIONS = Table(
    "revisions",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("incident_version", BigInteger, nullable=False),
    Column("record", TEXT, nullable=False),
    # Behind what is read without it: SQLite reads a row from its beginning on.
    Column("charts", TEXT),
    Index("revisions_by_version", "tenant", "identity", "incident_version", unique=True),
)
NOTICES = Table(
    "notices",
    METADATA,
    *(Column(name, TEXT, primary_key=True) for name in ("tenant", "identity", "notice")),
)
DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("record", TEXT, nullable=False),
    Index("dead_letters_by_time", "tenant", "at_us"),
)
INVESTIGATIONS = Table(
    "investigations",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("identity", TEXT, primary_key=True),
    Column("asked_us", BigInteger, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("record", TEXT, nullable=False),
    Column("document", TEXT),
    Index("investigations_by_time", "tenant", "asked_us"),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("tenant", TEXT, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("record", TEXT, nullable=False),
    Index("audit_by_time", "tenant", "at_us"),
)
RUNTIME_SETTINGS = Table(
    "runtime_settings",
    METADATA,
    Column("tenant", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
)
