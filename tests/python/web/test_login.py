"""pages/login.py and sessions.py: a person gives a token once, and a cookie stands for it."""

import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pyservice.auth import sessions, tokens
from pyservice.auth.permissions import Permissions
from pyservice.config.settings import Settings
from pyservice.web.app import create_app
from tests.builders.answers import problem
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled

BROWSER = {
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "sec-fetch-site": "same-origin",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the tokens are."""
    return tmp_path / "tokens"


@pytest.fixture
def token(file: Path) -> str:
    """A token with all rights of its own."""
    return tokens.new(file, "ci")


@pytest.fixture
def guarded(settings: Settings, file: Path, token: str) -> Settings:
    """Settings of a service that wants the token."""
    assert token
    return settings.model_copy(update={"tokens_file": file})


def browser(settings: Settings) -> TestClient:
    """A service as a browser sees it, which follows no redirect by itself."""
    client = serve(settings)
    client.headers.update(BROWSER)
    client.follow_redirects = False
    return client


def log_in(client: TestClient, token: str, wanted: str = "/") -> Any:
    """Send the form."""
    return client.post("/login", data={"token": token, "next": wanted})


def test_from_a_page_to_the_login_and_back(guarded: Settings, token: str) -> None:
    """Who has no session is led to the form, and from there to what was wanted."""
    with browser(guarded) as client:
        away = client.get("/v1/reports?x=1&y=2")
        assert (away.status_code, away.headers["location"]) == (
            303,
            "/login?next=/v1/reports%3Fx%3D1%26y%3D2",
        )
        assert "www-authenticate" not in away.headers
        form = client.get(away.headers["location"])
        assert form.status_code == 200
        # By `no-referrer` browsers would send the form without its Origin.
        assert form.headers["referrer-policy"] == "same-origin"
        assert 'name="next" value="/v1/reports?x=1&amp;y=2"' in form.text
        back = log_in(client, token, "/v1/reports?x=1&y=2")
        assert (back.status_code, back.headers["location"]) == (303, "/v1/reports?x=1&y=2")
        page = client.get("/preview")
        assert page.status_code == 200
        assert "<span>ci</span>" in page.text
        assert client.get("/login?next=/preview").headers["location"] == "/preview"


def test_the_cookie(guarded: Settings, token: str) -> None:
    """No script reads it, no other site sends it, it expires, and the token isn't in it."""
    with browser(guarded) as client:
        cookie = log_in(client, token).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert f"Max-Age={sessions.MAX_AGE}" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "Secure" not in cookie  # this service is reached by plain HTTP
    assert token not in cookie


def test_the_cookie_by_https(guarded: Settings, token: str) -> None:
    """Where the public address is HTTPS, the browser sends the cookie by HTTPS only."""
    public = guarded.model_copy(update={"public_url": "https://mail.example.com"})
    with browser(public) as client:
        form = {"token": token}
        proxied = client.post("/login", data=form, headers={"host": "mail.example.com"})
        assert "Secure" in proxied.headers["set-cookie"]
        # Else a browser beside the proxy could not log in.
        assert "Secure" not in client.post("/login", data=form).headers["set-cookie"]


def test_logging_out(guarded: Settings, token: str) -> None:
    """The browser forgets the session."""
    with browser(guarded) as client:
        log_in(client, token)
        assert client.get("/v1/reports").status_code == 200
        assert client.post("/logout").headers["location"] == "/login"
        assert client.get("/v1/reports").status_code == 303


def test_a_removed_token_ends_its_sessions(guarded: Settings, file: Path, token: str) -> None:
    """At once, and a new token of the same name doesn't bring them back."""
    with browser(guarded) as client:
        log_in(client, token)
        tokens.remove(file, "ci")
        assert client.get("/v1/reports").status_code == 303
        tokens.new(file, "ci")
        assert client.get("/v1/reports").status_code == 303


def test_a_session_has_the_bounds_of_its_token_now(
    guarded: Settings, file: Path, token: str
) -> None:
    """What the token may do is read at each request."""
    with browser(guarded) as client:
        log_in(client, token)
        text = file.read_text()
        file.write_text(text + 'may = ["send"]\n')
        refused = client.get("/v1/reports")
        assert refused.status_code == 403
        assert "This token may send reports" in refused.text


def test_a_session_expires(guarded: Settings, token: str) -> None:
    """After twelve hours."""
    with browser(guarded) as client:
        log_in(client, token)
        name, value = next(iter(client.cookies.items()))
        header = {"cookie": f"{name}={value}"}
        for hours, status in ((11.9, 200), (12.1, 303)):
            with time_machine.travel(_hours_from_now(hours), tick=True):
                assert client.get("/v1/reports", headers=header).status_code == status


def _hours_from_now(hours: float) -> float:
    return time.time() + hours * 3600


def test_a_session_outlives_a_restart(guarded: Settings, token: str) -> None:
    """The key is in the outbox; another outbox has another one."""
    with browser(guarded) as client:
        log_in(client, token)
        cookies = client.cookies
    with browser(guarded) as client:
        client.cookies = cookies
        assert client.get("/v1/reports").status_code == 200
    other = guarded.model_copy(update={"database_url": f"{guarded.database_url}2"})
    with browser(other) as client:
        client.cookies = cookies
        assert client.get("/v1/reports").status_code == 303


@pytest.mark.parametrize("forged", ["", "x", "WyJjaSIsIngiXQ.aSxQ1w.xxxxxxxx", "a" * 5000])
def test_a_forged_session(guarded: Settings, forged: str) -> None:
    """It is none."""
    with browser(guarded) as client:
        header = {"cookie": f"notify-email-8525={forged}"}
        assert client.get("/v1/reports", headers=header).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/x\r\nSet-Cookie: a=b",
    ],
)
def test_no_way_to_another_site(guarded: Settings, token: str, wanted: str) -> None:
    """After the login a person is on this service, whatever a link says."""
    with browser(guarded) as client:
        assert log_in(client, token, wanted).headers["location"] == "/"
        assert client.get("/login", params={"next": wanted}).headers["location"] == "/"


