"""Which builds the service may read of Jenkins, to complete their reports."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from pyservice.auth.permissions import Permissions
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.jenkins.build_page import page
from pyservice.policy.recipients import Recipients, resolve_recipients
from pyservice.policy.sender import sender_now
from pyservice.report.schema import Report

_log = structlog.get_logger()

PermissionsOf = Callable[[str], Permissions | None]
"""Returns what a report's owner may do now; None: it has no token."""


@dataclass(frozen=True)
class BuildSource:
    """Where a report's build is read, and who reads it."""

    url: str
    """The build's page."""
    settings: Settings
    """Those in force."""
    permissions: Permissions
    """Those of the report's owner."""

    def recipients(self, report: Report) -> Recipients:
        """Return who gets a completed report's mail.

        Raises:
            RequestError: a recipient isn't allowed.
        """
        domains = self.permissions.recipient_domains
        recipients = resolve_recipients(report, self.settings, domains)
        self.permissions.check(report, recipients, sender_now(report.mail, self.settings))
        return recipients


def source_of(
    report: Report,
    owner: str,
    live: LiveSettings,
    permissions_of: PermissionsOf,
    report_id: str = "",
) -> BuildSource | None:
    """Return where a report's build is read; None: it isn't.

    Args:
        report: the report.
        owner: the name of its token.
        live: the settings: who Jenkins is, and whose token the service has.
        permissions_of: returns what the owner may do now.
        report_id: its ID, to log why it isn't completed; empty: don't.
    """
    settings, build = live.settings, report.build
    root = settings.jenkins_url
    has_token = settings.jenkins_user and settings.jenkins_token_file
    if report.complete or root is None or not has_token:
        return None
    permissions, url = permissions_of(owner), page(build, root)
    if permissions is None or not permissions.is_bound_to(root, build.job):
        reason = "its token is not bound to NOTIFY_EMAIL_JENKINS_URL and to jobs with this one"
    elif url is None:
        reason = "build.url is not that build's address below NOTIFY_EMAIL_JENKINS_URL"
    else:
        return BuildSource(url, settings, permissions)
    if report_id:
        _log.info("report.not_completed", id=report_id, job=build.job, reason=reason)
    return None
