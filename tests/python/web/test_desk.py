"""The desk's pages: what they show to whom, and what can be done there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pyservice.auth import tokens
from pyservice.auth.permissions import Permissions
from pyservice.config.settings import Settings
from tests.builders.digests import LONG, end_wait
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled, wait_for

TEAM_A = Permissions(jobs=("team-a",))
SECRET = "team-b/payroll"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Tokens by their names: one for each of two teams, and an operator's."""
    file = tmp_path / "tokens.toml"
    bounds = {
        "a": TEAM_A,
        "b": Permissions(jobs=("team-b",)),
        "both": Permissions(),
        "operator": Permissions(may=("see", "operate"), jobs=("team-a",)),
        "root": Permissions(may=("send", "see", "operate")),
    }
    return {name: tokens.new(file, name, bound) for name, bound in bounds.items()}


@pytest.fixture
def guarded(settings: Settings, keys: dict[str, str], tmp_path: Path) -> Iterator[TestClient]:
    """A service with these tokens."""
    assert keys
    with serve(settings.model_copy(update={"tokens_file": tmp_path / "tokens.toml"})) as client:
        yield client


def build(report: Json, job: str, to: str = "ada@example.com", number: int = 1) -> Json:
    named = report["build"] | {
        "job": job,
        "number": number,
        "full_display_name": f"{job} #{number}",
    }
    return report | {"build": named, "mail": {"to": [to]}}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def send(client: TestClient, token: str, body: Json, state: str) -> str:
    """Post a report, and wait for its end; return its ID."""
    report_id = str(post(client, body, **bearer(token)).json()["id"])
    path = f"/v1/reports/{report_id}"
    for _ in range(3000):
        status = client.get(path, headers=bearer(token)).json()
        if status["state"] == state:
            return report_id
    raise AssertionError(status)


def test_a_bounded_token_sees_nothing_of_another_team(
    guarded: TestClient, keys: dict[str, str], report: Json, postfix: PostfixStandIn
) -> None:
    """Neither by list, search, counts, page, actions nor export; nor does an operator of one."""
    postfix.rcpt["bob@secret.example"] = "550 5.1.1 unknown"
    secret = send(guarded, keys["b"], build(report, SECRET, "bob@secret.example"), "failed")
    own = send(guarded, keys["a"], build(report, "team-a/shop"), "accepted")
    for name in ("a", "operator"):
        headers = bearer(keys[name])
        for query in ("", "?q=payroll", "?to=secret.example", "?job=team-b", f"?q={secret}"):
            page = guarded.get(f"/outbox{query}", headers=headers).text
            assert SECRET not in page, query
            assert f"/outbox/{secret}" not in page
            assert "team-a/shop" in page or 'All&nbsp;<span class="count">0' in page
        assert 'All&nbsp;<span class="count">1' in guarded.get("/outbox", headers=headers).text
        for path in (f"/outbox/{secret}", f"/outbox/{secret}/export"):
            assert guarded.get(path, headers=headers).status_code in {403, 404}
        for action in ("retry", "cancel", "again"):
            answer = guarded.post(
                f"/outbox/{secret}/{action}", headers=headers, data={"to": "a@x.org"}
            )
            assert answer.status_code in {403, 404}
        assert "payroll" not in guarded.get("/outbox/rates", headers=headers).text
        assert guarded.get(f"/outbox/{own}", headers=headers).status_code == 200
        guarded.post("/outbox/retry", headers=headers)
    after = guarded.get(f"/v1/reports/{secret}", headers=bearer(keys["b"])).json()
    assert (after["state"], after["attempts"]) == ("failed", 1)
    everything = guarded.get("/outbox", headers=bearer(keys["root"])).text
    assert "payroll" in everything
    assert "team-a/shop" in everything


def test_buttons_are_there_where_the_action_is_possible(
    guarded: TestClient, keys: dict[str, str], report: Json, postfix: PostfixStandIn
) -> None:
    """An operator without `send` can not send again; what Postfix has is not cancelled."""
    postfix.rcpt["no@example.com"] = "550 5.1.1 unknown"
    refused = send(guarded, keys["a"], build(report, "team-a/x", "no@example.com"), "failed")
    taken = send(guarded, keys["a"], build(report, "team-a/y"), "accepted")

    def actions(report_id: str, name: str) -> set[str]:
        page = guarded.get(f"/outbox/{report_id}", headers=bearer(keys[name])).text
        return set(re.findall(r'action="/outbox/[^"]*/(\w+)"', page))

    assert actions(refused, "a") == {"retry", "again"}
    assert actions(refused, "operator") == {"retry"}
    assert actions(taken, "root") == {"again"}
    headers = bearer(keys["a"])
    for action in ("retry", "cancel"):
        answer = guarded.post(f"/outbox/{taken}/{action}", headers=headers)
        assert answer.status_code == 409
        assert "Nothing was done." in answer.text
        assert "Postfix has it" in answer.text


