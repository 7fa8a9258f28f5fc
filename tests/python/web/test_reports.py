"""routes/reports.py and problems.py: the answers to good reports, and to mistakes."""

import base64
import email
import errno
import json
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from email.message import Message
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pyservice.analysis.analysis import Analysis, analyse
from pyservice.auth import tokens
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError
from pyservice.outbox.database import Database
from pyservice.outbox.queue import Outbox
from pyservice.policy import people
from pyservice.report import secret_patterns
from pyservice.report.schema import Report
from pyservice.web import background
from pyservice.web.limits import HttpLimits
from pyservice.web.reloading import reload
from tests.builders.answers import problem
from tests.builders.limits import AMPLE
from tests.builders.patience import HANG
from tests.builders.ports import free_port
from tests.python.conftest import Caught, Json, PostfixStandIn, post, serve, settled, wait_for

MAX_BODY = HttpLimits().max_body
UNCACHED = replace(AMPLE, http=replace(AMPLE.http, readiness_age=0.0))
"""Each readiness check has a result of its own."""


def test_accepted(client: TestClient, report: Json) -> None:
    """202 with what a caller needs to follow the mail."""
    response = post(client, report)
    assert response.status_code == 202
    answer = response.json()
    assert answer["state"] == "received"
    assert answer["message_id"] == f"<notify-email.{answer['id']}@ci.example.com>"
    assert answer["recipients"] == ["ada@example.com"]
    assert answer["status_url"] == f"/v1/reports/{answer['id']}"
    assert answer["preview_url"] == f"/v1/reports/{answer['id']}/preview"


def test_the_report_is_committed_before_the_answer(settings: Settings, report: Json) -> None:
    """A service that dies right after its 202 still has the report."""
    away = settings.model_copy(update={"smtp_port": free_port()})
    with serve(away) as client:
        answer = post(client, report).json()
        engine = sa.create_engine(settings.outbox_url)
        with engine.connect() as reader:
            query = sa.text("select message_id from reports where id = :id")
            assert reader.execute(query, {"id": answer["id"]}).scalar() == answer["message_id"]
        engine.dispose()


def test_a_repeated_call_is_one_mail(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """200 with the first answer; nothing is sent again."""
    first = post(client, report)
    settled(client, first.json())
    report["build"]["duration_ms"] = 99_999
    second = post(client, report)
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.json() == first.json()
    assert len(postfix.mails) == 1


def test_calls_at_the_same_moment_are_one_mail(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """Equal calls at the same moment make one mail."""
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(post(client, report).status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] * 7 + [202]
    settled(client, post(client, report).json())
    assert len(postfix.mails) == 1


def test_idempotency_keys(client: TestClient, report: Json) -> None:
    """A key with an equal body is one mail; with another body it is a conflict."""
    first = post(client, report, idempotency_key="k").json()
    assert post(client, report, idempotency_key="k").json()["id"] == first["id"]
    assert post(client, report, idempotency_key="l").json()["id"] != first["id"]
    report["build"]["number"] = 3
    problem(post(client, report, idempotency_key="k"), 409)
    problem(post(client, report, idempotency_key="x" * 256), 422)
    problem(post(client, report, idempotency_key=""), 422)


def test_status(client: TestClient, report: Json) -> None:
    """The state, the queue ID and the history, each step with its time."""
    answer = post(client, report).json()
    status = settled(client, answer)
    assert (status["job"], status["number"], status["result"]) == ("shop/checkout", 2, "FAILURE")
    assert status["queue_id"] == "4Q0001"
    assert [entry["state"] for entry in status["history"]] == [
        "received",
        "queued",
        "sending",
        "accepted",
    ]
    assert status["error"] is None
    assert status["next_attempt_at"] is None
    problem(client.get("/v1/reports/none"), 404)


def test_public_url(settings: Settings, report: Json) -> None:
    """Links are absolute if PUBLIC_URL is set, whatever the Host header says."""
    public = settings.model_copy(update={"public_url": "https://mail.example.com/ne"})
    with serve(public) as client:
        answer = post(client, report, host="mail.example.com").json()
    assert answer["status_url"] == f"https://mail.example.com/ne/v1/reports/{answer['id']}"
    assert answer["preview_url"] == f"https://mail.example.com/ne/v1/reports/{answer['id']}/preview"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 100_000])
