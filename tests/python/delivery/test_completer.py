"""completer.py: a report of the sandbox becomes whole, and Jenkins can delay or lose no mail."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pyservice.auth import tokens
from pyservice.auth.permissions import Permissions
from pyservice.config.settings import Settings
from pyservice.jenkins.build_reader import ReaderLimits
from pyservice.report.schema import Report
from pyservice.web.limits import Limits
from tests.builders.answers import scrape
from tests.builders.digests import LONG, end_wait
from tests.builders.limits import AMPLE
from tests.builders.patience import HANG, PATIENCE
from tests.controller.recorded import RecordedJenkins
from tests.python.conftest import Json, PostfixStandIn, post, serve, wait_for

CONTRACT = Path(__file__).parents[2] / "contract"
API_TOKEN = "11ffeeddccbbaa99887766554433221100"
FAILURE = "2-failure"


def limits(**completer: Any) -> Limits:
    """Ample limits, with others of the completer."""
    changed = replace(AMPLE.delivery.completer, **completer)
    return replace(AMPLE, delivery=replace(AMPLE.delivery, completer=changed))


IMPATIENT = limits(time=1.0)
"""Jenkins has a second: only for one that never answers."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


class Sender:
    """A service that knows the controller, and the caller of a sandboxed library."""

    def __init__(self, settings: Settings, jenkins: RecordedJenkins, tmp_path: Path) -> None:
        """Make the token that is bound to the controller and to all recorded jobs."""
        self.url, self._file = jenkins.url, tmp_path / "tokens.toml"
        api_token = tmp_path / "jenkins.token"
        api_token.write_text(f"{API_TOKEN}\n")
        self.token = self.new_token("ci", controller=jenkins.url, jobs=("shop", "by-user"))
        self.settings = settings.model_copy(
            update={
                "tokens_file": self._file,
                "jenkins_url": jenkins.url,
                "jenkins_user": "reader",
                "jenkins_token_file": api_token,
            }
        )

    def new_token(self, name: str, **bounds: Any) -> str:
        """Return a new token."""
        return tokens.new(self._file, name, Permissions(**bounds))

    def body(self, name: str = FAILURE, **build: Any) -> Json:
        """Return what the step sends of a recorded build, at this controller."""
        body: Json = json.loads((CONTRACT / f"declarative-{name}.json").read_text())
        url = body["build"]["url"].replace("https://ci.example.com", self.url)
        return body | {"build": body["build"] | {"url": url} | build}

    def post(self, client: TestClient, body: Json, token: str = "") -> Json:
        """Post a report, and return the answer."""
        header = f"Bearer {token or self.token}"
        answer = post(client, body, authorization=header)
        assert answer.status_code == 202, answer.text
        client.headers["authorization"] = header
        answered: Json = answer.json()
        return answered


@pytest.fixture
def sender(settings: Settings, jenkins: RecordedJenkins, tmp_path: Path) -> Sender:
    """A service with a token of Jenkins, and a caller whose token is bound."""
    return Sender(settings, jenkins, tmp_path)


def sent(client: TestClient, answer: Json, state: str = "accepted") -> Json:
    """Wait for a report's state, and return its status."""
    status: Json = {}

    def reached() -> bool:
        status.update(client.get(answer["status_url"]).json())
        return bool(status["state"] == state)

    wait_for(reached, lambda: f"{state} was not reached: {status}")
    return status


def stored(client: TestClient, answer: Json) -> Report:
    """Return a report as the outbox has it."""
    service = client.app.state.service  # type: ignore[attr-defined]
    report: Report = service.outbox.get(answer["id"], owner="ci")[0].report
    return report


def whole(sender: Sender, name: str = FAILURE) -> tuple[Report, Json]:
    """Post a recorded build, and return its report and status when the mail is sent."""
    with serve(sender.settings) as client:
        answer = sender.post(client, sender.body(name))
        status = sent(client, answer)
        return stored(client, answer), status


