"""What lists are sorted and chosen by: onsets, components, metrics, and verdicts in brief."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

from hypocenter.stores.documents import microseconds, to_text
from hypocenter.stores.identity import number_of
from hypocenter.stores.judgement import judgement_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CHUNK = 2000
NEW_COLUMNS = {
    "anomalies": ("component", "metric"),
    "alerts": ("component",),
    "changes": ("component",),
    "live_incidents": ("onset_us", "judged", "fault_type"),
}
INDICES = (
    ("anomalies", "anomalies_by_onset", ("onset_us", "identity")),
    ("anomalies", "anomalies_by_component", ("component", "onset_us", "identity")),
    ("anomalies", "anomalies_by_metric", ("metric", "onset_us", "identity")),
    ("alerts", "alerts_by_start", ("starts_us", "identity")),
    ("alerts", "alerts_by_component", ("component", "starts_us", "identity")),
    ("changes", "changes_by_component", ("component", "at_us", "identity")),
    ("live_incidents", "live_incidents_by_onset", ("onset_us", "identity")),
    ("incident_components", "incident_components_by_onset", ("component", "onset_us", "identity")),
)


def upgrade() -> None:
    """Add the columns and tables, fill them from what is kept, and index them."""
    for table, names in NEW_COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    _make_tables()
    _fill()
    for table, name, columns in INDICES:
        op.create_index(name, table, ["tenant", *columns])


def downgrade() -> None:
    """Drop them."""
    for table, name, _ in INDICES:
        op.drop_index(name, table)
    for table in ("judgements", "incident_components"):
        op.drop_table(table)
    for table, names in NEW_COLUMNS.items():
        for name in names:
            op.drop_column(table, name)


def _text() -> sa.types.TypeEngine[str]:
    # PostgreSQL sorts by the rules of a language otherwise, SQLite by bytes.
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _make_tables() -> None:
    named = ("tenant", "identity")
    op.create_table(
        "incident_components",
        *(_key(name, _text()) for name in named),
        _key("component", sa.BigInteger()),
        sa.Column("onset_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "judgements",
        *(_key(name, _text()) for name in named),
        _key("number", sa.BigInteger()),
        sa.Column("record", _text(), nullable=False),
    )


def _fill() -> None:
    _set("anomalies", ("component", "metric"), _of_anomaly)
    for table in ("alerts", "changes"):
        _set(table, ("component",), lambda record: {"component": number_of(record["component"])})
    _set("live_incidents", ("onset_us",), lambda record: {"onset_us": _us(record["onset"])})
    for rows in _rows("live_incidents", "identity"):
        _add("incident_components", [each for row in rows for each in _components(row)])
    for rows in _rows("revisions", "identity", "number"):
        _judge(rows)


def _of_anomaly(record: Mapping[str, Any]) -> dict[str, int]:
    return {name: number_of(record["series"][name]) for name in ("component", "metric")}


def _components(row: sa.Row[Any]) -> Iterator[dict[str, Any]]:
    record = json.loads(row.record)
    for component in sorted(set(map(number_of, record["components"]))):
        named = {"tenant": row.tenant, "identity": row.identity}
        yield {**named, "component": component, "onset_us": _us(record["onset"])}


def _judge(rows: Sequence[sa.Row[Any]]) -> None:
    """Keep verdicts in brief; they come in the order of their numbers, so that the last of an incident stays."""
    told, last = [], {}
    for row in rows:
        record = json.loads(row.record)
        brief = judgement_of(row.number, datetime.fromisoformat(record["at"]), record["document"])
        named = {"tenant": row.tenant, "identity": row.identity}
        told.append({**named, "number": row.number, "record": to_text(brief)})
        last[row.tenant, row.identity] = {**named, "judged": row.number, "fault_type": number_of(brief.fault_type)}
    _add("judgements", told)
    _update("live_incidents", ("judged", "fault_type"), list(last.values()))


def _set(table: str, columns: Sequence[str], of: Callable[[Mapping[str, Any]], dict[str, int]]) -> None:
    for rows in _rows(table, "identity"):
        named = [{"tenant": row.tenant, "identity": row.identity} for row in rows]
        found = [{**name, **of(json.loads(row.record))} for name, row in zip(named, rows, strict=True)]
        _update(table, columns, found)


def _rows(table: str, *key: str) -> Iterator[Sequence[sa.Row[Any]]]:
    """Yield the rows of a table by its primary key, some at a time."""
    names = ("tenant", *key)
    t = sa.table(table, *(sa.column(name) for name in (*names, "record")))
    place = [t.c[name] for name in names]
    asked = sa.select(t).order_by(*place).limit(CHUNK)
    rows = op.get_bind().execute(asked).all()
    while rows:
        yield rows
        after = sa.tuple_(*place) > sa.tuple_(*(getattr(rows[-1], name) for name in names))
        rows = op.get_bind().execute(asked.where(after)).all()


def _update(table: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    t = sa.table(table, *(sa.column(name) for name in ("tenant", "identity", *columns)))
    own = sa.and_(t.c.tenant == sa.bindparam("of_tenant"), t.c.identity == sa.bindparam("of_identity"))
    put: Any = {name: sa.bindparam(f"new_{name}") for name in columns}
    bound = [
        {"of_tenant": row["tenant"], "of_identity": row["identity"], **{f"new_{name}": row[name] for name in columns}}
        for row in rows
    ]
    op.get_bind().execute(sa.update(t).where(own).values(put), bound)


def _add(table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        op.get_bind().execute(sa.insert(sa.table(table, *map(sa.column, rows[0]))), list(rows))


def _us(time: str) -> int:
    return microseconds(datetime.fromisoformat(time))
