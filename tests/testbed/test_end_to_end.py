"""From the Pipeline step in a container to the relay host's copy of the mail."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest

from pyservice import samples
from tests.builders.reports import report_of
from tests.python.analysis.test_recordings import FOLDER as INSIDE
from tests.python.analysis.test_recordings import RECORDINGS as SAID
from tests.testbed.network import BRIDGE, ROOT, SERVICE, Mail, Testbed
from tests.testbed.node import BIN
from tests.testbed.waiting import until

SAMPLES = ROOT / "pyservice" / "samples"
WORDS = {"SUCCESS": "passed", "FAILURE": "failed", "UNSTABLE": "unstable"} | {
    "ABORTED": "aborted",
    "NOT_BUILT": "not run",
}

WAYS = {
    "trusted": (True, "notifyEmail(to: 'ada@example.com')"),
    "sandboxed-http-request": (False, "notifyEmail(to: 'ada@example.com')"),
    "sandboxed-shell": (
        False,
        "node('agent') { notifyEmail(to: 'ada@example.com', transport: 'shell') }",
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sample", ["2-failure", "4-fixed"])
def test_the_step_reaches_the_relay_host(testbed: Testbed, way: str, sample: str) -> None:
    """The relay host's copy shows each field of the recorded build."""
    testbed.start_service()
    trusted, pipeline = WAYS[way]
    result = testbed.pipeline(f"return {pipeline}", sample, trusted=trusted)
    assert result["outcome"] == "SUCCESS", result
    assert result["pendingApprovals"] == []
    assert result["mails"] == []
    assert result["returned"]["state"] == "received"
    assert result["returned"]["statusUrl"].startswith(f"{SERVICE}/v1/reports/")
    [mail] = testbed.wait_for_mails(1)
    assert mail.message["Message-ID"] == result["returned"]["messageId"]
    says_what_the_build_was(mail, sample)
    status = testbed.status({"id": result["returned"]["id"]})
    log = testbed.postfix.log.read_text()
    assert f"{status['queue_id']}: message-id={status['message_id']}" in log
    assert re.search(rf"{status['queue_id']}: to=<ada@example.com>.* status=sent", log)


def says_what_the_build_was(mail: Mail, sample: str) -> None:
    """Compare a mail with the recorded build, which is read without the service's code."""
    build = json.loads((SAMPLES / sample / "build.json").read_text(encoding="utf-8"))
    message = mail.message
    assert mail.sender == "jenkins@ci.example.com"
    assert mail.recipients == ["ada@example.com"]
    assert not message.defects
    assert message["From"] == "Jenkins <jenkins@ci.example.com>"
    assert message["To"] == "ada@example.com"
    assert abs(datetime.now(UTC) - message["Date"].datetime) < timedelta(minutes=5)
    assert re.fullmatch(r"<notify-email\.[0-9a-f-]{36}@ci\.example\.com>", message["Message-ID"])
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    folders = re.findall(r"/job/([^/]+)", build["url"])
    assert message["List-Id"] == f"<{'.'.join(reversed(folders))}.jenkins.ci.example.com>"
    assert message["X-Jenkins-Job"] == "/".join(folders)
    assert message["X-Jenkins-Result"] == (build["result"] or "SUCCESS")
    assert build["fullDisplayName"] in message["Subject"]
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    plain, html = mail.text("plain"), mail.text("html")
    assert f"{build['fullDisplayName']}\n" in plain
    assert f"Build:    {build['url']}" in plain
    assert f"Console:  {build['url']}console" in plain
    assert f'href="{build["url"]}"' in html
    assert f'href="{build["url"]}console"' in html
    assert "<script" not in html
    seen = " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
    assert build["fullDisplayName"] in seen
    causes = [cause for action in build["actions"] for cause in action.get("causes", [])]
    for cause in causes:
        if "shortDescription" in cause:  # else it is one of the build's end
            assert f"Cause:    {cause['shortDescription']}" in plain
            assert cause["shortDescription"] in seen
    if build["previousBuild"] and build["previousBuild"].get("result"):
        assert f"Before:   {WORDS[build['previousBuild']['result']]}\n" in plain
    changes = [item for changes in build["changeSets"] for item in changes["items"]]
    assert ("Changes:  none\n" in plain) is (not changes)
    for item in changes:
        short, author = item["commitId"][:8], item["author"]["fullName"]
        assert f"{short} {item['msg']} ({author})" in plain
        assert f"{short} {item['msg']} {author} · {item['affectedPaths'][0]}" in seen