def notes(status: Json) -> list[str]:
    """Return the notes of a report's history."""
    return [entry["note"] for entry in status["history"]]


def test_a_failing_build(sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn) -> None:
    """The mail has stages, error, log, tests and authors, and Jenkins had seven requests."""
    report, status = whole(sender)
    assert report.complete
    assert report.missing == []
    assert notes(status)[1] == "completed by Jenkins"
    assert [entry["state"] for entry in status["history"][:3]] == ["received", "received", "queued"]
    assert {stage.name: stage.status for stage in report.stages}["Deploy"] == "NOT_BUILT"
    error = report.error
    assert error is not None
    assert error.step is not None
    assert (error.stage, error.message) == ("Package", "script returned exit code 2")
    assert (error.step.id, error.step.function, error.step.place) == ("47", "sh", ["Package"])
    assert "use of undeclared identifier 'amount_cents'" in error.step.log
    assert "<span" not in error.step.log
    assert report.tests is not None
    assert [(test.name, test.failed_since) for test in report.tests.failures] == [
        ("test_refund", 2),
        ("test_tax", 2),
    ]
    assert [(change.author_email, change.files[0].edit) for change in report.changes.items] == [
        ("cy@example.com", "add"),
        ("bo@example.com", "add"),
    ]
    build = report.build
    assert [person.email for person in build.culprits] == ["bo@example.com", "cy@example.com"]
    assert not any(person.may_read for person in build.culprits)
    assert [checkout.branch for checkout in build.checkouts] == ["main"]
    assert (build.parameters, build.requestor) == (["MODE"], None)  # nobody had logged in
    assert report.artifacts is not None
    assert [artifact.path for artifact in report.artifacts.items] == ["app.bin"]
    assert build.history is not None
    assert [(past.number, past.result) for past in build.history.builds] == [(1, "SUCCESS")]
    assert build.history.estimated_ms == 3913
    assert any("amount_cents" in line for line in report.log)
    [mail] = postfix.mails
    assert b"test_refund" in mail.content
    assert len(jenkins.requests) == 7
    basic = base64.b64encode(f"reader:{API_TOKEN}".encode()).decode()
    assert jenkins.authorizations == {f"Basic {basic}"}


@pytest.mark.parametrize(
    "name",
    [
        "1-success-first",
        "2-failure",
        "3-unstable",
        "4-fixed",
        "5-aborted",
        "6-failing-still-running",
        "7-aborted-by-user",
    ],
)
def test_each_recorded_build(sender: Sender, jenkins: RecordedJenkins, name: str) -> None:
    """What the step sent stays, and what Jenkins was recorded to answer is added."""
    report, _ = whole(sender, name)
    own = Report.model_validate(sender.body(name))
    for member in ("job", "number", "result", "started_at", "duration_ms", "url", "causes"):
        assert getattr(report.build, member) == getattr(own.build, member)
    assert report.mail == own.mail
    assert [change.id for change in report.changes.items] == [
        change.id for change in own.changes.items
    ]
    assert report.stages
    assert all(stage.id for stage in report.stages)
    assert (report.error is not None) == (own.build.result not in {"SUCCESS", "UNSTABLE"})
    assert (report.tests is not None) == (own.build.job == "shop/checkout")
    assert len(jenkins.requests) <= 7


def test_who_stopped_a_build(sender: Sender) -> None:
    """Only the log names the person."""
    report, _ = whole(sender, "7-aborted-by-user")
    interruption = report.build.interruption
    assert interruption is not None
    assert interruption.user is not None
    assert (interruption.text, interruption.user.name) == ("Aborted by Ada Example", "Ada Example")
    assert report.build.requestor is not None
    assert report.build.requestor.id == "admin"


