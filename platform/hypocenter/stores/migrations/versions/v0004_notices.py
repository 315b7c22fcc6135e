"""What the outside was told of incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of notices."""
    # PostgreSQL sorts by the rules of a language otherwise, SQLite by bytes.
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table("notices", *(sa.Column(name, text, primary_key=True) for name in ("tenant", "identity", "notice")))


def downgrade() -> None:
    """Drop it, and all that it holds."""
    op.drop_table("notices")