def test_all_recorded_builds(testbed: Testbed) -> None:
    """Each of the nine is rendered, sent, and comes out at the relay host as it was recorded."""
    testbed.start_service()
    recorded = [name for name in samples.names() if (SAMPLES / name).is_dir()]
    sent = {testbed.post(report_of(name))["message_id"]: name for name in recorded}
    assert len(sent) == 9
    mails = testbed.wait_for_mails(9)
    assert {mail.message["Message-ID"] for mail in mails} == set(sent)
    for mail in mails:
        says_what_the_build_was(mail, sent[mail.message["Message-ID"]])


def test_all_builds_from_inside(testbed: Testbed) -> None:
    """Each of the 32, as the step reports it, comes out and says what happened."""
    testbed.start_service()
    reports = {name: json.loads((INSIDE / f"inside-{name}.json").read_bytes()) for name in SAID}
    to = {"mail": {"to": ["ada@example.com"]}}
    sent = {testbed.post(report | to)["message_id"]: name for name, report in reports.items()}
    for mail in testbed.wait_for_mails(len(SAID)):
        said = SAID[sent.pop(mail.message["Message-ID"])]
        assert mail.message["Subject"].startswith(said.word.partition(" after ")[0])
        seen = " ".join(mail.text("plain").split())
        for words in (said.detail, said.why, said.command, said.suspects, *said.tests):
            assert " ".join(words.split()).lower() in seen.lower(), (words, seen)
    assert not sent


def test_a_breakage_is_one_thread(testbed: Testbed) -> None:
    """The relay host's copies of what broke and of what is fixed refer to the first one."""
    testbed.start_service(thread_subject="stable")
    builds = (("2-failure", 41), ("2-failure", 42), ("4-fixed", 43))
    sent = [
        testbed.post(report_of(name, number=number, started_at=number * 1000))["message_id"]
        for name, number in builds
    ]
    mails = {mail.message["Message-ID"]: mail.message for mail in testbed.wait_for_mails(3)}
    assert [mails[one]["References"] for one in sent] == [None, sent[0], sent[0]]
    assert [mails[one]["In-Reply-To"] for one in sent] == [None, sent[0], sent[0]]
    assert {mail["Subject"] for mail in mails.values()} == {"shop/checkout: broken since #41"}


def test_a_blind_copy_is_blind(testbed: Testbed) -> None:
    """A recipient in Bcc gets the mail, and is not named in it."""
    testbed.start_service()
    people = {"to": ["ada@example.com"], "cc": ["bo@example.com"], "bcc": ["eve@example.com"]}
    testbed.post(report_of("2-failure") | {"mail": people})
    [mail] = testbed.wait_for_mails(1)
    assert mail.recipients == ["ada@example.com", "bo@example.com", "eve@example.com"]
    assert mail.message["Cc"] == "bo@example.com"
    assert b"eve@" not in mail.content


def test_a_repeated_report_is_one_mail(testbed: Testbed) -> None:
    """A repeated report gets the first answer, also after a restart of the service.

    Only its links are signed anew.
    """

    def named(answer: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in answer.items() if not name.endswith("_url")}

    testbed.start_service()
    first = testbed.post(report_of("2-failure"))
    testbed.status(first)
    assert named(testbed.post(report_of("2-failure", duration_ms=9999))) == named(first)
    testbed.stop_service()
    testbed.start_service()
    assert named(testbed.post(report_of("2-failure"))) == named(first)
    other = testbed.post(report_of("4-fixed"))
    mails = testbed.wait_for_mails(2)
    assert [m.message["Message-ID"] for m in mails] == [first["message_id"], other["message_id"]]


def test_the_failing_body_of_a_wrapper(testbed: Testbed) -> None:
    """A scripted Pipeline that fails inside of the step is mailed with its error."""
    testbed.start_service()
    result = testbed.pipeline(
        "notifyEmail(to: 'ada@example.com') { error 'no space left on device' }",
        "1-success-first",
        trusted=True,
    )
    assert result["outcome"] == "FAILURE"
    assert "no space left on device" in result["error"]
    [mail] = testbed.wait_for_mails(1)
    assert mail.message["X-Jenkins-Result"] == "FAILURE"
    plain = mail.message.get_body(("plain",))
    assert plain is not None
    assert "no space left on device" in plain.get_content()


