"""uvicorn's HTTP/1.1 protocol with limits of time, size and number.

uvicorn's own options are not enough: with them 40 of the 48 tests of connections fail, since a slow
header, a silent caller and an unread answer keep a connection for ever, idle connections shut out
new ones, and h11 accepts requests with two lengths.
"""

import asyncio
import ssl
import sys
from http import HTTPStatus
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from pyservice.logs import Throttle
from pyservice.web import problems
from pyservice.web.limits import HttpLimits

_PIECE = 1024
"""Bytes of a header that h11 gets at once: it checks the size of incomplete headers only."""

_MOST_CHUNKS = 1024
"""Of one body: callers send at least a KiB in each. A million of one byte took 10 s."""

_log = structlog.get_logger()


class _StrictParser(h11.Connection):
    """Refuses requests that a proxy may understand differently (RFC 9112, section 6.1), and bodies
    in tiny chunks: each takes as long as a large one, and the event loop does nothing else."""

    _chunks = 0
    """Of the body that arrives."""

    def next_event(self) -> Any:
        """Return the next event.

        Raises:
            RemoteProtocolError: the request isn't valid HTTP, has two lengths, or too many chunks.
        """
        event = super().next_event()
        if isinstance(event, h11.Data) and event.chunk_start:
            self._chunks += 1
            if self._chunks > _MOST_CHUNKS:
                raise h11.RemoteProtocolError(f"The body has more than {_MOST_CHUNKS} chunks")
        if isinstance(event, h11.Request):
            self._chunks = 0
            names = {name for name, _ in event.headers}
            is_old = event.http_version < b"1.1"
            if b"transfer-encoding" in names and (is_old or b"content-length" in names):
                other = "the HTTP version" if is_old else "a Content-Length"
                raise h11.RemoteProtocolError(f"Transfer-Encoding contradicts {other}")
        return event


