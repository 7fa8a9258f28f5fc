"""Many callers at once: at a steady rate, and as a burst."""

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import psutil

from bench.client import Client, post_all, read_answer, report, request, wait_for_ready
from bench.figures import Figure
from bench.service import Service

PER_SECOND = 100.0
SECONDS = 10
CALLERS = 20
"""Of the steady rate: so many that none waits for its last answer."""
IN_TURN = 200
"""Reports of one caller, which sends each when the last one is answered."""
PAUSE = 0.08
"""Seconds after an answer in which the report's mail is made and sent."""
PREVIEWS = 1000.0
"""A minute, of a service whose templates many people write."""
AUTHORS = 20
PREVIEW_SECONDS = 7
"""As long as a part of the callers' reports takes, with the second before it."""
BUILDS, BUILD_PAUSE = 30, 0.2
"""Reports of such a part, and the seconds from one to the next: none waits for the last one."""
BURST = 10_000
BURST_CALLERS = 50
DRAIN_TIMEOUT = 300.0
"""Seconds until Postfix has all mails of a burst."""

_OURS = re.compile(r"message-id=<notify-email\.([0-9a-f-]+)@")


def steady(service: Service) -> dict[str, Figure]:
    """Measure how long callers wait for the 202 at a steady rate, against GET /healthz."""
    with service.running() as base:
        wait_for_ready(base)
        post_all(base, count=50, connections=CALLERS, job="warm-up of the steady rate")
        health = _health(base)
        count = int(PER_SECOND * SECONDS)
        requests = [request(base, report("steady", number)) for number in range(1, count + 1)]
        waits, statuses = _post(base, requests, CALLERS, 1 / PER_SECOND)
    assert statuses == {202: count}, statuses
    p50, p99 = median(waits), _p99(waits)
    return {
        "post_median": Figure(1000 * p50, 1000 * health, "ms"),
        "post_p99": Figure(1000 * p99, 1000 * p50, "ms"),
    }


def under_load(service: Service) -> dict[str, Figure]:
    """Measure how long a caller waits for the 202 while mails are made, against an idle service.

    A Pipeline that reports often is such a caller: it sends the next report after the last answer,
    while the service makes the mails of those before.
    """
    idle: list[float] = []
    loaded: list[float] = []
    with service.running() as base:
        wait_for_ready(base)
        post_all(base, count=50, connections=CALLERS, job="warm-up of the load")
        for part in range(4):
            idle += _in_turn(base, f"idle {part}", PAUSE)
            loaded += _in_turn(base, f"loaded {part}", 0)
    figure = Figure(1000 * median(loaded), 1000 * median(idle), "ms")
    return {"acceptance_under_load": figure}


def beside_previews(service: Service) -> dict[str, Figure]:
    """Measure how long a caller waits for the 202 while authors see 1,000 previews a minute.

    Each preview is of another report, so that none is known already.

    Raises:
        AssertionError: a preview was not made.
    """
    idle: list[float] = []
    beside: list[float] = []
    seen: list[float] = []
    with service.running() as base:
        wait_for_ready(base)
        post_all(base, count=50, connections=CALLERS, job="warm-up of the previews")
        for part in range(4):
            idle += _in_turn(base, f"without previews {part}", BUILD_PAUSE, BUILDS)
            with _previewing(base, f"seen {part}") as waits:
                beside += _in_turn(base, f"beside previews {part}", BUILD_PAUSE, BUILDS)
            seen += waits
    return {
        "acceptance_beside_previews": Figure(1000 * median(beside), 1000 * median(idle), "ms"),
        "preview_median": Figure(1000 * median(seen), 60_000 / PREVIEWS, "ms"),
    }


@contextmanager
def _previewing(base: str, job: str) -> Iterator[list[float]]:
    """Request previews all the time, and collect how many seconds each takes."""
    count = int(PREVIEWS / 60 * PREVIEW_SECONDS)
    requests = [
        request(base, report(job, number), "/preview/build?part=html")
        for number in range(1, count + 1)
    ]
    waits: list[float] = []

    def see() -> None:
        taken, statuses = _post(base, requests, AUTHORS, 60 / PREVIEWS)
        waits.extend(taken)
        assert statuses == {200: count}, statuses

    with ThreadPoolExecutor(1) as pool:
        seeing = pool.submit(see)
        yield waits
        seeing.result()


