"""What a line of Postfix' log says of a mail."""

import re
from dataclasses import dataclass

# The first colon ends the program's name: what follows may be a stranger's text.
_LINE = re.compile(
    r"^(?>(?:(?!: ).){0,80}? postfix[^\s/\[]{0,80}/[\w/-]{1,80}\[\d{1,10}\]: )"
    r"(?P<queue_id>[0-9A-Za-z]+): (?P<text>.*)"
)
_CLIENT = re.compile(r"client=[\w.-]*\[(?P<address>[^\]]*)\](,|$)")
_MESSAGE_ID = re.compile(r"(?:resent-)?message-id=(?P<message_id>.*)")
# Each (?>…) is matched once: a stranger's address in it must not cost quadratic time.
_DELIVERY = re.compile(
    r"(?>to=<(?P<recipient>.*?)>, (?=orig_to=<|relay=))"
    r"(?>(?:orig_to=<(?P<original>.*?)>, (?=relay=))?)relay=(?P<relay>[^,]*), "
    r"(?:conn_use=\d+, )?(?:delay=(?P<delay>[\d.]+), )?"
    r"(?>.*?\bstatus=(?P<status>\w+) \()(?P<reply>.*)\)$"
)


@dataclass(frozen=True)
class Delivery:
    """One attempt of Postfix to hand a mail on, for one recipient."""

    recipient: str
    """As it was handed over, before aliases made another address of it."""
    relay: str
    """The relay host with its address and port, or `none`."""
    status: str
    """`sent` (the relay host took it), `deferred`, `bounced` or `expired`."""
    reply: str
    """In the words of the relay host, or of Postfix."""
    delay: float
    """Seconds since Postfix was given the mail."""


@dataclass(frozen=True)
class Line:
    """A line about one queue ID."""

    queue_id: str
    text: str
    """What follows the queue ID."""

    @property
    def client(self) -> str | None:
        """The address from which a mail came by SMTP; `smtpd` logs it before the Message-ID."""
        match = _CLIENT.match(self.text)
        return match["address"] if match else None

    @property
    def message_id(self) -> str | None:
        """The Message-ID with its angle brackets; only `cleanup` logs it, once a mail."""
        match = _MESSAGE_ID.fullmatch(self.text)
        return match["message_id"] if match else None

    @property
    def delivery(self) -> Delivery | None:
        """The delivery that `smtp` and its like log."""
        match = _DELIVERY.match(self.text)
        if match is None:
            return None
        values = match.groupdict()
        delay = values.pop("delay")
        values["recipient"] = values.pop("original") or values["recipient"]
        return Delivery(**values, delay=float(delay or 0))

    @property
    def is_end(self) -> bool:
        """Whether the mail has left the queue: its ID may be another mail's from now on."""
        return self.text == "removed"

    @classmethod
    def parse(cls, text: str) -> "Line | None":
        """Parse a line of the log; None: it is about no mail in the queue."""
        match = _LINE.match(text)
        return cls(match["queue_id"], match["text"]) if match else None
