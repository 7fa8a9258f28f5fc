"""SMTP to the node's Postfix: one connection, and what its replies mean.

A mail that Postfix would not take is no exception but a value, `Outcome`: it is stored, shown and
decided upon.
"""

import re
import smtplib
import socket
from contextlib import suppress
from dataclasses import dataclass, field, replace

CONNECT_TIMEOUT = 10.0
"""Seconds for the connection: Postfix is on this node."""
TIMEOUT = 30.0
"""Seconds for each reply."""
DATA_TIMEOUT = 600.0
"""Seconds for the reply to the final dot (RFC 5321, 4.5.3.2.6): giving up early doubles mails."""

_QUEUE_ID = re.compile(r"queued as (?P<id>[0-9A-Za-z]+)")
_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt, recipient by recipient.

    Each recipient of the attempt is in exactly one of `accepted`, `deferred` and `refused`; the
    latter two tell Postfix' reply, or what kept it from replying.
    """

    accepted: tuple[str, ...] = ()
    deferred: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    queue_id: str | None = None
    """Postfix' queue ID, where it told one."""
    reply: str = ""
    """The decisive reply, for a person: `250 2.0.0 Ok: queued as 4XyZ`."""
    uncertain: bool = False
    """The connection was lost after the final dot: Postfix may have the mail all the same."""

    def shared_by(self, recipients: tuple[str, ...]) -> "Outcome":
        """What it means for those in whose place its one recipient was asked."""
        return replace(
            self,
            accepted=recipients if self.accepted else (),
            deferred={who: reply for who in recipients for reply in self.deferred.values()},
            refused={who: reply for who in recipients for reply in self.refused.values()},
        )


class _LostError(Exception):
    """There is no conversation (any more); the message says why."""


