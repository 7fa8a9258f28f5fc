"""Reports and their history."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    """From nothing."""
    op.create_table(
        "reports",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("idempotency_key", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("message_id", sa.String, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("people", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("mail", sa.LargeBinary),
        sa.Column("pending", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.Float),
        sa.Column("taken", sa.Boolean, nullable=False),
        sa.Column("uncertain", sa.Integer, nullable=False),
        sa.Column("queue_id", sa.String),
        sa.Column("error", sa.Text),
        sa.UniqueConstraint("owner", "idempotency_key"),
    )
    op.create_index("reports_due", "reports", ["due"])
    op.create_table(
        "events",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("report_id", sa.String, sa.ForeignKey("reports.id"), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("ix_events_report_id", "events", ["report_id"])


def downgrade() -> None:
    """To nothing."""
    op.drop_table("events")
    op.drop_table("reports")
