"""What the doctor examines: a machine, and a server that plays Postfix."""

import socket
from collections.abc import Callable

from pyservice.setup.node.detect import Bridge, Node


def a_node(address: str | None = "127.0.0.1", *bridges: Bridge, is_container: bool = True) -> Node:
    """A machine, by default a container whose node is this very machine."""
    return Node(is_container, "", address, None, bridges, ())


def saying(*replies: str) -> Callable[[socket.socket], None]:
    """A server with these replies, the first one its greeting; then it hangs up."""

    def converse(connection: socket.socket) -> None:
        incoming = connection.makefile("rb")
        for reply in replies:
            connection.sendall(reply.encode() + b"\r\n")
            incoming.readline()

    return converse


GREETING, EHLO, OK = "220 mail ESMTP Postfix", "250-mail\r\n250 SIZE", "250 2.1.0 Ok"
