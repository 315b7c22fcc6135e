"""Detection, incidents as they live, and tasks that were given up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of continuous detection."""
    _make_detections()
    _make_incidents()
    op.create_table("dead_letters", *_named(), sa.Column("at_us", sa.BigInteger(), nullable=False), _record())
    op.create_index("dead_letters_by_time", "dead_letters", ["tenant", "at_us"])


def downgrade() -> None:
    """Drop them, and all that they hold."""
    for table in ("dead_letters", "revisions", "live_incidents", "anomalies", "shard_positions"):
        op.drop_table(table)


def _text() -> sa.types.TypeEngine[str]:
    # PostgreSQL sorts by the rules of a language otherwise, SQLite by bytes.
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _named() -> tuple[sa.Column[str], sa.Column[str]]:
    return sa.Column("tenant", _text(), primary_key=True), sa.Column("identity", _text(), primary_key=True)


def _record() -> sa.Column[str]:
    return sa.Column("record", _text(), nullable=False)


def _make_detections() -> None:
    op.create_table(
        "shard_positions",
        sa.Column("tenant", _text(), primary_key=True),
        sa.Column("shard", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("watermark_us", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "anomalies",
        *_named(),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("onset_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=False),
        _record(),
    )
    op.create_index("anomalies_by_time", "anomalies", ["tenant", "ended_us", "onset_us"])


def _make_incidents() -> None:
    op.create_table(
        "live_incidents",
        *_named(),
        sa.Column("status", _text(), nullable=False),
        sa.Column("resolved_us", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        _record(),
    )
    op.create_index("live_incidents_by_status", "live_incidents", ["tenant", "status", "resolved_us"])
    op.create_table(
        "revisions",
        *_named(),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("incident_version", sa.BigInteger(), nullable=False),
        _record(),
    )
    op.create_index("revisions_by_version", "revisions", ["tenant", "identity", "incident_version"], unique=True)
