"""Who holds a report, when it ended, and what became of it behind Postfix."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """What has ended before has no time of its own: its report's is taken."""
    for column in (
        sa.Column("node", sa.String, nullable=False, server_default=""),
        sa.Column("holder", sa.String),
        sa.Column("held_until", sa.Float),
        sa.Column("ended", sa.Float),
        sa.Column("logged_as", sa.String),
    ):
        op.add_column("reports", column)
    op.execute("UPDATE reports SET ended = created WHERE due IS NULL")
    op.drop_index("reports_due", "reports")
    for name in ("due", "queue_id"):
        without_ended = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"reports_{name}",
            "reports",
            [name],
            sqlite_where=without_ended,
            postgresql_where=without_ended,
        )
    op.create_index("reports_ended", "reports", ["ended"])
    op.create_table(
        "deliveries",
        sa.Column("report_id", sa.String, sa.ForeignKey("reports.id"), primary_key=True),
        sa.Column("recipient", sa.String, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
    )
    op.create_table(
        "positions",
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("mark", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Back; what is waiting still is."""
    op.execute(
        "UPDATE reports SET state = 'accepted' WHERE state IN ('relayed', 'deferred', 'bounced')"
    )
    op.drop_table("positions")
    op.drop_table("deliveries")
    for name in ("reports_ended", "reports_queue_id", "reports_due"):
        op.drop_index(name, "reports")
    op.create_index("reports_due", "reports", ["due"])
    with op.batch_alter_table("reports") as batch:
        for name in ("node", "holder", "held_until", "ended", "logged_as"):
            batch.drop_column(name)
