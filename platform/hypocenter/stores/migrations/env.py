"""Run migrations on what `hypocenter.stores.schema` hands over: a connection and the name of the table of versions."""

from __future__ import annotations

from alembic import context


def run() -> None:
    """Run the steps that Alembic chose in one transaction, which SQLite has to be told that it can."""
    context.configure(transactional_ddl=True, **context.config.attributes)
    with context.begin_transaction():
        context.run_migrations()


# The name under which Alembic loads this file; whoever else imports it runs nothing.
if __name__ == "env_py":
    run()
