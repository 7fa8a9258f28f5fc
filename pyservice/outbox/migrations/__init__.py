"""How the outbox's tables came to be what they are: one step a file in versions/, by Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

VERSIONS = Path(__file__).with_name("versions")


def upgrade(connection: sa.Connection, version: str, versions: Path = VERSIONS) -> None:
    """Migrate the tables from a version to the newest one, in the connection's transaction.

    Args:
        connection: to the outbox's database.
        version: the tables' version; `base`: there are none.
        versions: the folder with a file for each version.
    """
    config = configuration(connection, versions)
    command.stamp(config, version)
    command.upgrade(config, "head")


def downgrade(connection: sa.Connection, version: str, versions: Path = VERSIONS) -> None:
    """Migrate the tables back to a version, for a return to an older service."""
    command.downgrade(configuration(connection, versions), version)


def configuration(connection: sa.Connection, versions: Path = VERSIONS) -> Config:
    """Return Alembic's configuration for a connection."""
    config = Config()
    config.set_main_option("script_location", "pyservice.outbox:migrations")
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config
