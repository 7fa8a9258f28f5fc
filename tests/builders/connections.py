"""A server on a socket, and what it says byte by byte."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pyservice.config.settings import Settings
from pyservice.web.app import create_app
from pyservice.web.limits import HttpLimits
from pyservice.web.server import bind, server
from pyservice.web.tls import Certificate
from tests.builders.limits import AMPLE
from tests.builders.patience import PATIENCE
from tests.builders.ports import free_port
from tests.python.conftest import Json, wait_for

POST = b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@contextmanager
def running(
    settings: Settings, certificate: Certificate | None = None, limits: HttpLimits = AMPLE.http
) -> Iterator[int]:
    """The real server on a port of its own."""
    own = settings.model_copy(update={"port": free_port(), "listen": ("127.0.0.1",)})
    service = server(create_app(own, replace(AMPLE, http=limits)), certificate)
    sockets = bind(own.listen, own.port)
    thread = threading.Thread(target=service.run, kwargs={"sockets": sockets})
    thread.start()
    try:
        wait_for(lambda: service.started)
        yield own.port
    finally:
        service.should_exit = True
        thread.join()


def connect(port: int) -> socket.socket:
    """A connection that doesn't wait for ever."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def answered(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """All that comes until the other side closes: status, headers and body of one answer."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {
        name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
    }
    return int(lines[0].split()[1]) if head else 0, headers, body


def problem(connection: socket.socket, status: int) -> Json:
    """The problem+json that comes, after which the connection is closed."""
    actual, headers, body = answered(connection)
    assert actual == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    members: Json = json.loads(body)
    assert members["status"] == status
    assert members["detail"].endswith(".")
    return members
