"""The HTTP server: its sockets and its options."""

import asyncio
import resource
import socket
from functools import partial
from typing import Any, cast

import structlog
import uvicorn
from fastapi import FastAPI

from pyservice.errors import ConfigurationError, os_reason
from pyservice.logs import Throttle
from pyservice.web.connection_limits import Connection
from pyservice.web.limits import HttpLimits
from pyservice.web.tls import Certificate

__all__ = ["Certificate", "bind", "raise_descriptor_limit", "server"]

BACKLOG = 128
"""Connections that the kernel keeps until the service accepts them, and that it accepts at once. If
the process has no descriptor left, asyncio tries, and reports, each of so many."""

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
            listener.listen(BACKLOG)  # from now on callers wait, and are not refused
        except OSError as error:
            for opened in (*sockets, listener):
                opened.close()
            raise ConfigurationError(
                f"Can't listen on {address} port {port}: {os_reason(error)}. "
                "Choose another with --port or --listen."
            ) from None
        sockets.append(listener)
    return sockets


def raise_descriptor_limit() -> None:
    """Allow this process as many file descriptors as it may have: each connection takes one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def server(app: FastAPI, certificate: Certificate | None = None) -> uvicorn.Server:
    """Return a server for the service; call its `run(sockets=…)`.

    Args:
        app: the service, as `create_app` returns it.
        certificate: for HTTPS; None: plain HTTP.
    """
    limits: HttpLimits = app.state.service.limits
    # Half of the descriptors is left for the outbox, Postfix and templates.
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connection = partial(
        Connection,
        most=min(limits.max_connections, descriptors // 2),
        # Not uvicorn's own TLS: asyncio would count and time a connection after its handshake only.
        tls=certificate.context if certificate else None,
        refusals=Throttle(),
        faults=Throttle(),
    )
    return _Server(
        uvicorn.Config(
            app,
            http=cast(type[asyncio.Protocol], connection),
            h11_max_incomplete_event_size=limits.max_header,
            timeout_keep_alive=limits.keep_alive,
            backlog=BACKLOG,
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


class _Server(uvicorn.Server):
    """uvicorn's server, which reports connections that can't be accepted in few lines."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        failures = Throttle()

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if not isinstance(error, OSError) or "accept()" not in context["message"]:
                loop.default_exception_handler(context)
            elif times := failures.times():
                _log.error("connections.accept_failed", reason=os_reason(error), times=times)

        asyncio.get_running_loop().set_exception_handler(handle)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to accept connections; pages that are open need not wait for their streams' end."""
        cast(FastAPI, self.config.app).state.service.hub.close()
        await super().shutdown(sockets)
