"""What goes wrong with machines and networks, and is no fault of a change."""

import re

from pyservice.analysis.first_error import FirstError
from pyservice.report.headline import is_agent_lost, is_timeout
from pyservice.report.schema import Failure, Report

CHECKOUTS = frozenset({"checkout", "git", "svn"})
"""The steps that fetch the source."""
MAX_MESSAGE = 1000
"""Characters of a message that are read."""

_CONFLICT = re.compile(r"(?i).*merge conflict|.*conflict \(")
"""A checkout that fails for the change itself."""
TROUBLE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("disk full", re.compile(r"(?i)no space left on device|disk quota exceeded")),
    ("registry limit", re.compile(r"toomanyrequests|You have reached your .{0,20}pull rate limit")),
    (
        "network",
        re.compile(
            r"(?i)could not resolve host|temporary failure in name resolution|no route to host"
            r"|dial tcp: lookup .{1,300}: no such host"
            r"|name or service not known|network is unreachable|connection timed out"
            r"|UnknownHostException|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|TLS handshake timeout"
            r"|502 bad gateway|503 service (?:temporarily )?unavailable|504 gateway time-?out"
        ),
    ),
)
"""Messages that show what is wrong, whatever program prints them."""


def infrastructure(report: Report, error: FirstError | None) -> str:
    """Return what went wrong that no change can have broken; empty: nothing such is known.

    Args:
        report: as people read it.
        error: the first error of its log; None: there is none.
    """
    if report.build.result != "SUCCESS" and is_lost(report):
        return "agent lost"
    if report.build.result != "SUCCESS" and is_waiting(report):
        return "no agent was free"
    if report.build.result != "FAILURE" or report.error is None:
        return ""
    return _trouble(report.error, (error.message if error else report.error.message)[:MAX_MESSAGE])


def _trouble(failure: Failure, message: str) -> str:
    function = failure.step.function if failure.step else ""
    if function in CHECKOUTS and not _CONFLICT.match(message):
        return "checkout failed"
    if function == "library":
        return "library failed to load"
    return next((name for name, shape in TROUBLE if shape.search(message)), "")


def is_lost(report: Report) -> bool:
    """Return whether a build ended since its agent went away."""
    interruption, error = report.build.interruption, report.error
    return is_agent_lost(interruption.type if interruption else "") or is_agent_lost(
        (error.type if error else "") or ""
    )


def is_waiting(report: Report) -> bool:
    """Return whether a build timed out while it waited for an agent."""
    interruption, step = report.build.interruption, report.error.step if report.error else None
    return (
        interruption is not None
        and is_timeout(interruption)
        and step is not None
        and step.function == "node"
    )
