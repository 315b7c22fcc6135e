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
from hypocenter.stores.migrations.chunks import rows_of, update_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NAMED = ("tenant", "identity")
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
    op.create_table(
        "incident_components",
        *(_key(name, _text()) for name in NAMED),
        _key("component", sa.BigInteger()),
        sa.Column("onset_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "judgements",
        *(_key(name, _text()) for name in NAMED),
        _key("number", sa.BigInteger()),
        sa.Column("record", _text(), nullable=False),
    )


def _fill() -> None:
    _set("anomalies", ("component", "metric"), _of_anomaly)
    for table in ("alerts", "changes"):
        _set(table, ("component",), lambda record: {"component": number_of(record["component"])})
    _set("live_incidents", ("onset_us",), lambda record: {"onset_us": _us(record["onset"])})
    for rows in rows_of("live_incidents", NAMED):
        _add("incident_components", [each for row in rows for each in _components(row)])
    for rows in rows_of("revisions", (*NAMED, "number"), most=50):  # each may hold some megabytes
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
    update_rows("live_incidents", NAMED, ("judged", "fault_type"), list(last.values()))


def _set(table: str, columns: Sequence[str], of: Callable[[Mapping[str, Any]], dict[str, int]]) -> None:
    for rows in rows_of(table, NAMED):
        named = [{"tenant": row.tenant, "identity": row.identity} for row in rows]
        found = [{**name, **of(json.loads(row.record))} for name, row in zip(named, rows, strict=True)]
        update_rows(table, NAMED, columns, found)


def _add(table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        op.get_bind().execute(sa.insert(sa.table(table, *map(sa.column, rows[0]))), list(rows))


def _us(time: str) -> int:
    return microseconds(datetime.fromisoformat(time))
