"""The service on its sockets."""

import socket

import structlog
import uvicorn
from fastapi import FastAPI

from pyservice.errors import ConfigurationError
from pyservice.web.connection_limits import KEEP_ALIVE, MAX_HEADER, Connection
from pyservice.web.tls import EVERY, Certificate

__all__ = ["Certificate", "bind", "server"]

_log = structlog.get_logger()


def bind(addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """Listen on each address, or on none.

    Raises:
        ConfigurationError: names the address and what is wrong with it.
    """
    sockets: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        # With the protocol named, else asyncio leaves Nagle's algorithm on: 40 ms an answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(1024)  # from now on callers wait instead of being refused
        except OSError as error:
            for opened in (*sockets, listener):
                opened.close()
            raise ConfigurationError(
                f"Can't listen on {address} port {port}: {error.strerror}. "
                "Choose another with --port or --listen."
            ) from None
        sockets.append(listener)
    return sockets


def server(app: FastAPI, certificate: Certificate | None = None) -> uvicorn.Server:
    """A server for the service; `run(sockets=…)` it.

    Args:
        app: the service.
        certificate: speak TLS with it; None: plain HTTP.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Connection,
            h11_max_incomplete_event_size=MAX_HEADER,
            timeout_keep_alive=KEEP_ALIVE,
            ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
            callback_notify=certificate.renew if certificate else None,
            timeout_notify=EVERY,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
    )