class Connection:
    """A connection to one SMTP server that is kept for the next mail.

    Not thread-safe, but for `hang_up`.
    """

    def __init__(self, host: str, port: int, *, timeout: float = TIMEOUT) -> None:
        """Connects only when it is needed.

        Args:
            host: name or address.
            port: TCP port.
            timeout: seconds for each reply but the one to the final dot.
        """
        self._host, self._port, self._timeout = host, port, timeout
        self._smtp: smtplib.SMTP | None = None
        self._greeting = ""
        self._is_sending = False
        self._has_hung_up = False

    def send(self, sender: str, recipients: tuple[str, ...], mail: bytes) -> Outcome:
        """Hand one mail over.

        Args:
            sender: the envelope sender.
            recipients: ASCII addresses, at least one.
            mail: the whole message with CRLF line ends, not yet dot-stuffed.
        """
        kept = self._smtp is not None
        try:
            try:
                return self._send(sender, recipients, mail)
            except _LostError:
                if not kept or self._has_hung_up:
                    raise
                # Postfix ends idle connections: nothing was said yet, so ask anew.
                self.close()
                return self._send(sender, recipients, mail)
        except _LostError as lost:
            self.close()
            reply = str(lost)
            return Outcome(deferred=dict.fromkeys(recipients, reply), reply=reply)

    def greeting(self) -> str:
        """Connect and say goodbye: the server's greeting, a line beginning with 220.

        Raises:
            ConnectionError: it can't be reached, or greets with something else.
        """
        try:
            self._connect()
        except _LostError as lost:
            raise ConnectionError(str(lost)) from None
        greeting = self._greeting
        self.close()
        return greeting

    def hang_up(self, *, even_while_sending: bool) -> None:
        """Make another thread's `send` return soon, and each later one at once.

        Args:
            even_while_sending: also while the message is under way, which makes it uncertain.
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

    def close(self) -> None:
        """End the conversation, politely where the server still listens."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
            smtp.close()

    def _connect(self) -> smtplib.SMTP:
        if self._has_hung_up:
            raise _LostError("the service is stopping")
        if self._smtp is not None:
            return self._smtp
        where = f"{self._host}:{self._port}"
        smtp = smtplib.SMTP(timeout=min(CONNECT_TIMEOUT, self._timeout), local_hostname=_own_name())
        self._smtp = smtp
        try:
            code, text = smtp.connect(self._host, self._port)
            if smtp.sock is not None:
                # The final dot is sent by itself: else it would wait 40 ms for the body's ACK.
                smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _patience(smtp, self._timeout)
        except (OSError, UnicodeError, smtplib.SMTPException) as error:
            raise _LostError(f"{where}: {_said(error)}") from error
        self._greeting = _reply(code, text)
        if code != 220:
            raise _LostError(f"{where} greets with {self._greeting!r}, not with 220")
        try:
            code, text = smtp.ehlo()
        except (OSError, smtplib.SMTPException) as error:
            raise _LostError(f"{where}: {_said(error)} at EHLO") from error
        if code != 250:
            raise _LostError(f"{where} answers EHLO with {_reply(code, text)!r}")
        return smtp

    def _send(self, sender: str, recipients: tuple[str, ...], mail: bytes) -> Outcome:
        smtp = self._connect()
        try:
            code, text = smtp.mail(sender, [f"SIZE={len(mail)}"] if smtp.has_extn("SIZE") else [])
            if code != 250:
                return self._all(recipients, code, text)
            accepted, deferred, refused = [], {}, {}
            for recipient in recipients:
                code, text = smtp.rcpt(recipient)
                if code in {250, 251}:
                    accepted.append(recipient)
                elif 500 <= code < 600:
                    refused[recipient] = _reply(code, text)
                else:
                    deferred[recipient] = _reply(code, text)
            if not accepted:
                self._start_over(code)
                return Outcome(deferred=deferred, refused=refused, reply=_reply(code, text))
            code, text = smtp.docmd("DATA")
            if code != 354:
                outcome = self._all(tuple(accepted), code, text)
                return _merged(outcome, deferred, refused)
        except (OSError, smtplib.SMTPException) as error:
            raise _LostError(f"{self._host}:{self._port}: {_said(error)}") from error
        return _merged(self._data(smtp, tuple(accepted), mail), deferred, refused)

    def _data(self, smtp: smtplib.SMTP, recipients: tuple[str, ...], mail: bytes) -> Outcome:
        ended = False
        self._is_sending = True
        try:
            smtp.send(_DOT.sub(b"..", mail))
            if not mail.endswith(b"\r\n"):
                smtp.send(b"\r\n")
            ended = True
            smtp.send(b".\r\n")
            _patience(smtp, DATA_TIMEOUT)
            code, text = smtp.getreply()
            _patience(smtp, self._timeout)
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            when = "after the final dot" if ended else "during DATA"
            reply = f"{self._host}:{self._port}: {_said(error)} {when}"
            return Outcome(deferred=dict.fromkeys(recipients, reply), reply=reply, uncertain=ended)
        finally:
            self._is_sending = False
        if code != 250:
            return self._all(recipients, code, text)
        reply = _reply(code, text)
        found = _QUEUE_ID.search(reply)
        return Outcome(accepted=recipients, queue_id=found["id"] if found else None, reply=reply)

    def _all(self, recipients: tuple[str, ...], code: int, text: bytes) -> Outcome:
        """One reply that holds for every recipient."""
        reply = _reply(code, text)
        told = dict.fromkeys(recipients, reply)
        self._start_over(code)
        if 500 <= code < 600:
            return Outcome(refused=told, reply=reply)
        return Outcome(deferred=told, reply=reply)

    def _start_over(self, code: int) -> None:
        """After a refusal: Postfix hangs up after 421 and 521, and keeps listening otherwise."""
        if self._smtp is None:
            return
        if code in {421, 521} or not 400 <= code < 600:
            self.close()
            return
        try:
            self._smtp.rset()
        except (OSError, smtplib.SMTPException):
            self.close()


def _patience(smtp: smtplib.SMTP, seconds: float) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(seconds)


def _merged(outcome: Outcome, deferred: dict[str, str], refused: dict[str, str]) -> Outcome:
    return Outcome(
        accepted=outcome.accepted,
        deferred=deferred | outcome.deferred,
        refused=refused | outcome.refused,
        queue_id=outcome.queue_id,
        reply=outcome.reply,
        uncertain=outcome.uncertain,
    )


def _own_name() -> str:
    """For EHLO, without the look-up that smtplib would do: a node's DNS may be down."""
    name = socket.gethostname()
    return name if name.isascii() and name else "localhost"


def _reply(code: int, text: bytes) -> str:
    return f"{code} {' '.join(text.decode('utf-8', 'replace').split())}"[:500]


def _said(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError) or "timed out" in str(error):  # smtplib hides it in a text
        return "timed out"
    if isinstance(error, smtplib.SMTPServerDisconnected | ConnectionResetError | BrokenPipeError):
        return "connection lost"
    return " ".join(str(error).split())[:300] or type(error).__name__
