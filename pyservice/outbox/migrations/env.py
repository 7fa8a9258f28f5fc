"""Alembic runs this: the connection is handed in, and the transaction is its owner's."""

from alembic import context

from pyservice.outbox.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
