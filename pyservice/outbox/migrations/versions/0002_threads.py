"""The threads of mails."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """Make their table, and their columns in `reports`."""
    # Compared byte by byte, as SQLite does.
    exact = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.add_column("reports", sa.Column("thread_id", sa.String))
    op.add_column("reports", sa.Column("thread_number", sa.Integer))
    op.create_table(
        "threads",
        sa.Column("scope", exact, primary_key=True),
        sa.Column("job", exact, primary_key=True),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Column("breakages", sa.Text, nullable=False),
    )
    op.create_index("ix_threads_updated_at", "threads", ["updated_at"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("threads")
    op.drop_column("reports", "thread_number")
    op.drop_column("reports", "thread_id")
