"""smtp.py: the meaning of a server's replies, against real servers in this process."""

import asyncio
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from aiosmtpd.smtp import SMTP

from pyservice.dialogue import MAX_LINES
from pyservice.smtp import Connection, Outcome, Timeouts
from tests.builders.patience import HANG, PATIENCE
from tests.builders.ports import free_port
from tests.python.conftest import PostfixStandIn

MAIL = b"Subject: x\r\n\r\n.dot\r\n..two\r\nend\r\n"
Scripted = Callable[[Callable[[socket.socket], None]], int]


def send(port: int, *recipients: str) -> Outcome:
    connection = Connection("127.0.0.1", port)
    try:
        return connection.send("jenkins@x.org", recipients or ("a@x.org",), MAIL)
    finally:
        connection.close()


def test_accepted(postfix: PostfixStandIn) -> None:
    """The queue ID is read from the reply, and the mail arrives octet for octet."""
    outcome = send(postfix.port, "a@x.org", "b@x.org")
    assert outcome.accepted == ("a@x.org", "b@x.org")
    assert outcome.queue_id == "4Q0001"
    assert outcome.reply == "250 2.0.0 Ok: queued as 4Q0001"
    [mail] = postfix.mails
    assert (mail.sender, mail.recipients) == ("jenkins@x.org", ["a@x.org", "b@x.org"])
    assert mail.content == MAIL


def test_a_connection_is_kept(postfix: PostfixStandIn) -> None:
    """Two mails are sent over one connection."""
    connection = Connection("127.0.0.1", postfix.port)
    for _ in range(2):
        assert connection.send("j@x.org", ("a@x.org",), MAIL).accepted
    connection.close()
    assert (len(postfix.mails), postfix.sessions) == (2, 1)


def test_a_connection_that_was_ended_is_made_again(postfix: PostfixStandIn) -> None:
    """After Postfix closed an idle connection, the next mail is sent at once over a new one."""
    connection = Connection("127.0.0.1", postfix.port)
    assert connection.send("j@x.org", ("a@x.org",), MAIL).accepted
    assert connection._smtp is not None
    assert connection._smtp.sock is not None
    connection._smtp.sock.shutdown(socket.SHUT_RDWR)
    assert connection.send("j@x.org", ("a@x.org",), MAIL).accepted
    connection.close()
    assert (len(postfix.mails), postfix.sessions) == (2, 2)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "RSET"])
@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_kept_connection_that_is_closed_with_421(command: str, hangs_up: bool) -> None:
    """The server closes it at the next mail: that mail is sent at once over a new connection."""
    begun: list[list[str]] = []
    with closing_with_421(begun, command, after=1, hangs_up=hangs_up) as port:
        connection = Connection("127.0.0.1", port)
        first = connection.send(
            "j@x.org", ("no@x.org",) if command == "RSET" else ("a@x.org",), MAIL
        )
        assert first.kind == ("refused" if command == "RSET" else "accepted")
        assert connection.send("j@x.org", ("a@x.org", "b@x.org"), MAIL).kind == "accepted"
        connection.close()
    assert len(begun) == 2


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_new_connection_that_is_closed_with_421(command: str) -> None:
    """The mail is deferred: Postfix is in trouble, and must not be tried again at once."""
    begun: list[list[str]] = []
    with closing_with_421(begun, command, after=0) as port:
        assert send(port).deferred == {"a@x.org": "421 4.3.2 closing"}
    assert len(begun) == 1


