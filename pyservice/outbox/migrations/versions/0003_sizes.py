"""What waits, in bytes, and the newest first: both from an index alone."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Every report is as large as it is with its mail."""
    op.add_column("reports", sa.Column("size", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE reports SET size = length(report) + coalesce(length(mail), 0)")
    op.drop_index("reports_due", "reports")
    is_waiting = sa.text("due IS NOT NULL")
    op.create_index(
        "reports_due",
        "reports",
        ["due", "size"],
        sqlite_where=is_waiting,
        postgresql_where=is_waiting,
    )
    op.create_index("reports_created", "reports", ["created", "id", "owner", "state"])


def downgrade() -> None:
    """Back; what was cancelled is not sent, so it has failed."""
    op.execute("UPDATE reports SET state = 'failed' WHERE state = 'cancelled'")
    op.drop_index("reports_created", "reports")
    op.drop_index("reports_due", "reports")
    op.drop_column("reports", "size")
    is_waiting = sa.text("due IS NOT NULL")
    op.create_index(
        "reports_due",
        "reports",
        ["due"],
        sqlite_where=is_waiting,
        postgresql_where=is_waiting,
    )