def test_what_the_sender_says_stays(sender: Sender) -> None:
    """Jenkins adds the failing step to an error, and changes neither its message nor the tests."""
    body = sender.body() | {
        "error": {"message": "the author's own words"},
        "tests": {"total": 3, "failed": 1},
        "log": ["one line"],
    }
    with serve(sender.settings) as client:
        answer = sender.post(client, body)
        sent(client, answer)
        report = stored(client, answer)
    assert report.error is not None
    assert report.error.step is not None
    assert (report.error.message, report.error.step.id) == ("the author's own words", "47")
    assert report.tests is not None
    assert report.tests.total == 3
    assert report.log == ["one line"]


def test_files_that_go_with_the_mail(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn
) -> None:
    """Jenkins gives the artifacts and the log, whose secrets are masked, of any build."""
    console = b"curl -H 'Authorization: Bearer 9f8e7d6c5b4a39281706'\nFinished: SUCCESS\n"
    jenkins.answers["/consoleText"] = (200, {}, console)
    jenkins.answers["/artifact/app.bin"] = (200, {}, b"the artifact")
    wanted = {"attach": ["*.bin", "*.zip"], "attach_log": True}
    with serve(sender.settings) as client:
        body = sender.body("1-success-first")
        answer = sender.post(client, body | {"mail": body["mail"] | wanted})
        sent(client, answer)
        report = stored(client, answer)
    assert answer["missing"] == []
    assert [(file.name, file.is_log) for file in report.attachments] == [
        ("build.log", True),
        ("app.bin", False),
    ]
    log, artifact = report.attachments
    assert "Finished: SUCCESS" in log.text
    assert "9f8e7d6c5b4a39281706" not in log.text
    assert artifact.text == "the artifact"
    assert [one.reason for one in report.missing] == ["no archived artifact matches *.zip"]
    [mail] = postfix.mails
    assert b'filename="app.bin"' in mail.content


def test_an_artifact_that_jenkins_does_not_show(sender: Sender, postfix: PostfixStandIn) -> None:
    """The mail is sent, and names it."""
    with serve(sender.settings) as client:
        body = sender.body()
        answer = sender.post(client, body | {"mail": body["mail"] | {"attach": ["app.bin"]}})
        sent(client, answer)
        report = stored(client, answer)
    assert [(one.name, one.reason) for one in report.not_attached] == [
        ("app.bin", "Jenkins does not show it")
    ]
    assert b"app.bin" in postfix.mails[0].content


def test_files_with_a_token_that_is_not_bound(sender: Sender) -> None:
    """Nobody reads the files, so the answer says that the wish is ignored."""
    body = sender.body()
    token = sender.new_token("other")
    with serve(sender.settings) as client:
        answer = sender.post(client, body | {"mail": body["mail"] | {"attach_log": True}}, token)
    assert [one["pointer"] for one in answer["missing"]] == ["/mail/attach_log"]


def test_a_whole_report(sender: Sender, jenkins: RecordedJenkins) -> None:
    """Nothing is read of a build whose report says that it is complete."""
    with serve(sender.settings) as client:
        status = sent(client, sender.post(client, sender.body() | {"complete": True}))
    assert jenkins.requests == []
    assert not any("Jenkins" in note for note in notes(status))


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"controller": True},
        {"jobs": ("shop",)},
        {"controller": "https://other.example.com/", "jobs": ("shop",)},
    ],
)
def test_a_token_that_is_not_bound(sender: Sender, jenkins: RecordedJenkins, bounds: Json) -> None:
    """A report is completed only if its token is for this controller, and for the build's job."""
    body = sender.body()
    if bounds.get("controller") is True:
        bounds = bounds | {"controller": jenkins.url}
    elif "controller" in bounds:
        body["build"]["url"] = "https://other.example.com/job/shop/job/checkout/2/"
    token = sender.new_token("other", **bounds)
    with capture_logs() as logs, serve(sender.settings) as client:
        sent(client, sender.post(client, body, token))
    assert jenkins.requests == []
    assert [entry["reason"] for entry in logs if entry["event"] == "report.not_completed"] == [
        "its token is not bound to NOTIFY_EMAIL_JENKINS_URL and to jobs with this one"
    ]


