"""The Message-IDs of our mails."""

OWN_ID_PREFIX = "notify-email."
"""Of Message-IDs: by it our mails are found in Postfix' log."""


def message_id(report_id: str, host: str) -> str:
    """A mail's Message-ID: made at acceptance, it never changes, and can be told from others."""
    return f"<{OWN_ID_PREFIX}{report_id}@{host}>"


def report_id_of(value: str) -> str | None:
    """The report's ID of a Message-ID with its angle brackets; None: it is not one of ours."""
    if not value.startswith(f"<{OWN_ID_PREFIX}"):
        return None
    return value.removeprefix(f"<{OWN_ID_PREFIX}").partition("@")[0]