class Connection(H11Protocol):
    """A connection that waits for its caller only as long as the application's limits allow.

    It is counted, and its time runs, from accept on: also during the TLS handshake, of which
    asyncio's server tells nobody.
    """

    def __init__(
        self,
        *arguments: Any,
        most: int,
        tls: ssl.SSLContext | None,
        refusals: Throttle,
        faults: Throttle,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        app: Any = self.config.app
        self._most = most
        self._tls = tls
        self._refusals = refusals
        self._faults = faults
        self._metrics = app.state.service.metrics
        self._readiness = app.state.service.readiness
        self._limits: HttpLimits = app.state.service.limits
        self.conn = _StrictParser(h11.SERVER, self._limits.max_header)
        self._early_data = b""
        self._is_aborted = False
        self._waiting_for: object = None
        self._waits_until = 0.0
        self._unneeded_bytes = 0
        self._request_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; if there are too many connections, close the one that waits longest."""
        self._socket = self.transport = transport
        self.connections.add(self)
        self._make_room()
        self._restart_request_timer()
        if self._tls is None:
            super().connection_made(transport)
        else:
            # Kept, since the loop itself doesn't keep its tasks.
            self._handshake = self.loop.create_task(self._shake_hands(self._tls))

    async def _shake_hands(self, tls: ssl.SSLContext) -> None:
        try:
            secure = await self.loop.start_tls(
                self.transport,
                self,
                tls,
                server_side=True,
                ssl_handshake_timeout=self._limits.header_time,
            )
        except OSError as error:  # the caller doesn't speak TLS
            self.connection_lost(error)
            return
        if secure is None:  # the connection was aborted
            self.connection_lost(None)
            return
        super().connection_made(secure)
        if self._early_data:
            self.data_received(self._early_data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with all timers."""
        _cancel(self._request_timer)
        _cancel(self._read_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, up to the first error."""
        if self.transport is self._socket and self._tls is not None:
            self._early_data += data  # `_shake_hands` continues in this iteration of the loop
            return
        if self.timeout_keep_alive_task is not None:
            self._waiting_for = None  # another request begins, and has its own time
        while data and not self.transport.is_closing():
            size = _PIECE if self.conn.their_state is h11.IDLE else len(data)
            if self._has_early_answer:
                self._unneeded_bytes += size
            super().data_received(data[:size])
            data = data[size:]
        if self._unneeded_bytes > self._limits.max_body:
            self._abort()
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
    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    @property
    def _has_early_answer(self) -> bool:
        """Whether the caller has its answer, and has not sent its whole body."""
        return self._is_answered and self.conn.their_state is h11.SEND_BODY

    @property
    def _waits_for_its_caller(self) -> bool:
        """Whether the service does no work for it, so that closing it loses no report."""
        return (
            self.transport.is_closing()
            or self.conn.their_state is h11.IDLE
            or self._is_answered
            or self._unread_bytes > 0
        )

    @property
    def _unread_bytes(self) -> int:
        """What the caller has not read; TLS has a buffer of its own."""
        return sum(each.get_write_buffer_size() for each in {self._socket, self.transport})

    def _make_room(self) -> None:
        most = self._most
        if len(self.connections) <= most:
            return
        # Those that are closing count, too: they have a descriptor until the caller has read on.
        others = [
            other
            for other in self.connections
            if isinstance(other, Connection) and not other._is_aborted
        ]
        if len(others) <= most:
            return
        waiting = [other for other in others if other is not self and other._waits_for_its_caller]
        if waiting:
            min(waiting, key=lambda other: other._waiting_since)._abort()
            return
        if times := self._refusals.times():
            _log.warning("connections.exhausted", connections=most, refused=times)
        self._metrics.request_refused(HTTPStatus.SERVICE_UNAVAILABLE.value)
        self._readiness.report_answered(f"there are {most} connections")
        self.app = problems.too_many_connections()

    def _abort(self) -> None:
        self._is_aborted = True
        self._socket.abort()

    def _restart_request_timer(self) -> None:
        """Start the time of the header or body that the server waits for, unless it runs.

        After an early answer each piece of the body must come soon; nobody needs it.
        """
        state, limits, now = self.conn.their_state, self._limits, self.loop.time()
        times = {
            h11.IDLE: limits.header_time,
            h11.SEND_BODY: limits.body_time + limits.answer_grace,
        }
        waiting_for = (state, self.cycle) if state in times else None
        if waiting_for != self._waiting_for:
            self._waiting_for, self._waiting_since, self._unneeded_bytes = waiting_for, now, 0
            self._waits_until = now + times.get(state, 0)
        elif waiting_for and not self._has_early_answer:
            return
        _cancel(self._request_timer)
        if waiting_for:
            seconds = self._waits_until - now
            if self._has_early_answer:
                seconds = min(seconds, limits.answer_grace)
            self._request_timer = self.loop.call_later(seconds, self._end_slow_request)

    def _end_slow_request(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            seconds = f"{self._limits.header_time:g}"
            self._refuse(408, f"The request's header did not arrive within {seconds} s.")
        else:
            # There was no request, or it has its answer.
            self._abort()

    def _restart_read_timer(self) -> None:
        """Start the time in which the caller reads on, if it hasn't read everything."""
        self._waiting_since = self.loop.time()
        _cancel(self._read_timer)
        if self._unread_bytes:
            self._read_timer = self.loop.call_later(self._limits.read_time, self._end_unread_answer)

    def _end_unread_answer(self) -> None:
        if self._unread_bytes:
            self._abort()

    def _refuse(self, status: int, detail: str) -> None:
        if times := self._faults.times():  # a stranger must not fill the log
            peer = self.client and self.client[0]
            _log.info("connection.refused", status=status, peer=peer, times=times)
        self._metrics.request_refused(int(status))
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            phrase = HTTPStatus(status).phrase
            response = problems.problem_response(problems.refusal(status, phrase, detail))
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
