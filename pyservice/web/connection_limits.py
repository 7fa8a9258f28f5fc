"""A connection's limits: of time, size and number, for what isn't a request yet.

uvicorn waits without end for a header or a body that trickles in, and answers what it can't read
with plain text.
"""

import asyncio
import sys
from http import HTTPStatus
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from pyservice.web import problems

HEADER_TIME = 10.0
"""Seconds for the whole of a request's header."""
KEEP_ALIVE = 5
"""Seconds for which a connection waits for another request."""
MAX_HEADER = 32 * 1024
"""Bytes of a request's header."""
MAX_CONNECTIONS = 800
"""At once; a process has 1,024 file descriptors where nobody has said otherwise."""
READ_TIME = 30.0
"""Seconds in which a caller reads on in its answer."""
BODY_GRACE = 5.0
"""Seconds more than a body has, for the answer that it was too slow."""

_PIECE = 1024
_log = structlog.get_logger()


class _Conversation(h11.Connection):
    """Refuses what h11 lets pass, and what a proxy before us may read otherwise (RFC 9112, 6.1)."""

    def next_event(self) -> Any:
        """What comes next.

        Raises:
            RemoteProtocolError: it is no HTTP, or a body whose end is told in two ways.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            is_old = event.http_version < b"1.1"
            if b"transfer-encoding" in names and (is_old or b"content-length" in names):
                told = "the HTTP version" if is_old else "a Content-Length"
                raise h11.RemoteProtocolError(f"Transfer-Encoding contradicts {told}")
        return event


class Connection(H11Protocol):
    """One connection. What it waits for, it waits for only so long."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = _Conversation(h11.SERVER, MAX_HEADER)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it; where there are too many, the one that has been idle for longest goes."""
        super().connection_made(transport)
        self._timer: asyncio.TimerHandle | None = None
        self._awaited: object = None
        self._reading: asyncio.TimerHandle | None = None
        self._make_room()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop()
        self._stop_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, until something is wrong with it."""
        if self.timeout_keep_alive_task is not None:
            self._awaited = None  # another request begins, and has its own time
        # h11 looks at a header's size while it is not whole: so none is given to it as a whole.
        while data and not self.transport.is_closing():
            size = _PIECE if self.conn.their_state is h11.IDLE else len(data)
            super().data_received(data[:size])
            data = data[size:]
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._await_reading()
        self._watch()

    def pause_writing(self) -> None:
        """Wait for the caller to read on, and not for ever."""
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        """Go on: the caller has read, though not all of it."""
        self._await_reading()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            self._refuse(status, f"The request's header is over {MAX_HEADER} bytes.")
        else:
            self._refuse(status, f"This is no HTTP request that can be read: {error or msg}.")

    @property
    def _is_idle(self) -> bool:
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def _make_room(self) -> None:
        if len(self.connections) <= MAX_CONNECTIONS:
            return
        others = [one for one in self.connections if isinstance(one, Connection)]
        if sum(not one.transport.is_closing() for one in others) <= MAX_CONNECTIONS:
            return
        idle = [one for one in others if one is not self and one._is_idle]
        if idle:
            min(idle, key=lambda one: one._since).transport.abort()
            return
        _log.warning("connections.busy", connections=MAX_CONNECTIONS)
        self._count(HTTPStatus.SERVICE_UNAVAILABLE)
        self.app = problems.busy()

    def _watch(self) -> None:
        """Start the time of what is awaited now, unless it runs already."""
        state = self.conn.their_state
        limits = {h11.IDLE: HEADER_TIME, h11.SEND_BODY: problems.BODY_TIME + BODY_GRACE}
        awaited = (state, self.cycle) if state in limits else None
        if awaited == self._awaited:
            return
        self._stop()
        self._awaited = awaited
        self._since = self.loop.time()
        if awaited:
            self._timer = self.loop.call_later(limits[state], self._too_slow)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _await_reading(self) -> None:
        self._stop_reading()
        if self.transport.get_write_buffer_size():
            self._reading = self.loop.call_later(READ_TIME, self._not_read)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    def _not_read(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _too_slow(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            seconds = f"{HEADER_TIME:g}"
            self._refuse(408, f"The request's header was not whole after {seconds} s.")
        else:
            # There was no request, or it has its answer.
            self.transport.abort()

    def _refuse(self, status: int, detail: str) -> None:
        _log.info("connection.refused", status=status, peer=self.client and self.client[0])
        self._count(status)
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            told = problems.answer(status, HTTPStatus(status).phrase, detail)
            head = h11.Response(
                status_code=status,
                headers=[*told.raw_headers, (b"connection", b"close")],
                reason=HTTPStatus(status).phrase.encode(),
            )
            for event in (head, h11.Data(data=bytes(told.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _count(self, status: int) -> None:
        app: Any = self.config.app
        app.state.service.metrics.request_refused(int(status))
