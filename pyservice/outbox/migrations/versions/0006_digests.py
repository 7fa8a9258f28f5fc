"""Reports that wait for others like them, and whose mail shows them then."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    """None of those there are is one of them."""
    op.add_column("reports", sa.Column("storm", sa.String))
    op.add_column("reports", sa.Column("in_digest", sa.String))
    is_gathered = sa.text("storm IS NOT NULL AND in_digest IS NULL")
    op.create_index(
        "reports_storm",
        "reports",
        ["storm", "due", "id"],
        sqlite_where=is_gathered,
        postgresql_where=is_gathered,
    )
    is_shown = sa.text("in_digest IS NOT NULL")
    op.create_index(
        "reports_in_digest",
        "reports",
        ["in_digest"],
        sqlite_where=is_shown,
        postgresql_where=is_shown,
    )


def downgrade() -> None:
    """Back; what waits for others is sent alone, and what another mail shows needs none."""
    op.execute("UPDATE reports SET state = 'accepted' WHERE state = 'digested'")
    op.drop_index("reports_in_digest", "reports")
    op.drop_index("reports_storm", "reports")
    op.drop_column("reports", "in_digest")
    op.drop_column("reports", "storm")
