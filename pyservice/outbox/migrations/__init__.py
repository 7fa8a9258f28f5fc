"""How the outbox's tables came to be what they are: one step a file in versions/, by Alembic."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def upgrade(connection: sa.Connection, version: str) -> None:
    """From a version to this one's, in the transaction of a connection."""
    config = configuration(connection)
    command.stamp(config, version)
    command.upgrade(config, "head")


def downgrade(connection: sa.Connection, version: str) -> None:
    """Back to a version: for going back to an older service."""
    command.downgrade(configuration(connection), version)


def configuration(connection: sa.Connection) -> Config:
    """Alembic's, for a connection."""
    config = Config()
    config.set_main_option("script_location", "pyservice.outbox:migrations")
    config.attributes["connection"] = connection
    return config
