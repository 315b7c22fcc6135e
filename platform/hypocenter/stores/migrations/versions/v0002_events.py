"""Alerts and changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of what other tools tell of."""
    op.create_table(
        "alerts",
        *_named(),
        sa.Column("starts_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=False),
        sa.Column("resolved", sa.Boolean(), nullable=False),
        *_told(),
    )
    op.create_index("alerts_by_time", "alerts", ["tenant", "ends_us", "starts_us"])
    op.create_table("changes", *_named(), sa.Column("at_us", sa.BigInteger(), nullable=False), *_told())
    op.create_index("changes_by_time", "changes", ["tenant", "at_us"])


def downgrade() -> None:
    """Drop them, and all that they hold."""
    for table in ("changes", "alerts"):
        op.drop_table(table)


def _text() -> sa.types.TypeEngine[str]:
    # PostgreSQL sorts by the rules of a language otherwise, SQLite by bytes.
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _named() -> tuple[sa.Column[str], sa.Column[str]]:
    return sa.Column("tenant", _text(), primary_key=True), sa.Column("identity", _text(), primary_key=True)


def _told() -> tuple[sa.Column[str], sa.Column[str]]:
    return sa.Column("record", _text(), nullable=False), sa.Column("origin", _text(), nullable=False)
