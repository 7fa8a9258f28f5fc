"""Rate limits from end to end: many reports become few mails, and each build is in one of them."""

import email
import email.policy
import json
import os
import re
import sqlite3
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError
from tests.builders.digests import LONG, end_wait
from tests.python.conftest import (
    Caught,
    Json,
    PostfixStandIn,
    listening,
    post,
    serve,
    settled,
    wait_for,
)

TESTS = Path(__file__).parents[2]


@pytest.fixture
def strict(settings: Settings, database_url: str) -> Settings:
    """One mail of a job an hour, all others when the test ends their wait."""
    return settings.model_copy(
        update={"database_url": database_url, "rate_limits": ("job=1/hour",), "digest_after": LONG}
    )


def build(report: Json, number: int, *, to: str = "ada@example.com", **changes: object) -> Json:
    job = str(changes.get("job", "shop/checkout"))
    url = f"https://ci.example.com/job/{job}/{number}/"
    one = report["build"] | {"number": number, "url": url, "full_display_name": None} | changes
    return report | {"build": one, "mail": {"to": [to]}}


def test_files_of_builds_that_wait(strict: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """A build that waits for others keeps no files, and its mail names them."""
    files = [{"name": "a.bin", "content": "YWJj"}]
    with serve(strict) as client:
        settled(client, post(client, build(report, 1) | {"attachments": files}).json())
        answer = post(client, build(report, 2) | {"attachments": files}).json()
        end_wait(client)
        settled(client, answer)
    first, second = (mail.content for mail in postfix.mails)
    assert b"YWJj" in first
    assert b"YWJj" not in second
    assert b"NOT ATTACHED" in second


def links(mail: Caught) -> set[str]:
    """Return the addresses of the builds that a mail shows."""
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    html = message.get_body(("html",))
    assert html is not None
    return set(re.findall(r'href="(https://[^"]+/\d+/)"', html.get_content()))


def digest_of(client: TestClient, answer: Json) -> Json:
    """Wait until a report is in a digest, and return the digest in its status."""
    digests: list[Json] = []

    def is_there() -> bool:
        shown = client.get(answer["status_url"]).json()["digest"]
        digests.extend([shown] if shown else [])
        return bool(digests)

    wait_for(is_there)
    return digests[0]


def test_a_burst(strict: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """200 reports of a job become ten mails, then few digests with each other build once."""
    settings = strict.model_copy(update={"rate_limits": ("job=10/hour", "all=1000/hour")})
    with serve(settings) as client, ThreadPoolExecutor(8) as callers:
        bodies = [build(report, number) for number in range(1, 201)]
        answers = [got.json() for got in callers.map(lambda body: post(client, body), bodies)]
        assert {answer["state"] for answer in answers} == {"received"}
        end_wait(client)
        ends = [ended(client, answer) for answer in answers]
    digests = Counter(end["digest"]["id"] for end in ends if end["digest"])
    alone = [end for end in ends if not end["digest"]]
    over = [end for end in ends if any(e["note"].startswith("over ") for e in end["history"])]
    assert len(over) == 190
    assert len(postfix.mails) == len(alone) + len(digests) < 20
    shown = Counter(link for mail in postfix.mails for link in links(mail))
    assert shown == {one["build"]["url"]: 1 for one in bodies}


def ended(client: TestClient, answer: Json) -> Json:
    """Wait until a report is accepted by Postfix or in a digest, and return its status."""
    status: Json = {}

    def is_over() -> bool:
        status.update(client.get(answer["status_url"]).json())
        return status["state"] in {"accepted", "digested"}

    wait_for(is_over, lambda: f"it never ended: {status}")
    return status


LOGS = (
    "maven-unknown-host",
    "gradle-unknown-host",
    "npm-unknown-host",
    "pip-unknown-host",
    "shell-unknown-host",
)


def declarative_builds(address: str, folder: Path, count: int) -> list[Json]:
    """Let the step report builds of as many jobs, and return its results.

    The library runs as on a controller, trusted: tests/groovy/harness/Storm.groovy.
    """
    files = []
    for name in LOGS:
        log = (TESTS / "logs" / f"{name}.log").read_text()
        files.append(folder / f"{name}.log")
        files[-1].write_text(re.sub(r"\b[\w.-]+\.invalid\b", "nexus.example.com", log))
    root = TESTS.parent
    libraries = (root / "target" / "test-classpath.txt").read_text().strip()
    opened = ("java.lang", "java.util", "java.lang.reflect", "java.net")
    done = subprocess.run(
        [
            "java",
            *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in opened),
            "-Dfile.encoding=UTF-8",
            *("-cp", f"target/test-classes{os.pathsep}{libraries}"),
            *("harness.Storm", address, str(count), *map(str, files)),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results: list[Json] = json.loads(done.stdout.splitlines()[-1])
    return results


@pytest.mark.jenkins
def test_a_registry_is_gone(settings: Settings, postfix: PostfixStandIn, tmp_path: Path) -> None:
    """200 jobs of a team that fail since one registry is gone are few mails and one digest."""
    storm = settings.model_copy(
        update={"rate_limits": ("recipient=10/hour",), "digest_after": LONG}
    )
    with listening(storm) as (host, port):
        results = declarative_builds(f"http://{host}:{port}", tmp_path, 200)
    assert {result["state"] for result in results} == {"received"}
    assert len({result["id"] for result in results}) == 200
    file = storm.outbox_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as database, database:
        [groups] = database.execute("SELECT count(DISTINCT digest_group) FROM reports").fetchall()
        database.execute("UPDATE reports SET next_attempt_at = 1 WHERE digest_group IS NOT NULL")
    with serve(storm) as client:
        ends = [ended(client, {"status_url": f"/v1/reports/{one['id']}"}) for one in results]
    assert groups == (1,)
    assert len({end["digest"]["id"] for end in ends if end["digest"]}) == 1
    assert len(postfix.mails) == 10 + 1
    shown = Counter(link for mail in postfix.mails for link in links(mail))
    job = "https://ci.example.com/job/team/job/service-"
    assert shown == {f"{job}{number}/{number}/": 1 for number in range(1, 201)}


def test_the_status_names_the_digest(
    strict: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """Each member's status names the digest, and its preview shows the digest's bytes."""
    with serve(strict) as client:
        answers = [post(client, build(report, number)).json() for number in range(1, 5)]
        assert post(client, build(report, 3)).json()["id"] == answers[2]["id"]
        end_wait(client)
        shown = [digest_of(client, answer) for answer in answers[1:]]
        assert len({one["id"] for one in shown}) == 1
        digest = settled(client, shown[0])
        states = [
            settled(client, answer, state="digested")
            for answer in answers[1:]
            if answer["id"] != digest["id"]
        ]
        assert client.get(answers[0]["status_url"]).json()["digest"] is None
        previews = {client.get(f"{one['preview_url']}?part=source").content for one in states}
        listed = client.get("/v1/reports?state=digested").json()["reports"]
        assert client.get("/metrics").text.count('mails_total{state="digested"} 2.0') == 1
    assert len(listed) == len(states) == 2
    assert digest["digest"]["id"] == digest["id"]
    assert previews == {mail.content for mail in postfix.mails if len(links(mail)) == 3}
    assert f"in the mail of {digest['id']}" in states[0]["history"][-1]["note"]


def test_teams_see_their_own(strict: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """Builds with the same job and error, but other recipients, are in another digest."""
    with serve(strict) as client:
        answers = [
            post(client, build(report, n, to=f"{'ab'[n % 2]}@example.com")).json()
            for n in range(1, 8)
        ]
        end_wait(client)
        for answer in answers[1:]:
            settled(client, digest_of(client, answer))
    for mail in postfix.mails:
        [to] = mail.recipients
        numbers = {int(link.split("/")[-2]) for link in links(mail)}
        assert {f"{'ab'[number % 2]}@example.com" for number in numbers} == {to}


def test_one_cause_in_many_jobs(strict: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """Builds of many jobs with one error share a mail, whose subject counts them."""
    report["error"] = {"message": "No route to nexus.example.com:443 after 3003 ms"}
    strict = strict.model_copy(update={"rate_limits": ("all=1/day",)})
    with serve(strict) as client:
        answers = [post(client, build(report, 1, job=f"team/job-{n}")).json() for n in range(1, 7)]
        end_wait(client)
        settled(client, digest_of(client, answers[-1]))
        wait_for(lambda: len(postfix.mails) == 2)
    digest = postfix.mails[-1].content
    assert b"Subject: 5 builds, all failing: team/job-2 and 4 other jobs" in digest
    assert b"List-Id" not in digest


def test_a_fixed_build_is_not_in_the_digest(
    strict: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """A success after failures is not in their group, and gets a mail of its own."""
    fixed = build(report, 9, result="SUCCESS", previous_result="FAILURE")
    del fixed["error"]
    with serve(strict) as client:
        for number in (1, 2, 3):
            post(client, build(report, number))
        answer = post(client, fixed).json()
        end_wait(client)
        status = settled(client, answer)
        wait_for(lambda: len(postfix.mails) == 3)
    assert status["digest"] is None
    assert any(b"Subject: Fixed" in mail.content for mail in postfix.mails)


def test_a_report_that_is_cancelled_while_it_waits(
    strict: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """A cancelled report is in no mail, even if it is the first; the others are."""
    with serve(strict) as client:
        answers = [post(client, build(report, number)).json() for number in range(1, 5)]
        client.post(f"{answers[1]['status_url']}/cancel")
        end_wait(client)
        settled(client, digest_of(client, answers[3]))
    assert sorted(len(links(mail)) for mail in postfix.mails) == [1, 2]


def test_a_digest_that_cannot_be_rendered(
    strict: Settings, postfix: PostfixStandIn, report: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the digest can't be rendered, each report gets its own mail."""
    monkeypatch.setattr("pyservice.mail.renderer.DIGEST", "missing")
    with serve(strict) as client:
        answers = [post(client, build(report, number)).json() for number in range(1, 5)]
        end_wait(client)
        for answer in answers:
            assert settled(client, answer)["digest"] is None
    assert len(postfix.mails) == 4


def test_a_stop_while_they_wait(strict: Settings, report: Json) -> None:
    """Reports that waited at a stop become a digest after the start, even without a rate limit."""
    with serve(strict) as client:
        answers = [post(client, build(report, number)).json() for number in range(1, 5)]
    with serve(strict.model_copy(update={"rate_limits": ()})) as client:
        end_wait(client)
        digest = settled(client, digest_of(client, answers[1]))
        assert digest_of(client, answers[3])["id"] == digest["id"]


@pytest.mark.parametrize(
    "value",
    ["job", "job=", "job=ten/hour", "jobs=10/hour", "job=0/hour", "job=1/hour;2/day", "=1/s"],
)
def test_wrong_rates(tmp_path: Path, value: str) -> None:
    """A wrong rate limit is refused with an example of a right one."""
    file = tmp_path / "settings.toml"
    file.write_text(f'rate_limits = "{value}"')
    with pytest.raises(ConfigurationError, match=r"is no rate, such as|does not begin with job="):
        Settings.load(file)


@pytest.mark.parametrize(
    "value", ['"job=10/hour, all = 300 per 2 hours"', '["job=10/hour", "all = 300 per 2 hours"]']
)
def test_rates(tmp_path: Path, value: str) -> None:
    """Rate limits can be one text or a list."""
    file = tmp_path / "settings.toml"
    file.write_text(f"rate_limits = {value}")
    assert Settings.load(file).rate_limits == ("job=10/hour", "all=300 per 2 hours")