def test_each_recipient_that_postfix_refused_is_marked(
    client: TestClient, report: Json, postfix: PostfixStandIn
) -> None:
    """In the list of recipients, beside those that it took."""
    postfix.rcpt["bob@example.com"] = "550 5.1.1 unknown"
    body = report | {"mail": {"to": ["ada@example.com", "bob@example.com"]}}
    sent = post(client, body).json()
    settled(client, sent)
    page = client.get(f"/outbox/{sent['id']}").text
    rows = re.findall(r'<tr role="row">\n<td role="cell">(\S+?)</td>\n(.*)', page)
    assert [(who, "refused" in cell) for who, cell in rows] == [
        ("ada@example.com", False),
        ("bob@example.com", True),
    ]


def test_a_report_is_sent_again_as_a_new_one(
    guarded: TestClient, keys: dict[str, str], report: Json, postfix: PostfixStandIn
) -> None:
    """Once per form, to an address that the token may reach; else the page says why not."""
    first = send(guarded, keys["both"], build(report, "team-a/x"), "accepted")
    headers = bearer(keys["both"])
    form = {"to": "Bob <bob@example.com>", "key": "abc"}
    answers = [
        guarded.post(f"/outbox/{first}/again", headers=headers, data=form, follow_redirects=False)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [303, 303]
    places = {answer.headers["location"] for answer in answers}
    assert len(places) == 1
    new = places.pop().partition("?")[0].rpartition("/")[2]
    assert new != first
    status = settled(guarded_as(guarded, headers), {"status_url": f"/v1/reports/{new}"})
    assert status["recipients"] == ["bob@example.com"]
    assert len(postfix.mails) == 2
    for wrong in ("", "nobody", "a@x.org, b"):
        answer = guarded.post(f"/outbox/{first}/again", headers=headers, data={"to": wrong})
        assert answer.status_code == 422
        assert "Nothing was done." in answer.text
        assert f'value="{wrong}"' in answer.text
    assert len(postfix.mails) == 2


def test_a_dry_run_is_sent_when_a_person_wants_it(
    client: TestClient, report: Json, postfix: PostfixStandIn
) -> None:
    """Again, to a reader, or from a preview; to retry it would only be another dry run."""
    dry = report | {"mail": report["mail"] | {"dry_run": True}}
    first = settled(client, post(client, dry).json(), state="skipped")["id"]
    page = client.get(f"/outbox/{first}").text
    assert "`dryRun` of the step" in page
    assert set(re.findall(r'action="/outbox/[^"]*/(\w+)"', page)) == {"again"}
    previewed = {"template": "build", "source": f"report:{first}", "to": "me@example.com"}
    for path, form in (
        (f"/outbox/{first}/again", {"to": "bob@example.com", "key": "1"}),
        ("/send-preview", previewed),
    ):
        sent = client.post(path, data=form, follow_redirects=False)
        new = sent.headers["location"].partition("?")[0].rpartition("/")[2]
        settled(client, {"status_url": f"/v1/reports/{new}"})
    assert [mail.recipients for mail in postfix.mails] == [["bob@example.com"], ["me@example.com"]]


def guarded_as(client: TestClient, headers: dict[str, str]) -> TestClient:
    client.headers.update(headers)
    return client


def test_all_failed_mails_that_a_search_finds_are_retried(
    client: TestClient, report: Json, postfix: PostfixStandIn
) -> None:
    """The others stay as they are, and the page says how many were."""
    postfix.rcpt["ada@example.com"] = "550 5.7.1 Relay access denied"
    ids = [
        settled(client, post(client, build(report, job)).json(), state="failed")["id"]
        for job in ("a/one", "a/two", "b/three")
    ]
    del postfix.rcpt["ada@example.com"]
    answer = client.post("/outbox/retry", data={"job": "a"})
    assert "2 mails are tried again." in answer.text
    for report_id in ids[:2]:
        settled(client, {"status_url": f"/v1/reports/{report_id}"})
    assert client.get(f"/v1/reports/{ids[2]}").json()["state"] == "failed"


def test_all_waiting_mails_of_a_job_are_cancelled(
    client: TestClient, report: Json, postfix: PostfixStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that runs wild is stopped at once, and no other; who may see its mails hears of it."""
    postfix.rcpt["ada@example.com"] = "451 4.3.0 later"
    answers = [post(client, build(report, job)).json() for job in ("wild", "wild/x", "tame")]
    for answer in answers:
        settled(client, answer, state="queued")
    assert "Some mails wait" in client.get("/outbox").text
    assert "Some mails wait" not in client.get("/outbox?job=nobody").text
    told: list[tuple[str, ...]] = []
    hub = client.app.state.service.hub  # type: ignore[attr-defined]
    monkeypatch.setattr(hub, "publish", lambda *what: told.append(what))
    page = client.post("/outbox/cancel", data={"job": "wild"}).text
    assert "2 mails are cancelled." in page
    assert {("outbox", "local", "wild"), ("outbox", "local", "wild/x")} <= set(told)
    assert ("outbox",) not in told
    states = [client.get(answer["status_url"]).json()["state"] for answer in answers]
    assert states == ["cancelled", "cancelled", "queued"]
    assert "Nothing was changed" not in page


def test_an_unchanged_part_is_not_sent_again(client: TestClient, report: Json) -> None:
    """A page fetches its part at each change of anything, and gets it only if it has changed."""
    answer = post(client, report).json()
    settled(client, answer)
    page = client.get("/outbox").text
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen
    at = f"/outbox?part=list&seen={seen[1]}"
    assert client.get(at).status_code == 204
    settled(client, post(client, build(report, "another")).json())
    again = client.get(at)
    assert again.status_code == 200
    assert "another #1" in again.text
    assert "<html" not in again.text


def test_an_export_is_all_there_is(client: TestClient, report: Json) -> None:
    """With history and dialogue, as a file."""
    report_id = settled(client, post(client, report).json())["id"]
    answer = client.get(f"/outbox/{report_id}/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="{report_id}.json"'
    exported = answer.json()
    assert exported["history"][-1]["state"] == "accepted"
    said = [line[1] for line in exported["dialogues"][0]["lines"]]
    assert "RCPT TO:<ada@example.com>" in said
    assert client.get("/outbox/none/export").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["?show=<script>", "?age=9y", "?after=none", "?q=%00", f"?q={'x' * 5000}", "?retried=x"],
)
def test_nonsense_in_the_address_is_harmless(client: TestClient, query: str) -> None:
    """The page comes, or an error that is the caller's."""
    answer = client.get(f"/outbox{query}")
    assert answer.status_code in {200, 422}
    assert "<script>" not in answer.text.replace("<script src=", "")


def test_a_digest_and_its_builds_lead_to_each_other(settings: Settings, report: Json) -> None:
    """In both directions, and the page of the rates shows what waits, and what was sent."""
    limited = settings.model_copy(update={"rate_limits": ("job=1/hour",), "digest_after": LONG})
    with serve(limited) as client:
        ids = [post(client, build(report, "shop", number=n)).json()["id"] for n in range(1, 4)]
        waiting = client.get("/outbox/rates").text
        assert "1 of 1" in waiting
        assert "used up" in waiting
        end_wait(client)
        settled(client, {"status_url": f"/v1/reports/{ids[2]}"}, state="digested")
        digest = client.get(f"/outbox/{ids[1]}").text
        assert "Builds in this digest" in digest
        assert f'href="/outbox/{ids[2]}"' in digest
        assert f'href="/outbox/{ids[1]}"' in client.get(f"/outbox/{ids[2]}").text
        assert "2 builds" in client.get("/outbox/rates").text


def test_a_digest_is_for_who_may_see_all_of_its_builds(
    settings: Settings, keys: dict[str, str], report: Json, tmp_path: Path
) -> None:
    """A bounded operator's page of a report says so in place of the mail, which no route gives."""
    update = {"rate_limits": ("all=1/hour",), "digest_after": LONG}
    update |= {"tokens_file": tmp_path / "tokens.toml"}
    with serve(settings.model_copy(update=update)) as client:
        both = bearer(keys["both"])
        jobs = ("team-a/x", "team-a/y", SECRET)
        answers = [post(client, build(report, job), **both).json() for job in jobs]
        ids = [answer["id"] for answer in answers]
        client.headers.update(both)
        end_wait(client)
        settled(client, {"status_url": f"/v1/reports/{ids[2]}"}, state="digested")
        mail = f"/v1/reports/{ids[1]}/preview?part=eml"
        assert SECRET.encode() in client.get(mail).content
        assert "2 builds" in client.get("/outbox/rates").text
        client.headers.update(bearer(keys["operator"]))
        page = client.get(f"/outbox/{ids[1]}")
        assert page.status_code == 200
        assert "builds of jobs which your token may not see" in page.text
        for path in (mail, f"/outbox/{ids[1]}/export", f"/preview/build/sent:{ids[1]}?part=eml"):
            refused = client.get(path)
            assert refused.status_code == 403
            assert SECRET not in refused.text
        assert "2 builds" not in client.get("/outbox/rates").text
        assert client.get(f"/v1/reports/{ids[0]}/preview?part=eml").status_code == 200
        client.headers.pop("authorization")
        linked = client.get(f"{answers[1]['preview_url']}?part=eml")
        assert (linked.status_code, "log in to see it" in linked.text) == (403, True)
        assert SECRET not in linked.text
        assert client.get(f"{answers[0]['preview_url']}?part=eml").status_code == 200


def test_a_group_that_waits_is_shown(settings: Settings, report: Json) -> None:
    """How many builds, since when, and when their digest goes out."""
    limited = settings.model_copy(update={"rate_limits": ("all=1/hour",), "digest_after": LONG})
    with serve(limited) as client:
        for number in range(1, 4):
            post(client, build(report, "shop", number=number))
        page = client.get("/outbox/rates").text
        assert re.search(r'data-label="Builds" class="number">2<', page), page
        one = client.get("/outbox?show=waiting").text
        assert "shop #3" in one


def test_the_doctor_is_for_operators(guarded: TestClient, keys: dict[str, str]) -> None:
    """A token that sees its own mails alone sees nothing of the node, and examines nothing."""
    headers = bearer(keys["both"])
    assert "Your token sees its own mails" in guarded.get("/doctor", headers=headers).text
    assert guarded.post("/doctor", headers=headers).status_code == 403
    page = guarded.get("/doctor", headers=bearer(keys["operator"])).text
    assert "has not been examined" in page


def test_a_link_of_a_build_log_leads_a_browser_to_the_page(
    guarded: TestClient, keys: dict[str, str], report: Json
) -> None:
    """Without a token it shows this one mail, and no button; a program gets JSON, or a 401."""
    answer = post(guarded, build(report, "team-a/x"), **bearer(keys["a"])).json()
    report_id = answer["id"]
    send(guarded, keys["a"], build(report, "team-a/x", number=2), "accepted")
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = guarded.get(answer["status_url"], headers=html)
    assert page.status_code == 200
    assert "team-a/x" in page.text
    assert "ada@example.com" in page.text
    assert "<form" not in page.text
    assert "/export" not in page.text
    assert "SMTP dialogue" not in page.text
    assert guarded.get(answer["status_url"]).status_code == 401
    ended = guarded.get(f"/v1/reports/{report_id}", headers=html)
    assert ended.url.path == "/login"


def test_a_link_of_a_build_log_shows_no_hidden_recipient(
    guarded: TestClient, keys: dict[str, str], report: Json, postfix: PostfixStandIn
) -> None:
    """Neither a Bcc's address, nor what Postfix or the history says of it; with a token they do."""
    hidden = {"boss": "550 5.1.1 <boss@example.com>: unknown", "late": "450 <late@x>: later"}
    for name, reply in hidden.items():
        postfix.rcpt[f"{name}@example.com"] = reply
    body = build(report, "team-a/x")
    named = [f"{name}@example.com" for name in ("boss", "late", "quiet")]
    body["mail"] = {"to": ["ada@example.com", "quiet@example.com"], "bcc": [*named, "no address"]}
    answer = post(guarded, body, **bearer(keys["a"])).json()
    settled_by = bearer(keys["a"])
    wait_for(lambda: guarded.get(answer["status_url"], headers=settled_by).json()["error"])
    address = f"/outbox/{answer['status_url'].split('/')[3]}"
    known = guarded.get(address, headers=settled_by).text
    for text in (*named, "no address", "unknown", "later"):
        assert text in known
    pages = [
        guarded.get(path, headers={"Accept": "text/html"}).text
        for path in (
            address,
            f"{address}?part=status",
            *(f"{answer['preview_url']}?part={part}" for part in ("source", "html", "headers")),
        )
    ]
    assert "hidden recipients" in pages[0]
    assert f'<a href="/login?next={address}">Log in</a> to see them' in pages[0]
    for text in ("boss", "late@", "no address", "unknown", "later"):
        assert [text in page for page in pages] == [False] * len(pages)
    assert "quiet@example.com" in pages[0]  # it is in the header, too


def test_a_cancelled_digest_shows_no_other_builds(
    settings: Settings,
    keys: dict[str, str],
    report: Json,
    tmp_path: Path,
    postfix: PostfixStandIn,
) -> None:
    """An operator of one team who cancels it has the mail of that team's build alone."""
    postfix.rcpt["ada@example.com"] = "450 4.7.1 later"
    limited = {"rate_limits": ("all=1/hour",), "digest_after": LONG}
    update = limited | {"tokens_file": tmp_path / "tokens.toml"}
    with serve(settings.model_copy(update=update)) as client:
        ids = [
            post(client, build(report, job), **bearer(keys["both"])).json()["id"]
            for job in ("team-a/first", "team-a/shop", SECRET)
        ]
        client.headers.update(bearer(keys["root"]))
        end_wait(client)
        settled(client, {"status_url": f"/v1/reports/{ids[2]}"}, state="digested")
        settled(client, {"status_url": f"/v1/reports/{ids[1]}"}, state="queued")
        client.headers.update(bearer(keys["operator"]))

        def is_cancelled() -> bool:
            return client.post(f"/v1/reports/{ids[1]}/cancel").status_code == 200

        wait_for(is_cancelled)
        mail = client.get(f"/v1/reports/{ids[1]}/preview?part=text").text
        assert "team-a/shop" in mail
        assert "payroll" not in mail


def test_the_rates_of_other_tokens_are_for_who_sees_all(
    settings: Settings, report: Json, tmp_path: Path
) -> None:
    """An operator of one team does not learn how much the others send, nor who they are."""
    file = tmp_path / "tokens.toml"
    bounds = {
        "payroll": Permissions(jobs=("team-b",), rate="100/hour"),
        "desk": Permissions(may=("see", "operate"), jobs=("team-a",)),
        "root": Permissions(may=("see", "operate")),
    }
    keys = {name: tokens.new(file, name, bound) for name, bound in bounds.items()}
    with serve(settings.model_copy(update={"tokens_file": file})) as client:
        post(client, build(report, SECRET), **bearer(keys["payroll"]))
        assert "payroll" in client.get("/outbox/rates", headers=bearer(keys["root"])).text
        assert "payroll" not in client.get("/outbox/rates", headers=bearer(keys["desk"])).text


def test_a_rate_that_is_used_up_warns(settings: Settings, report: Json, tmp_path: Path) -> None:
    """In words, and by the colour of its meter, which a browser takes from these bounds."""
    file = tmp_path / "tokens.toml"
    token = tokens.new(file, "ci", Permissions(rate="2/hour"))
    update = {"tokens_file": file, "rate_limits": ("job=2/hour",)}
    with serve(settings.model_copy(update=update)) as client:
        for number, is_used_up in ((1, False), (2, True)):
            post(client, build(report, "shop", number=number), **bearer(token))
            page = client.get("/outbox/rates", headers=bearer(token)).text
            meters = [
                dict(re.findall(r'(\w+)="([\d.]+)"', one)) for one in re.findall("<meter.*?>", page)
            ]
            assert len(meters) == 2
            for meter in meters:
                # The optimum is below `low`, so what is above that is no good.
                assert float(meter["optimum"]) < float(meter["low"])
                assert (float(meter["value"]) > float(meter["low"])) == is_used_up
            assert ("Further builds wait for a digest." in page) == is_used_up
            assert ("Further reports are answered 429." in page) == is_used_up


def test_again_with_a_very_long_address_of_its_page(client: TestClient, report: Json) -> None:
    """The part after the ID is no part of the key by which the outbox knows the call."""
    report_id = settled(client, post(client, report).json())["id"]
    form = {"to": "bob@example.com", "key": "k"}
    paths = [f"/outbox/{report_id}{tail}/again" for tail in ("", f".{'x' * 6000}")]
    pages = [client.post(path, data=form, follow_redirects=False) for path in paths]
    assert pages[0].headers["location"] == pages[1].headers["location"]
