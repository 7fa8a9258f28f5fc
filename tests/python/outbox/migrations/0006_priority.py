"""A version that never was: the tests upgrade an outbox to it, and take it back."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    """Add a column and an index, and drop an index."""
    op.add_column("reports", sa.Column("priority", sa.Integer, nullable=False, server_default="7"))
    op.create_index("reports_priority", "reports", ["priority"])
    op.drop_index("reports_ended_at", "reports")


def downgrade() -> None:
    """Take that back."""
    op.create_index("reports_ended_at", "reports", ["ended_at", "size_bytes"])
    op.drop_index("reports_priority", "reports")
    op.drop_column("reports", "priority")
