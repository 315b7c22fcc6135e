"""What clients ask for and do: investigations of their own, an audit log, and settings changed at run time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _make_investigations()
    _make_audit()
    op.create_table("runtime_settings", _key("tenant"), _key("name"), sa.Column("value", _text(), nullable=False))


def downgrade() -> None:
    """Drop them, and all that they hold."""
    for table in ("runtime_settings", "audit", "investigations"):
        op.drop_table(table)


def _text() -> sa.types.TypeEngine[str]:
    # PostgreSQL sorts by the rules of a language otherwise, SQLite by bytes.
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, _text(), primary_key=True)


def _make_investigations() -> None:
    op.create_table(
        "investigations",
        _key("tenant"),
        _key("identity"),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("record", _text(), nullable=False),
        sa.Column("document", _text()),
    )
    op.create_index("investigations_by_time", "investigations", ["tenant", "asked_us"])


def _make_audit() -> None:
    # SQLite counts up by itself only in a column of exactly this type.
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "audit",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("tenant", _text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("record", _text(), nullable=False),
    )
    op.create_index("audit_by_time", "audit", ["tenant", "at_us"])
