"""HTTP over connections that are kept, as cheaply as Python can: the client shares the CPUs."""

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pyservice import samples

SAMPLE = "2-failure"
PATIENCE = 60.0
"""Seconds for the mails of a round, or for the service to start."""

Json = dict[str, Any]
_REPORT = samples.load(SAMPLE).model_dump(mode="json", exclude_none=True)


class Client:
    """One connection. Not thread-safe."""

    def __init__(self, base: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)

    def get(self, path: str) -> bytes:
        """The body of a 200."""
        return self._ask("GET", path, None, 200)

    def post(self, job: str, number: int) -> Json:
        """POST a report, a different one for each job and number."""
        answer: Json = json.loads(self._ask("POST", "/v1/reports", report(job, number), 202))
        return answer

    def is_ready(self) -> bool:
        """Whether /readyz says 200."""
        try:
            self.get("/readyz")
        except (OSError, AssertionError):
            self._http.close()
            return False
        return True

    def _ask(self, method: str, path: str, body: bytes | None, expected: int) -> bytes:
        self._http.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = self._http.getresponse()
        content = response.read()
        assert response.status == expected, f"{method} {path}: {response.status} {content!r}"
        return content


def report(job: str, number: int) -> bytes:
    """The recorded failing build, as another one."""
    build = _REPORT["build"] | {"job": job, "number": number}
    return json.dumps(_REPORT | {"build": build, "mail": {"to": ["ada@example.com"]}}).encode()


def wait_for_ready(base: str) -> None:
    """Ask until it is."""
    client = Client(base)
    ends = time.monotonic() + PATIENCE
    while not client.is_ready():
        if time.monotonic() > ends:
            raise TimeoutError("The service did not become ready.")
        time.sleep(0.005)


def post_all(base: str, count: int, connections: int, job: str) -> float:
    """POST so many reports: seconds from the first until Postfix has taken the last.

    The end is what the service's own history says, so that asking does not count.
    """
    numbers = iter(range(1, count + 1))
    taking = threading.Lock()

    def worker() -> list[str]:
        client = Client(base)
        urls: list[str] = []
        while True:
            with taking:
                number = next(numbers, None)
            if number is None:
                return urls
            urls.append(client.post(job, number)["status_url"])

    began = time.time()
    with ThreadPoolExecutor(connections) as pool:
        workers = [pool.submit(worker) for _ in range(connections)]
    urls = [url for done in workers for url in done.result()]
    assert len(urls) == count
    client = Client(base)
    return max(_accepted_at(client, url) for url in urls) - began


def _accepted_at(client: Client, url: str) -> float:
    ends = time.monotonic() + PATIENCE
    while True:
        status: Json = json.loads(client.get(url))
        if status["state"] == "accepted":
            return datetime.fromisoformat(status["history"][-1]["at"]).timestamp()
        if status["state"] == "failed" or time.monotonic() > ends:
            raise TimeoutError(f"{url} is {status['state']}: {status['error']}")
        time.sleep(0.1)
