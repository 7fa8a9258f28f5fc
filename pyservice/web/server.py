"""The HTTP server: its sockets and its options."""

import socket

import structlog
import uvicorn
from fastapi import FastAPI

from pyservice.errors import ConfigurationError
from pyservice.web.connection_limits import Connection
from pyservice.web.limits import HttpLimits
from pyservice.web.tls import Certificate

__all__ = ["Certificate", "bind", "server"]

_log = structlog.get_logger()


def bind(addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """Listen on every address, or on none.

    Raises:
        ConfigurationError: the service can't listen on one of them.
    """
    sockets: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        # asyncio turns Nagle's algorithm off only if TCP is named; each answer would take 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(1024)  # from now on callers wait, and are not refused
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
    """Return a server for the service; call its `run(sockets=…)`.

    Args:
        app: the service, as `create_app` returns it.
        certificate: for HTTPS; None: plain HTTP.
    """
    limits: HttpLimits = app.state.service.limits
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Connection,
            h11_max_incomplete_event_size=limits.max_header,
            timeout_keep_alive=limits.keep_alive,
            ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
            callback_notify=certificate.renew if certificate else None,
            timeout_notify=limits.certificate_check,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
    )
