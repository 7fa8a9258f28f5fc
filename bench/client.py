"""A cheap HTTP client with persistent connections: it shares the CPUs with the service."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from pyservice import samples

SAMPLE = "2-failure"
TIMEOUT = 60.0
"""Seconds for the mails of a round, or for the service to start."""

Json = dict[str, Any]
_REPORT = samples.load(SAMPLE).model_dump(mode="json", exclude_none=True)
FAILING = 50
"""Tests in `large_report`."""


class Client:
    """One connection. Not thread-safe."""

    def __init__(self, base: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)

    def get(self, path: str) -> bytes:
        """GET a path, and return the body of its 200."""
        return self._ask("GET", path, None, 200)

    def post(self, job: str, number: int) -> Json:
        """POST a report, another one for each job and number."""
        return self.post_body(report(job, number))

    def post_body(self, body: bytes) -> Json:
        """POST a report that is new."""
        answer: Json = json.loads(self._ask("POST", "/v1/reports", body, 202))
        return answer

    def is_ready(self) -> bool:
        """Return whether /readyz answers 200."""
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
    """Return the recorded failing build with another job and number."""
    build = _REPORT["build"] | {"job": job, "number": number}
    return json.dumps(_REPORT | {"build": build, "mail": {"to": ["ada@example.com"]}}).encode()


def large_report(job: str, number: int) -> bytes:
    """Return a build with many failing tests, some 25 KB."""
    failures = [
        {
            "class_name": f"com.example.shop.CheckoutTest{case % 7}",
            "name": f"testDiscountOf{case}Percent",
            "message": f"expected: <{case}.00> but was: <{case}.{number % 90 + 10}>",
            "stack_trace": "\n".join(
                f"\tat com.example.shop.Checkout.step{line}(Checkout.java:{line * 17})"
                for line in range(6)
            ),
            "age": case % 4 + 1,
        }
        for case in range(FAILING)
    ]
    tests = {"total": 1234, "failed": FAILING, "skipped": 7, "failures": failures}
    return json.dumps(json.loads(report(job, number)) | {"tests": tests}).encode()


def wait_for_ready(base: str) -> None:
    """Wait until the service is ready."""
    client = Client(base)
    ends = time.monotonic() + TIMEOUT
    while not client.is_ready():
        if time.monotonic() > ends:
            raise TimeoutError("The service did not become ready.")
        time.sleep(0.005)


def post_all(base: str, count: int, connections: int, job: str) -> float:
    """POST reports; return the seconds from the first until Postfix accepted the last mail.

    The end is what the service's own history says, so that asking does not count; the requests
    are made before the beginning, and sent and read with as little work as can be.
    """
    host = urlsplit(base).netloc
    requests = iter([request(base, large_report(job, n)) for n in range(1, count + 1)])
    taking = threading.Lock()

    def worker() -> list[str]:
        urls: list[str] = []
        address, port = host.split(":")
        with socket.create_connection((address, int(port))) as to, to.makefile("rb") as answers:
            while True:
                with taking:
                    following = next(requests, None)
                if following is None:
                    return urls
                to.sendall(following)
                urls.append(_status_url(answers))

    began = time.time()
    with ThreadPoolExecutor(connections) as pool:
        workers = [pool.submit(worker) for _ in range(connections)]
    urls = [url for done in workers for url in done.result()]
    assert len(urls) == count
    client = Client(base)
    return max(_accepted_at(client, url) for url in urls) - began


def request(base: str, body: bytes, path: str = "/v1/reports") -> bytes:
    """Return the whole HTTP request that posts a report."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(base).netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def read_answer(answers: BinaryIO) -> tuple[int, bytes]:
    """Return the status and the body of the next answer on a connection."""
    status, length = int(answers.readline().split()[1]), 0
    while (header := answers.readline()) != b"\r\n":
        if header.lower().startswith(b"content-length:"):
            length = int(header.partition(b":")[2])
    return status, answers.read(length)


def _status_url(answers: BinaryIO) -> str:
    status, body = read_answer(answers)
    assert status == 202, (status, body)
    return str(json.loads(body)["status_url"])


def _accepted_at(client: Client, url: str) -> float:
    ends = time.monotonic() + TIMEOUT
    while True:
        status: Json = json.loads(client.get(url))
        for event in status["history"]:
            if event["state"] == "accepted":
                return datetime.fromisoformat(event["at"]).timestamp()
        if status["state"] == "failed" or time.monotonic() > ends:
            raise TimeoutError(f"{url} is {status['state']}: {status['error']}")
        time.sleep(0.1)
