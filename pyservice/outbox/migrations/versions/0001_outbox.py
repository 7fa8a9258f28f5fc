"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    """Make them."""
    # Compared byte by byte, as SQLite does.
    exact = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "reports",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("job", exact, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("result", sa.String, nullable=False),
        sa.Column("recipient_count", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.Float),
        sa.Column("locked_by", sa.String),
        sa.Column("locked_until", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("size_bytes", sa.Integer, nullable=False, server_default="0"),
        sa.Column("accepted_by_postfix", sa.Boolean, nullable=False),
        sa.Column("unconfirmed_attempts", sa.Integer, nullable=False),
        sa.Column("queue_id", sa.String),
        sa.Column("earlier_queue_ids", sa.String, nullable=False, server_default=""),
        sa.Column("logged_queue_id", sa.String),
        sa.Column("node", sa.String, nullable=False, server_default=""),
        sa.Column("digest_group", sa.String),
        sa.Column("digest_id", sa.String),
        sa.Column("rerouted_to", sa.String),
        sa.Column("idempotency_key", sa.String, nullable=False),
        sa.Column("report_hash", sa.String, nullable=False),
        sa.Column("message_id", sa.String, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("pending_recipients", sa.Text, nullable=False),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("mail", sa.LargeBinary),
        sa.UniqueConstraint("owner", "idempotency_key"),
    )
    _partial_index("next_attempt_at", "next_attempt_at IS NOT NULL", "size_bytes")
    _partial_index("queue_id", "queue_id IS NOT NULL")
    _partial_index(
        "digest_group",
        "digest_group IS NOT NULL AND digest_id IS NULL",
        "next_attempt_at",
        "id",
    )
    _partial_index("digest_id", "digest_id IS NOT NULL")
    op.create_index("reports_ended_at", "reports", ["ended_at", "size_bytes"])
    op.create_index("reports_created_at", "reports", ["created_at", "id", "owner", "state", "job"])
    op.create_table(
        "events",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("report_id", sa.String, sa.ForeignKey("reports.id"), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("ix_events_report_id", "events", ["report_id"])
    op.create_table(
        "receipts",
        sa.Column("report_id", sa.String, sa.ForeignKey("reports.id"), primary_key=True),
        sa.Column("recipient", sa.String, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("next_attempt_after", sa.Float),
        sa.Column("next_attempt_before", sa.Float),
    )
    op.create_table(
        "log_positions",
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("position", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    for table in ("log_positions", "receipts", "events", "reports"):
        op.drop_table(table)


def _partial_index(column: str, condition: str, *more: str) -> None:
    """An index without the rows that have ended, which are nearly all."""
    op.create_index(
        f"reports_{column}",
        "reports",
        [column, *more],
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