@contextmanager
def closing_with_421(
    begun: list[list[str]], command: str, *, after: int, hangs_up: bool = True
) -> Iterator[int]:
    """A server that answers 421 to one command of its first connection.

    Args:
        begun: gets the commands of each connection.
        command: MAIL, RCPT, DATA, or RSET.
        after: how many mails it takes before (RSET: none).
        hangs_up: whether it closes the connection then.
    """
    replies = {"DATA": b"354 go on\r\n", "QUIT": b"221 bye\r\n"}

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            seen: list[str] = []
            begun.append(seen)
            is_first = len(begun) == 1
            self.wfile.write(b"220 x ESMTP\r\n")
            for line in self.rfile:
                seen.append(line[:4].decode().upper())
                if (
                    is_first
                    and seen[-1] == command
                    and seen.count(command) > after * (command != "RSET")
                ):
                    self.wfile.write(b"421 4.3.2 closing\r\n")
                    if hangs_up:
                        return
                    is_first = False
                elif line.startswith(b"rcpt TO:<no@"):
                    self.wfile.write(b"550 5.1.1 no\r\n")
                else:
                    self.wfile.write(replies.get(seen[-1], b"250 ok\r\n"))
                    while seen[-1] == "DATA" and self.rfile.readline() != b".\r\n":
                        pass
                    if seen[-1] == "DATA":
                        self.wfile.write(b"250 ok: queued as 4Q1\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        server.daemon_threads = True
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_refused_connection() -> None:
    """If no server listens, the mail is deferred."""
    port = free_port()
    outcome = send(port)
    assert outcome.deferred == {"a@x.org": f"127.0.0.1:{port}: connection refused"}
    assert not outcome.is_unconfirmed


@pytest.mark.parametrize("reply", ["451 4.3.0 try later", "452 4.3.1 Insufficient system storage"])
def test_temporary_reply(postfix: PostfixStandIn, reply: str) -> None:
    """A 4xx defers the mail, with the reply."""
    postfix.data = [reply]
    assert send(postfix.port).deferred == {"a@x.org": reply}


@pytest.mark.parametrize("reply", ["550 5.7.1 no", "552 5.3.4 Message size exceeds fixed limit"])
def test_permanent_reply(postfix: PostfixStandIn, reply: str) -> None:
    """A 5xx refuses the mail, with the reply."""
    postfix.data = [reply]
    outcome = send(postfix.port)
    assert outcome.refused == {"a@x.org": reply}
    assert not outcome.deferred


def test_each_recipient_for_himself(postfix: PostfixStandIn) -> None:
    """Each recipient is accepted, deferred or refused by its own reply."""
    postfix.rcpt = {"b@x.org": "450 4.2.0 greylisted", "c@x.org": "550 5.1.1 unknown"}
    outcome = send(postfix.port, "a@x.org", "b@x.org", "c@x.org")
    assert outcome.accepted == ("a@x.org",)
    assert outcome.deferred == {"b@x.org": "450 4.2.0 greylisted"}
    assert outcome.refused == {"c@x.org": "550 5.1.1 unknown"}
    assert postfix.mails[0].recipients == ["a@x.org"]


def test_nobody_is_accepted(postfix: PostfixStandIn) -> None:
    """Without an accepted recipient there is no DATA, and the next mail uses the connection."""
    postfix.rcpt = {"a@x.org": "454 4.7.1 Relay access denied"}
    connection = Connection("127.0.0.1", postfix.port)
    outcome = connection.send("j@x.org", ("a@x.org",), MAIL)
    assert outcome.reply == "454 4.7.1 Relay access denied"
    assert connection.send("j@x.org", ("b@x.org",), MAIL).accepted == ("b@x.org",)
    connection.close()
    assert postfix.sessions == 1


def test_lost_after_the_final_dot(postfix: PostfixStandIn) -> None:
    """If the reply to the final dot is lost, the attempt is unconfirmed."""

    def hang_up(server: SMTP) -> None:
        assert isinstance(server.transport, asyncio.Transport)
        server.transport.abort()

    postfix.data_hook = hang_up
    outcome = send(postfix.port)
    assert outcome.is_unconfirmed
    assert "connection lost after the final dot" in outcome.deferred["a@x.org"]


def test_lost_before_the_final_dot(scripted: Scripted) -> None:
    """A connection lost before DATA's end has sent nothing."""

    def conversation(peer: socket.socket) -> None:
        peer.sendall(b"220 x ESMTP\r\n")
        for reply in (b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n"):
            peer.recv(1000)
            peer.sendall(reply)
        peer.recv(1000)  # DATA, and no answer

    outcome = send(scripted(conversation))
    assert not outcome.is_unconfirmed
    assert "connection lost" in outcome.deferred["a@x.org"]


@pytest.mark.parametrize(
    "greeting",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"554 5.3.2 no service\r\n",
        b"421 busy\r\n",
        b"\xff\xfe\r\n",
        b"",
    ],
)
def test_something_else_answers(scripted: Scripted, greeting: bytes) -> None:
    """A server that doesn't greet with 220 gets no mail, which is deferred."""
    port = scripted(lambda peer: peer.sendall(greeting))
    outcome = send(port)
    assert list(outcome.deferred) == ["a@x.org"]
    assert f"127.0.0.1:{port}" in outcome.reply
    assert not outcome.is_unconfirmed


def test_an_endless_greeting(scripted: Scripted) -> None:
    """A reply without an end of line defers the mail."""

    def conversation(peer: socket.socket) -> None:
        try:
            for _ in range(100):
                peer.sendall(b"2" * 10_000)
        except OSError:
            pass

    assert send(scripted(conversation)).deferred


def test_too_slow(scripted: Scripted) -> None:
    """A server that doesn't reply costs no more than the time-out."""
    is_over = threading.Event()

    def be_silent(_: socket.socket) -> None:
        is_over.wait(HANG)

    begun = time.monotonic()
    connection = Connection("127.0.0.1", scripted(be_silent), timeouts=Timeouts(reply=0.2))
    outcome = connection.send("j@x.org", ("a@x.org",), MAIL)
    assert "timed out" in outcome.reply
    assert time.monotonic() - begun < PATIENCE
    is_over.set()


def test_a_refusal_before_hanging_up_is_a_refusal(scripted: Scripted) -> None:
    """A 5xx refuses the mail, even if the server hangs up right after it."""

    def conversation(peer: socket.socket) -> None:
        peer.sendall(b"220 x ESMTP\r\n")
        for reply in (b"250 x\r\n", b"250 ok\r\n", b"550 5.7.1 go away\r\n"):
            peer.recv(1000)
            peer.sendall(reply)

    assert send(scripted(conversation)).refused == {"a@x.org": "550 5.7.1 go away"}


def test_hanging_up(scripted: Scripted) -> None:
    """A stop doesn't wait for a slow server without a message; the attempt isn't unconfirmed."""
    reached, ended = threading.Event(), threading.Event()

    def conversation(peer: socket.socket) -> None:
        peer.sendall(b"220 x ESMTP\r\n")
        peer.recv(1000)
        reached.set()
        ended.wait(HANG)

    connection = Connection("127.0.0.1", scripted(conversation))
    outcomes: list[Outcome] = []
    sending = threading.Thread(
        target=lambda: outcomes.append(connection.send("j@x.org", ("a@x.org",), MAIL))
    )
    sending.start()
    assert reached.wait(PATIENCE)
    connection.hang_up(even_while_sending=False)
    sending.join(PATIENCE)
    ended.set()
    [outcome] = outcomes
    assert "a@x.org" in outcome.deferred
    assert not outcome.is_unconfirmed
    later = connection.send("j@x.org", ("a@x.org",), MAIL)
    assert later.deferred == {"a@x.org": "the service is stopping"}


@pytest.mark.parametrize("host", ["mail..example.com", "x" * 64, "\udc80"])
def test_a_host_that_is_none(host: str) -> None:
    """A host name that can't exist defers the mail, like a server that can't be reached."""
    outcome = Connection(host, 25).send("j@x.org", ("a@x.org",), MAIL)
    assert list(outcome.deferred) == ["a@x.org"]


def test_too_slow_after_the_final_dot(postfix: PostfixStandIn) -> None:
    """If the reply to the final dot doesn't come in time, the attempt is unconfirmed."""
    is_over = threading.Event()

    def hang(_: SMTP) -> None:
        is_over.wait(HANG)

    postfix.data_hook = hang
    connection = Connection("127.0.0.1", postfix.port, timeouts=Timeouts(final_dot=0.2))
    outcome = connection.send("j@x.org", ("a@x.org",), MAIL)
    is_over.set()
    assert outcome.is_unconfirmed
    assert "timed out after the final dot" in outcome.reply


def test_greeting(postfix: PostfixStandIn) -> None:
    """The greeting is the server's first line; without a server there is an error."""
    assert Connection("127.0.0.1", postfix.port).greeting().startswith("220 ")
    with pytest.raises(ConnectionError, match="connection refused"):
        Connection("127.0.0.1", free_port()).greeting()


def said(outcome: Outcome, who: str) -> list[str]:
    return [line.text for line in outcome.dialogue if line.who == who]


def test_the_dialogue_is_kept(postfix: PostfixStandIn) -> None:
    """Commands and replies in their order, of this attempt alone, and never the mail's bytes."""
    postfix.rcpt["b@x.org"] = "550 5.1.1 unknown"
    connection = Connection("127.0.0.1", postfix.port)
    first = connection.send("j@x.org", ("a@x.org", "b@x.org"), MAIL)
    second = connection.send("j@x.org", ("c@x.org",), MAIL)
    connection.close()
    assert said(first, "service")[1:] == [
        f"MAIL FROM:<j@x.org> SIZE={len(MAIL)}",
        "RCPT TO:<a@x.org>",
        "RCPT TO:<b@x.org>",
        "DATA",
        f"(the mail: {len(MAIL)} bytes) .",
    ]
    assert said(first, "service")[0].startswith("EHLO ")
    assert said(first, "Postfix")[0].startswith("220 ")
    assert said(first, "Postfix")[-1] == first.reply
    assert "550 5.1.1 unknown" in said(first, "Postfix")
    assert said(second, "") == ["an open connection is used"]
    assert "RCPT TO:<c@x.org>" in said(second, "service")
    assert not any("a@x.org" in line.text or "two" in line.text for line in second.dialogue)
    seconds = [line.seconds for line in first.dialogue]
    assert seconds == sorted(seconds)


def test_the_dialogue_says_what_happened() -> None:
    """A connection that can't be made is a line of its own, and nobody says anything."""
    port = free_port()
    outcome = send(port)
    assert said(outcome, "service") == said(outcome, "Postfix") == []
    assert said(outcome, "") == [outcome.reply] == [f"127.0.0.1:{port}: connection refused"]


def test_a_long_dialogue_is_cut(postfix: PostfixStandIn) -> None:
    """Hundreds of recipients: the first lines and the last ones are kept."""
    recipients = [f"r{number}@x.org" for number in range(300)]
    outcome = send(postfix.port, *recipients)
    assert len(outcome.dialogue) == MAX_LINES + 1
    assert outcome.dialogue[-1].text == outcome.reply
    [gap] = said(outcome, "")
    assert gap.endswith(" lines are left out)")
    lines = 1 + 2 * len(["EHLO", "MAIL", *recipients, "DATA", "."])
    assert gap == f"({lines - MAX_LINES} lines are left out)"
