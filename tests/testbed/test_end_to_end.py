"""From the Pipeline step in a container to the relay host's copy of the mail."""

import re
from typing import Any

import pytest

from pyservice import samples
from tests.testbed.network import SERVICE, Mail, Testbed

WAYS = {
    "trusted": (True, "notifyEmail(to: 'ada@example.com')"),
    "sandboxed-http-request": (False, "notifyEmail(to: 'ada@example.com')"),
    "sandboxed-shell": (
        False,
        "node('agent') { notifyEmail(to: 'ada@example.com', transport: 'shell') }",
    ),
}


def report_of(name: str, to: str = "ada@example.com", **build: Any) -> dict[str, Any]:
    """A recorded build as a request's body."""
    body: dict[str, Any] = samples.load(name).model_dump(mode="json", exclude_none=True)
    return body | {"mail": {"to": [to]}, "build": body["build"] | build}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sample", ["2-failure", "4-fixed"])
def test_the_step_reaches_the_relay_host(testbed: Testbed, way: str, sample: str) -> None:
    """The relay host's copy says, field by field, what the recorded build was."""
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
    """Compare a mail with the recorded build."""
    report = samples.load(sample)
    build, message = report.build, mail.message
    assert mail.sender == "jenkins@ci.example.com"
    assert mail.recipients == ["ada@example.com"]
    assert not message.defects
    assert message["From"] == "Jenkins <jenkins@ci.example.com>"
    assert message["To"] == "ada@example.com"
    assert message["Date"].datetime.tzinfo is not None
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["List-Id"] == "<checkout.shop.jenkins.ci.example.com>"
    assert message["X-Jenkins-Job"] == build.job
    assert message["X-Jenkins-Result"] == build.result
    assert build.full_display_name is not None
    assert build.full_display_name in message["Subject"]
    assert message.get_content_type() == "multipart/alternative"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    text = plain.get_content()
    assert f"Build:    {build.url}" in text
    assert f'href="{build.url}"' in html.get_content()
    for cause in build.causes:
        assert f"Cause:    {cause.text}" in text
    assert build.previous_result is not None
    assert f"Before:   {build.previous_result}" in text
    assert "<script" not in html.get_content()
    for change in report.changes.items:
        assert f"{change.id[:8]} {change.message} ({change.author})" in text


def test_all_recorded_builds(testbed: Testbed) -> None:
    """Each of the nine is rendered, sent, and comes out at the relay host."""
    testbed.start_service()
    for name in samples.names():
        testbed.post(report_of(name))
    mails = testbed.wait_for_mails(9)
    told = {(m.message["X-Jenkins-Job"], m.message["X-Jenkins-Result"]) for m in mails}
    builds = [samples.load(name).build for name in samples.names()]
    assert told == {(build.job, build.result) for build in builds}


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
    for number in range(1, 6):
        testbed.post(report_of("2-failure", number=number))
    assert testbed.curl("/readyz").returncode != 0
    testbed.postfix.start()
    mails = testbed.wait_for_mails(5, seconds=60)
    assert len({mail.message["Message-ID"] for mail in mails}) == 5
    assert testbed.curl("/readyz").returncode == 0


def test_nothing_is_lost_when_the_service_is_killed(testbed: Testbed) -> None:
    """Every report that got its 202 is mailed after a SIGKILL."""
    testbed.start_service()
    accepted = [
        testbed.post(report_of("2-failure", number=number))["message_id"] for number in range(1, 21)
    ]
    testbed.stop_service(kill=True)
    testbed.start_service()
    mails = testbed.wait_for_mails(20, seconds=60)
    assert {mail.message["Message-ID"] for mail in mails} == set(accepted)


def test_the_service_refuses_who_has_no_token(testbed: Testbed) -> None:
    """On the bridge's address nobody sends without one."""
    testbed.start_service()
    asked = testbed.container.run(
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{SERVICE}/preview"
    )
    assert asked.stdout == "401"


def test_the_service_is_away(testbed: Testbed) -> None:
    """The build log names the machine and the cure, and Jenkins' own mail step takes over."""
    result = testbed.pipeline(WAYS["trusted"][1], "2-failure", trusted=True)
    assert result["outcome"] == "SUCCESS"
    [line] = result["log"]
    assert f"the controller tried: connection refused at {SERVICE}" in line
    assert [mail["to"] for mail in result["mails"]] == ["ada@example.com"]
