"""Tries whether the relay serves its containers and refuses everybody else."""

import smtplib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pyservice.errors import SetupError
from pyservice.postfix.mynetworks import Address, NetworkEntry, is_listed
from pyservice.smtp import Connection, Timeouts

PORT = 25

_REPLY_TIMEOUT = 20.0
"""Seconds for one reply: with a dead name server Postfix greets only after several."""
_STRANGER = "nobody@open-relay-test.invalid"
"""A recipient that is at home at no server (RFC 2606)."""


@dataclass(frozen=True)
class OpenRelayResult:
    """Whether a client outside of mynetworks is refused."""

    state: Literal["proved", "not proved", "open relay"]
    sentence: str


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
    address: Address, own_addresses: Iterable[Address], mynetworks: tuple[NetworkEntry, ...]
) -> OpenRelayResult:
    """Try to relay from each of this machine's addresses that is outside of mynetworks.

    It ends at RCPT: no mail is made.

    Args:
        address: the relay's.
        own_addresses: this machine's.
        mynetworks: the networks that it relays for.
    """
    tried = "this machine has no address outside of mynetworks to try from"
    for source in own_addresses:
        if source.version != address.version or source.is_loopback:
            continue
        if source.is_link_local or is_listed(mynetworks, source):
            continue
        code, reply = _try_recipient(address, source)
        if code in {454, 554}:
            sentence = f"{source}, outside of mynetworks, gets {reply!r}."
            return OpenRelayResult("proved", sentence)
        if code == 250 and not any(entry.network is None for entry in mynetworks):
            sentence = f"{source}, outside of mynetworks, may relay: {reply!r}."
            return OpenRelayResult("open relay", sentence)
        tried = f"{source} got {reply!r}"
    return OpenRelayResult("not proved", f"{tried}.")


def _read_greeting(address: Address) -> str:
    return Connection(str(address), PORT, timeouts=Timeouts(reply=_REPLY_TIMEOUT)).greeting()


def _try_recipient(address: Address, source: Address) -> tuple[int, str]:
    """Return the reply to a stranger's RCPT; code 0: there was none."""
    try:
        with smtplib.SMTP(
            str(address), PORT, "localhost", _REPLY_TIMEOUT, source_address=(str(source), 0)
        ) as smtp:
            smtp.ehlo()
            smtp.mail("")
            code, text = smtp.rcpt(_STRANGER)
            return code, f"{code} {' '.join(text.decode('utf-8', 'replace').split())}"
    except (OSError, smtplib.SMTPException) as error:
        return 0, f"no reply ({error})"
