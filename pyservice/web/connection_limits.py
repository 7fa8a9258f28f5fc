"""uvicorn's HTTP/1.1 protocol with limits of time, size and number.

uvicorn's own options are not enough: with them 40 of the 48 tests of connections fail, since a slow
header, a silent caller and an unread answer keep a connection for ever, idle connections shut out
new ones, and h11 accepts requests with two lengths.
"""

import asyncio
import sys
from http import HTTPStatus
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from pyservice.web import problems
from pyservice.web.limits import HttpLimits

_PIECE = 1024
"""Bytes of a header that h11 gets at once: it checks the size of incomplete headers only."""

_log = structlog.get_logger()


class _StrictParser(h11.Connection):
    """Refuses requests that a proxy may understand differently (RFC 9112, section 6.1)."""

    def next_event(self) -> Any:
        """Return the next event.

        Raises:
            RemoteProtocolError: the request isn't valid HTTP, or has two lengths.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            is_old = event.http_version < b"1.1"
            if b"transfer-encoding" in names and (is_old or b"content-length" in names):
                other = "the HTTP version" if is_old else "a Content-Length"
                raise h11.RemoteProtocolError(f"Transfer-Encoding contradicts {other}")
        return event


class Connection(H11Protocol):
    """A connection that waits for its caller only as long as the application's limits allow."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        app: Any = self.config.app
        self._metrics = app.state.service.metrics
        self._limits: HttpLimits = app.state.service.limits
        self.conn = _StrictParser(h11.SERVER, self._limits.max_header)
        self._waiting_for: object = None
        self._request_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; if there are too many connections, close the one that has been idle longest."""
        super().connection_made(transport)
        self._make_room()
        self._restart_request_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with all timers."""
        _cancel(self._request_timer)
        _cancel(self._read_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, up to the first error."""
        if self.timeout_keep_alive_task is not None:
            self._waiting_for = None  # another request begins, and has its own time
        while data and not self.transport.is_closing():
            size = _PIECE if self.conn.their_state is h11.IDLE else len(data)
            super().data_received(data[:size])
            data = data[size:]
        self._restart_request_timer()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._restart_read_timer()
        self._restart_request_timer()

    def pause_writing(self) -> None:
        """Wait until the caller reads on, within its time."""
        super().pause_writing()
        self._restart_read_timer()

    def resume_writing(self) -> None:
        """Continue: the caller has read a part of the answer."""
        self._restart_read_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer data that is no valid request."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            size = self._limits.max_header
            self._refuse(status, f"The request's header has more than {size} bytes.")
        else:
            self._refuse(status, f"This is no valid HTTP request: {error or msg}.")

    @property
    def _is_idle(self) -> bool:
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def _make_room(self) -> None:
        most = self._limits.max_connections
        if len(self.connections) <= most:
            return
        others = [other for other in self.connections if isinstance(other, Connection)]
        if sum(not other.transport.is_closing() for other in others) <= most:
            return
        idle = [other for other in others if other is not self and other._is_idle]
        if idle:
            min(idle, key=lambda other: other._waiting_since).transport.abort()
            return
        _log.warning("connections.exhausted", connections=most)
        self._metrics.request_refused(HTTPStatus.SERVICE_UNAVAILABLE.value)
        self.app = problems.too_many_connections()

    def _restart_request_timer(self) -> None:
        """Start the time of the header or body that the server waits for, unless it runs."""
        state, limits = self.conn.their_state, self._limits
        times = {
            h11.IDLE: limits.header_time,
            h11.SEND_BODY: limits.body_time + limits.answer_grace,
        }
        waiting_for = (state, self.cycle) if state in times else None
        if waiting_for == self._waiting_for:
            return
        _cancel(self._request_timer)
        self._waiting_for = waiting_for
        self._waiting_since = self.loop.time()
        if waiting_for:
            self._request_timer = self.loop.call_later(times[state], self._end_slow_request)

    def _end_slow_request(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            seconds = f"{self._limits.header_time:g}"
            self._refuse(408, f"The request's header did not arrive within {seconds} s.")
        else:
            # There was no request, or it has its answer.
            self.transport.abort()

    def _restart_read_timer(self) -> None:
        """Start the time in which the caller reads on, if it hasn't read everything."""
        _cancel(self._read_timer)
        if self.transport.get_write_buffer_size():
            self._read_timer = self.loop.call_later(self._limits.read_time, self._end_unread_answer)

    def _end_unread_answer(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _refuse(self, status: int, detail: str) -> None:
        _log.info("connection.refused", status=status, peer=self.client and self.client[0])
        self._metrics.request_refused(int(status))
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            phrase = HTTPStatus(status).phrase
            response = problems.problem_response(status, phrase, detail)
            head = h11.Response(
                status_code=status,
                headers=[*response.raw_headers, (b"connection", b"close")],
                reason=phrase.encode(),
            )
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
