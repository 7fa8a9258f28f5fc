"""The Message-IDs of the service's mails, and their threads."""

from dataclasses import dataclass

OWN_ID_PREFIX = "notify-email."
"""How our Message-IDs begin, by which Postfix' log is searched."""


def message_id(report_id: str, host: str) -> str:
    """Return the Message-ID of a report's mail."""
    return f"<{OWN_ID_PREFIX}{report_id}@{host}>"


def report_id_of(value: str) -> str | None:
    """Return the report's ID in a Message-ID with angle brackets; None: it is not one of ours."""
    if not value.startswith(f"<{OWN_ID_PREFIX}"):
        return None
    return value.removeprefix(f"<{OWN_ID_PREFIX}").partition("@")[0]


@dataclass(frozen=True)
class Thread:
    """The mails about one breakage of a job."""

    message_id: str
    """Of the mail that began it."""
    number: int
    """Of the build that this mail is about."""
