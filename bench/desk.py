"""How long the desk's page takes where ten thousand mails are kept, as in a usual browser."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from bench.figures import Figure
from pyservice.config.settings import Settings
from pyservice.outbox.database import Database
from pyservice.web import server
from pyservice.web.app import create_app

MAILS = 10_000
MAIL_BYTES = 40_000
PORT = 8526
TURNS = 30

PAGES = {
    "desk_10k": "/outbox",
    "desk_trouble_10k": "/outbox?show=trouble",
    "desk_search_10k": "/outbox?q=user77@example.com",
}
BASELINE = "/doctor"
"""A page that reads nothing of the outbox."""

# One of a hundred has failed; each of 50 jobs and 500 people has its share.
_FILL = """
    WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < :mails)
    INSERT INTO reports (id, owner, idempotency_key, report_hash, message_id, report,
                         recipients, created_at, state, pending_recipients, attempts,
                         accepted_by_postfix, unconfirmed_attempts, queue_id, node, ended_at,
                         size_bytes, job, number, result, recipient_count, mail)
    SELECT lower(hex(randomblob(16))), 'local', 'report:' || lower(hex(randomblob(32))), '', '',
           '{}', '{}', 1.6e9 + n, CASE n % 100 WHEN 1 THEN 'failed' ELSE 'relayed' END, '[]', 1, 1,
           0, lower(hex(randomblob(8))), 'node1', 1.6e9 + n, 2, 'team/checkout' || (n % 50), n,
           'FAILURE', 1, randomblob(:bytes) FROM count
"""
_FOUND_BY = """
    INSERT INTO search_texts (report_id, recipients, words)
    SELECT id, 'user' || (number % 500) || '@example.com', job || ' #' || number FROM reports
"""


def figures(folder: Path) -> dict[str, Figure]:
    """Return the median time of each page, in milliseconds, against one without the outbox."""
    settings = Settings(
        database_url=f"sqlite:///{folder}/desk.db",
        sender="Jenkins <jenkins@ci.example.com>",
        listen=("127.0.0.1",),
        port=PORT,
        smtp_port=9,
        retention_days=0,
        retention_bytes="0",
    )
    database = Database(settings.outbox_url)
    database.write(
        lambda write: write.execute(sa.text(_FILL), {"mails": MAILS, "bytes": MAIL_BYTES})
    )
    database.write(lambda write: write.execute(sa.text(_FOUND_BY)))
    database.close()
    times: dict[str, list[float]] = {path: [] for path in (BASELINE, *PAGES.values())}
    with redirect_stdout(sys.stderr), _running(settings):  # for the service's log
        for turn in range(TURNS + 3):
            for path, of_path in times.items():  # in turns: other work slows all alike
                seconds = _seconds(path)
                if turn >= 3:
                    of_path.append(1000 * seconds)
    least = median(times[BASELINE])
    return {name: Figure(median(times[path]), least, "ms") for name, path in PAGES.items()}


def _seconds(path: str) -> float:
    """Request a page over a new connection, and return how long that took."""
    began = time.perf_counter()
    connection = HTTPConnection("127.0.0.1", PORT)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or b"</html>" not in body:
        raise RuntimeError(f"{path} was answered {answer.status}.")
    if path == "/outbox" and f">{MAILS}<".encode() not in body:
        raise RuntimeError(f"{path} does not count {MAILS} mails.")
    return time.perf_counter() - began


@contextmanager
def _running(settings: Settings) -> Iterator[None]:
    running = server.server(create_app(settings))
    sockets = server.bind(settings.listen, settings.port)
    thread = threading.Thread(target=running.run, kwargs={"sockets": sockets})
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        yield
    finally:
        running.should_exit = True
        thread.join()