def test_malformed_json(client: TestClient, body: bytes) -> None:
    """A body that isn't JSON is answered 400."""
    assert "JSON" in problem(post(client, body), 400)["detail"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"build": {}}, "/build/job"),
        ({"schema": "one"}, "/schema"),
        ({"mail": {"to": ['"\r\nBcc: evil@example.com" <ada@example.com>']}}, "/mail/to/0"),
        ({"mail": {"to": ["=?utf-8?q?a=0ABcc:_evil?= <ada@example.com>"]}}, "/mail/to/0"),
        ({"mail": {"to": [""], "cc": "nobody"}}, "/mail/cc/0"),
        ({"mail": {}}, "/mail/to"),
        ({"mail": {"to": ["ada@example.com"], "template": "nowhere"}}, "/mail/template"),
        ({"mail": {"to": ["ada@example.com"], "template": "../../etc"}}, "/mail/template"),
        ({"mail": {"to": 5}}, "/mail/to"),
    ],
)
def test_a_wrong_member_is_named(
    client: TestClient, postfix: PostfixStandIn, report: Json, change: Json, pointer: str
) -> None:
    """422 with the member's pointer; nothing is sent."""
    refusal = problem(post(client, report | change), 422)
    assert pointer in [error["pointer"] for error in refusal["errors"]]
    assert not postfix.mails


def test_a_long_name(client: TestClient, report: Json) -> None:
    """An answer does not repeat a whole member name of the caller's."""
    answer = post(client, report | {"x" * 900_000: 1})
    [error] = problem(answer, 422)["errors"]
    assert error["pointer"].startswith("/xxx")
    assert len(answer.content) < 5000


def test_a_thousand_mistakes(client: TestClient, report: Json) -> None:
    """Answer and log name the first wrong members, and say how many more there are."""
    wrong = {"x" * 500 + str(number): 1 for number in range(1000)}
    with capture_logs() as logs:
        refusal = problem(post(client, report | wrong), 422)
    assert len(refusal["errors"]) == 20
    assert "and 980 more" in refusal["detail"]
    [logged] = logs
    assert logged["wrong"] == 1000
    assert [len(pointer) for pointer in logged["pointers"]] == [100] * 5


def test_wrong_paths(client: TestClient, report: Json) -> None:
    """A list of texts is checked up to its first mistake: a body has room for 500,000."""
    change = {"id": "x", "message": "", "author": "", "paths": ["fine", *[1] * 900]}
    answer = post(client, report | {"changes": {"total": 250, "items": [change] * 250}}).json()
    assert answer["missing"][0]["pointer"] == "/changes/items/0/paths/1"
    assert answer["missing"][1]["pointer"] == "/changes/items/1/paths/1"
    assert answer["missing"][20]["detail"] == "230 more parts are missing"
    assert len(answer["missing"]) == 21


