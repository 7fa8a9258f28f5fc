"""Reports that wait for others until a test lets them go, however slowly it posts them."""

import sqlalchemy as sa
from starlette.testclient import TestClient

from pyservice.outbox.tables import reports
from tests.builders.patience import HANG

LONG = HANG
"""A DIGEST_AFTER within which no digest is made by itself."""


def end_wait(client: TestClient) -> None:
    """Let the time be over for which reports wait for others."""
    service = client.app.state.service  # type: ignore[attr-defined]
    is_waiting = sa.and_(
        reports.c.digest_group.is_not(None), reports.c.next_attempt_at.is_not(None)
    )
    due = (
        reports.update()
        .where(is_waiting)
        .values(next_attempt_at=reports.c.next_attempt_at - 2 * LONG)
    )
    service.admin._database.write(lambda write: write.execute(due))
    service.worker.wake()
