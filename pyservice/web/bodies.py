"""Reads requests' bodies, within limits of time, size and memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from fastapi import Request
from starlette.types import Message, Receive

from pyservice.errors import BodyTimeoutError, BusyError, MediaTypeError, TooLargeError
from pyservice.report.schema import Report
from pyservice.web.limits import HttpLimits


class Body:
    """A body that arrives, and that its request then keeps until it is answered."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes that have arrived."""
        self.deadline: asyncio.Timeout | None = None
        """By when the rest must arrive; None: all is there."""
        self.has_given_way = False
        """Whether other bodies have its memory."""

    @property
    def is_arriving(self) -> bool:
        """Whether it waits for its caller."""
        return self.deadline is not None and not self.deadline.expired() and not self.has_given_way


class BodyMemory:
    """The memory that all bodies together may take. It is for the event loop only."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._bodies: set[Body] = set()

    @contextmanager
    def new(self) -> Iterator[Body]:
        """Count a body as long as its request lasts."""
        body = Body()
        self._bodies.add(body)
        try:
            yield body
        finally:
            self._bodies.discard(body)

    def make_room(self) -> None:
        """Let the largest bodies that still arrive give way, until the rest fits.

        So a caller that keeps back the end of its body can't take the room of those that send all.
        """
        while sum(body.size for body in self._bodies) > self._total:
            largest = max(
                (body for body in self._bodies if body.is_arriving),
                key=lambda body: body.size,
                default=None,
            )
            if largest is None or largest.deadline is None:
                return
            largest.size, largest.has_given_way = 0, True
            largest.deadline.reschedule(0)


async def read_body(request: Request) -> AsyncIterator[bytes]:
    """Give the body of a JSON request to its route, and count it until the answer.

    Raises:
        BodyTimeoutError: it did not arrive within `HttpLimits.body_time`.
        BusyError: it did not fit into `HttpLimits.max_bodies` with all others.
        MediaTypeError: its media type isn't JSON, or it is compressed. A form on a foreign web page
            can't declare its body as JSON.
        TooLargeError: it is larger than `HttpLimits` allows. The rest is read and dropped, up to
            16 times `max_body`, so that a caller which is still sending gets the answer.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise MediaTypeError
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise MediaTypeError("The report is compressed. Send it without a Content-Encoding.")
    memory: BodyMemory = request.app.state.service.body_memory
    with memory.new() as body:
        yield await _read(request, body, memory)


async def _read(request: Request, body: Body, memory: BodyMemory) -> bytes:
    limits: HttpLimits = request.app.state.service.limits
    chunks: list[bytes] = []
    length, most = 0, limits.max_body + limits.max_attachments
    try:
        async with asyncio.timeout(limits.body_time) as body.deadline:
            async for chunk in request.stream():
                length += len(chunk)
                if length <= most and not body.has_given_way:
                    chunks.append(chunk)
                    body.size = length
                    memory.make_room()
                elif length > max(most, 16 * limits.max_body):
                    break
    except TimeoutError:
        if not body.has_given_way:
            raise _too_slow(limits, "Jenkins") from None
    body.deadline = None
    if body.has_given_way:
        raise BusyError
    if length > most:
        raise _too_large(most)
    content = b"".join(chunks)
    if length > limits.max_body and b'"attachments"' not in content:
        raise _too_large(limits.max_body)
    return content


def limited_form(request: Request, receive: Receive) -> Receive:
    """Return what receives a form's body, and ends one that is too large or too slow.

    FastAPI reads forms before it asks who sends them, and has no such limits.

    What it returns raises these errors, too, and BodyTimeoutError.

    Raises:
        TooLargeError: its header says that it is larger than `HttpLimits.max_form`.
    """
    limits: HttpLimits = request.app.state.service.limits
    too_large = TooLargeError(f"The form has more than {limits.max_form} bytes. Send less.")
    if int(request.headers.get("content-length", 0)) > limits.max_form:
        raise too_large
    size, is_complete = 0, False
    ends = asyncio.get_running_loop().time() + limits.body_time

    async def receive_part() -> Message:
        nonlocal size, is_complete
        if is_complete:  # the next message is the end of the connection
            return await receive()
        try:
            async with asyncio.timeout_at(ends):
                message = await receive()
        except TimeoutError:
            raise _too_slow(limits, "your browser") from None
        size += len(message.get("body", b""))
        is_complete = not message.get("more_body", False)
        if size > limits.max_form:
            raise too_large
        return message

    return receive_part


def check_size(body: bytes, report: Report, limits: HttpLimits) -> None:
    """Refuse a body that is too large without the attachments in it.

    Raises:
        TooLargeError: it is larger than `HttpLimits.max_body`.
    """
    if len(body) - sum(len(file.content) for file in report.attachments) > limits.max_body:
        raise _too_large(limits.max_body)


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(
        f"The report has more than {most} bytes. Send fewer changes, less data or smaller files."
    )


def _too_slow(limits: HttpLimits, caller: str) -> BodyTimeoutError:
    return BodyTimeoutError(
        f"The request's body did not arrive within {limits.body_time:g} s. "
        f"Check the network between {caller} and the service."
    )