def test_a_javascript_link_is_named(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """A URL with a script is left out; the answers and the history say so, and so does the log."""
    report["build"]["url"] = "javascript:alert(document.cookie)"
    report["build"]["display_name"] = ""
    with capture_logs() as logs:
        answer = post(client, report).json()
    reason = "only http and https links are allowed"
    assert answer["missing"] == [{"pointer": "/build/url", "detail": reason}]
    assert [entry["missing"] for entry in logs if entry["event"] == "report.accepted"] == [1]
    assert post(client, report).json() == answer
    status = settled(client, answer)
    assert status["history"][0]["note"] == f"without /build/url: {reason}"
    [mail] = postfix.mails
    assert b"javascript" not in mail.content


def test_policy(settings: Settings, report: Json) -> None:
    """403 says which domains are allowed, and which recipients are outside."""
    strict = settings.model_copy(update={"allowed_domains": ("example.org",)})
    with serve(strict) as client:
        refusal = problem(post(client, report), 403)
    assert "example.org" in refusal["detail"]
    assert refusal["errors"] == [
        {"pointer": "/mail/to", "detail": "ada@example.com is outside of them"}
    ]


def test_a_denied_recipient_is_left_out(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """The others get the mail, without that address in it; answer, status and history name it."""
    denied = "1+bo@users.noreply.github.com"
    report["mail"] = {"to": ["ada@example.com", denied]}
    answer = post(client, report).json()
    assert (answer["recipients"], answer["left_out"]) == (["ada@example.com"], [denied])
    assert post(client, report).json()["left_out"] == [denied]
    status = settled(client, answer)
    assert status["left_out"] == [denied]
    assert (
        status["history"][0]["note"] == f"not to {denied}: denied by NOTIFY_EMAIL_DENIED_RECIPIENTS"
    )
    [mail] = postfix.mails
    assert mail.recipients == ["ada@example.com"]
    assert denied.encode() not in mail.content


def test_what_is_no_address_is_left_out(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """The others get the mail; the answers give the reason, and the status names the text."""
    bot = "4711+shop-deps[bot]@users.example.com"
    report["mail"] = {"to": f"ada@example.com, {bot}", "reply_to": "lead"}
    answer = post(client, report).json()
    assert answer["recipients"] == ["ada@example.com"]
    assert answer["left_out"] == [bot, "lead"]
    first, second = answer["missing"]
    assert first["pointer"] == "/mail/to/0"
    assert first["detail"].startswith(f"{bot} is no mail address: ")
    assert "'['" in first["detail"]
    assert second["pointer"] == "/mail/reply_to/0"
    assert post(client, report).json() == answer
    status = settled(client, answer)
    assert status["left_out"] == [bot, "lead"]
    assert status["history"][0]["note"].startswith(f"not to {bot}: no mail address: ")
    [mail] = postfix.mails
    assert mail.recipients == ["ada@example.com"]
    assert b"[bot]" not in mail.content


def test_recipients_that_mean_nobody(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """A report whose kinds of recipients mean nobody is answered 202, and ends as skipped."""
    report["build"].pop("requestor", None)
    report["mail"] = {"recipients": ["requestor", "contributor"]}
    response = post(client, report)
    answer = response.json()
    assert (response.status_code, answer["state"]) == (202, "skipped")
    assert answer["recipients"] == []
    assert answer["left_out"] == ["requestor", "contributor"]
    assert answer["missing"][0] == {
        "pointer": "/mail/recipients/0",
        "detail": "requestor is nobody, since no person started the build",
    }
    assert post(client, report).json() == answer
    status = client.get(answer["status_url"]).json()
    assert [step["state"] for step in status["history"]] == ["received", "skipped"]
    assert status["history"][1]["note"].startswith("nobody gets a mail; requestor is nobody")
    assert status["next_attempt_at"] is None
    assert client.get(answer["preview_url"]).status_code == 200
    problem(client.post(f"{answer['status_url']}/retry"), 409)
    assert postfix.mails == []


def test_recipients_by_kind(client: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """The people that a kind means get the mail, and its last line says why."""
    starter = {"id": "ada", "name": "Ada", "email": "ada@example.com", "may_read": True}
    report["build"]["requestor"] = starter
    report["mail"] = {"recipients": ["requestor"]}
    answer = post(client, report).json()
    assert answer["recipients"] == ["ada@example.com"]
    settled(client, answer)
    [mail] = postfix.mails
    assert mail.recipients == ["ada@example.com"]
    assert b"You get this mail as the person who started" in mail.content.replace(b"=\r\n", b"")


def test_suspects_are_found_beside_the_event_loop(
    client: TestClient, report: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take a while in a large log, and other callers don't wait."""
    names = []

    def watched(shown: Report) -> Analysis:
        names.append(threading.current_thread().name)
        return analyse(shown)

    monkeypatch.setattr(people, "analyse", watched)
    post(client, report)  # the first one is read in a thread, as the masker is loaded there
    post(client, report | {"mail": {"recipients": ["suspects"]}})
    assert names == ["AnyIO worker thread"]


def test_a_kind_that_does_not_exist(client: TestClient, report: Json) -> None:
    """422 names the kinds."""
    report["mail"] = {"recipients": ["developer"]}
    [error] = problem(post(client, report), 422)["errors"]
    assert error["pointer"] == "/mail/recipients/0"
    assert "'developers', 'culprits', 'requestor'" in error["detail"]


def test_only_denied_recipients(client: TestClient, report: Json) -> None:
    """If all recipients are denied, 403 names the setting and each recipient."""
    report["mail"] = {"cc": ["noreply@example.com"]}
    refusal = problem(post(client, report), 403)
    assert "DENIED_RECIPIENTS" in refusal["detail"]
    assert refusal["errors"] == [
        {"pointer": "/mail/cc", "detail": "noreply@example.com is denied by noreply@"}
    ]


@pytest.mark.parametrize("address", ["root@localhost", "ada@example.com"])
def test_default_recipients_that_nobody_may_mail(settings: Settings, address: str) -> None:
    """The service doesn't start with a default by which reports would be refused."""
    update = {"default_to": address, "allowed_domains": ("example.org",)}
    with pytest.raises(ConfigurationError, match="`default_to`"):
        serve(settings.model_copy(update=update))
    update = {"default_to": "bo@example.org, root@localhost"}
    with pytest.raises(ConfigurationError, match="`default_to`"):
        serve(settings.model_copy(update=update))


def test_a_large_body(client: TestClient, report: Json) -> None:
    """2 MiB are refused before they are parsed; 1 MiB is accepted."""
    problem(post(client, b" " * (2 * MAX_BODY)), 413)
    report["build"]["description"] = "x" * 60_000
    body = json.dumps(report).encode()
    assert post(client, body + b" " * (MAX_BODY - len(body))).status_code == 202
    problem(post(client, body + b" " * (MAX_BODY - len(body) + 1)), 413)


def with_files(report: Json, *contents: bytes) -> Json:
    files = [
        {"name": f"{number}.bin", "content": base64.b64encode(content).decode()}
        for number, content in enumerate(contents)
    ]
    return report | {"attachments": files}


def test_attachments(client: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """A report with 3 MiB of files becomes a mail with the same bytes, and has a preview."""
    first, second = bytes(range(256)) * 4096, b"x" * (2 * 1024**2)
    answer = post(client, with_files(report, first, second)).json()
    settled(client, answer)
    [caught] = postfix.mails
    message = email.message_from_bytes(caught.content)
    parts = [part for part in message.walk() if part.get_filename()]
    assert [part.get_payload(decode=True) for part in parts] == [first, second]
    assert "<html" in client.get(answer["preview_url"], params={"part": "html"}).text


def test_attachments_that_are_too_large(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """More than 3 MiB are named in the mail and not sent; a body beyond 5 MiB is refused."""
    settled(client, post(client, with_files(report, b"x" * (3 * 1024**2 + 1))).json())
    [caught] = postfix.mails
    assert b"NOT ATTACHED" in caught.content
    assert len(caught.content) < 200_000
    problem(post(client, with_files(report, b"x" * (4 * 1024**2))), 413)
    body = json.dumps(with_files(report, b"x")).encode()
    problem(post(client, body + b" " * MAX_BODY), 413)


def test_other_media_types(client: TestClient, report: Json) -> None:
    """A form on a foreign web page can't post a report."""
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        problem(post(client, report, content_type=media_type), 415)
    for media_type in ("application/json; charset=utf-8", "Application/JSON"):
        assert post(client, report, content_type=media_type).status_code in {200, 202}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil", "[::1].evil.example"]
)
def test_foreign_hosts(client: TestClient, report: Json, host: str) -> None:
    """Without tokens, a web page whose name resolves to the service is refused."""
    assert "Host" in problem(post(client, report, host=host), 421)["detail"]
    problem(client.get("/preview", headers={"host": host}), 421)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8525", "127.0.0.1:1", "[::1]:8525", "172.22.91.1:8525"],
)
def test_own_hosts(client: TestClient, host: str) -> None:
    """The machine's names and IP addresses are accepted: no web page has them as its name."""
    assert client.get("/healthz", headers={"host": host}).status_code == 200


def test_nasty_names_arrive_harmlessly(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """500 characters of quotes, slashes and CJK, and a subject with control characters."""
    report["build"]["job"] = report["build"]["full_display_name"] = ("漢\"/\\'<" * 84)[:500]
    report["mail"]["subject"] = "a\r\nBcc: evil@example.com\x00\x1b[31m\u202e"
    settled(client, post(client, report).json())
    head = postfix.mails[0].content.partition(b"\r\n\r\n")[0]
    assert b"\r\nSubject: a Bcc: evil@example.com\r\n" in head
    assert b"\r\nBcc:" not in head
    assert postfix.mails[0].recipients == ["ada@example.com"]


def test_unknown_addresses(client: TestClient) -> None:
    """A wrong path or method is answered with problem+json, too."""
    for path in ("/v1", "/v1/reports/", "/v2/reports", "/preview/", "/docs/"):
        problem(client.get(path, headers={"host": "evil.example"}, follow_redirects=False), 404)
    problem(client.post("/v1/reports/", follow_redirects=False), 404)
    response = client.delete("/v1/reports")
    problem(response, 405)
    assert response.headers["allow"] == "GET, POST"


class TestTokens:
    """With a tokens file, callers have names."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """A tokens file's path."""
        return tmp_path / "tokens.toml"

    @pytest.fixture
    def token(self, file: Path) -> str:
        """A token in the file."""
        return tokens.new(file, "ci")

    def serve(self, settings: Settings, file: Path) -> TestClient:
        """A service that needs tokens."""
        return serve(settings.model_copy(update={"tokens_file": file}))

    def test_bearer_and_basic(
        self, settings: Settings, file: Path, token: str, report: Json
    ) -> None:
        """Bearer and Basic carry a token; the user of Basic is ignored."""
        basic = base64.b64encode(f"anybody:{token}".encode()).decode()
        with self.serve(settings, file) as client:
            for header in (f"Bearer {token}", f"bearer {token}", f"Basic {basic}"):
                response = post(client, report, authorization=header, host="172.22.91.1:8525")
                assert response.status_code in {200, 202}

    @pytest.mark.parametrize(
        "header",
        [None, "", "Bearer", "Bearer wrong", "Basic !!!", "Basic YTpi", "Basic /w==", "Digest x"],
    )
    def test_no_token(
        self, settings: Settings, file: Path, token: str, report: Json, header: str | None
    ) -> None:
        """Without a token all but health and shipped samples is 401, with a challenge."""
        with self.serve(settings, file) as client:
            headers = {} if header is None else {"authorization": header}
            response = post(client, report, **headers)
            problem(response, 401)
            assert response.headers["www-authenticate"].startswith("Basic ")
            for path in ("/v1/reports/x", "/metrics", "/preview/build/report:x"):
                problem(client.get(path, headers=headers), 401)
            for path in ("/healthz", "/preview", "/preview/build/2-failure"):
                assert client.get(path).status_code == 200

    def test_reports_are_their_tokens(
        self, settings: Settings, file: Path, token: str, report: Json
    ) -> None:
        """Another token sees neither status nor mail, and may send an equal report of its own."""
        other = tokens.new(file, "other")
        with self.serve(settings, file) as client:
            answer = post(client, report, authorization=f"Bearer {token}").json()
            headers = {"authorization": f"Bearer {other}"}
            problem(client.get(answer["status_url"], headers=headers), 404)
            problem(client.get(answer["preview_url"], headers=headers), 404)
            assert post(client, report, **headers).json()["id"] != answer["id"]

    def test_a_token_is_added_without_a_restart(
        self, settings: Settings, file: Path, token: str, report: Json
    ) -> None:
        """A new token works without a restart, and a file that breaks changes nothing."""
        with self.serve(settings, file) as client:
            late = tokens.new(file, "late")
            assert post(client, report, authorization=f"Bearer {late}").status_code == 202
            file.write_text("[[[")
            assert post(client, report, authorization=f"Bearer {token}").status_code == 202
            file.write_text("")
            problem(post(client, report, authorization=f"Bearer {token}"), 401)


def test_ready(client: TestClient) -> None:
    """Ready means that the outbox can be written and Postfix greets."""
    assert client.get("/readyz").json() == {
        "status": "ok",
        "checks": {"outbox": "ok", "postfix": "ok"},
    }


def test_not_ready(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 says which of the two fails, and why."""
    port = free_port()
    with serve(settings.model_copy(update={"smtp_port": port}), UNCACHED) as client:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json() == {
            "status": "unavailable",
            "checks": {"outbox": "ok", "postfix": f"127.0.0.1:{port}: connection refused"},
        }

        def full(_: Database) -> None:
            raise OSError("database or disk is full")

        monkeypatch.setattr(Database, "check", full)
        assert client.get("/readyz").json()["checks"]["outbox"] == "database or disk is full"
        assert client.get("/healthz").status_code == 200


def test_full_is_not_ready(settings: Settings, postfix: PostfixStandIn, report: Json) -> None:
    """While most reports are refused with 503 the service is not ready, and says why."""
    postfix.rcpt["ada@example.com"] = "450 4.2.0 later"
    full = settings.model_copy(update={"outbox_max_waiting": 2})
    with serve(full, UNCACHED) as client:
        for number in range(1, 5):
            problem(post(client, {}), 422)  # a mistake of its caller
            assert client.get("/readyz").json()["status"] == "ok"
            post(client, report | {"build": report["build"] | {"number": number}})
        problem(post(client, report | {"build": report["build"] | {"number": 5}}), 503)
        refused = client.get("/readyz")
        assert refused.status_code == 503
        checks = refused.json()["checks"]
        assert (checks["outbox"], checks["postfix"]) == ("ok", "ok")
        assert checks["reports"].startswith("3 of the last 5 were refused: The outbox is full: 2 ")
        post(client, report | {"build": report["build"] | {"number": 1}})
        assert client.get("/readyz").json()["status"] == "ok"


def test_locked_is_not_ready(settings: Settings, report: Json) -> None:
    """The same holds if the outbox is locked, until nobody has been refused for some time."""
    limits = replace(
        UNCACHED,
        http=replace(UNCACHED.http, readiness_memory=6.0),
        outbox=replace(AMPLE.outbox, lock_timeout=0.05),
    )
    with serve(settings, limits) as client:
        with closing(sqlite3.connect(settings.outbox_url.removeprefix("sqlite:///"))) as other:
            other.execute("BEGIN IMMEDIATE")
            problem(post(client, report), 503)
            assert "locked" in client.get("/readyz").json()["checks"]["outbox"]
            other.rollback()
            checks = client.get("/readyz").json()["checks"]
        assert checks["outbox"] == "ok"
        assert "locked" in checks["reports"]
        wait_for(lambda: client.get("/readyz").json()["status"] == "ok")


def test_busy_is_not_ready(settings: Settings, report: Json) -> None:
    """The same holds if there is no memory for reports."""
    limits = replace(UNCACHED, http=replace(UNCACHED.http, max_bodies=10))
    with serve(settings, limits) as client:
        problem(post(client, report), 503)
        assert "too many large requests" in client.get("/readyz").json()["checks"]["reports"]


def test_a_damaged_outbox_is_not_ready(settings: Settings, report: Json) -> None:
    """A service whose outbox is damaged says so in its readiness, and checks Postfix as before."""
    with serve(settings) as client:
        post(client, report)
    file = Path(settings.outbox_url.removeprefix("sqlite:///"))
    engine = sa.create_engine(settings.outbox_url)
    with engine.connect() as read:
        page = read.execute(
            sa.text("SELECT rootpage FROM sqlite_master WHERE name = 'reports_created_at'")
        ).scalar_one()
        size = read.execute(sa.text("PRAGMA page_size")).scalar_one()
    engine.dispose()
    with file.open("r+b") as out:
        out.seek((page - 1) * size + 100)
        out.write(b"\xff" * (size - 100))
    with serve(settings, UNCACHED) as client:
        wait_for(lambda: client.get("/readyz").status_code == 503)
        checks = client.get("/readyz").json()["checks"]
        assert checks["outbox"].startswith(f"{file} is damaged: ")
        assert checks["postfix"] == "ok"


def test_readiness_checks_hold_up_nobody(settings: Settings, report: Json) -> None:
    """Many checks at once make one connection to a silent Postfix, and reports are accepted."""
    limits = replace(AMPLE, http=HttpLimits(greeting_time=HANG, readiness_age=HANG))
    with (
        socket.create_server(("127.0.0.1", 0), backlog=100) as silent,
        serve(settings.model_copy(update={"smtp_port": silent.getsockname()[1]}), limits) as client,
        ThreadPoolExecutor(50) as pool,
    ):
        asked = [pool.submit(client.get, "/readyz") for _ in range(50)]
        probe, _ = silent.accept()
        assert post(client, report).status_code == 202
        assert not any(question.done() for question in asked)
        probe.close()
        assert {question.result().status_code for question in asked} == {503}
        worker, _ = silent.accept()
        silent.settimeout(0.1)
        with worker, pytest.raises(TimeoutError):
            silent.accept()


def test_patterns_that_cannot_be_loaded_early(
    settings: Settings, report: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a file descriptor for them at the start, the first report loads them."""
    load = secret_patterns.standard_patterns
    failures: list[OSError] = []

    def fail_first() -> object:
        if not failures:
            failures.append(OSError(errno.EMFILE, "Too many open files"))
            raise failures[0]
        return load()

    monkeypatch.setattr("pyservice.report.secrets.standard_patterns", fail_first)
    monkeypatch.setattr(background, "LOAD_AFTER", 0.0)
    with serve(settings) as client:
        wait_for(lambda: bool(failures))
        assert post(client, report).status_code == 202


def test_a_full_disk(client: TestClient, report: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After: the report was not accepted, and the caller knows it."""

    def full(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("database or disk is full"))

    monkeypatch.setattr(Outbox, "accept", full)
    response = post(client, report)
    refusal = problem(response, 503)
    assert "not accepted" in refusal["detail"]
    assert int(response.headers["retry-after"]) > 0


def test_a_slip_of_ours(client: TestClient, report: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect is answered 500, without a traceback."""

    def slip(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(Outbox, "accept", slip)
    response = post(client, report)
    assert "secret detail" not in response.text
    problem(response, 500)


def test_errors_in_openapi(client: TestClient) -> None:
    """OpenAPI describes each error as a problem, and none that is never sent."""
    described = client.get("/openapi.json").json()
    problem_schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    faulty_schema = {"schema": {"$ref": "#/components/schemas/FaultyTemplate"}}
    assert described["components"]["schemas"]["Problem"]["properties"].keys() == {
        "type",
        "title",
        "status",
        "detail",
        "errors",
    }
    assert "HTTPValidationError" not in json.dumps(described)
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert "default" in operation["responses"]
            for status, response in operation["responses"].items():
                if status in {"200", "202"} or (path, status) == ("/readyz", "503"):
                    continue
                is_template = path.startswith("/preview/") and status == "422"
                expected = faulty_schema if is_template else problem_schema
                assert response["content"] == {"application/problem+json": expected}


def test_tokens_in_openapi(client: TestClient) -> None:
    """Swagger's Authorize offers both ways to send a token, for the routes that need one."""
    described = client.get("/openapi.json").json()
    schemes = described["components"]["securitySchemes"]
    assert {scheme["scheme"] for scheme in schemes.values()} == {"bearer", "basic"}
    for path, operations in described["paths"].items():
        for operation in operations.values():
            needed = path not in {"/healthz", "/readyz"}
            assert operation.get("security", []) == [{name: []} for name in schemes if needed]


def test_openapi(client: TestClient) -> None:
    """OpenAPI has the report's schema, and /docs loads nothing from elsewhere."""
    described = client.get("/openapi.json").json()
    assert "Build" in described["components"]["schemas"]
    operation = described["paths"]["/v1/reports"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Report"
    }
    for address in ({"type": "string"}, {"type": "array"}, {"type": "null"}):
        kinds = described["components"]["schemas"]["Mail"]["properties"]["to"]["anyOf"]
        assert any(address.items() <= kind.items() for kind in kinds)
    page = client.get("/docs").text
    assert "swagger" in page
    assert "https://" not in page


def test_secrets_are_masked_before_the_report_is_stored(
    settings: Settings, postfix: PostfixStandIn, report: Json
) -> None:
    """Database, mail and log don't have them; answer, status and mail say how many there were."""
    own = settings.model_copy(update={"secret_patterns": (r"ACME-\d+",)})
    report["error"]["message"] = "+ deploy --password hunter2 ACME-4711"
    with capture_logs() as logs, serve(own) as client:
        answer = post(client, report).json()
        status = settled(client, answer)
        page = client.get(f"{answer['preview_url']}?part=text").text
    assert answer["masked"] == status["masked"] == 2
    assert "--password **** ****" in page
    assert "2 secrets were masked." in page
    [database] = Path(settings.outbox_url.removeprefix("sqlite:///")).parent.glob("outbox.db")
    [mail] = postfix.mails
    for content in (database.read_bytes(), mail.content, repr(logs).encode()):
        assert b"hunter2" not in content
        assert b"ACME-4711" not in content


def test_a_report_with_another_secret_is_the_same_report(client: TestClient, report: Json) -> None:
    """A repeated call is one mail: what is masked doesn't count."""
    report["error"]["message"] = "token=first"
    first = post(client, report).json()
    report["error"]["message"] = "token=second"
    again = post(client, report)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])


def test_patterns_of_secrets_change_while_the_service_runs(
    client: TestClient, settings: Settings, report: Json
) -> None:
    """SIGHUP applies them to the next report."""
    report["error"]["message"] = "ACME-4711"
    assert post(client, report).json()["masked"] == 0
    new = settings.model_copy(update={"secret_patterns": (r"ACME-\d+",)})
    reload(client.app, lambda: new)  # type: ignore[arg-type]
    report["build"]["number"] += 1
    assert post(client, report).json()["masked"] == 1


def test_the_mails_of_a_breakage_are_a_thread(
    client: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """What broke, still fails and is fixed is one thread; the next breakage is another one."""
    answers = []
    for number, result in ((41, "FAILURE"), (42, "FAILURE"), (43, "SUCCESS"), (44, "FAILURE")):
        build = {"number": number, "result": result, "started_at": number * 1000}
        answers.append(post(client, report | {"build": report["build"] | build}).json())
        settled(client, answers[-1])
    ids = [answer["message_id"] for answer in answers]
    mails = {mail["Message-ID"]: mail for mail in map(parsed, postfix.mails)}
    assert [mails[one]["References"] for one in ids] == [None, ids[0], ids[0], None]
    assert [mails[one]["In-Reply-To"] for one in ids] == [None, ids[0], ids[0], None]


def parsed(caught: Caught) -> Message:
    """A mail's headers."""
    return email.message_from_bytes(caught.content)
