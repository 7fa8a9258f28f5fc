"""When Postfix tries a deferred mail again."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    """It isn't known for those that were deferred before."""
    op.add_column("deliveries", sa.Column("next_after", sa.Float))
    op.add_column("deliveries", sa.Column("next_before", sa.Float))


def downgrade() -> None:
    """Back."""
    op.drop_column("deliveries", "next_after")
    op.drop_column("deliveries", "next_before")
