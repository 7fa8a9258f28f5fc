"""server.py: the sockets."""

import socket

import pytest

from pyservice.errors import ConfigurationError
from pyservice.web.server import bind


def test_answers_are_not_held_back() -> None:
    """asyncio turns Nagle's algorithm off for sockets that name TCP, and for no others."""
    [listener] = bind(("127.0.0.1",), 0)
    with listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_all_or_nothing() -> None:
    """If the service can't listen on one address, it listens on none."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1 port"):
            bind(("127.0.0.2", "127.0.0.1"), port)
        with socket.create_server(("127.0.0.2", port)):
            pass


def test_ipv6() -> None:
    """The service listens on IPv6 addresses, too."""
    [listener] = bind(("::1",), 0)
    with listener:
        assert listener.family == socket.AF_INET6
