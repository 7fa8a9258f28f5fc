"""The errors of this package, as a tree.

Exception
├── ConfigurationError   an administrator must change a setting: exit code 2
├── SetupError           node, Postfix or Jenkins is not as it must be: exit code 1
├── LostLeaseError       another service has locked the row meanwhile
├── GroupChangedError    a member of a digest doesn't wait for it any more
├── RenderError          a template could not be rendered; the mail goes out with the built-in one
└── RequestError         a request can't be served; the answer is problem+json
    ├── MalformedError       400  not JSON
    ├── UnauthorizedError    401  no token, or an unknown one
    ├── PolicyError          403  understood, and forbidden here
    ├── ForeignPageError     403  a web page of another site sends it
    ├── NotFoundError        404
    ├── ConflictError        409  an idempotency key used for two different reports
    ├── BodyTimeoutError     408  the body took too long
    ├── TooLargeError        413  over the byte limit
    ├── MediaTypeError       415  not application/json
    ├── MisdirectedError     421  a Host header that is not this service's
    ├── InvalidError         422  names each wrong member by its JSON pointer
    ├── RateExceededError    429  over the token's rate: try later
    ├── JenkinsError         502  Jenkins refuses what is read of it, or is away
    ├── BusyError            503  there are too many requests at the same time: try later
    └── OutboxFullError      503  the outbox is over its limits: try later

A mail that Postfix does not accept is a value, `smtp.Outcome`, and no exception: it is stored,
shown and retried. Configuration errors share no base with errors that may be retried.
An exception's docstring is its default message.
"""

import inspect
from dataclasses import dataclass
from typing import ClassVar


def os_reason(error: OSError) -> str:
    """Return the operating system's message for the middle of a sentence: `no space left`."""
    return (error.strerror or str(error)).lower()


class ConfigurationError(Exception):
    """The configuration is not usable."""


class SetupError(Exception):
    """The node, its Postfix or Jenkins can't be set up."""


class LostLeaseError(Exception):
    """Another service has locked the report."""


class GroupChangedError(Exception):
    """A report of the digest group doesn't wait any more."""


@dataclass(frozen=True)
class TemplateFault:
    """What is wrong in a template; its text is a sentence."""

    file: str
    """Its path below the folder of templates, such as `release/body.html`."""
    reason: str
    """For the middle of a sentence."""
    line: int | None = None
    """Counted from 1; None: no line is known."""
    source: str = ""
    """That line."""
    suggestion: str = ""
    """The name that may be meant in place of one that doesn't exist."""

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        meant = f"; is {self.suggestion!r} meant" if self.suggestion else ""
        return f"Template {self.file}{line}: {self.reason}{meant}{'?' if meant else '.'}"


class RenderError(Exception):
    """The template could not be rendered.

    Args:
        message: says why.
        faults: what is wrong in the template, as far as it is known: one for each part.
    """

    def __init__(self, message: str, faults: tuple[TemplateFault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults

    @classmethod
    def of(cls, faults: tuple[TemplateFault, ...]) -> "RenderError":
        """Return the error of a template in which at least one thing is wrong."""
        return cls(str(faults[0]), faults)


MAX_NAMED = 20
"""Wrong members that an answer names; nobody reads a longer list."""


class RequestError(Exception):
    """The request can't be served.

    Args:
        detail: one sentence for the person who reads the build log.
        errors: (JSON pointer, sentence) for each member that is wrong; the first are kept.
    """

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad request"

    def __init__(self, detail: str | None = None, errors: tuple[tuple[str, str], ...] = ()) -> None:
        self.detail = detail or (inspect.getdoc(type(self)) or "").partition("\n")[0]
        self.errors, self.count = errors[:MAX_NAMED], len(errors)
        if self.count > MAX_NAMED:
            unnamed = self.count - MAX_NAMED
            self.detail += f" {MAX_NAMED} wrong members are named, and {unnamed} more are not."
        super().__init__(self.detail)


class MalformedError(RequestError):
    """The body is not JSON."""

    title = "Malformed JSON"


class UnauthorizedError(RequestError):
    """A token is needed: send `Authorization: Bearer TOKEN`, or Basic with it as the password."""

    status = 401
    title = "Unauthorized"


class PolicyError(RequestError):
    """The service's policy forbids this."""

    status = 403
    title = "Forbidden by policy"


class ForeignPageError(RequestError):
    """A web page of another site sent this. Send it from /docs of this service, or with curl."""

    status = 403
    title = "Cross-site request"


class NotFoundError(RequestError):
    """There is nothing at this address."""

    status = 404
    title = "Not found"


class ConflictError(RequestError):
    """This idempotency key belongs to a report with another content."""

    status = 409
    title = "Conflict"


class BodyTimeoutError(RequestError):
    """The body took too long to come."""

    status = 408
    title = "Request timeout"


class TooLargeError(RequestError):
    """The body is too large."""

    status = 413
    title = "Too large"


class MediaTypeError(RequestError):
    """Send the report as `Content-Type: application/json`."""

    status = 415
    title = "Unsupported media type"


class MisdirectedError(RequestError):
    """The Host header names another host."""

    status = 421
    title = "Misdirected request"


class InvalidError(RequestError):
    """The report is not valid."""

    status = 422
    title = "Invalid report"


class RateExceededError(RequestError):
    """The token's rate is used up."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class JenkinsError(RequestError):
    """Jenkins can't be read."""

    status = 502
    title = "Jenkins can't be read"


class NoMailError(RequestError):
    """No mail could be made, not even with the built-in template."""

    status = 503
    title = "No mail could be made"


class BusyError(RequestError):
    """The service has too many large requests. The report was not accepted: try again later."""

    status = 503
    title = "Service unavailable"


class OutboxFullError(RequestError):
    """The outbox is full."""

    status = 503
    title = "Outbox full"
