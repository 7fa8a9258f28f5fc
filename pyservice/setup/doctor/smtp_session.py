"""An SMTP session as a person has it: line by line, in turn, with CRLF.

No smtplib: the dialogue itself is what is shown, and each reply is awaited before the next line,
since Postfix from 3.9 on refuses a client that does not wait (smtpd_forbid_unauth_pipelining).

Also a part of the doctor's script for bare pods: Python 3.6, and nothing but its standard library.
"""

# ruff: noqa: UP006, UP035, UP041, UP045

import socket
import time
from typing import Callable, List, NamedTuple, Optional, Tuple

MAX_LINE_BYTES = 64 * 1024
"""A server that sends a longer line speaks no SMTP."""
MAX_REPLY_LINES = 50
"""Likewise; Postfix' longest reply has about fifteen."""


class Line(NamedTuple):
    """One line of the dialogue."""

    who: str
    """`>` we, `<` the server, or `*` a remark on the connection."""
    text: str
    """Without its line end; what can't be printed is replaced."""
    seconds: float = 0.0
    """How long it was waited for."""

    def __str__(self) -> str:
        waited = f"    ({self.seconds:.1f} s)" if self.seconds >= 0.1 else ""
        return f"{self.who} {self.text}{waited}"


class Reply(NamedTuple):
    """The server's answer to one line, or its greeting."""

    code: int
    """0: it is no SMTP."""
    text: str
    """All of it on one line: `250 2.1.0 Ok`."""
    seconds: float


class NoReplyError(Exception):
    """There is no reply.

    Args:
        why: `refused` or `filtered`: there is no connection; else `slow` or `closed`.
        text: the system's words for it, for a person.
    """

    def __init__(self, why: str, text: str) -> None:
        self.why, self.text = why, text
        super().__init__(text)


class SmtpSession:
    """One session, kept in `lines`; each line is also shown as soon as it is there."""

    def __init__(self, timeout: float, show: Callable[[Line], object] = lambda _line: None) -> None:
        """Connect later.

        Args:
            timeout: seconds for the connection, and for each reply.
            show: gets each line.
        """
        self.lines: List[Line] = []
        self.local = ""
        """The address that we come from, as far as it can be seen from here."""
        self.timeout, self._show = timeout, show
        self._socket: Optional[socket.socket] = None
        self._unread = b""

    def connect(self, host: str, port: int, *, source: Optional[str] = None) -> Reply:
        """Connect, and return the greeting.

        Args:
            host: an IP address.
            port: TCP port.
            source: the address to come from; None: as the route says.

        Raises:
            NoReplyError: there is no connection, or no greeting.
        """
        self.remark(f"connecting to {host} port {port}, for up to {self.timeout:g} s")
        began = time.monotonic()
        bind = (source, 0) if source else None
        try:
            self._socket = socket.create_connection((host, port), self.timeout, bind)
        except OSError as error:
            why, text = _diagnosis(error)
            self._keep("*", f"{host} port {port}: {text}", time.monotonic() - began)
            raise NoReplyError(why, text) from error
        self.local = self._socket.getsockname()[0]
        self.remark(f"connected from {self.local} to {host} port {port}")
        return self._reply()

    def remark(self, text: str) -> None:
        """Show what goes on beside the dialogue."""
        self._keep("*", text)

    def say(self, *lines: str) -> Reply:
        """Send a command and wait for the reply; only a mail has several lines.

        Raises:
            NoReplyError: there is no reply.
        """
        for line in lines:
            self._keep(">", line)
        if self._socket is None:
            raise NoReplyError("closed", "the connection is closed")
        try:
            self._socket.settimeout(self.timeout)
            self._socket.sendall("".join(f"{line}\r\n" for line in lines).encode())
        except OSError as error:
            raise self._lost(error) from error
        return self._reply()

    def quit(self) -> None:
        """Send QUIT, where the server still listens, and close the connection."""
        if self._socket is None:
            return
        try:
            self.say("QUIT")
        except NoReplyError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection at once."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _reply(self) -> Reply:
        began = time.monotonic()
        texts: List[str] = []
        while len(texts) < MAX_REPLY_LINES:
            text = self._read_line(began + self.timeout)
            seconds = time.monotonic() - began
            self._keep("<", text, 0.0 if texts else seconds)
            texts.append(text)
            if not (text[:3].isdecimal() and text[3:4] == "-"):
                break
        code = int(text[:3]) if text[:3].isdecimal() and text[3:4] in {"", " "} else 0
        return Reply(code, _joined(texts), seconds)

    def _read_line(self, deadline: float) -> str:
        """Return the next line, or what there is of it at the connection's end."""
        while b"\n" not in self._unread and len(self._unread) < MAX_LINE_BYTES:
            try:
                received = self._receive(deadline)
            except OSError as error:
                raise self._lost(error) from error
            if not received:
                if self._unread:
                    break
                raise self._lost(ConnectionResetError())
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return printable(line.decode("utf-8", "replace").rstrip("\r"))

    def _receive(self, deadline: float) -> bytes:
        if self._socket is None:
            raise ConnectionResetError
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout
        self._socket.settimeout(left)
        return self._socket.recv(4096)

    def _lost(self, error: OSError) -> NoReplyError:
        self.close()
        if isinstance(error, (socket.timeout, TimeoutError)):
            text = f"no answer within {self.timeout:g} s"
            self._keep("*", text, self.timeout)
            return NoReplyError("slow", text)
        self.remark("the server closed the connection")
        return NoReplyError("closed", "it closed the connection")

    def _keep(self, who: str, text: str, seconds: float = 0.0) -> None:
        line = Line(who, text, seconds)
        self.lines.append(line)
        self._show(line)


def printable(text: str) -> str:
    """Return a server's text without what moves a terminal's cursor, at a readable length."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:1000]


def _joined(lines: List[str]) -> str:
    """Return several lines as one: `250-a`, `250 b` → `250 a b`."""
    first, *others = lines
    return " ".join([first.replace("-", " ", 1) if others else first, *(o[4:] for o in others)])


def _diagnosis(error: OSError) -> Tuple[str, str]:
    if isinstance(error, ConnectionRefusedError):
        return "refused", "connection refused"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "filtered", "no answer"
    return "filtered", (error.strerror or str(error)).lower()
