"""Incident history, feedback and models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    _make_incidents()
    _make_opinions()
    _make_models()


def downgrade() -> None:
    """Drop them, and all that they hold."""
    for table in ("model_events", "model_parts", "models", "opinions", "incidents"):
        op.drop_table(table)


def _text() -> sa.types.TypeEngine[str]:
    # PostgreSQL sorts by the rules of a language otherwise, SQLite by bytes.
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _row_number() -> sa.types.TypeEngine[int]:
    # SQLite counts up by itself only in a column of exactly this type.
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _make_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("tenant", _text(), primary_key=True),
        sa.Column("identity", _text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("saved_by", _text(), nullable=False),
        sa.Column("source", _text(), nullable=False),
        sa.Column("key", _text(), nullable=False),
        sa.Column("started_us", sa.BigInteger()),
        sa.Column("record", _text(), nullable=False),
    )
    op.create_index("incidents_current", "incidents", ["tenant", "is_current", "started_us"])


def _make_opinions() -> None:
    op.create_table(
        "opinions",
        sa.Column("number", _row_number(), primary_key=True, autoincrement=True),
        sa.Column("tenant", _text(), nullable=False),
        sa.Column("incident_id", _text(), nullable=False),
        sa.Column("record", _text(), nullable=False),
    )
    op.create_index("opinions_by_incident", "opinions", ["tenant", "incident_id"])


def _make_models() -> None:
    op.create_table(
        "models",
        *_version_columns(),
        sa.Column("kind", _text(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("data_hash", _text(), nullable=False),
        sa.Column("card", _text(), nullable=False),
    )
    op.create_table(
        "model_parts",
        *_version_columns(),
        sa.Column("part", _text(), primary_key=True),
        sa.Column("content", _text(), nullable=False),
    )
    op.create_table(
        "model_events",
        sa.Column("number", _row_number(), primary_key=True, autoincrement=True),
        sa.Column("tenant", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("record", _text(), nullable=False),
    )
    op.create_index("model_events_by_name", "model_events", ["tenant", "name"])


def _version_columns() -> tuple[sa.Column[str], sa.Column[str], sa.Column[int]]:
    return (
        sa.Column("tenant", _text(), primary_key=True),
        sa.Column("name", _text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
    )
