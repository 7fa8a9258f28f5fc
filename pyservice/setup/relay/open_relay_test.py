"""Tries whether the relay serves its containers and refuses everybody else."""

import smtplib
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, Self

from pyservice.errors import SetupError
from pyservice.postfix import access, restrictions
from pyservice.postfix.instance import Configuration
from pyservice.postfix.mynetworks import (
    Address,
    Network,
    NetworkEntry,
    find_entry,
    is_listed,
    split_list,
)
from pyservice.postfix.open_networks import find_open_entries
from pyservice.smtp import Connection, Timeouts

PORT = 25

_REPLY_TIMEOUT = 20.0
"""Seconds for one reply: with a dead name server Postfix greets only after several."""
_NOBODY = "nobody@open-relay-test.invalid"
"""A recipient that is at home at no server (RFC 2606)."""
_FOREIGNERS = (
    _NOBODY,
    "postmaster@example.com",
    "postmaster@example.org",
    "postmaster@example.net",
)
"""Recipients elsewhere; those after the first one show a relay_domains that holds all of `com`."""
_DOMAINS = ("mydestination", "relay_domains", "virtual_alias_domains", "virtual_mailbox_domains")
_REFUSALS = (
    "Relay access denied",
    "Access denied",
    "Client host rejected",
    "Temporary lookup failure",
    "Server configuration",
)
"""What Postfix says if who the client is decides; any other reply is about something else."""


@dataclass(frozen=True)
class OpenRelayResult:
    """Whether a client outside of mynetworks is refused."""

    state: Literal["proved", "not proved", "open relay"]
    sentence: str


@dataclass(frozen=True)
class SendingResult:
    """Whether containers may send."""

    state: Literal["proved", "not proved", "refused"]
    sentence: str


@dataclass(frozen=True)
class AccessRules:
    """What decides who may send through the relay."""

    mynetworks: tuple[NetworkEntry, ...]
    tables: tuple[str, ...] = ()
    """The restrictions that may decide about one client alone: `check_client_access`."""
    container_tables: tuple[str, ...] = ()
    """Those of them that a container's mail comes to."""
    exceptions: tuple[str, ...] = ()
    """The restrictions that may let some strangers in."""
    refusals: tuple[str, ...] = ()
    """Sentences about the restriction lists that refuse all containers, after RCPT, too."""
    domains: frozenset[str] = frozenset()
    """The domains that it takes mail for from anybody, as far as they are named one by one."""

    @classmethod
    def read(
        cls, configuration: Configuration, address: Address, allowed: Collection[Network]
    ) -> Self:
        """Read them from a configuration.

        Args:
            configuration: the relay's.
            address: where containers reach it.
            allowed: the networks that may be as wide as they are.
        """
        settings = access.settings_at(configuration, str(address))
        return cls(
            tuple(entry for entry in configuration.mynetworks if entry.network not in allowed),
            tuple(restrictions.tables(settings)),
            tuple(restrictions.container_tables(settings)),
            tuple(restrictions.exceptions(settings)),
            tuple(
                fault.sentence
                for fault in access.find_faults(configuration, str(address))
                if fault.kind == "restriction"
            ),
            frozenset(word for name in _DOMAINS for word in split_list(settings.get(name, ""))),
        )


def wait_for_greeting(address: Address, *, timeout: float = 5.0) -> str:
    """Wait until a started Postfix greets with 220; return the greeting.

    Args:
        address: the relay's.
        timeout: seconds within which Postfix must take a connection.

    Raises:
        SetupError: there is no greeting, or another one.
    """
    ends = time.monotonic() + timeout
    while True:
        try:
            return _read_greeting(address)
        except ConnectionError as error:
            is_final = "greets with '5" in str(error)
            if is_final or time.monotonic() > ends:
                raise SetupError(f"There is no 220 from the relay: {error}.") from None
            time.sleep(0.1)


def greets(address: Address) -> bool:
    """Return whether the relay greets with 220 just now."""
    try:
        _read_greeting(address)
    except ConnectionError:
        return False
    return True


