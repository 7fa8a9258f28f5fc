"""SMTP to the node's Postfix: one connection, and what its replies mean.

A mail that Postfix doesn't accept is no exception but a value, `Outcome`, which the outbox stores.
"""

import re
import smtplib
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

from pyservice.dialogue import DialogueLine, Recorder

OUTCOMES = ("accepted", "partly", "deferred", "refused", "uncertain")
"""Kinds of an `Outcome`."""

_QUEUE_ID = re.compile(r"queued as (?P<id>[0-9A-Za-z]+)")
_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True)
class Timeouts:
    """How many seconds a connection waits."""

    connect: float = 10.0
    """For the connection: Postfix is on this node."""
    reply: float = 30.0
    """For each reply, except the one to the final dot."""
    final_dot: float = 600.0
    """For the reply to the final dot (RFC 5321, 4.5.3.2.6): giving up early doubles mails."""


@dataclass(frozen=True)
class Outcome:
    """The result of one attempt, for each recipient.

    Each recipient of the attempt is in exactly one of `accepted`, `deferred` and `refused`. The
    latter two hold Postfix' reply, or the reason why there is none.
    """

    accepted: tuple[str, ...] = ()
    deferred: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    queue_id: str | None = None
    """Postfix' queue ID, if its reply has one."""
    reply: str = ""
    """The decisive reply, for a person: `250 2.0.0 Ok: queued as 4XyZ`."""
    is_unconfirmed: bool = False
    """The connection was lost after the final dot: Postfix may have the mail all the same."""
    dialogue: tuple[DialogueLine, ...] = field(default=(), compare=False)
    """What was said, without the mail itself."""

    @property
    def kind(self) -> str:
        """One of OUTCOMES."""
        if self.is_unconfirmed:
            return "uncertain"
        if not self.accepted:
            return "deferred" if self.deferred else "refused"
        return "partly" if self.deferred or self.refused else "accepted"

    def for_original_recipients(self, recipients: tuple[str, ...]) -> "Outcome":
        """Return what an attempt for one recipient means for those in whose place it was made."""
        return replace(
            self,
            accepted=recipients if self.accepted else (),
            deferred={to: reply for to in recipients for reply in self.deferred.values()},
            refused={to: reply for to in recipients for reply in self.refused.values()},
        )


class _DisconnectedError(Exception):
    """There is no connection, or no longer; the message says why."""


