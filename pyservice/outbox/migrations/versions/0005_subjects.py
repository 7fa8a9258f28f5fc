"""The subjects of mails, by which people search reports."""

import re
from email.errors import MessageError
from email.header import decode_header, make_header

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"

BATCH = 500
"""Reports of which the mails' headers are read at once."""
MAX_HEAD = 64 * 1024
"""Bytes of a mail in which its subject is looked for: To, with all recipients, may come first."""

_SUBJECT = re.compile(rb"^Subject:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.MULTILINE)
_reports = sa.table("reports", sa.column("id"), sa.column("mail", sa.LargeBinary))
_texts = sa.table("search_texts", sa.column("report_id"), sa.column("subject"))


def upgrade() -> None:
    """Make their column, and let the mails that are there be found, too."""
    op.add_column("search_texts", sa.Column("subject", sa.Text, nullable=False, server_default=""))
    write = op.get_bind()
    store = _texts.update().where(_texts.c.report_id == sa.bindparam("of"))
    head = sa.func.substr(_reports.c.mail, 1, MAX_HEAD)
    query = sa.select(_reports.c.id, head.label("head")).where(_reports.c.mail.is_not(None))
    last = ""
    while rows := write.execute(
        query.where(_reports.c.id > last).order_by(_reports.c.id).limit(BATCH)
    ).all():
        found = [{"of": row.id, "found": _subject(row.head)} for row in rows]
        write.execute(store.values(subject=sa.bindparam("found")), found)
        last = rows[-1].id


def downgrade() -> None:
    """Remove it."""
    op.drop_column("search_texts", "subject")


def _subject(head: bytes) -> str:
    """Return a mail's subject as its readers see it, in lower case; empty: it has none."""
    found = _SUBJECT.search(head.partition(b"\r\n\r\n")[0])
    if found is None:
        return ""
    written = found[1].replace(b"\r\n", b"").decode("ascii", "replace").strip()
    try:
        shown = str(make_header(decode_header(written)))
    except (LookupError, ValueError, MessageError):
        shown = written
    return shown.lower().replace("\0", "")