def test_nothing_is_lost_while_postfix_is_away(testbed: Testbed) -> None:
    """Reports taken while Postfix is stopped are mailed when it is back, once each."""
    testbed.start_service()
    testbed.postfix.stop()
    taken = [testbed.post(report_of("2-failure", number=number)) for number in range(1, 6)]
    assert testbed.curl("/readyz").returncode != 0
    assert "connection refused" in testbed.status(taken[0], "queued")["error"]
    testbed.postfix.start()
    for answer in taken:
        testbed.status(answer)
    assert all_message_ids(testbed) == sorted(answer["message_id"] for answer in taken)
    assert testbed.curl("/readyz").returncode == 0


def test_nothing_is_lost_when_the_service_is_killed(testbed: Testbed) -> None:
    """Every report that got its 202 is mailed after a SIGKILL; twice only what says it may be."""
    # Killed between the final dot and the reply: Postfix has the mail, the service can't know it.
    with a_postfix_that_thinks_twice(testbed):
        testbed.start_service()
        taken = [testbed.post(report_of("2-failure", number=number)) for number in range(1, 21)]
        until(
            lambda: testbed.states(taken).count("sending") > 1, lambda: f"{testbed.states(taken)}"
        )
        testbed.stop_service(kill=True)
    testbed.start_service()
    statuses = [testbed.status(answer) for answer in taken]
    arrived = Counter(all_message_ids(testbed))
    assert set(arrived) == {answer["message_id"] for answer in taken}
    warned = {
        status["message_id"]
        for status in statuses
        if any("it may be doubled" in event["note"] for event in status["history"])
    }
    doubled = {message_id for message_id, count in arrived.items() if count > 1}
    assert 0 < len(warned) < 20
    assert doubled <= warned
    assert max(arrived.values()) <= 2


@contextmanager
def a_postfix_that_thinks_twice(testbed: Testbed) -> Iterator[None]:
    """Meanwhile each final dot is answered two seconds late."""
    testbed.postfix.set(smtpd_end_of_data_restrictions="sleep 2")
    testbed.postfix.reload()
    try:
        yield
    finally:
        testbed.postfix.set(smtpd_end_of_data_restrictions="")
        testbed.postfix.reload()


def all_message_ids(testbed: Testbed) -> list[str]:
    """Those of the relay host's mails, once Postfix has handed all of its own on."""
    until(lambda: "is empty" in testbed.node.queue(), testbed.node.queue)
    return sorted(mail.message["Message-ID"] for mail in testbed.mails())


def test_the_service_refuses_who_has_no_token(testbed: Testbed) -> None:
    """On the bridge's address nobody sees or sends anything without one."""
    testbed.start_service()
    answer = testbed.container.run(
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{SERVICE}/v1/reports"
    )
    assert answer.stdout == "401"


def test_the_service_is_away(testbed: Testbed) -> None:
    """The build log names the machine and the cure, and Jenkins' own mail step takes over."""
    result = testbed.pipeline(WAYS["trusted"][1], "2-failure", trusted=True)
    assert result["outcome"] == "SUCCESS"
    [line] = result["log"]
    assert f"the controller tried: connection refused at {SERVICE}" in line
    assert [mail["to"] for mail in result["mails"]] == ["ada@example.com"]


def test_the_demo_sends_through_the_nodes_postfix(testbed: Testbed) -> None:
    """On a node it names docker0's address, and a mail to a recipient comes out at the relay."""
    command = (str(BIN / "notify-email"), "demo", "--once", "--to", "me@my.example.com")
    done = testbed.node.run(*command, env={"TMPDIR": str(testbed.folder)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"found on this node at docker0, {BRIDGE}:25: 220 " in done.stdout
    assert f"to me@my.example.com, through this node's Postfix at {BRIDGE}" in done.stdout
    [mail] = testbed.wait_for_mails(1)
    assert mail.recipients == ["me@my.example.com"]
    assert mail.message["X-Jenkins-Job"] == "shop/checkout"
