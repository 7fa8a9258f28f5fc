"""A service under load while something breaks and is mended; counts the mails that arrived."""

import itertools
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from pyservice.outbox.states import WAITING
from tests.builders.patience import PATIENCE
from tests.builders.reports import report_of
from tests.testbed.errors import TestbedError
from tests.testbed.judge import STEPS
from tests.testbed.namespaces import Namespace
from tests.testbed.network import ROOT, Testbed
from tests.testbed.node import LAUNCHER, Node
from tests.testbed.tally import Count, count_arrivals
from tests.testbed.waiting import until

CALLERS = 3
LOSSY, JUDGE = 2525, 2526
HURRY = {
    "delivery.retry.first_delay": 1.0,
    "delivery.retry.longest_delay": 4.0,
    "delivery.retry.longest_wait_for_postfix": 4.0,
    "log_watcher.pause": 0.1,
}
"""Short delays, so that a test can wait for retries; the log is read well before each of them."""


@dataclass(frozen=True)
class Refusal:
    """An answer other than 202 that a caller got."""

    status: int
    """HTTP's status; 0: there was no answer."""
    detail: str
    retry_after: str


class Trial:
    """A service, its callers, and a way to Postfix that can be disturbed."""

    def __init__(self, testbed: Testbed) -> None:
        """Prepare a trial on a testbed that was reset; entering it starts its helpers."""
        self.testbed = testbed
        self.sites = [(testbed.node, testbed.container)]
        """The nodes with a service, each with a container that sends reports."""
        self.refusals: list[Refusal] = []
        self.accepted: list[dict[str, Any]] = []
        self._verdict = testbed.folder / "verdict"
        self._lose = testbed.folder / "lose"
        self._started: dict[Node, tuple[tuple[str, ...], Mapping[str, str]]] = {}
        self._helpers: list[Any] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        """Let Postfix ask the policy server at every step, and start a proxy that loses replies."""
        judge = f"check_policy_service inet:127.0.0.1:{JUDGE}"
        self._start("judge", JUDGE, str(self._verdict))
        self._start("lossy", LOSSY, "25", str(self._lose))
        self._ask(judge, delay="no")
        return self

    def __exit__(self, *_: object) -> None:
        """Leave Postfix as it was."""
        for node, _container in self.sites:
            node.stop_service()
        for file in (self._verdict, self._lose):
            file.unlink(missing_ok=True)
        if not self.testbed.postfix.is_running():
            self.testbed.postfix.start()
        self._ask("", delay="yes")
        for helper in self._helpers:
            helper.kill()
            helper.wait()

    def _start(self, module: str, port: int, *arguments: str) -> None:
        node = self.testbed.node
        started = node.start(
            *(sys.executable, "-m", f"tests.testbed.{module}", str(port), *arguments),
            log=self.testbed.folder / f"{module}.log",
            env={"PYTHONPATH": str(ROOT)},
        )
        self._helpers.append(started)
        node.wait_for_port(port, listening=True)

    def _ask(self, judge: str, *, delay: str) -> None:
        names = ("client", "helo", "sender", "recipient", "data", "end_of_data")
        restrictions = {f"smtpd_{name}_restrictions": judge for name in names}
        self.testbed.postfix.set(smtpd_delay_reject=delay, **restrictions)
        self.testbed.postfix.reload()

    def start(
        self,
        node: Node | None = None,
        *,
        hurry: Mapping[str, float] = HURRY,
        by: tuple[str, ...] = (),
        **settings: str,
    ) -> None:
        """Start a service.

        Args:
            node: where it runs; by default on the first node.
            hurry: the constants to change in it.
            by: a command that starts another one, such as `env`.
            settings: NOTIFY_EMAIL_….
        """
        node = node or self.testbed.node
        python = (sys.executable, "-m", "tests.testbed.hurried")
        changes = [f"{name}={value}" for name, value in hurry.items()]
        launcher = (*python, *changes, "--") if hurry else LAUNCHER
        settings = {"postfix_log": str(node.postfix.log)} | settings
        self._started[node] = (*by, *launcher), settings
        self.restart(node)

    def restart(self, node: Node | None = None, *, kill: bool = False) -> int | None:
        """Stop a service, if it runs, and start it as before.

        Returns:
            The exit code of the service that ran.
        """
        node = node or self.testbed.node
        code = node.stop_service(kill=kill)
        launcher, settings = self._started[node]
        node.start_service(launcher=launcher, **settings)
        return code

    @contextmanager
    def load(self, callers: int = CALLERS) -> Iterator[None]:
        """Run callers meanwhile, each of which repeats a report until it is accepted."""
        stopping, giving_up = threading.Event(), threading.Event()
        sites = itertools.islice(itertools.cycle(self.sites), callers)
        threads = [
            threading.Thread(target=self._call, args=(*site, stopping, giving_up)) for site in sites
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        except BaseException:
            giving_up.set()
            raise
        finally:
            stopping.set()
            for thread in threads:
                thread.join(2 * PATIENCE)

    def _call(
        self,
        node: Node,
        container: Namespace,
        stopping: threading.Event,
        giving_up: threading.Event,
    ) -> None:
        job = f"job-{next(self._numbers)}"
        for number in itertools.count(1):
            while not self.post(node, container, job=job, number=number):
                if giving_up.wait(0.02):
                    return
            if stopping.is_set():
                return

    def post(
        self, node: Node | None = None, container: Namespace | None = None, **build: Any
    ) -> dict[str, Any] | None:
        """Report a build once, and keep the answer or refusal; return the answer, if accepted."""
        body = json.dumps(report_of("2-failure", **build))
        written = ("-w", "\n%{http_code} %header{retry-after}", "-m", f"{PATIENCE:g}")
        done = (node or self.testbed.node).curl(
            container or self.testbed.container, "/v1/reports", *written, body=body
        )
        content, _, last = done.stdout.rpartition("\n")
        status, _, retry_after = last.partition(" ")
        if not done.returncode:
            answer: dict[str, Any] = json.loads(content)
            self.accepted.append(answer)
            return answer
        try:
            refusal = Refusal(int(status), json.loads(content)["detail"], retry_after)
        except ValueError:  # the service died before its answer
            refusal = Refusal(0, done.stderr, "")
        self.refusals.append(refusal)
        return None

    def verdict(self, step: str, action: str) -> None:
        """Let Postfix reply so at a step, or `hang` there once for some seconds.

        Args:
            step: one of the judge's STEPS.
            action: `450 4.2.0 later`, or `hang 5`.
        """
        unfinished = self._verdict.with_suffix(".new")
        unfinished.write_text(f"{STEPS[step]} {action}")
        unfinished.rename(self._verdict)

    def acquit(self) -> None:
        """Let Postfix take mail again."""
        self._verdict.unlink(missing_ok=True)

    def lose_a_reply(self) -> None:
        """Let the next reply to a final dot be lost, if the service sends through LOSSY."""
        self._lose.touch()
        with suppress(TestbedError):
            until(lambda: not self._lose.exists(), "")
        self._lose.unlink(missing_ok=True)

    @property
    def is_hanging(self) -> bool:
        """Whether the conversation that should hang does, or has."""
        return not self._verdict.exists()

    def status(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return a report's status."""
        node, container = self.sites[0]
        content = node.curl(container, f"/v1/reports/{answer['id']}").stdout
        status: dict[str, Any] = json.loads(content)
        return status

    def states(self) -> dict[str, str]:
        """Return the states of all reports, by their IDs."""
        node, container = self.sites[0]
        states: dict[str, str] = {}
        after = ""
        while True:
            page = json.loads(node.curl(container, f"/v1/reports?limit=200{after}").stdout)
            states |= {report["id"]: report["state"] for report in page["reports"]}
            if page["next"] is None:
                return states
            after = f"&after={page['next']}"

    def count(self, seconds: float = PATIENCE) -> Count:
        """Wait until all mails have left, and a moment for the last receipts; then count."""
        ids = {answer["id"]: answer["message_id"] for answer in self.accepted}

        def has_no_waiting() -> bool:
            states = self.states()
            return not any(states[report] in WAITING for report in ids)

        def is_queue_empty() -> bool:
            return all("is empty" in node.queue() for node, _ in self.sites)

        def has_receipts() -> bool:
            states = self.states()
            return all(states[report] in {"relayed", "failed"} for report in ids)

        # Postfix may keep a mail that it has delivered for a minute, if it was reloaded meanwhile.
        for condition, patience in (
            (has_no_waiting, seconds),
            (has_receipts, seconds),
            (is_queue_empty, 10),
        ):
            with suppress(TestbedError):
                until(condition, "", seconds=patience, pause=0.2)
        return count_arrivals(ids, self.states(), self.testbed.sunk, self._is_noted)

    def _is_noted(self, report_id: str) -> bool:
        history = self.status({"id": report_id})["history"]
        return any("may be doubled" in event["note"] for event in history)
