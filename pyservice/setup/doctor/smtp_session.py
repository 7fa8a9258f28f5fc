"""An SMTP conversation as a person has it: line by line, in turn, with CRLF.

No smtplib: the dialogue itself is what is shown, and each reply is awaited before the next line,
since Postfix from 3.9 on refuses a client that does not wait (smtpd_forbid_unauth_pipelining).
"""

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from pyservice.errors import said

Who = Literal[">", "<", "*"]
"""We, the server, or a remark on the connection."""
Why = Literal["refused", "filtered", "slow", "closed"]

_LONGEST = 64 * 1024
"""Bytes of a line: what says more speaks no SMTP."""
_MOST = 50
"""Lines of a reply, likewise; Postfix' longest has about fifteen."""


@dataclass(frozen=True)
class Line:
    """One line of the conversation."""

    who: Who
    text: str
    """Without its line end; what can't be printed is replaced."""
    seconds: float = 0.0
    """How long it was waited for."""

    def __str__(self) -> str:
        waited = f"    ({self.seconds:.1f} s)" if self.seconds >= 0.1 else ""
        return f"{self.who} {self.text}{waited}"


@dataclass(frozen=True)
class Reply:
    """What the server said to one line, or as its greeting."""

    code: int
    """0: it is no SMTP."""
    text: str
    """All of it on one line: `250 2.1.0 Ok`."""
    seconds: float


class SilenceError(Exception):
    """There is no reply: `refused` and `filtered` by the connection, else `slow` or `closed`.

    Args:
        why: which of them.
        text: what the system says, for a person.
    """

    def __init__(self, why: Why, text: str) -> None:
        self.why, self.text = why, text
        super().__init__(text)


class Dialogue:
    """One conversation, kept in `lines`; each line is also told as soon as it is there."""

    def __init__(self, timeout: float, tell: Callable[[Line], None] = lambda _line: None) -> None:
        """Nothing is said before `connect`.

        Args:
            timeout: seconds for the connection, and for each reply.
            tell: gets each line.
        """
        self.lines: list[Line] = []
        self.local = ""
        """The address that we come from, as far as it can be seen from here."""
        self._timeout, self._tell = timeout, tell
        self._socket: socket.socket | None = None
        self._unread = b""

    def connect(self, host: str, port: int, *, source: str | None = None) -> Reply:
        """Connect: the reply is the greeting.

        Args:
            host: an IP address.
            port: TCP port.
            source: the address to come from; None: as the route says.

        Raises:
            SilenceError: there is no connection, or no greeting.
        """
        self.remark(f"connecting to {host} port {port}, for up to {self._timeout:g} s")
        began = time.monotonic()
        bind = (source, 0) if source else None
        try:
            self._socket = socket.create_connection((host, port), self._timeout, bind)
        except OSError as error:
            why, text = _diagnosed(error)
            self._keep("*", f"{host} port {port}: {text}", time.monotonic() - began)
            raise SilenceError(why, text) from error
        self.local = self._socket.getsockname()[0]
        self._keep("*", f"connected from {self.local} to {host} port {port}")
        return self._listen()

    def remark(self, text: str) -> None:
        """Tell what goes on beside the conversation."""
        self._keep("*", text)

    def say(self, *lines: str) -> Reply:
        """Say something and wait for the reply; only a mail has several lines.

        Raises:
            SilenceError: there is no reply.
        """
        for line in lines:
            self._keep(">", line)
        said = "".join(f"{line}\r\n" for line in lines)
        if self._socket is None:
            raise SilenceError("closed", "the connection is closed")
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(said.encode())
        except OSError as error:
            raise self._lost(error) from error
        return self._listen()

    def quit(self) -> None:
        """Say goodbye, where the server still listens."""
        if self._socket is None:
            return
        try:
            self.say("QUIT")
        except SilenceError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """End it at once."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _listen(self) -> Reply:
        began, reply = time.monotonic(), list[str]()
        ends = began + self._timeout
        while len(reply) < _MOST:
            text = self._line(ends)
            seconds = time.monotonic() - began
            self._keep("<", text, 0.0 if reply else seconds)
            reply.append(text)
            if not (text[:3].isdecimal() and text[3:4] == "-"):
                break
        code = int(text[:3]) if text[:3].isdecimal() and text[3:4] in {"", " "} else 0
        return Reply(code, _joined(reply), seconds)

    def _line(self, ends: float) -> str:
        """The next line, or what there is of it at the connection's end."""
        while b"\n" not in self._unread and len(self._unread) < _LONGEST:
            try:
                received = self._receive(ends)
            except OSError as error:
                raise self._lost(error) from error
            if not received:
                if self._unread:
                    break
                raise self._lost(ConnectionResetError())
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return printable(line.decode("utf-8", "replace").rstrip("\r"))

    def _receive(self, ends: float) -> bytes:
        if self._socket is None:
            raise ConnectionResetError
        if (left := ends - time.monotonic()) <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._socket.recv(4096)

    def _lost(self, error: OSError) -> SilenceError:
        self.close()
        if isinstance(error, TimeoutError):
            text = f"no answer within {self._timeout:g} s"
            self._keep("*", text, self._timeout)
            return SilenceError("slow", text)
        self._keep("*", "the server closed the connection")
        return SilenceError("closed", "it closed the connection")

    def _keep(self, who: Who, text: str, seconds: float = 0.0) -> None:
        line = Line(who, text, seconds)
        self.lines.append(line)
        self._tell(line)


def printable(text: str) -> str:
    """A server's text, which must not move a terminal's cursor, at a length that can be read."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:1000]


def _joined(lines: Iterable[str]) -> str:
    """One line of several: `250-a`, `250 b` → `250 a b`."""
    first, *others = lines
    return " ".join([first.replace("-", " ", 1) if others else first, *(o[4:] for o in others)])


def _diagnosed(error: OSError) -> tuple[Why, str]:
    if isinstance(error, ConnectionRefusedError):
        return "refused", "connection refused"
    if isinstance(error, TimeoutError):
        return "filtered", "no answer"
    return "filtered", said(error)