def test_a_page_that_there_is_not(guarded: Settings, token: str) -> None:
    """It shows who has logged in, and to others where to do that; then it is there again."""
    with browser(guarded) as client:
        missing = client.get("/nowhere?x=1")
        assert missing.status_code == 404
        assert '<a href="/login?next=/nowhere%3Fx%3D1">Log in</a>' in missing.text
        log_in(client, token)
        missing = client.get("/nowhere?x=1")
        assert "<span>ci</span>" in missing.text
        assert "/login" not in missing.text
        client.headers["cookie"] = "notify-email-8525=forged"
        assert "Log in" in client.get("/nowhere").text


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("http://127.0.0.1:8525/outbox/x?done=1", "/outbox/x%3Fdone%3D1"),
        ("http://127.0.0.1:8525//evil.example", "/"),
        ("http://[x", "/"),
        (None, "/"),
    ],
)
def test_a_button_after_the_end_of_a_session(
    guarded: Settings, referer: str | None, back: str
) -> None:
    """The page says that nothing was changed, and the login leads back to the button's page."""
    with browser(guarded) as client:
        headers = {"referer": referer} if referer else {}
        page = client.post("/outbox/x/retry", headers=headers)
        assert page.status_code == 401
        assert "Nothing was changed: log in, and do it again." in page.text
        assert f'<a href="/login?next={back}">Log in</a>' in page.text


def test_no_tokens_no_login(settings: Settings) -> None:
    """Nobody is shown a login that a service without tokens has not."""
    with browser(settings) as client:
        assert "Log in" not in client.get("/nowhere").text


def test_wrong_tokens(guarded: Settings, token: str) -> None:
    """The form and the log say so; many fill no log, and keep nobody out."""
    with browser(guarded) as client:
        with capture_logs() as logs:
            for _ in range(30):
                wrong = log_in(client, "wrong")
                assert wrong.status_code == 401
                assert "doesn&#39;t know this token" in wrong.text
                assert "set-cookie" not in wrong.headers
        refused = [entry for entry in logs if entry["event"] == "login.refused"]
        assert 1 <= len(refused) < 10
        assert refused[0]["address"] == "testclient"
        assert refused[0]["times"] == 1
        assert "wrong" not in str(refused)
        assert log_in(client, token).status_code == 303


