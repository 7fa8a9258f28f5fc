"""Makes the mails of a service, one after the other."""

import threading
import time

from pyservice.events import Events, MailRendered
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import Renderer
from pyservice.report.digest import Digest
from pyservice.report.schema import Report


class Composer:
    """Makes mails, and announces how long each took. Thread-safe.

    It makes one at a time: threads can't use two CPUs, and would keep callers waiting together.
    """

    def __init__(self, renderer: Renderer, events: Events) -> None:
        self._renderer, self._events = renderer, events
        self._turn = threading.Lock()

    def compose(self, shown: Report | Digest, addressing: Addressing) -> bytes:
        """Return the bytes of one mail, as `mail.message.compose` makes them.

        Raises:
            RenderError: no mail can be made of it.
        """
        with self._turn:
            began = time.perf_counter()
            try:
                return compose(shown, addressing, self._renderer)
            finally:
                self._events.announce(MailRendered(time.perf_counter() - began))