def test_the_address_of_another_build(sender: Sender, jenkins: RecordedJenkins) -> None:
    """The address must be that of the report's job and number: its author can't choose a build."""
    url = f"{jenkins.url}/job/secret/2/"
    with serve(sender.settings) as client:
        sent(client, sender.post(client, sender.body(url=url)))
    assert jenkins.requests == []


def test_without_settings(sender: Sender, jenkins: RecordedJenkins) -> None:
    """Without a token of Jenkins nothing is read."""
    sender.settings = sender.settings.model_copy(update={"jenkins_token_file": None})
    with serve(sender.settings) as client:
        sent(client, sender.post(client, sender.body()))
    assert jenkins.requests == []


Change = Callable[[RecordedJenkins], None]


def hangs(at: str) -> Change:
    return lambda jenkins: setattr(jenkins, "hangs", at)


def endless(at: str) -> Change:
    return lambda jenkins: setattr(jenkins, "endless", at)


def trickle(at: str) -> Change:
    return lambda jenkins: setattr(jenkins, "trickle", at)


def answers(status: int, body: bytes, at: str = "/2/api/json", **headers: str) -> Change:
    return lambda jenkins: jenkins.answers.update({at: (status, headers, body)})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (hangs("/2/api/json"), "Jenkins did not answer in time"),
        (trickle("/2/api/json"), "Jenkins did not answer in time"),
        (endless("/2/api/json"), "it is too large"),
        (answers(403, b"no"), "Jenkins refused it"),
        (answers(404, b"no"), "Jenkins does not show it"),
        (answers(503, b"no"), "Jenkins did not answer in time"),
        (answers(302, b"", Location="https://evil.example.com/"), "Jenkins refused it"),
        (answers(200, b"<html>"), "Jenkins refused it"),
        (answers(200, b"[" * 100_000), "Jenkins refused it"),
        (answers(200, b"[]"), "Jenkins refused it"),
        (answers(200, b"{}"), "Jenkins refused it"),
        (answers(200, b'{"number": 1e999}'), "Jenkins refused it"),
    ],
)
def test_a_jenkins_that_does_not_show_the_build(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn, change: Change, reason: str
) -> None:
    """The mail is sent as the report came, in time, and says quietly that something is missing."""
    change(jenkins)
    never_answers = bool(jenkins.hangs or jenkins.trickle)
    began = time.monotonic()
    with serve(sender.settings, IMPATIENT if never_answers else AMPLE) as client:
        answer = sender.post(client, sender.body())
        status = sent(client, answer)
        report = stored(client, answer)
        figures = scrape(client)
    assert time.monotonic() - began < PATIENCE
    assert f"completed by Jenkins; without build: {reason}" in notes(status)
    assert [(one.part, one.reason) for one in report.missing] == [("build", reason)]
    assert report.stages == []
    assert len(postfix.mails) == 1
    assert figures.counts("completions_total") == {"failed": 1}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (answers(404, b"no", "/wfapi/describe"), ["stages"]),
        (answers(403, b"no", "/testReport/api/json"), ["tests"]),
        (answers(200, b"{}", "/testReport/api/json"), ["tests"]),
        (answers(200, b"7", "/testReport/api/json"), ["tests"]),
        (endless("/testReport/api/json"), ["tests"]),
        (endless("/consoleText"), ["log"]),
        (answers(200, b'{"stages": [{"id": "../../x", "name": 1}]}', "/wfapi/describe"), None),
        (answers(200, b'{"stages": {}}', "/wfapi/describe"), None),
        (answers(404, b"no", "/checkout/api/json"), ["history"]),
        (answers(200, b'{"builds": 7}', "/checkout/api/json"), ["history"]),
        (answers(200, b'{"stageFlowNodes": 7}', "/node/44/wfapi/describe"), None),
        (answers(302, b"", "/consoleText", Location="https://evil.example.com"), ["log"]),
    ],
)
def test_a_part_that_is_missing(
    sender: Sender, jenkins: RecordedJenkins, change: Change, parts: list[str] | None
) -> None:
    """Each part fails alone, and the report names it; the others are there."""
    change(jenkins)
    with serve(sender.settings) as client:
        answer = sender.post(client, sender.body())
        sent(client, answer)
        report = stored(client, answer)
        figures = scrape(client)
    if parts is not None:
        assert [one.part for one in report.missing] == parts
    assert report.missing
    assert [person.email for person in report.build.culprits] == [
        "bo@example.com",
        "cy@example.com",
    ]
    assert figures.counts("completions_total") == {"partial": 1}
    assert all(".." not in path for path in jenkins.requests)