class Connection:
    """A connection to one SMTP server that is kept for the next mail.

    Only `hang_up` is thread-safe.
    """

    def __init__(self, host: str, port: int, *, timeouts: Timeouts = Timeouts()) -> None:
        """Don't connect before it is needed.

        Args:
            host: name or address.
            port: TCP port.
            timeouts: of the connection and the replies.
        """
        self._host, self._port, self._timeouts = host, port, timeouts
        self._smtp: smtplib.SMTP | None = None
        self._dialogue = Recorder()
        self._greeting = ""
        self._used_at = 0.0
        """When a mail was sent last, on the monotonic clock."""
        self._is_sending = False
        self._has_hung_up = False

    def send(self, sender: str, recipients: tuple[str, ...], mail: bytes) -> Outcome:
        """Hand one mail over, and return the outcome.

        Args:
            sender: the envelope sender.
            recipients: ASCII addresses, at least one.
            mail: the whole message with CRLF line ends, not yet dot-stuffed.
        """
        self._dialogue.begin()
        outcome = self._send(sender, recipients, mail)
        self._used_at = time.monotonic()
        return replace(outcome, dialogue=self._dialogue.lines)

    def _send(self, sender: str, recipients: tuple[str, ...], mail: bytes) -> Outcome:
        is_kept = self._smtp is not None
        if is_kept:
            self._dialogue.note("an open connection is used")
        try:
            try:
                return self._converse(sender, recipients, mail, is_kept=is_kept)
            except _DisconnectedError:
                if not is_kept or self._has_hung_up:
                    raise
                # Postfix ends connections, with or without a 421, when they are idle or at its
                # limits. Nothing of the mail was sent, so connect again.
                self.close()
                self._dialogue.note("Postfix has ended this connection: here is a new one")
                return self._converse(sender, recipients, mail, is_kept=False)
        except _DisconnectedError as error:
            self.close()
            reply = str(error)
            self._dialogue.note(reply)
            return Outcome(deferred=dict.fromkeys(recipients, reply), reply=reply)

    def greeting(self) -> str:
        """Connect and hang up; return the server's greeting, a line beginning with 220.

        Raises:
            ConnectionError: it can't be reached, or greets with something else.
        """
        try:
            self._connect()
        except _DisconnectedError as error:
            raise ConnectionError(str(error)) from None
        greeting = self._greeting
        self.close()
        return greeting

    def hang_up(self, *, even_while_sending: bool) -> None:
        """Make another thread's `send` return soon, and each later one at once.

        Args:
            even_while_sending: also while a message is under way; its attempt is unconfirmed then.
        """
        self._has_hung_up = True
        smtp = self._smtp
        if (
            smtp is not None
            and smtp.sock is not None
            and (even_while_sending or not self._is_sending)
        ):
            with suppress(OSError):
                smtp.sock.shutdown(socket.SHUT_RDWR)

    def close_idle(self, seconds: float) -> None:
        """End the conversation if no mail was sent for so many seconds."""
        if time.monotonic() - self._used_at >= seconds:
            self.close()

    def close(self) -> None:
        """End the conversation, with QUIT if the server still listens."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
            smtp.close()

    def _connect(self) -> smtplib.SMTP:
        if self._has_hung_up:
            raise _DisconnectedError("the service is stopping")
        if self._smtp is not None:
            return self._smtp
        where = f"{self._host}:{self._port}"
        timeout = min(self._timeouts.connect, self._timeouts.reply)
        smtp = _Smtp(self._dialogue, timeout=timeout, local_hostname=_hostname())
        self._smtp = smtp
        try:
            code, text = smtp.connect(self._host, self._port)
            if smtp.sock is not None:
                # Nagle's algorithm would make the final dot wait 40 ms for the body's ACK.
                smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _set_timeout(smtp, self._timeouts.reply)
        except (OSError, UnicodeError, smtplib.SMTPException) as error:
            raise _DisconnectedError(f"{where}: {_describe(error)}") from error
        self._greeting = _format_reply(code, text)
        if code != 220:
            raise _DisconnectedError(f"{where} greets with {self._greeting!r}, not with 220")
        try:
            code, text = smtp.ehlo()
        except (OSError, smtplib.SMTPException) as error:
            raise _DisconnectedError(f"{where}: {_describe(error)} at EHLO") from error
        if code != 250:
            raise _DisconnectedError(f"{where} answers EHLO with {_format_reply(code, text)!r}")
        return smtp

    def _converse(
        self, sender: str, recipients: tuple[str, ...], mail: bytes, *, is_kept: bool
    ) -> Outcome:
        """Hand one mail over; a 421 on a kept connection is an end of this connection alone."""
        smtp = self._connect()

        def check_open(code: int, text: bytes) -> None:
            if code == 421 and is_kept:
                raise _DisconnectedError(_format_reply(code, text))

        try:
            code, text = smtp.mail(sender, [f"SIZE={len(mail)}"] if smtp.has_extn("SIZE") else [])
            check_open(code, text)
            if code != 250:
                return self._same_for_all(recipients, code, text)
            accepted, deferred, refused = [], {}, {}
            for recipient in recipients:
                code, text = smtp.rcpt(recipient)
                check_open(code, text)
                if code in {250, 251}:
                    accepted.append(recipient)
                elif 500 <= code < 600:
                    refused[recipient] = _format_reply(code, text)
                else:
                    deferred[recipient] = _format_reply(code, text)
            if not accepted:
                self._reset(code)
                return Outcome(deferred=deferred, refused=refused, reply=_format_reply(code, text))
            code, text = smtp.docmd("DATA")
            check_open(code, text)
            if code != 354:
                outcome = self._same_for_all(tuple(accepted), code, text)
                return _merged(outcome, deferred, refused)
        except (OSError, smtplib.SMTPException) as error:
            raise _DisconnectedError(f"{self._host}:{self._port}: {_describe(error)}") from error
        return _merged(self._send_message(smtp, tuple(accepted), mail), deferred, refused)

    def _send_message(
        self, smtp: smtplib.SMTP, recipients: tuple[str, ...], mail: bytes
    ) -> Outcome:
        has_sent_dot = False
        self._is_sending = True
        try:
            smtp.send(_DOT.sub(b"..", mail))
            if not mail.endswith(b"\r\n"):
                smtp.send(b"\r\n")
            has_sent_dot = True
            smtp.send(b".\r\n")
            self._dialogue.say("service", f"(the mail: {len(mail)} bytes) .")
            _set_timeout(smtp, self._timeouts.final_dot)
            code, text = smtp.getreply()
            _set_timeout(smtp, self._timeouts.reply)
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            when = "after the final dot" if has_sent_dot else "during DATA"
            reply = f"{self._host}:{self._port}: {_describe(error)} {when}"
            self._dialogue.note(reply)
            return Outcome(
                deferred=dict.fromkeys(recipients, reply), reply=reply, is_unconfirmed=has_sent_dot
            )
        finally:
            self._is_sending = False
        if code != 250:
            return self._same_for_all(recipients, code, text)
        reply = _format_reply(code, text)
        queued = _QUEUE_ID.search(reply)
        return Outcome(accepted=recipients, queue_id=queued["id"] if queued else None, reply=reply)

    def _same_for_all(self, recipients: tuple[str, ...], code: int, text: bytes) -> Outcome:
        """Return the outcome of one refusal for every recipient."""
        reply = _format_reply(code, text)
        replies = dict.fromkeys(recipients, reply)
        self._reset(code)
        if 500 <= code < 600:
            return Outcome(refused=replies, reply=reply)
        return Outcome(deferred=replies, reply=reply)

    def _reset(self, code: int) -> None:
        """Make the connection ready for the next mail: Postfix hangs up after 421 and 521 only."""
        if self._smtp is None:
            return
        if code in {421, 521} or not 400 <= code < 600:
            self.close()
            return
        try:
            is_ready = self._smtp.rset()[0] == 250
        except (OSError, smtplib.SMTPException):
            is_ready = False
        if not is_ready:
            self.close()


class _Smtp(smtplib.SMTP):
    """A connection whose dialogue is kept."""

    def __init__(self, dialogue: Recorder, *, timeout: float, local_hostname: str) -> None:
        self._dialogue = dialogue
        super().__init__(timeout=timeout, local_hostname=local_hostname)

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send a command; one that can't be sent, since there is no connection, was not said."""
        super().putcmd(cmd, args)
        self._dialogue.say("service", f"{cmd.upper()} {args}".rstrip())

    def getreply(self) -> tuple[int, bytes]:
        """Return the reply."""
        code, text = super().getreply()
        self._dialogue.say("Postfix", _format_reply(code, text))
        return code, text


def _set_timeout(smtp: smtplib.SMTP, seconds: float) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(seconds)


def _merged(outcome: Outcome, deferred: dict[str, str], refused: dict[str, str]) -> Outcome:
    return replace(outcome, deferred=deferred | outcome.deferred, refused=refused | outcome.refused)


def _hostname() -> str:
    """Return the name for EHLO, without smtplib's DNS query: a node's DNS may be down."""
    name = socket.gethostname()
    return name if name.isascii() and name else "localhost"


def _format_reply(code: int, text: bytes) -> str:
    return f"{code} {' '.join(text.decode('utf-8', 'replace').split())}"[:500]


def _describe(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError) or "timed out" in str(error):  # smtplib hides it in a text
        return "timed out"
    if isinstance(error, smtplib.SMTPServerDisconnected | ConnectionResetError | BrokenPipeError):
        return "connection lost"
    return " ".join(str(error).split())[:300] or type(error).__name__
