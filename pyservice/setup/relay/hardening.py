"""What `--harden` makes a relay for containers refuse, each with its reason."""

from pyservice.errors import SetupError
from pyservice.postfix import mynetworks
from pyservice.setup.relay.changes import RelayPlanBuilder

LARGEST_MESSAGE = 26_214_400
"""Bytes. Most relay hosts take no more, so a larger mail would only come back."""
MOST_CONNECTIONS = 20
"""Connections of one container: a fifth of the 100 processes that Postfix has."""

_EXCEPTIONS = "smtpd_client_event_limit_exceptions"
_NORMALIZES = ((3, 8, 5), (3, 7, 10), (3, 6, 14), (3, 5, 24))
"""The first release of each series that knows `normalize` (postconf(5),
smtpd_forbid_bare_newline)."""


def harden(builder: RelayPlanBuilder) -> None:
    """Set all that `--harden` stands for; `allow_senders` is an option of its own."""
    _refuse_strangers(builder)
    _forbid_smuggling(builder)
    _limit_message_size(builder)
    why = "Nobody in a container needs to ask which local users there are."
    builder.set_parameter("disable_vrfy_command", "yes", why)
    _limit_connections(builder)


def allow_senders(builder: RelayPlanBuilder, senders: tuple[str, ...]) -> None:
    """Refuse every envelope sender of containers except these addresses and domains.

    Local programs may use any sender, and bounces (the empty sender) are always taken.

    Raises:
        SetupError: a sender is no address or domain, Postfix is too old, or it has such a rule
            already.
    """
    if not builder.configuration.is_at_least(3, 0):
        raise SetupError(
            f"Postfix {builder.configuration.version} has no inline tables (3.0), which "
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
    before = builder.effective("smtpd_sender_restrictions")
    if before and before != value and "check_client_access inline:{ {127.0.0.1" not in before:
        raise SetupError(
            f"smtpd_sender_restrictions is set already ({before}): add the senders there, or empty "
            "it for --allow-sender."
        )
    why = "A container may not write in anybody's name."
    builder.set_parameter("smtpd_sender_restrictions", value, why)


def _refuse_strangers(builder: RelayPlanBuilder) -> None:
    name = "smtpd_relay_restrictions"
    before = mynetworks.split_list(builder.effective(name))
    if {"reject_unauth_destination", "reject"} & set(before):
        return
    after = [
        "reject_unauth_destination" if token == "defer_unauth_destination" else token  # noqa: S105
        for token in before
    ]
    if "reject_unauth_destination" not in after:
        after = ["permit_mynetworks", "reject_unauth_destination"]
    why = "A client outside of mynetworks is refused for good, and doesn't try again for days."
    builder.set_parameter(name, ", ".join(after), why)


def _forbid_smuggling(builder: RelayPlanBuilder) -> None:
    name = "smtpd_forbid_bare_newline"
    known = builder.configuration.effective
    if name not in known:
        builder.add_note(
            f"Postfix {builder.configuration.version} can't forbid bare newlines, which "
            "smuggle a second mail into one (CVE-2023-51764): update to 3.5.23, 3.6.13, 3.7.9, "
            "3.8.4 or later."
        )
        return
    if builder.effective(name) not in {"normalize", "reject", "yes"}:
        why = "A bare newline can smuggle a second mail into one (CVE-2023-51764)."
        builder.set_parameter(name, "normalize" if _normalizes(builder) else "yes", why)
    why = "Containers are in mynetworks, and would be excepted."
    builder.set_parameter(f"{name}_exclusions", "", why)


def _normalizes(builder: RelayPlanBuilder) -> bool:
    is_at_least = builder.configuration.is_at_least
    return is_at_least(3, 9) or any(
        is_at_least(*first) and not is_at_least(first[0], first[1] + 1) for first in _NORMALIZES
    )


def _limit_message_size(builder: RelayPlanBuilder) -> None:
    size = builder.effective("message_size_limit")
    if not 0 < int(size) <= LARGEST_MESSAGE:
        why = "Without a limit one mail can fill the queue's disk."
        builder.set_parameter("message_size_limit", str(LARGEST_MESSAGE), why)


def _limit_connections(builder: RelayPlanBuilder) -> None:
    loopback = "127.0.0.0/8 [::1]/128"
    why = "Limits don't hold for mynetworks otherwise, and one container could take all processes."
    builder.set_parameter(_EXCEPTIONS, loopback, why)
    name = "smtpd_client_connection_count_limit"
    if not 0 < int(builder.effective(name)) <= MOST_CONNECTIONS:
        why = "One container is not to keep the others waiting."
        builder.set_parameter(name, str(MOST_CONNECTIONS), why)