def test_others_do_not_wait(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn
) -> None:
    """While Jenkins hangs, reports stay `received`, and those that need no completion are sent."""
    jenkins.hangs = "/api/json"
    with serve(sender.settings) as client:
        slow = [
            sender.post(client, sender.body() | {"mail": {"to": [f"slow{number}@example.com"]}})
            for number in range(20)
        ]
        quick = sender.post(client, sender.body() | {"complete": True})
        sent(client, quick)
        assert all(client.get(one["status_url"]).json()["state"] == "received" for one in slow)
        assert [mail.recipients for mail in postfix.mails] == [["team@example.com"]]


def test_a_stop_in_between(sender: Sender, jenkins: RecordedJenkins) -> None:
    """A service that stops while Jenkins hangs completes the report after its next start."""
    jenkins.hangs = "/api/json"
    longer = ReaderLimits(time=HANG, timeouts=(HANG, HANG))
    with serve(sender.settings, limits(time=HANG, reader=longer)) as client:
        answer = sender.post(client, sender.body())
        wait_for(lambda: bool(jenkins.requests))
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE, "while Jenkins hangs, for longer"
    jenkins.hangs = None
    with serve(sender.settings) as client:
        client.headers["authorization"] = f"Bearer {sender.token}"
        status = sent(client, answer)
        report = stored(client, answer)
    assert report.complete
    assert report.stages
    assert sum("completed by Jenkins" in note for note in notes(status)) == 1


def for_developers(sender: Sender, **mail: Any) -> Json:
    """Return what the step sends of a failing build whose authors get the mail."""
    return sender.body() | {"mail": {"recipients": ["developers"], **mail}}


def allow(sender: Sender, *domains: str) -> None:
    """Let commits' authors in these domains get mail."""
    sender.settings = sender.settings.model_copy(update={"allowed_domains": domains})


def test_recipients_that_only_jenkins_knows(sender: Sender, postfix: PostfixStandIn) -> None:
    """A report whose recipients are its build's authors waits for their addresses."""
    allow(sender, "example.com")
    with serve(sender.settings) as client:
        answer = sender.post(client, for_developers(sender))
        assert (answer["state"], answer["recipients"], answer["left_out"]) == ("received", [], [])
        status = sent(client, answer)
    assert status["recipients"] == ["cy@example.com", "bo@example.com"]
    assert [mail.recipients for mail in postfix.mails] == [["cy@example.com", "bo@example.com"]]


def test_recipients_that_are_nobody(sender: Sender, postfix: PostfixStandIn) -> None:
    """If Jenkins names nobody who may get the mail, the report ends as skipped, with the reason."""
    with serve(sender.settings) as client:
        answer = sender.post(client, for_developers(sender))
        status = sent(client, answer, "skipped")
        assert scrape(client).counts("mails_total") == {"skipped": 1}
    assert "cy@example.com is nobody whom Jenkins knows" in status["error"]
    assert status["history"][-1]["note"] == status["error"]
    assert postfix.mails == []


def test_recipients_beside_others(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn
) -> None:
    """Those whom the report names get the mail even if Jenkins does not answer."""
    allow(sender, "example.com")
    jenkins.hangs = "/api/json"
    with serve(sender.settings, IMPATIENT) as client:
        sent(client, sender.post(client, for_developers(sender, to=["ada@example.com"])))
    assert [mail.recipients for mail in postfix.mails] == [["ada@example.com"]]