def _in_turn(base: str, job: str, interval: float, count: int = IN_TURN // 4) -> list[float]:
    """Return how long each of a caller's reports waited for its 202, in seconds."""
    time.sleep(1)  # no mail is left to be made
    requests = [request(base, report(job, number)) for number in range(1, count + 1)]
    waits, statuses = _post(base, requests, 1, interval)
    assert statuses == {202: count}, statuses
    return waits


def burst(service: Service, log: Path) -> dict[str, Figure]:
    """Measure BURST reports from BURST_CALLERS, each of which sends when its last one is answered.

    Args:
        service: measured.
        log: Postfix' log, in which each accepted report must be once.

    Raises:
        AssertionError: a report was neither accepted nor refused, or isn't once in the log.
    """
    with service.running() as base:
        wait_for_ready(base)
        process = psutil.Process(service.pid)
        idle, before = process.memory_info().rss, len(log.read_bytes())
        requests = [request(base, report("burst", number)) for number in range(1, BURST + 1)]
        peak = _Peak(process)
        waits, statuses = _post(base, requests, BURST_CALLERS, 0)
        assert statuses.keys() <= {202, 429, 503}, statuses
        mails = _logged(log, before, statuses[202])
        peak.stop()
    assert len(mails) == statuses[202], f"{statuses[202]} accepted, {len(mails)} at Postfix"
    assert set(mails.values()) == {1}, f"some came twice: {Counter(mails.values())}"
    return {
        "burst_accepted": Figure(statuses[202], BURST, "reports"),
        "burst_p99": Figure(1000 * _p99(waits), 1000 * median(waits), "ms"),
        "burst_memory": Figure(peak.bytes / 2**20, idle / 2**20, "MiB"),
    }


class _Peak:
    """The largest resident size of a process and its children, read five times a second."""

    def __init__(self, process: psutil.Process) -> None:
        self.bytes = 0
        self._process, self._stopping = process, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopping.wait(0.2):
            family = (self._process, *self._process.children())
            self.bytes = max(self.bytes, sum(one.memory_info().rss for one in family))


def _post(
    base: str, requests: list[bytes], callers: int, interval: float
) -> tuple[list[float], Counter[int]]:
    """POST requests; return how many seconds each waited since it was due, and count the statuses.

    Args:
        base: the service's address.
        requests: whole HTTP requests.
        callers: how many connections there are.
        interval: seconds from one to the next; 0: each caller sends when its last one is answered.
    """
    waits, statuses = [0.0] * len(requests), Counter[int]()
    host, port = urlsplit(base).netloc.split(":")
    begin = time.perf_counter() + 0.1

    def call(caller: int) -> None:
        with socket.create_connection((host, int(port))) as to, to.makefile("rb") as answers:
            to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(caller, len(requests), callers):
                due = begin + number * interval if interval else time.perf_counter()
                time.sleep(max(0.0, due - time.perf_counter()))
                to.sendall(requests[number])
                statuses[read_answer(answers)[0]] += 1
                waits[number] = time.perf_counter() - due

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits, statuses


def _health(base: str) -> float:
    """Return the median seconds of GET /healthz, at the rate at which reports come."""
    client, waits = Client(base), []
    for _ in range(100):
        began = time.perf_counter()
        client.get("/healthz")
        waits.append(time.perf_counter() - began)
        time.sleep(0.01)
    return median(waits)


def _logged(log: Path, before: int, wanted: int) -> Counter[str]:
    """Return how often each mail came to Postfix, from its log after `before` bytes."""
    ends = time.monotonic() + DRAIN_TIMEOUT
    while True:
        text = log.read_bytes()[before:].decode("utf-8", "replace")
        mails = Counter(_OURS.findall(text))
        if len(mails) >= wanted or time.monotonic() > ends:
            return mails
        time.sleep(0.5)


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]
