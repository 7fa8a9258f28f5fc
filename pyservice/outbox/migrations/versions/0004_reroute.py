"""Who was asked in the recipients' place."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    """Nothing was rerouted before."""
    op.add_column("reports", sa.Column("rerouted_to", sa.String))


def downgrade() -> None:
    """Back; what a dry run skipped has not been sent, so it has failed."""
    op.execute("UPDATE reports SET state = 'failed' WHERE state = 'skipped'")
    op.drop_column("reports", "rerouted_to")
