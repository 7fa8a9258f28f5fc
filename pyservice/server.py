"""The service on its sockets."""

import socket

import structlog
import uvicorn
from fastapi import FastAPI

from pyservice.errors import ConfigurationError

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


def server(app: FastAPI) -> uvicorn.Server:
    """A server for the service; `run(sockets=…)` it."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=10,
        )
    )
