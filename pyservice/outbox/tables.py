"""The tables of the outbox."""

from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = "0005"
"""The newest of migrations/versions."""

metadata = sa.MetaData()

_exact = sa.String().with_variant(sa.String(collation="C"), "postgresql")
"""Text that is compared byte by byte, as SQLite does, so that a range finds a prefix."""

# What is large comes last: SQLite reads a row from its beginning.
reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("job", _exact, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("result", sa.String, nullable=False),
    sa.Column("recipient_count", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_attempt_at", sa.Float),
    sa.Column("locked_by", sa.String),
    sa.Column("locked_until", sa.Float),
    sa.Column("ended_at", sa.Float),
    sa.Column("size_bytes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("accepted_by_postfix", sa.Boolean, nullable=False, default=False),
    sa.Column("unconfirmed_attempts", sa.Integer, nullable=False, default=0),
    sa.Column("queue_id", sa.String),
    sa.Column("earlier_queue_ids", sa.String, nullable=False, server_default=""),
    sa.Column("logged_queue_id", sa.String),  # the queue ID in Postfix' log, during an attempt
    sa.Column("node", sa.String, nullable=False, server_default=""),
    sa.Column("digest_group", sa.String),  # the group of a report over a rate limit
    sa.Column("digest_id", sa.String),  # the report whose mail shows this one; its own, if it does
    sa.Column("rerouted_to", sa.String),
    sa.Column("idempotency_key", sa.String, nullable=False),
    sa.Column("report_hash", sa.String, nullable=False),
    sa.Column("message_id", sa.String, nullable=False),
    sa.Column("thread_id", sa.String),  # the Message-ID of the mail that began the mail's thread
    sa.Column("thread_number", sa.Integer),  # the number of the build that this mail is about
    sa.Column("error", sa.Text),
    sa.Column("pending_recipients", sa.Text, nullable=False),
    sa.Column("recipients", sa.Text, nullable=False),
    sa.Column("report", sa.Text, nullable=False),
    sa.Column("mail", sa.LargeBinary),
    sa.UniqueConstraint("owner", "idempotency_key"),
)
for _name, *_columns in (
    ("next_attempt_at", reports.c.next_attempt_at, reports.c.size_bytes),
    ("queue_id", reports.c.queue_id),
):
    # Without reports that have ended, which are nearly all.
    _condition = _columns[0].is_not(None)
    sa.Index(f"reports_{_name}", *_columns, sqlite_where=_condition, postgresql_where=_condition)
_waits_in_group = sa.and_(reports.c.digest_group.is_not(None), reports.c.digest_id.is_(None))
sa.Index(
    "reports_digest_group",
    *(reports.c.digest_group, reports.c.next_attempt_at, reports.c.id),
    sqlite_where=_waits_in_group,
    postgresql_where=_waits_in_group,
)
_digested = reports.c.digest_id.is_not(None)
sa.Index(
    "reports_digest_id",
    reports.c.digest_id,
    sqlite_where=_digested,
    postgresql_where=_digested,
)
sa.Index("reports_ended_at", reports.c.ended_at, reports.c.size_bytes)
# Queries over many reports read an index alone: rows are large, and slow to read.
sa.Index(
    "reports_created_at",
    *(reports.c.created_at, reports.c.id, reports.c.owner, reports.c.state, reports.c.job),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("report_id", sa.ForeignKey("reports.id"), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)

receipts_table = sa.Table(
    "receipts",
    metadata,
    sa.Column("report_id", sa.ForeignKey("reports.id"), primary_key=True),
    sa.Column("recipient", sa.String, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("next_attempt_after", sa.Float),
    sa.Column("next_attempt_before", sa.Float),
)
"""The last receipt of each recipient."""

threads = sa.Table(
    "threads",
    metadata,
    sa.Column("scope", _exact, primary_key=True),
    sa.Column("job", _exact, primary_key=True),
    sa.Column("updated_at", sa.Float, nullable=False, index=True),
    sa.Column("breakages", sa.Text, nullable=False),
)
"""The last breakages of each job, in JSON."""

search_texts = sa.Table(
    "search_texts",
    metadata,
    sa.Column("report_id", sa.ForeignKey("reports.id"), primary_key=True),
    sa.Column("recipients", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, server_default=""),
)
"""What people search reports by: short rows, since those of `reports` are too large to read all.

`recipients` has an address on each line, `words` the build's names and the author's subject, and
`subject` that of the mail once it is made, both in lower case.
"""

dialogues = sa.Table(
    "dialogues",
    metadata,
    sa.Column("report_id", sa.ForeignKey("reports.id"), primary_key=True),
    sa.Column("slot", sa.Integer, primary_key=True),  # an attempt replaces an earlier one's row
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("lines", sa.Text, nullable=False),
)
"""What service and Postfix said in the last attempts of each report, in JSON."""

log_positions = sa.Table(
    "log_positions",
    metadata,
    sa.Column("node", sa.String, primary_key=True),
    sa.Column("position", sa.Text, nullable=False),
)
"""How far the service of each node has read Postfix' log."""

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)
"""Random secrets that all services of the outbox have, in hexadecimal."""

PARTS = (events, receipts_table, search_texts, dialogues)
"""The tables whose rows belong to a report, by their `report_id`."""

ROW_ID = "row_id"
UPDATE = reports.update().where(reports.c.id == sa.bindparam(ROW_ID))
"""Changes many rows in one statement, each by its ID (`ROW_ID`) and its columns."""
IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
"""The IDs that a statement looks for: `column.in_(IDS)`."""
ADD_EVENTS = events.insert()
UNLOCKED: dict[str, Any] = {"locked_by": None, "locked_until": None}
"""The columns of a row that no service has locked."""
