"""Whether the relay serves its containers and refuses everybody else, by trying."""

import smtplib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pyservice.errors import SetupError
from pyservice.postfix.mynetworks import Address, Entry, is_listed
from pyservice.smtp import Connection

PORT = 25
PATIENCE = 5.0
"""Seconds within which a started Postfix must be met."""
_ANSWER = 20.0
"""Seconds for one reply: with a dead name server Postfix greets only after several."""
_STRANGER = "nobody@open-relay-test.invalid"
"""A recipient that no server takes for its own (RFC 2606)."""


@dataclass(frozen=True)
class Proof:
    """Whether somebody outside of mynetworks is refused."""

    state: Literal["proved", "not proved", "open relay"]
    sentence: str


def wait_for_greeting(address: Address) -> str:
    """Wait for 220: the greeting.

    Raises:
        SetupError: it doesn't come.
    """
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return Connection(str(address), PORT, timeout=_ANSWER).greeting()
        except ConnectionError as error:
            is_final = "greets with '5" in str(error)
            if is_final or time.monotonic() > ends:
                raise SetupError(f"There is no 220 from the relay: {error}.") from None
            time.sleep(0.1)


def greets(address: Address) -> bool:
    """Whether it greets with 220 just now."""
    try:
        Connection(str(address), PORT, timeout=_ANSWER).greeting()
    except ConnectionError:
        return False
    return True


def refuses_strangers(
    address: Address, own: Iterable[Address], mynetworks: tuple[Entry, ...]
) -> Proof:
    """Try to relay from each of this machine's addresses that is outside of mynetworks.

    Only as far as RCPT: no mail is made.

    Args:
        address: the relay's.
        own: this machine's addresses.
        mynetworks: the list.
    """
    tried = "this machine has no address outside of mynetworks to try from"
    for source in own:
        if source.version != address.version or source.is_loopback:
            continue
        if source.is_link_local or is_listed(mynetworks, source):
            continue
        code, said = _rcpt(address, source)
        if code in {454, 554}:
            return Proof("proved", f"{source}, outside of mynetworks, gets {said!r}.")
        if code == 250 and not any(entry.network is None for entry in mynetworks):
            return Proof("open relay", f"{source}, outside of mynetworks, may relay: {said!r}.")
        tried = f"{source} got {said!r}"
    return Proof("not proved", f"{tried}.")


def _rcpt(address: Address, source: Address) -> tuple[int, str]:
    """The reply to a stranger's RCPT; code 0: there was none."""
    try:
        with smtplib.SMTP(
            str(address), PORT, "localhost", _ANSWER, source_address=(str(source), 0)
        ) as smtp:
            smtp.ehlo()
            smtp.mail("")
            code, text = smtp.rcpt(_STRANGER)
            return code, f"{code} {' '.join(text.decode('utf-8', 'replace').split())}"
    except (OSError, smtplib.SMTPException) as error:
        return 0, f"no reply ({error})"