def try_strangers(
    address: Address, own_addresses: Iterable[Address], rules: AccessRules
) -> OpenRelayResult:
    """Try to relay from one of this machine's addresses that is a stranger to the relay.

    A stranger is in no entry of mynetworks: one that a `!` excludes shows nothing about others. It
    ends at RCPT: no mail is made.

    Args:
        address: the relay's.
        own_addresses: this machine's.
        rules: who may send.
    """
    if opened := find_open_entries(rules.mynetworks):
        named = ", ".join(dict.fromkeys(entry.text for entry in opened))
        return OpenRelayResult("open relay", f"mynetworks lets in the Internet: {named}.")
    reasons = []
    for source in own_addresses:
        if source.version != address.version or source.is_loopback or source.is_link_local:
            continue
        if entry := find_entry(rules.mynetworks, source):
            verb = "excluded by" if entry.is_excluded else "in"
            reasons.append(f"{source} is {verb} the entry {entry.text}")
            continue
        result = _try_stranger(address, source, rules)
        if result.state != "not proved":
            return result
        reasons.append(result.sentence.removesuffix("."))
    found = "; ".join(reasons) or "it has no other address"
    return OpenRelayResult(
        "not proved", f"this machine has no address to try as a stranger from: {found}."
    )


def try_containers(
    address: Address,
    own_addresses: Iterable[Address],
    networks: Iterable[Network],
    rules: AccessRules,
) -> SendingResult:
    """Try to relay from an address of this machine that is in the containers' networks.

    The bridge's own is one. It ends at RCPT: no mail is made.

    Args:
        address: the relay's.
        own_addresses: this machine's.
        networks: the containers'.
        rules: who may send.
    """
    if rules.refusals:
        return SendingResult("refused", " ".join(rules.refusals))
    of_containers = [own for own in own_addresses if any(own in network for network in networks)]
    sources = [own for own in of_containers if is_listed(rules.mynetworks, own)]
    if not sources:
        why = "this machine has no address in the containers' networks that mynetworks lets in."
        return SendingResult("not proved", why)
    source = address if address in sources else sources[0]
    code, reply = _try_recipient(address, source, _NOBODY)
    sentence = f"{source}, in mynetworks, gets {reply!r}"
    if code != 250 and not any(words in reply for words in _REFUSALS):
        return SendingResult("not proved", f"{sentence}.")
    if rules.container_tables:
        named = " and ".join(rules.container_tables)
        return SendingResult("not proved", f"{sentence}; {named} may say so to it alone.")
    return SendingResult("proved" if code == 250 else "refused", f"{sentence}.")


def _try_stranger(address: Address, source: Address, rules: AccessRules) -> OpenRelayResult:
    is_known = not any(entry.is_opaque for entry in rules.mynetworks)
    first = ""
    for recipient in _FOREIGNERS:
        if recipient.partition("@")[2] in rules.domains:
            continue
        code, reply = _try_recipient(address, source, recipient)
        if code == 250:
            sentence = f"{source}, outside of mynetworks, may relay to {recipient}: {reply!r}."
            return OpenRelayResult("open relay" if is_known else "not proved", sentence)
        if code not in {454, 554} and not first:
            return OpenRelayResult("not proved", f"{source} got {reply!r}.")
        first = first or reply
    sentence = f"{source}, outside of mynetworks, gets {first!r}"
    if rules.tables and "Relay access denied" not in first:
        named = " and ".join(rules.tables)
        return OpenRelayResult("not proved", f"{sentence}; {named} may say so to it alone.")
    if rules.exceptions:
        named = " and ".join(rules.exceptions)
        return OpenRelayResult("not proved", f"{sentence}; {named} may let others in.")
    if any(entry.is_opaque and entry.is_excluded for entry in rules.mynetworks):
        return OpenRelayResult("not proved", f"{sentence}; a table may exclude it alone.")
    return OpenRelayResult("proved", f"{sentence}.")


def _read_greeting(address: Address) -> str:
    return Connection(str(address), PORT, timeouts=Timeouts(reply=_REPLY_TIMEOUT)).greeting()


def _try_recipient(address: Address, source: Address, recipient: str) -> tuple[int, str]:
    """Return the reply to RCPT, or the refusal before it; code 0: there was none."""
    try:
        with smtplib.SMTP(
            str(address), PORT, "localhost", _REPLY_TIMEOUT, source_address=(str(source), 0)
        ) as smtp:
            smtp.ehlo()
            smtp.mail("")
            return _as_reply(*smtp.rcpt(recipient))
    except smtplib.SMTPConnectError as error:
        return _as_reply(error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        return 0, f"no reply ({error})"


def _as_reply(code: int, text: bytes | str) -> tuple[int, str]:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return code, f"{code} {' '.join(words.split())}"
