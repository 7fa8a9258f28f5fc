"""What people search reports by, and the SMTP dialogues of the last attempts."""

import json

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"

BATCH = 500
"""Reports of which the texts are read at once."""

_reports = sa.table("reports", *(sa.column(name) for name in ("id", "job", "number", "recipients")))


def upgrade() -> None:
    """Make their tables, and let the reports that are there be found, too."""
    search_texts = op.create_table(
        "search_texts",
        sa.Column("report_id", sa.String, sa.ForeignKey("reports.id"), primary_key=True),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
    )
    op.create_table(
        "dialogues",
        sa.Column("report_id", sa.String, sa.ForeignKey("reports.id"), primary_key=True),
        sa.Column("slot", sa.Integer, primary_key=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("lines", sa.Text, nullable=False),
    )
    last = ""
    while rows := _after(last):
        op.bulk_insert(search_texts, [_texts(row) for row in rows])
        last = rows[-1].id


def downgrade() -> None:
    """Remove them."""
    op.drop_table("dialogues")
    op.drop_table("search_texts")


def _after(last: str) -> list[sa.Row[tuple[str, str, int, str]]]:
    query = sa.select(_reports).where(_reports.c.id > last).order_by(_reports.c.id).limit(BATCH)
    return list(op.get_bind().execute(query).all())


def _texts(row: sa.Row[tuple[str, str, int, str]]) -> dict[str, str]:
    people = json.loads(row.recipients)
    addresses = [box["address"] for kind in ("to", "cc", "bcc") for box in people.get(kind, ())]
    return {
        "report_id": row.id,
        "recipients": "\n".join(dict.fromkeys(addresses)),
        "words": f"{row.job} #{row.number}".lower(),
    }
