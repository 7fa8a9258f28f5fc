"""Completes reports by Jenkins' REST, before their mails are made.

A library in the sandbox can't see tests, stages or the log of its build. The service can, with its
own API token of Jenkins. It reads only builds whose report was sent with a token that is bound to
this controller and to jobs among which the build's is: else anybody could read any job's log.

This is in threads of its own: neither acceptance nor sending, nor the mail of another report, waits
for Jenkins. A report whose completion fails, or takes too long, is mailed as it was sent.

When a group of reports is due for its digest, the first of them is completed, and then the others,
until the first one's time is over. They take turns with what else waits here.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pyservice.background_threads import join_all
from pyservice.config.live import LiveSettings
from pyservice.delivery.build_source import BuildSource, PermissionsOf, source_of
from pyservice.errors import (
    ConfigurationError,
    LostLeaseError,
    NotFoundError,
    RequestError,
    SetupError,
)
from pyservice.events import CompletionEnded, Events, ReportChanged, ReportEnded
from pyservice.jenkins import build_data
from pyservice.jenkins.build_reader import BuildReader, ReaderLimits, why
from pyservice.outbox.models import QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.outbox.states import State
from pyservice.policy.attachments import allowed_attachments
from pyservice.report.completion import BUILD, completed, without
from pyservice.report.schema import Report
from pyservice.report.secrets import SecretMasker

_log = structlog.get_logger()


@dataclass(frozen=True)
class CompleterLimits:
    """How many reports are completed at once, and how long each waits."""

    threads: int = 4
    max_waiting: int = 1000
    """Reports that wait in memory; further ones are mailed as they were sent."""
    time: float = 10.0
    """Seconds from a report's turn in the backlog until its mail is made, whatever Jenkins does."""
    retry_after: float = 60.0
    """Seconds until a report whose recipients only Jenkins knows is tried again."""
    give_up_after: float = 3600.0
    """Seconds for which it is tried again."""
    grace: float = 0.5
    """Seconds for completions under way when the service stops; they begin again at its start."""
    reader: ReaderLimits = ReaderLimits()


