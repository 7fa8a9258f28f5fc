"""What the service does beside its requests, from its start to its end."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from pyservice.delivery.worker import DeliveryWorker
from pyservice.description.updater import DescriptionUpdater
from pyservice.mail.template_watcher import TemplateWatcher
from pyservice.outbox.database import Database
from pyservice.outbox.queue import Outbox
from pyservice.outbox.retention import Retention
from pyservice.postfix.log_watcher import LogWatcher
from pyservice.preview.previews import Previews
from pyservice.report.secrets import SecretMasker
from pyservice.web.outbox_watcher import OutboxWatcher

LOAD_AFTER = 0.5
"""Seconds after the start until what the first report would wait for is loaded."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Background:
    """The parts with threads or processes of their own, and what they have opened."""

    log_watcher: LogWatcher
    worker: DeliveryWorker
    retention: Retention
    descriptions: DescriptionUpdater
    template_watcher: TemplateWatcher
    outbox_watcher: OutboxWatcher
    masker: SecretMasker
    previews: Previews
    outbox: Outbox
    database: Database

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Start all parts, and stop them in the end: the outbox as the last, which they use."""
        # The log first: it shows which mails Postfix has, and these must not be sent again.
        watchers = (self.template_watcher, self.outbox_watcher)
        for part in (self.log_watcher, self.worker, self.retention, self.descriptions, *watchers):
            await run_in_threadpool(part.start)
        loading = threading.Thread(target=_load_early, args=(self.masker,), daemon=True)
        asyncio.get_running_loop().call_later(LOAD_AFTER, loading.start)
        try:
            yield
        finally:
            await run_in_threadpool(self.worker.stop)
            await run_in_threadpool(self.previews.close)
            for other in (*watchers, self.log_watcher, self.retention, self.descriptions):
                await run_in_threadpool(other.stop)
            self.outbox.close()
            self.database.close()
            _log.info("service.stopped")


def _load_early(masker: SecretMasker) -> None:
    """Load the patterns of secrets, which the first report does if the system lacks the means."""
    with suppress(OSError, ImportError):
        masker.load()
