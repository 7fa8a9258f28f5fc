"""How long it takes to make a mail of a report, in this process, and how much memory."""

import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from statistics import median

from bench.figures import Figure
from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.analysis.first_error import find_first_error
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import Renderer
from pyservice.mail_checks.catalogue import check
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report

TIMES = 200
WORST_TIMES = 5
CHECK_TIMES = 20
MAX_MEMORY = 100.0
"""MB that a mail may take while it is made."""
LOG_SIZE = 64 * 1024
"""Characters of a log, as many as a report may have."""
MAX_SEARCH = 5.0
"""Milliseconds in which a log's first error should be found."""
_TEXT = "<&\t" * 21_000


def figures() -> dict[str, Figure]:
    """Measure rendering and MIME together, against the standard library's MIME alone."""
    report, renderer = samples.load("2-compile-error"), Renderer()
    addressing = Addressing(
        Mailbox("Jenkins", "jenkins@ci.example.com"),
        Recipients(to=(Mailbox("", "ada@example.com"),)),
        "<bench@ci.example.com>",
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    body = renderer.render(report)

    def standard_library() -> bytes:
        message = EmailMessage(policy=SMTP)
        message["Subject"] = body.subject
        message.set_content(body.text)
        message.add_alternative(body.html, subtype="html")
        return message.as_bytes()

    ours = _milliseconds(lambda: compose(report, addressing, renderer))
    worst = worst_report()
    slow = _milliseconds(lambda: compose(worst, addressing, renderer), WORST_TIMES)
    tracemalloc.start()
    compose(worst, addressing, renderer)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "render_mail": Figure(ours, _milliseconds(standard_library), "ms"),
        "render_worst_mail": Figure(slow, ours, "ms"),
        "check_mail": Figure(_check_time(compose(report, addressing, renderer)), ours, "ms"),
        "check_worst_mail": Figure(_check_time(compose(worst, addressing, renderer)), slow, "ms"),
        "find_first_error": Figure(_search_time(), MAX_SEARCH, "ms"),
        "render_worst_memory": Figure(peak / 1_000_000, MAX_MEMORY, "MB"),
    }


def _check_time(mail: bytes) -> float:
    """Return how long all checks of a mail take, after what clients support has been read."""
    return _milliseconds(lambda: check(mail), CHECK_TIMES)


def _search_time() -> float:
    """Return how long it takes to find the error at the end of a log as long as it may be."""
    end = ["gcc -c main.c", "main.c:2:10: error: 'cents' undeclared", "make: *** [main.o] Error 1"]
    line = "[INFO] Compiling src/main/java/com/example/shop/Ledger{}.java: 3 warnings, 0 errors"
    lines = [line.format(number) for number in range(LOG_SIZE // (len(line) + 2))] + end
    found = find_first_error(lines)
    if found is None or "cents" not in found.message:
        raise AssertionError(f"The log's error was not found: {found}")
    return _milliseconds(lambda: find_first_error(lines), CHECK_TIMES)


def worst_report() -> Report:
    """Return a report of the longest lists and texts that a request may have, near 1 MiB."""
    text = _TEXT[:2000]
    body = samples.load("3-tests-fail").model_dump(mode="json", by_alias=True, exclude_none=True)
    failure = {"name": text[:1000], "class_name": text[:1000], "message": text[:300]}
    step = {"function": "sh", "log": _TEXT, "place": [text[:1000]] * 50, "command": text}
    body["build"]["result"] = "FAILURE"
    body |= {
        "changes": {
            "total": 5000,
            "items": [{"id": "f" * 40, "message": text[:500], "paths": [text[:900]]}] * 100,
        },
        "error": {"message": text, "stage": text[:1000], "step": step},
        "tests": {"total": 20_000, "failed": 10_000, "failures": [failure] * 100},
        "stages": [{"name": text[:100], "status": "FAILURE", "id": f"{n}"} for n in range(1000)],
        "warnings": [{"message": text[:200]}] * 200,
    }
    return Report.model_validate(body)


def _milliseconds(make: Callable[[], object], times: int = TIMES) -> float:
    """Return the median of some calls, after one that fills the caches."""
    make()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        make()
        taken.append(1000 * (time.perf_counter() - began))
    return median(taken)
