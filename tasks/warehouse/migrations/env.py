"""Runs Alembic on the connection it is handed; there is no offline mode and no configuration file."""

from alembic import context

from tasks.warehouse.schema import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
