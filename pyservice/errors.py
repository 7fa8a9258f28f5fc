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
    ├── NotFoundError        404
    ├── ConflictError        409  an idempotency key used for two different reports
    ├── BodyTimeoutError     408  the body took too long
    ├── TooLargeError        413  over the byte limit
    ├── MediaTypeError       415  not application/json
    ├── MisdirectedError     421  a Host header that is not this service's
    ├── InvalidError         422  names each wrong member by its JSON pointer
    ├── RateExceededError    429  over the token's rate: try later
    └── OutboxFullError      503  the outbox is over its limits: try later

A mail that Postfix does not accept is a value, `smtp.Outcome`, and no exception: it is stored,
shown and retried. Configuration errors share no base with errors that may be retried.
An exception's docstring is its default message.
"""

import inspect
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


class RenderError(Exception):
    """The template could not be rendered."""


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


class OutboxFullError(RequestError):
    """The outbox is full."""

    status = 503
    title = "Outbox full"
