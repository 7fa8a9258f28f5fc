"""What a relay for containers should refuse, each with its reason; asked for by `--harden`."""

from pyservice.errors import SetupError
from pyservice.postfix import mynetworks
from pyservice.setup.relay.changes import Drafting

LARGEST_MESSAGE = 26_214_400
"""Bytes. Most relay hosts take no more, so that a larger mail would only come back."""
MOST_CONNECTIONS = 20
"""Of one container: a fifth of the 100 processes that Postfix has."""

_EXCEPTIONS = "smtpd_client_event_limit_exceptions"
_REFUSALS = {
    "reject_unauth_destination",
    "defer_unauth_destination",
    "reject",
    "defer",
    "defer_if_permit",
}
_NORMALIZES = ((3, 8, 5), (3, 7, 10), (3, 6, 14), (3, 5, 24))
"""The first of each series that knows `normalize` (postconf(5), smtpd_forbid_bare_newline)."""


def add(drafting: Drafting) -> None:
    """All of it, but the senders."""
    _relay_for_none_but_mynetworks(drafting)
    _forbid_smuggling(drafting)
    size = drafting.effective("message_size_limit")
    if not 0 < int(size) <= LARGEST_MESSAGE:
        why = "Without a limit one mail can fill the queue's disk."
        drafting.set("message_size_limit", str(LARGEST_MESSAGE), why)
    why = "Nobody in a container needs to ask which local users there are."
    drafting.set("disable_vrfy_command", "yes", why)
    _limit_connections(drafting)


def allow_senders(drafting: Drafting, senders: tuple[str, ...]) -> None:
    """Refuse every envelope sender of containers but these addresses and domains.

    Local programs are not bound, and bounces (the empty sender) are always taken.

    Raises:
        SetupError: a sender is none, Postfix is too old, or there is such a rule already.
    """
    if not drafting.configuration.is_at_least(3, 0):
        raise SetupError(
            f"Postfix {drafting.configuration.version} has no inline tables (3.0), which "
            "--allow-sender needs: leave it out, or update Postfix."
        )
    for sender in senders:
        if not sender or set(sender) & set(" ,={}<>$\t\n"):
            raise SetupError(
                f"--allow-sender {sender!r}: give an address or a domain, as ci.example.com is."
            )
    pairs = ", ".join(f"{{{sender.lstrip('@')} = OK}}" for sender in (*senders, "<>"))
    value = (
        "check_client_access inline:{ {127.0.0.1 = OK}, {::1 = OK} }, "
        f"check_sender_access inline:{{ {pairs} }}, reject"
    )
    before = drafting.effective("smtpd_sender_restrictions")
    if before and before != value and "check_client_access inline:{ {127.0.0.1" not in before:
        raise SetupError(
            f"smtpd_sender_restrictions is set already ({before}): add the senders there, or empty "
            "it for --allow-sender."
        )
    why = "A container may not write in anybody's name."
    drafting.set("smtpd_sender_restrictions", value, why)


def lets_smtpd_run(drafting: Drafting) -> bool:
    """Whether strangers are refused by one of the two lists; smtpd does not start otherwise.

    With compatibility_level = 0, as of a main.cf from before 3.0, the first list is empty.
    """
    lists = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
    return any(_REFUSALS & set(mynetworks.tokens(drafting.effective(name))) for name in lists)


def _relay_for_none_but_mynetworks(drafting: Drafting) -> None:
    name = "smtpd_relay_restrictions"
    before = mynetworks.tokens(drafting.effective(name))
    if {"reject_unauth_destination", "reject"} & set(before):
        return
    after = [
        "reject_unauth_destination" if token == "defer_unauth_destination" else token  # noqa: S105
        for token in before
    ]
    if "reject_unauth_destination" not in after:
        after = ["permit_mynetworks", "reject_unauth_destination"]
    why = "Who is not in mynetworks is refused for good, and doesn't try again for days."
    drafting.set(name, ", ".join(after), why)


def _forbid_smuggling(drafting: Drafting) -> None:
    name = "smtpd_forbid_bare_newline"
    known = drafting.configuration.effective
    if name not in known:
        drafting.note(
            f"Postfix {drafting.configuration.version} can't forbid bare newlines, by which mails "
            "are smuggled (CVE-2023-51764): update to 3.5.23, 3.6.13, 3.7.9, 3.8.4 or later."
        )
        return
    if drafting.effective(name) not in {"normalize", "reject", "yes"}:
        why = "A bare newline can smuggle a second mail into one (CVE-2023-51764)."
        drafting.set(name, "normalize" if _normalizes(drafting) else "yes", why)
    why = "Containers are in mynetworks, and would be excepted."
    drafting.set(f"{name}_exclusions", "", why)


def _normalizes(drafting: Drafting) -> bool:
    is_at_least = drafting.configuration.is_at_least
    return is_at_least(3, 9) or any(
        is_at_least(*first) and not is_at_least(first[0], first[1] + 1) for first in _NORMALIZES
    )


def _limit_connections(drafting: Drafting) -> None:
    loopback = "127.0.0.0/8 [::1]/128"
    why = "Limits don't hold for mynetworks otherwise, and one container could take all processes."
    drafting.set(_EXCEPTIONS, loopback, why)
    name = "smtpd_client_connection_count_limit"
    if not 0 < int(drafting.effective(name)) <= MOST_CONNECTIONS:
        why = "One container is not to keep the others waiting."
        drafting.set(name, str(MOST_CONNECTIONS), why)
