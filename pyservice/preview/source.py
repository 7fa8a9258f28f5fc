"""What a preview is of: a recorded sample, a sample of the caller's, a report, or a build.

A source is written as `2-failure` (a sample of this package), `own:NAME` (the caller's own sample),
`report:ID` (a report in the outbox, with today's template), `sent:ID` (the mail that was made of
it) or `build:JOB#NUMBER` (a build below JENKINS_URL).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyservice.addresses import Mailbox
from pyservice.analysis.digest import Digest
from pyservice.auth.authenticator import Caller
from pyservice.auth.report_links import unsigned
from pyservice.config.live import LiveSettings
from pyservice.delivery.addressing import addressing_of
from pyservice.errors import NotFoundError, PolicyError, RequestError
from pyservice.mail.message import Addressing
from pyservice.mail.preview_data import preview_data
from pyservice.mail.renderer import DIGEST
from pyservice.outbox.models import Event, QueuedReport
from pyservice.outbox.queue import Outbox
from pyservice.policy.recipients import Recipients, resolve_recipients
from pyservice.policy.sender import sender_now
from pyservice.preview.builds import Builds
from pyservice.preview.own_samples import OwnSamples
from pyservice.report.schema import Mail, Report
from pyservice.samples import stories, storms

OWN, REPORT, SENT, BUILD = "own", "report", "sent", "build"
"""The kinds of sources, before a colon; a sample of this package has none."""

_READER = Recipients(to=(Mailbox("Reader", "reader@example.com"),))


@dataclass(frozen=True)
class Content:
    """What a mail shows, and how it is addressed."""

    title: str
    """The build, or how many a digest has, for a page's heading."""
    shown: Report | Digest
    addressing: Addressing
    mail: bytes | None = None
    """The mail as it was made; None: it is made now."""

    @property
    def state(self) -> str:
        """The result of its build; of a digest `digest`."""
        return self.shown.build.result if isinstance(self.shown, Report) else DIGEST


def own_report(
    report_id: str, outbox: Outbox, caller: Caller
) -> tuple[QueuedReport, tuple[Event, ...]]:
    """Return a report that the caller may see, with its history.

    Args:
        report_id: its ID, which may be signed: the signature counts for nothing here.
        outbox: where it is.
        caller: who sees it, by its token alone.

    Raises:
        NotFoundError: there is none, or it has another owner, or is of another job.
        PolicyError: the caller's token was for the report's job, and is no longer.
    """
    entry, history = outbox.get(unsigned(report_id), owner=caller.owner_filter)
    caller.require_report(entry.owner, entry.report.build.job)
    return entry, history


def require_mail(entry: QueuedReport, outbox: Outbox, caller: Caller | None) -> None:
    """Refuse the mail of a report if it is a digest with a build that the caller may not see.

    Args:
        entry: the report.
        outbox: where it is.
        caller: who sees the report; None: whoever has its link, which is for builds of its job.

    Raises:
        PolicyError: it is. The report itself may be seen.
    """
    shown = outbox.groups.owners_and_jobs(entry.digest_id) if entry.digest_id else ()
    if caller is None:
        if any(job != entry.report.build.job for _, job in shown):
            raise PolicyError(
                "This mail is a digest that also shows builds of other jobs: log in to see it."
            )
        return
    if not all(caller.may_see(owner, job) for owner, job in shown):
        raise PolicyError(
            "This mail is a digest that also shows builds of jobs which your token may not see."
        )