def test_jenkins_is_away_for_a_while(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn
) -> None:
    """A report whose recipients only Jenkins knows is tried again, and in the end skipped."""
    allow(sender, "example.com")
    jenkins.answers["/2/api/json"] = (503, {}, b"")
    with serve(sender.settings, limits(retry_after=0.2)) as client:
        answer = sender.post(client, for_developers(sender))
        wait_for(lambda: jenkins.requests.count("/job/shop/job/checkout/2/api/json") > 2)
        assert client.get(answer["status_url"]).json()["state"] == "received"
        jenkins.answers.clear()
        status = sent(client, answer)
    assert status["error"] is None
    waiting = "only Jenkins knows its recipients: Jenkins did not answer in time"
    assert notes(status).count(waiting) == 1
    assert [mail.recipients for mail in postfix.mails] == [["cy@example.com", "bo@example.com"]]

    jenkins.answers["/2/api/json"] = (503, {}, b"")
    with serve(sender.settings, limits(give_up_after=0)) as client:
        answer = sender.post(client, for_developers(sender, subject="another"))
        sent(client, answer, "skipped")
    assert len(postfix.mails) == 1


def test_the_token_is_not_bound_any_more(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn
) -> None:
    """A report that waits for its recipients is skipped if its build may not be read any more."""
    jenkins.hangs = "/api/json"
    with serve(sender.settings) as client:
        answer = sender.post(client, for_developers(sender))
    file = sender.settings.jenkins_token_file
    sender.settings = sender.settings.model_copy(update={"jenkins_token_file": None})
    with serve(sender.settings) as client:
        client.headers["authorization"] = f"Bearer {sender.token}"
        status = sent(client, answer, "skipped")
    assert file is not None
    assert "may not read the build" in status["error"]
    assert postfix.mails == []


BUILDS = range(2, 7)
"""Numbers of builds that are all like the recorded one."""


def share_digests(sender: Sender, jenkins: RecordedJenkins) -> None:
    """Let builds of the job be in one digest, except the first, and let Jenkins know them."""
    sender.settings = sender.settings.model_copy(
        update={"rate_limits": ("job=1/hour",), "digest_after": LONG}
    )
    recorded = jenkins.builds["/job/shop/job/checkout/2"]
    jenkins.builds |= {f"/job/shop/job/checkout/{number}": recorded for number in BUILDS}


def post_builds(client: TestClient, sender: Sender) -> list[Json]:
    """Post all builds of a job, and return the answers to those whose digest is due then."""
    url = f"{sender.url}/job/shop/job/checkout/"
    bodies = [sender.body(number=number, url=f"{url}{number}/") for number in BUILDS]
    waiting = [sender.post(client, body) for body in bodies][1:]
    end_wait(client)
    return waiting


def of_digest(client: TestClient, waiting: list[Json]) -> list[Report]:
    """Wait for the digest, and return its reports."""
    sent(client, waiting[0])
    for answer in waiting[1:]:
        sent(client, answer, "digested")
    return [stored(client, answer) for answer in waiting]


def test_a_digest(sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn) -> None:
    """All builds of a digest are completed before it is made, so that their lines say why."""
    share_digests(sender, jenkins)
    with serve(sender.settings) as client:
        waiting = post_builds(client, sender)
        reports = of_digest(client, waiting)
        histories = [notes(client.get(answer["status_url"]).json()) for answer in waiting]
    assert [report.complete for report in reports] == [True] * 4
    assert all(report.error and report.error.stage == "Package" for report in reports)
    assert all(history.count("completed by Jenkins") == 1 for history in histories)
    _, digest = postfix.mails
    assert digest.recipients == ["team@example.com"]
    assert b"amount_cents" in digest.content
    assert len(jenkins.requests) == 7 * len(BUILDS)