def test_changes_need_a_page_of_the_service(
    guarded: Settings, token: str, report: Json, postfix: PostfixStandIn
) -> None:
    """A request with a session that changes something says from which page it comes."""
    postfix.rcpt["ada@example.com"] = "450 4.2.0 later"
    with browser(guarded) as client:
        log_in(client, token)
        program = {"authorization": f"Bearer {token}", "accept": "*/*"}
        answer = post(client, report, **program).json()
        waiting = client.get(answer["status_url"], headers=program).json()["id"]
        path = f"/v1/reports/{waiting}/cancel"
        del client.headers["sec-fetch-site"]
        for headers in ({}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
            refused = client.post(path, headers=headers)
            assert refused.status_code == 403, headers
            assert "another site" in refused.text
        cancelled = client.post(path, headers={"origin": "http://127.0.0.1:8525", "accept": "*/*"})
        assert cancelled.status_code in {200, 409}  # it may be being sent


def test_a_foreign_name(guarded: Settings, token: str) -> None:
    """A session, and the form for one, are for the service's own names only."""
    with browser(guarded) as client:
        log_in(client, token)
        foreign = {"host": "evil.example"}
        assert client.get("/preview", headers=foreign).status_code == 421
        assert client.get("/login", headers=foreign).status_code == 421
        assert client.post("/login", data={"token": token}, headers=foreign).status_code == 421


def test_htmx_is_led_to_the_login(guarded: Settings, token: str) -> None:
    """A page whose session has ended goes to the form, and not only a part of it."""
    with browser(guarded) as client:
        headers = {"hx-request": "true", "hx-current-url": "http://127.0.0.1:8525/preview?q=a"}
        answer = client.get("/v1/reports", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["hx-redirect"] == "/login?next=/preview%3Fq%3Da"
        # A link of another site brings no cookie; the form then asks by itself, with the cookie.
        again = client.get("/login?next=/preview", headers={"hx-request": "true"})
        assert (again.status_code, again.headers.get("hx-redirect")) == (204, None)
        log_in(client, token)
        again = client.get("/login?next=/preview", headers={"hx-request": "true"})
        assert (again.status_code, again.headers["hx-redirect"]) == (204, "/preview")


def test_htmx_is_led_to_any_address(guarded: Settings, token: str) -> None:
    """One with letters of any language, and one that is none: no defect is answered."""
    with browser(guarded) as client:
        odd = {"hx-request": "true", "hx-current-url": "http://[x"}
        answer = client.get("/v1/reports", headers=odd)
        assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=/")
        log_in(client, token)
        again = client.get("/login?next=/outbox?q=\u20ac", headers={"hx-request": "true"})
        assert (again.status_code, again.headers["hx-redirect"]) == (204, "/outbox?q=%E2%82%AC")


def test_a_person_in_a_trusted_network_is_led_to_the_login(guarded: Settings, token: str) -> None:
    """Without a token the address may send reports; a page that says so would have no way on."""
    trusting = guarded.model_copy(update={"trusted_networks": (ip_network("10.0.0.0/8"),)})
    app = create_app(trusting)
    with TestClient(app, base_url="http://127.0.0.1:8525", client=("10.0.0.9", 50000)) as client:
        client.headers.update(BROWSER)
        client.follow_redirects = False
        assert client.get("/outbox").headers["location"] == "/login?next=/outbox"
        assert client.get("/outbox", headers={"accept": "*/*"}).status_code == 403
        log_in(client, token)
        assert client.get("/outbox").status_code == 200


def test_programs_are_asked_for_a_token(guarded: Settings) -> None:
    """Not led to a form: curl and Jenkins read problem+json, with a challenge."""
    with serve(guarded) as client:
        for accept in ("*/*", "application/json", "application/json, text/html;q=0.9"):
            answer = client.get("/v1/reports", headers={"accept": accept})
            assert problem(answer, 401)
            assert "Basic" in answer.headers["www-authenticate"]
            assert answer.headers["vary"] == "Accept"


def test_without_tokens_there_is_no_login(client: TestClient) -> None:
    """The page leads on."""
    client.follow_redirects = False
    for answer in (client.get("/login?next=/preview"), log_in(client, "x", "/preview")):
        assert (answer.status_code, answer.headers["location"]) == (303, "/preview")
        assert "set-cookie" not in answer.headers


def test_a_form_that_is_too_large(guarded: Settings) -> None:
    """It is refused before it is read, whoever sends it."""
    with browser(guarded) as client:
        answer = client.post("/login", data={"token": "x" * 65 * 1024})
        assert answer.status_code == 413
        assert "The form has more than 65536 bytes." in answer.text

        def endless() -> Any:
            for _ in range(6):
                yield b"token=" + b"x" * 16 * 1024

        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = client.post("/login", content=endless(), headers=headers)
        assert answer.status_code == 413
        assert "The form has more than 65536 bytes." in answer.text


class TestLinks:
    """The addresses in the answer to a report, as a build's log shows them."""

    def test_anybody_who_has_it_sees_that_mail(
        self, guarded: Settings, token: str, report: Json
    ) -> None:
        """Without a token, and no other mail."""
        program = {"authorization": f"Bearer {token}"}
        with serve(guarded) as client:
            answer = post(client, report, **program).json()
            other = report["build"] | {"number": 3}
            second = post(client, report | {"build": other}, **program).json()
            link = answer["preview_url"]
            assert client.get(link).status_code == 200
            assert "shop » checkout #2" in client.get(link).text
            assert client.get(f"{link}?part=text").status_code == 200
            plain = f"/v1/reports/{answer['id']}/preview"
            signature = link.split("/")[3].partition(".")[2]
            forged = f"/v1/reports/{second['id']}.{signature}/preview"
            for path in (plain, forged, link.replace("/preview", ""), "/v1/reports"):
                problem(client.get(path), 401)
            client.follow_redirects = False
            client.headers.update(BROWSER)
            page = client.get(answer["status_url"]).headers["location"]
            assert page == f"/outbox/{link.split('/')[3]}"
            assert "shop/checkout #2" in client.get(page).text
            assert client.get(f"{page}?part=status").status_code == 200
            for path in (f"/outbox/{answer['id']}", f"/outbox/{second['id']}.{signature}"):
                assert client.get(path).headers["location"].startswith("/login"), path
            for path in (f"{page}/export", "/outbox"):
                assert client.get(path).headers["location"].startswith("/login"), path
            for act in ("retry", "cancel", "again"):
                assert client.post(f"{page}/{act}").status_code == 401
            client.headers["accept"] = "*/*"
            for act in ("retry", "cancel"):
                problem(client.post(f"{answer['status_url']}/{act}"), 401)

    def test_a_program_follows_it_with_its_token(
        self, guarded: Settings, token: str, report: Json
    ) -> None:
        """As Jenkins does; the ID in the answer is plain."""
        with serve(guarded) as client:
            client.headers["authorization"] = f"Bearer {token}"
            answer = post(client, report).json()
            assert answer["status_url"].startswith(f"/v1/reports/{answer['id']}.")
            status = settled(client, answer)
            assert status["id"] == answer["id"]
            assert status["status_url"] == f"/v1/reports/{answer['id']}"

    def test_it_expires(self, guarded: Settings, token: str, report: Json) -> None:
        """After thirty days a token is needed."""
        program = {"authorization": f"Bearer {token}"}
        with serve(guarded) as client:
            link = post(client, report, **program).json()["preview_url"]
            with time_machine.travel(_hours_from_now(24 * 30.1), tick=True):
                problem(client.get(link), 401)
                assert client.get(link, headers=program).status_code == 200

    def test_who_may_not_see_hands_out_none(
        self, settings: Settings, file: Path, report: Json
    ) -> None:
        """A token that may only send gets a link that needs another token."""
        sender = tokens.new(file, "sender", Permissions(may=("send",)))
        with serve(settings.model_copy(update={"tokens_file": file})) as client:
            answer = post(client, report, authorization=f"Bearer {sender}").json()
            assert answer["status_url"] == f"/v1/reports/{answer['id']}"
            problem(client.get(answer["preview_url"]), 401)


class TestOperator:
    """A token that may `operate` sees and changes the reports of all."""

    def test_it_sees_and_changes(
        self, settings: Settings, file: Path, report: Json, postfix: PostfixStandIn
    ) -> None:
        """Those of other tokens, too; another token sees its own only."""
        ci, other = tokens.new(file, "ci"), tokens.new(file, "other")
        desk = tokens.new(file, "desk", Permissions(may=("see", "operate")))
        postfix.rcpt["ada@example.com"] = "550 5.1.1 unknown"
        with serve(settings.model_copy(update={"tokens_file": file})) as client:
            answer = post(client, report, authorization=f"Bearer {ci}").json()
            client.headers["authorization"] = f"Bearer {desk}"
            settled(client, answer, state="failed")
            listed = client.get("/v1/reports").json()["reports"]
            assert [one["id"] for one in listed] == [answer["id"]]
            postfix.rcpt.clear()
            assert client.post(f"/v1/reports/{answer['id']}/retry").status_code == 200
            settled(client, answer)
            problem(post(client, report), 403)
            client.headers["authorization"] = f"Bearer {other}"
            assert client.get("/v1/reports").json()["reports"] == []
            for call in (
                client.get(f"/v1/reports/{answer['id']}"),
                client.get(f"/v1/reports/{answer['id']}/preview"),
                client.post(f"/v1/reports/{answer['id']}/retry"),
            ):
                problem(call, 404)

    def test_within_its_jobs(self, settings: Settings, file: Path, report: Json) -> None:
        """What is of other jobs isn't there for it."""
        ci = tokens.new(file, "ci")
        rights = Permissions(may=("see", "operate"), jobs=("team-b",))
        desk = tokens.new(file, "desk", rights)
        with serve(settings.model_copy(update={"tokens_file": file})) as client:
            answer = post(client, report, authorization=f"Bearer {ci}").json()
            client.headers["authorization"] = f"Bearer {desk}"
            assert client.get("/v1/reports").json()["reports"] == []
            problem(client.get(f"/v1/reports/{answer['id']}"), 404)
            problem(client.post(f"/v1/reports/{answer['id']}/cancel"), 404)
