"""Tells open pages that something has changed, as server-sent events.

An event has a topic's name and a counter, and no content: the page then fetches its part again. So
what a caller may see is decided by the page's own route, and an event itself says hardly anything.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Literal

from fastapi.sse import ServerSentEvent

from pyservice.auth.authenticator import Caller
from pyservice.errors import BusyError, RequestError
from pyservice.events import Event, ReportChanged

Topic = Literal["outbox", "templates"]
CONNECTED = "connected"
"""The name of the first event of each stream: what changed before it, a page has not heard of."""
PAUSE = 0.25
"""Seconds between two events of a stream; what changes meanwhile is one event."""


class Subscription:
    """What one open page is told. It belongs to the event loop in which it was made."""

    def __init__(
        self, topics: frozenset[Topic], caller: Caller, authenticate: Callable[[], Caller]
    ) -> None:
        """Begin with no event.

        Args:
            topics: what the page is about.
            caller: who sees it.
            authenticate: finds the caller again, before each event. Raises RequestError.
        """
        self.topics, self.caller = topics, caller
        self._authenticate = authenticate
        self._loop = asyncio.get_running_loop()
        self._wakeup = asyncio.Event()
        self._lock = threading.Lock()
        self._changed: set[Topic] = set()
        self._is_closed = False

    def offer(self, topic: Topic, owner: str | None, job: str | None) -> None:
        """Announce a change, if its caller may see what has changed. From any thread."""
        if topic not in self.topics or not self.caller.may_see(owner, job):
            return
        with self._lock:
            is_first = not self._changed
            self._changed.add(topic)
        if is_first:
            self._wake()

    def close(self) -> None:
        """End the stream. From any thread."""
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wakeup.set)

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Yield an event for each change, until the caller may see less or the service stops."""
        count = 0
        yield ServerSentEvent(event=CONNECTED, data=count)
        while await self._wakeup.wait() and not self._is_closed and self._is_still_the_caller():
            self._wakeup.clear()
            with self._lock:
                changed, self._changed = self._changed, set()
            for topic in sorted(changed):
                count += 1
                yield ServerSentEvent(event=topic, data=count)
            await asyncio.sleep(PAUSE)

    def _is_still_the_caller(self) -> bool:
        try:
            return self._authenticate() == self.caller
        except RequestError:
            return False


class Hub:
    """All open pages. Thread-safe."""

    def __init__(self, max_streams: int) -> None:
        """Begin with none.

        Args:
            max_streams: pages at the same time; each has one of the service's connections.
        """
        self._max_streams = max_streams
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()

    def publish(self, topic: Topic, owner: str | None = None, job: str | None = None) -> None:
        """Tell the pages about a topic that something has changed, from any thread.

        Args:
            topic: what the pages are about.
            owner: the report's; None: it is no report, and everybody may know.
            job: the report's, in full.
        """
        for subscription in self._subscriptions:
            subscription.offer(topic, owner, job)

    def is_watched(self, topic: Topic) -> bool:
        """Return whether an open page is about a topic."""
        return any(topic in subscription.topics for subscription in self._subscriptions)

    def on_event(self, event: Event) -> None:
        """Publish what delivery and the log watcher announce."""
        if isinstance(event, ReportChanged):
            self.publish("outbox", event.owner, event.job)

    def subscribe(self, subscription: Subscription) -> None:
        """Tell one more page. If there are too many, the caller with the most loses its oldest.

        Raises:
            BusyError: no caller has more than this one.
        """
        with self._lock:
            if len(self._subscriptions) >= self._max_streams:
                self._make_room(subscription.caller)
            self._subscriptions += (subscription,)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tell one page less."""
        with self._lock:
            self._leave(subscription)

    def close(self) -> None:
        """End all streams, since the service stops."""
        for subscription in self._subscriptions:
            subscription.close()

    def _make_room(self, caller: Caller) -> None:
        pages = Counter(one.caller.name for one in self._subscriptions)
        [(name, most)] = pages.most_common(1) or [("", 0)]
        if most <= pages[caller.name] + 1:  # else two callers would take turns
            raise BusyError("Too many open pages hear of changes. Close some of them.")
        oldest = next(one for one in self._subscriptions if one.caller.name == name)
        oldest.close()
        self._leave(oldest)

    def _leave(self, subscription: Subscription) -> None:
        self._subscriptions = tuple(one for one in self._subscriptions if one is not subscription)
