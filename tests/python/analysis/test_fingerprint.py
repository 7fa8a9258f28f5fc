"""fingerprint.py: what is the same of an error each time, and what isn't."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice import samples
from pyservice.analysis.fingerprint import fingerprint, normalised
from pyservice.report.facts import Step
from pyservice.report.schema import Failure, Report
from tests.python.analysis.logs import NAMES, read

REPORT = samples.load("2-failure")


def failing(
    message: str, *, kind: str | None = None, log: str = "", job: str = "shop/checkout"
) -> Report:
    """A build with an error."""
    build = REPORT.build.model_copy(update={"job": job})
    error = Failure(message=message, type=kind)
    return Report(build=build, error=error, log=log.splitlines())


EXIT = "script returned exit code 1"

SAME = {
    "maven: another agent, another time": (
        "Failed to execute goal on project shop: Could not transfer artifact a:b:pom:1.4 from/to "
        "nexus (https://nexus.example.com/r/): Connect to 10.0.3.7:443 failed after 3003 ms",
        "Failed to execute goal on project shop: Could not transfer artifact a:b:pom:1.4 from/to "
        "nexus (https://nexus.example.com/r/): Connect to 10.0.3.9:443 failed after 12.5 s",
    ),
    "maven: another workspace": (
        "/var/jenkins_home/workspace/shop_checkout_PR-12@2/src/main/java/Cart.java:[31,17] cannot "
        "find symbol",
        "/home/ci/agent-7/workspace/shop_checkout_main/src/main/java/Cart.java:[29,5] cannot find "
        "symbol",
    ),
    "npm: another request": (
        "npm error 503 Service Unavailable - GET https://registry.example.com/left-pad (id "
        "6f1c2a34-9d5e-4c1b-8a77-0d0c1b2a3f4e)",
        "npm error 503 Service Unavailable - GET https://registry.example.com/left-pad (id "
        "0a1b2c3d-1111-2222-3333-444455556666)",
    ),
    "npm: another cache file": (
        "ENOSPC: no space left on device, write '/tmp/npm-8f3a1c/cache/x1'",
        "ENOSPC: no space left on device, write '/tmp/npm-aa01ff/other/y2'",
    ),
    "pytest: another object": (
        "AssertionError: assert <Cart object at 0x7f31c8a2b1d0> == None",
        "AssertionError: assert <Cart object at 0x7fd0127c9e50> == None",
    ),
    "gradle: another daemon": (
        "Gradle build daemon disappeared unexpectedly (it may have been killed or may have "
        "crashed): DaemonInfo{pid=4711, address=[3f0a9c1e2b port:33445]}",
        "Gradle build daemon disappeared unexpectedly (it may have been killed or may have "
        "crashed): DaemonInfo{pid=892, address=[99ab01cd3e port:40001]}",
    ),
    "gradle: another duration": (
        "Timeout has been exceeded: task :app:test took 10 min 3 s",
        "Timeout has been exceeded: task :app:test took 15 min 59 s",
    ),
    "agents: another one is lost": (
        "Cannot contact agent-17: hudson.remoting.ChannelClosedException: Channel "
        '"hudson.remoting.Channel@5d1f3a2b:agent-17": Remote call failed',
        "Cannot contact agent-4: hudson.remoting.ChannelClosedException: Channel "
        '"hudson.remoting.Channel@77aa01c9:agent-4": Remote call failed',
    ),
    "agents: another time": (
        "Agent was removed at 2026-11-23T18:19:07.123Z",
        "Agent was removed at 2026-11-24 03:00:59",
    ),
    "git: another commit": (
        "Could not checkout 8ed0cf87a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "Could not checkout 0123456789abcdef0123456789abcdef01234567",
    ),
    "windows: another drive": (
        r"MSB3027: could not copy C:\agent\ws\shop@2\obj\Cart.dll. Exceeded retry count of 10",
        r"MSB3027: could not copy D:\jenkins\shop\obj\Cart.dll. Exceeded retry count of 12",
    ),
    "colours": ("\x1b[31mError: boom\x1b[0m", "Error: boom"),
    "java: deeper frames": (
        "java.lang.IllegalStateException: no cart\n\tat org.shop.Cart.total(Cart.java:31)\n\tat "
        "org.shop.Till.pay(Till.java:9)",
        "java.lang.IllegalStateException: no cart\n\tat org.shop.Cart.total(Cart.java:33)\n\tat "
        "org.shop.Web.post(Web.java:1)",
    ),
}

OTHER = {
    "another word": ("cannot find symbol", "incompatible types"),
    "another file": ("/w/a/Cart.java: cannot find symbol", "/w/a/Till.java: cannot find symbol"),
    "another host": ("Connect to nexus:443 failed", "Connect to gitlab:443 failed"),
    "another first frame": (
        "java.lang.NullPointerException\n\tat org.shop.Cart.total(Cart.java:31)",
        "java.lang.NullPointerException\n\tat org.shop.Till.pay(Till.java:31)",
    ),
    "another frame of JavaScript": (
        "TypeError: x is undefined\n    at total (/w/src/cart.js:3:9)",
        "TypeError: x is undefined\n    at pay (/w/src/till.js:3:9)",
    ),
    "another line of a traceback": (
        'Traceback (most recent call last):\n  File "/w/a.py", line 3, in f\n    g()\nKeyError: 1',
        'Traceback (most recent call last):\n  File "/w/a.py", line 3, in f\n    g()\nOSError: 1',
    ),
    "another innermost frame": (
        'Traceback (most recent call last):\n  File "/w/a.py", line 3, in f\nKeyError: 1',
        'Traceback (most recent call last):\n  File "/w/b.py", line 3, in g\nKeyError: 1',
    ),
}

LOGS = {
    "maven": "[INFO] BUILD FAILURE\n[ERROR] Failed to execute goal compile on project shop",
    "npm": "npm ERR! code ELIFECYCLE\nnpm ERR! errno 1",
    "pytest": "    assert total() == 3\nE   AssertionError: assert 4 == 3\ncart.py:3: Assertion",
    "gradle": "* What went wrong:\nExecution failed for task ':app:compile'.\n> Compilation failed",
    "a compiler": "make: *** [x] Error 2\nfatal: no such remote",
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_cause(name: str) -> None:
    """Numbers, times, addresses and workspaces make no other cause."""
    one, two = (fingerprint(failing(message)) for message in SAME[name])
    assert one == two


@pytest.mark.parametrize("name", OTHER)
def test_another_cause(name: str) -> None:
    """Words, files, hosts and the first stack frame do."""
    one, two = (fingerprint(failing(message)) for message in OTHER[name])
    assert one != two


def test_the_errors_class() -> None:
    """It counts without its package, which moves from version to version."""
    fingerprints = {
        fingerprint(failing("no", kind=kind))
        for kind in ("hudson.AbortException", "org.x.AbortException", "java.io.IOException")
    }
    assert len(fingerprints) == 2


@pytest.mark.parametrize("name", LOGS)
def test_a_command_that_failed(name: str) -> None:
    """Where Jenkins knows no more, the log's telling line counts, in whatever job."""
    one = fingerprint(failing(EXIT, log=LOGS[name]))
    assert one == fingerprint(failing("script returned exit code 2", log=LOGS[name], job="x"))
    others = {fingerprint(failing(EXIT, log=log)) for log in LOGS.values()}
    assert len(others) == len(LOGS)


