"""The charts of a verdict in a column of their own: whoever asks for suspects does not read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

from hypocenter.stores.charts_apart import apart, together
from hypocenter.stores.migrations.chunks import rows_of, update_rows

if TYPE_CHECKING:
    from collections.abc import Callable

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = ("tenant", "identity", "number")
COLUMNS = ("record", "charts")
AT_ONCE = 50  # each may hold some megabytes


def upgrade() -> None:
    """Add the column, and move the charts there."""
    # PostgreSQL sorts by the rules of a language otherwise, SQLite by bytes.
    op.add_column("revisions", sa.Column("charts", sa.Text().with_variant(sa.Text(collation="C"), "postgresql")))
    _change(_moved_out)


def downgrade() -> None:
    """Move them back, and drop the column."""
    _change(_moved_back)
    op.drop_column("revisions", "charts")


def _change(changed: Callable[[dict[str, Any], str | None], tuple[dict[str, Any], str | None]]) -> None:
    for rows in rows_of("revisions", KEY, COLUMNS, AT_ONCE):
        found = []
        for row in rows:
            record = json.loads(row.record)
            record["document"], charts = changed(record["document"], row.charts)
            text = json.dumps(record, sort_keys=True)
            found.append({**{name: getattr(row, name) for name in KEY}, "record": text, "charts": charts})
        update_rows("revisions", KEY, COLUMNS, found)


def _moved_out(document: dict[str, Any], _charts: str | None) -> tuple[dict[str, Any], str | None]:
    return apart(document)


def _moved_back(document: dict[str, Any], charts: str | None) -> tuple[dict[str, Any], str | None]:
    return together(document, charts), None