def test_a_digest_that_jenkins_keeps_waiting(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn
) -> None:
    """A digest is made in time, also if Jenkins answers nothing: one build is tried, no more."""
    share_digests(sender, jenkins)
    jenkins.hangs = "/api/json"
    with serve(sender.settings, IMPATIENT) as client:
        reports = of_digest(client, post_builds(client, sender))
    assert [report.complete for report in reports] == [True, False, False, False]
    assert [one.reason for one in reports[0].missing] == ["Jenkins did not answer in time"]
    assert len(postfix.mails) == 2
    assert len(jenkins.requests) == 2


def test_a_digest_whose_time_runs_out(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn
) -> None:
    """Builds that are not completed in time are in the digest as they were sent."""
    share_digests(sender, jenkins)
    jenkins.hangs = "/checkout/4/api/json"
    with serve(sender.settings, IMPATIENT) as client:
        reports = of_digest(client, post_builds(client, sender))
    assert [report.complete for report in reports] == [True, False, False, False]
    assert not any(report.missing for report in reports)
    assert len(postfix.mails) == 2
    assert "/job/shop/job/checkout/5/api/json" not in jenkins.requests


def test_a_build_of_a_digest_that_jenkins_does_not_show(
    sender: Sender, jenkins: RecordedJenkins
) -> None:
    """The others are completed."""
    share_digests(sender, jenkins)
    jenkins.answers["/checkout/4/api/json"] = (404, {}, b"no")
    with serve(sender.settings) as client:
        reports = of_digest(client, post_builds(client, sender))
    assert [report.complete for report in reports] == [True, False, True, True]


def test_others_do_not_wait_for_a_digest(sender: Sender, jenkins: RecordedJenkins) -> None:
    """A mail of its own is completed between the builds of a digest, with a single thread, too."""
    share_digests(sender, jenkins)
    with serve(sender.settings, limits(threads=1)) as client:
        waiting = post_builds(client, sender)
        jenkins.pause = 0.1
        wait_for(lambda: "/job/shop/job/checkout/3/api/json" in jenkins.requests)
        own = sender.body("7-aborted-by-user")
        sender.post(client, own)
        of_digest(client, waiting)
    page = own["build"]["url"].removeprefix(sender.url) + "api/json"
    assert jenkins.requests.index(page) < jenkins.requests.index(
        "/job/shop/job/checkout/6/api/json"
    )


def test_a_stop_within_a_digest(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn
) -> None:
    """A service that stops before the digest is made makes it after its next start."""
    share_digests(sender, jenkins)
    jenkins.hangs = "/checkout/4/api/json"
    longer = ReaderLimits(time=HANG, timeouts=(HANG, HANG))
    with serve(sender.settings, limits(time=HANG, reader=longer)) as client:
        waiting = post_builds(client, sender)
        wait_for(lambda: "/job/shop/job/checkout/4/api/json" in jenkins.requests)
        wait_for(lambda: bool(postfix.mails))  # the first build's, which is in no digest
    jenkins.hangs = None
    with serve(sender.settings) as client:
        client.headers["authorization"] = f"Bearer {sender.token}"
        reports = of_digest(client, waiting)
    assert reports[0].complete
    assert len(postfix.mails) == 2


def test_one_that_nobody_shares_a_digest_with(
    sender: Sender, jenkins: RecordedJenkins, postfix: PostfixStandIn
) -> None:
    """It gets a mail of its own, and is completed for that, with the recipients Jenkins names."""
    share_digests(sender, jenkins)
    allow(sender, "example.com")
    with serve(sender.settings) as client:
        sent(client, sender.post(client, for_developers(sender, to=["ada@example.com"])))
        again = for_developers(sender, to=["ada@example.com"], subject="again")
        answer = sender.post(client, again)
        end_wait(client)
        status = sent(client, answer)
        assert stored(client, answer).complete
    assert any(note.startswith("over ") for note in notes(status))
    assert "cy@example.com" in postfix.mails[1].recipients