def test_a_command_that_failed_without_a_word() -> None:
    """Two jobs whose commands say nothing have nothing in common."""
    one, two = (fingerprint(failing(EXIT, log="ok\nbye", job=job)) for job in ("a", "b"))
    assert one != two


def test_without_an_error() -> None:
    """There is no fingerprint."""
    assert fingerprint(Report(build=REPORT.build)) is None


def in_step(log: str, *, job: str = "shop/checkout", message: str = EXIT) -> Report:
    """A build whose failing step has a log of its own."""
    build = REPORT.build.model_copy(update={"job": job})
    step = Step(function="sh", log=log)
    return Report(build=build, error=Failure(message=message, step=step), log=["ERROR: x"])


def test_the_failing_steps_own_log() -> None:
    """It counts, and not what other steps print beside it."""
    assert fingerprint(in_step("+ make\nmain.c:2:1: error: no\n")) == "main.c:<n>: error: no"


@pytest.mark.parametrize("name", NAMES)
def test_each_recorded_log(name: str) -> None:
    """The same log of another workspace has the same fingerprint."""
    log = "\n".join(read(name))
    moved = log.replace("/home/ci/workspace/", "/var/lib/agent-7/w/x@2/")
    one, two = (fingerprint(in_step(text)) for text in (log, moved))
    assert one == two


UNREACHABLE = (
    "npm-unknown-host",
    "maven-unknown-host",
    "gradle-unknown-host",
    "pip-unknown-host",
    "git-unknown-host",
    "shell-unknown-host",
)


def test_a_registry_that_is_gone() -> None:
    """200 builds of many tools and packages that miss one host have one fingerprint."""
    logs = [
        re.sub(r"\b\w+\.invalid\b", "nexus.example.com", "\n".join(read(name)))
        for name in UNREACHABLE
    ]
    found = set()
    for number in range(200):
        log = logs[number % len(logs)].replace("typescript", f"package-{'ab'[number % 2]}")
        vague = "Error cloning remote repo 'origin'" if "git clone" in log else EXIT
        found.add(fingerprint(in_step(log, job=f"team/job-{number}", message=vague)))
    assert found == {"no such host: nexus.example.com"}


def test_other_hosts() -> None:
    """Two hosts are two causes."""
    log = "\n".join(read("npm-unknown-host"))
    one, two = (fingerprint(in_step(text)) for text in (log, log.replace("packages.", "other.")))
    assert one != two


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            "npm error code E503\nnpm error 503 Service Unavailable - GET https://npm.example.com/a",
            "npm error code E503\nnpm error 503 Service Unavailable - GET https://npm.example.com/b/c",
        ),
        (
            "[ERROR] Failed to execute goal on project a: Could not resolve dependencies for "
            "project x:a:jar:1: Could not transfer artifact g:a:pom:1 from/to n (https://n/): 503",
            "[ERROR] Failed to execute goal on project b: Could not resolve dependencies for "
            "project x:b:jar:1: Could not transfer artifact g:b:pom:2 from/to n (https://n/): 503",
        ),
    ],
)
def test_another_package_of_one_registry(one: str, two: str) -> None:
    """A registry that answers nobody is one cause, whatever is asked of it."""
    assert fingerprint(in_step(one)) == fingerprint(in_step(two))


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever an error says, it has a fingerprint, and the same one each time."""
    assert fingerprint(failing(text)) == fingerprint(failing(text))


@pytest.mark.parametrize(
    "text",
    ["/a" * 30_000, "a/" * 30_000, "1 s " * 15_000, "\\" * 60_000, "at " * 20_000, "9" * 60_000],
)
def test_no_text_takes_long(text: str) -> None:
    """Only the beginning of a line is looked at."""
    assert len(normalised(text)) <= 2000
    assert fingerprint(failing(text, log="\n".join([text[:400]] * 500)))