class Completer:
    """Completes reports in the background between `start` and `stop`."""

    def __init__(
        self,
        outbox: Outbox,
        live: LiveSettings,
        events: Events,
        *,
        permissions_of: PermissionsOf,
        masker: SecretMasker,
        ready: Callable[[QueuedReport], None],
        limits: CompleterLimits = CompleterLimits(),
    ) -> None:
        """Read nothing yet.

        Args:
            outbox: where the reports are.
            live: the settings: who Jenkins is, and whose token the service has.
            events: where ends of completions are announced.
            permissions_of: returns what a report's owner may do now; None: it has no token.
            masker: masks secrets in what Jenkins answers.
            ready: gets each report whose completion has ended.
            limits: how many, and how long.
        """
        self._outbox, self._live, self._events = outbox, live, events
        self._permissions_of, self._masker = permissions_of, masker
        self._ready, self._limits = ready, limits
        self._changed = threading.Condition()
        self._waiting: deque[_Turn] = deque()
        self._taken: dict[str, QueuedReport] = {}
        """The reports that are here, by their IDs: they wait or are being completed."""
        self._is_stopped = False
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(limits.threads)
        ]

    def start(self) -> None:
        """Begin with the reports that were taken so far."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Give what isn't completed back to the outbox."""
        with self._changed:
            self._is_stopped = True
            self._waiting.clear()
            self._changed.notify_all()
        join_all(self._threads, self._limits.grace)
        with suppress(SQLAlchemyError):  # they are free again when their lease has run out
            self._outbox.release(*self._taken.values())

    def takes(self, report: Report, owner: str) -> bool:
        """Return whether a new report will be completed, as far as is known now."""
        return self._source(report, owner) is not None

    def take(self, entry: QueuedReport) -> bool:
        """Take a claimed report, to complete it; return whether it was taken.

        It is not if it has a mail, is complete or waits for a digest that nobody shares, and if the
        service may not read its build.
        """
        if entry.mail is not None:
            return False
        waits = entry.digest_group is not None
        source = self._source(entry.report, entry.owner, "" if waits else entry.id)
        if source is None or (waits and not self._outbox.groups.waiting_ids(entry)):
            return False
        with self._changed:
            is_full = len(self._waiting) >= self._limits.max_waiting
            if self._is_stopped or (is_full and entry.recipients.addresses):
                return False
            self._taken[entry.id] = entry
            deadline = time.monotonic() + self._limits.time
            self._waiting.append(_Turn(entry, source, deadline))
            self._changed.notify()
        return True

    def _source(self, report: Report, owner: str, report_id: str = "") -> BuildSource | None:
        return source_of(report, owner, self._live, self._permissions_of, report_id)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_stopped:
                    self._changed.wait()
                if self._is_stopped:
                    return
                turn = self._waiting.popleft()
            entry = turn.entry
            try:
                if turn.others is None:
                    done = self._complete(turn)
                else:
                    self._complete_other(turn.others[0], entry, turn.deadline)
                    done = entry
            except LostLeaseError:
                _log.warning("report.lost_lease", id=entry.id)
                done = None
            except Exception:
                _log.exception("report.completion_failed", id=entry.id)
                report = without(entry.report, "the service failed")
                done = replace(entry, report=report)
            others = self._others(turn, done) if done is not None else ()
            with self._changed:
                if self._is_stopped:  # `stop` gives it back
                    return
                if done is not None and others:
                    self._waiting.append(replace(turn, entry=done, others=others))
                    self._changed.notify()
                    continue
                del self._taken[entry.id]
            if done is not None:
                self._ready(done)

    def _others(self, turn: "_Turn", first: QueuedReport) -> tuple[str, ...]:
        """Return which reports of a completed one's digest come next; none if its time is over."""
        is_late = time.monotonic() >= turn.deadline
        if first.digest_group is None or is_late or not _is_read(first.report):
            return ()
        if turn.others is not None:
            return turn.others[1:]
        with suppress(SQLAlchemyError):  # the outbox logs it
            return tuple(self._outbox.groups.waiting_ids(first))
        return ()

    def _complete_other(self, report_id: str, first: QueuedReport, deadline: float) -> None:
        """Complete a report that waits for a digest together with a completed one, the first."""
        try:
            entry, _ = self._outbox.get(report_id, owner=first.owner)
            source = self._source(entry.report, entry.owner)
            if source is not None:
                report = self._read(_Turn(entry, source, deadline))
                if _is_read(report):
                    self._outbox.completions.store_waiting(entry, report, _note(report))
        except (LostLeaseError, NotFoundError, SQLAlchemyError):
            pass  # it doesn't wait any more, or the outbox logs why
        except Exception:
            _log.exception("report.completion_failed", id=report_id)

    def _complete(self, turn: "_Turn") -> QueuedReport | None:
        """Read the build, and commit the completed report; return it, if it gets a mail now.

        Raises:
            LostLeaseError: another service has claimed it meanwhile.
        """
        report = self._read(turn)
        while True:
            try:
                return self._store(turn, report)
            except SQLAlchemyError:  # the outbox logs it
                if self._is_stopped:
                    return None
                time.sleep(1)

    def _store(self, turn: "_Turn", report: Report) -> QueuedReport | None:
        """Commit the completed report with its recipients; return it, if it gets a mail now."""
        entry, completions = turn.entry, self._outbox.completions
        recipients, refusal = entry.recipients, ""
        # Reports share a digest since they have the same recipients, so these stay.
        if report.mail.recipients and entry.digest_group is None:
            try:
                recipients = turn.source.recipients(report)
                refusal = recipients.nobody
            except RequestError as error:
                refusal = error.detail
        is_new = time.time() - entry.created_at < self._limits.give_up_after
        if refusal and not _is_read(report) and is_new:
            note = f"only Jenkins knows its recipients: {report.missing[-1].reason}"
            until = time.time() + self._limits.retry_after
            completions.postpone(entry, until, "" if entry.error == note else note)
            return None
        if refusal:
            completions.refuse(entry, report, refusal)
            _log.warning("mail.skipped", id=entry.id, job=report.build.job, reason=refusal)
            self._events.announce(ReportEnded(State.SKIPPED))
            self._events.announce(ReportChanged(entry.id, entry.owner, report.build.job))
            return None
        remark = recipients.remark if recipients != entry.recipients else ""
        return completions.store(entry, report, recipients, _note(report, remark))

    def _read(self, turn: "_Turn") -> Report:
        """Return the report with what Jenkins knows of its build."""
        report, source = turn.entry.report, turn.source
        log = _log.bind(id=turn.entry.id, job=report.build.job)
        try:
            reader = BuildReader(source.url, source.settings, self._limits.reader, turn.deadline)
            has_files = turn.entry.digest_group is None
            answers = reader.read(
                report.build.result,
                report.mail.attach if has_files else (),
                attach_log=has_files and report.mail.attach_log,
            )
            known = build_data.report(answers)
        except (ConfigurationError, SetupError, ValueError) as error:
            self._events.announce(CompletionEnded("failed"))
            log.warning("report.not_completed", reason=str(error))
            return without(report, why(error))
        missing = [one.part for one in known.missing]
        self._events.announce(CompletionEnded("partial" if missing else "complete"))
        log.info("report.completed", missing=missing)
        most = source.settings.max_attachment_bytes
        whole = self._masker.mask(allowed_attachments(completed(report, known), most))
        return whole.model_copy(update={"masked": report.masked + whole.masked})


@dataclass(frozen=True)
class _Turn:
    """A report that waits for its completion."""

    entry: QueuedReport
    source: BuildSource
    deadline: float
    """On the monotonic clock."""
    others: tuple[str, ...] | None = None
    """The IDs of those that wait for a digest with it and come next; None: it isn't completed."""


def _is_read(report: Report) -> bool:
    """Return whether Jenkins showed the build of a completed report."""
    return all(one.part != BUILD for one in report.missing)


def _note(report: Report, remark: str = "") -> str:
    """Return what the history says of a completed report."""
    parts = [f"without {one.part}: {one.reason}" for one in report.missing]
    return "; ".join(["completed by Jenkins", *parts, *filter(None, [remark])])