class Sources:
    """Finds the content of a source, as far as its caller may see it. Thread-safe."""

    def __init__(
        self, live: LiveSettings, outbox: Outbox | None, own_samples: OwnSamples, builds: Builds
    ) -> None:
        self._live, self._outbox = live, outbox
        self._own_samples, self._builds = own_samples, builds

    def load(self, source: str, template: str, caller: Caller) -> Content:
        """Return what a mail of this source shows with a template.

        Args:
            source: as this module's docstring has it.
            template: its name; a report without data of its own gets that of its previews.
            caller: who asks.

        Raises:
            NotFoundError: there is no such source, or the caller may not see it.
            PolicyError: the caller may not read this build, or reports of its job.
            InvalidError: the template's data.json can't be used.
            JenkinsError: Jenkins refuses the build, or is away.
        """
        kind, colon, name = source.partition(":")
        if not colon:
            return self.sample(source, template)
        if kind == OWN:
            return self.of_report(self._own_samples.load(caller.name, name), template)
        if kind == BUILD:
            return self.of_report(self._builds.read(name, caller), template)
        if kind in {REPORT, SENT}:
            return self._entry(name, template, caller, is_sent=kind == SENT)
        raise NotFoundError(
            f"There is no source {kind}: of this name; write a sample's name, or begin with "
            f"{OWN}:, {REPORT}:, {SENT}: or {BUILD}:."
        )

    def of_report(self, report: Report, template: str) -> Content:
        """Return the content of a report that is in no outbox, with this template.

        Raises:
            NotFoundError: it is the digest's template.
            InvalidError: the template's data.json can't be used.
        """
        report = self._with_template(report, template)
        if not report.mail.to and not report.mail.recipients:
            to = list(_READER.addresses)
            report = report.model_copy(update={"mail": report.mail.model_copy(update={"to": to})})
        settings, build = self._live.settings, report.build
        try:
            recipients = resolve_recipients(report, settings)
        except RequestError:  # a preview goes to nobody
            recipients = _READER
        addressing = self._addressing(
            recipients if recipients.addresses else _READER,
            f"{build.started_at}.{build.number}",
            build.started_at,
        )
        addressing = replace(addressing, author=sender_now(report.mail, settings))
        return Content(_title(report), report, addressing)

    def sample(self, name: str, template: str) -> Content:
        """Return the content of a sample that we ship, with this template.

        Raises:
            NotFoundError: there is no such sample for this template.
            InvalidError: the template's data.json can't be used.
        """
        known = stories.names(digests=template == DIGEST)
        if name not in known:
            raise NotFoundError(
                f"There is no sample of this name for {template}; there are: {', '.join(known)}."
            )
        if template == DIGEST:
            digest = storms.load_digest(name)
            addressing = self._addressing(_READER, name, digest.until)
            return Content(f"{digest.total} builds", digest, addressing)
        return self.of_report(stories.load(name), template)

    def _entry(self, report_id: str, template: str, caller: Caller, *, is_sent: bool) -> Content:
        """Return what a report of the outbox shows, or the mail that was made of it."""
        entry, outbox = self._own(report_id, caller)
        if is_sent or template == DIGEST:
            require_mail(entry, outbox, caller)
        if template == DIGEST and not is_sent:
            return self._digest(entry, outbox, caller)
        if is_sent:
            if entry.mail_id != entry.id:
                entry, _ = self._own(entry.mail_id, caller)
            if entry.mail is None:
                raise NotFoundError("No mail has been made of this report yet.")
        report = entry.report if is_sent else self._with_template(entry.report, template)
        addressing = addressing_of(entry, self._live.settings)
        return Content(_title(report), report, addressing, entry.mail if is_sent else None)

    def _digest(self, entry: QueuedReport, outbox: Outbox, caller: Caller) -> Content:
        """Return what the digest shows that a report's build is in."""
        if entry.digest_id is None:
            raise NotFoundError("This report has a mail of its own: choose another template.")
        first, _ = self._own(entry.digest_id, caller)
        digest = Digest(tuple(outbox.groups.members(first.id)))
        addressing = Addressing(
            self._live.settings.sender_mailbox, first.recipients, first.message_id, first.date
        )
        return Content(f"{digest.total} builds", digest, addressing)

    def _own(self, report_id: str, caller: Caller) -> tuple[QueuedReport, Outbox]:
        """Return a report of the caller's, and the outbox."""
        if self._outbox is None:
            raise NotFoundError("There is no outbox here: ask the running service.")
        return own_report(report_id, self._outbox, caller)[0], self._outbox

    def _with_template(self, report: Report, template: str) -> Report:
        if template == DIGEST:
            raise NotFoundError("A digest shows many builds: see its own samples.")
        mail, data = report.mail, report.mail.data
        is_wanted = mail.template == template and mail != Mail()
        if not data and not is_wanted:
            data = preview_data(self._live.settings.templates_dir, template)
        new = mail.model_copy(update={"template": template, "data": data})
        return report.model_copy(update={"mail": new})

    def _addressing(self, recipients: Recipients, name: str, at: int) -> Addressing:
        """Return the addressing of a mail that nobody gets, `at` milliseconds since 1970."""
        sender = self._live.settings.sender_mailbox
        host = sender.address.rpartition("@")[2]
        date = datetime.fromtimestamp(at / 1000, UTC)
        return Addressing(sender, recipients, f"<preview.{name}@{host}>", date)


def _title(report: Report) -> str:
    build = report.build
    return build.full_display_name or f"{build.job} #{build.number}"
