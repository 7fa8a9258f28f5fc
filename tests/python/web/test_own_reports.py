"""routes/reports.py: an owner's own reports, and what may be done to them; the outbox' limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pyservice.auth import tokens
from pyservice.config.settings import Settings
from pyservice.outbox.database import Database
from pyservice.outbox.retention import DAY
from pyservice.outbox.tables import reports
from pyservice.web.routes.report_models import ReportSummary
from tests.builders.answers import problem
from tests.builders.reports import build
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled, wait_for


@pytest.fixture
def held(database_url: str, settings: Settings, postfix: PostfixStandIn) -> Iterator[TestClient]:
    """A service, on each kind of database, whose Postfix defers everything."""
    postfix.data = ["451 4.3.0 later"] * 20
    with serve(settings.model_copy(update={"database_url": database_url})) as client:
        yield client


def test_states() -> None:
    """The API's states are those of the outbox."""
    states = "received queued sending accepted relayed deferred bounced failed cancelled skipped"
    schema = ReportSummary.model_json_schema()["$defs"]["State"]
    assert schema["enum"] == [*states.split(), "digested"]


def test_pages(held: TestClient, report: Json) -> None:
    """The newest come first; `next` leads on until there is no more."""
    ids = [post(held, build(report, number)).json()["id"] for number in range(1, 6)]
    listed: list[str] = []
    after: Json = {}
    while True:
        page = held.get("/v1/reports", params={"limit": 2, **after}).json()
        listed += [summary["id"] for summary in page["reports"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert listed == ids[::-1]
    [newest] = held.get("/v1/reports?limit=1").json()["reports"]
    assert (newest["job"], newest["number"], newest["result"]) == ("shop/checkout", 5, "FAILURE")
    assert held.get(newest["status_url"]).json()["id"] == ids[-1]
    assert held.get("/v1/reports?state=failed").json() == {"reports": [], "next": None}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "state=lost", "after=none", "after=%00"]
)
def test_wrong_parameters(held: TestClient, query: str) -> None:
    """A wrong parameter is answered 422 with its name."""
    refusal = problem(held.get(f"/v1/reports?{query}"), 422)
    assert query.partition("=")[0] in refusal["detail"]


def test_retry(held: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """A mail that waits is tried at once."""
    answer = post(held, report).json()
    settled(held, answer, state="queued")
    postfix.data = []
    again = held.post(f"{answer['status_url']}/retry")
    assert (again.status_code, again.json()["state"]) == (200, "queued")
    status = settled(held, answer)
    assert "to be tried at once, says the API" in [event["note"] for event in status["history"]]
    assert len(postfix.mails) == 1


def test_retry_of_what_failed(held: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """A failed mail is retried for all its recipients, since nobody got it."""
    postfix.data = ["550 5.7.1 no"]
    report["mail"]["to"] = ["ada@example.com", "bob@example.com"]
    answer = post(held, report).json()
    settled(held, answer, state="failed")
    assert held.post(f"{answer['status_url']}/retry").status_code == 200
    settled(held, answer)
    assert postfix.mails[0].recipients == ["ada@example.com", "bob@example.com"]


def test_retry_after_five_days(
    held: TestClient, postfix: PostfixStandIn, report: Json, database_url: str
) -> None:
    """A failed mail is retried once; then it has failed again."""
    postfix.data = ["550 5.7.1 no", "451 4.3.0 later", "451 4.3.0 later"]
    answer = post(held, report).json()
    settled(held, answer, state="failed")
    guest = Database.guest(database_url)
    assert guest is not None
    older = reports.update().values(created_at=reports.c.created_at - 6 * DAY)
    guest.write(lambda write: write.execute(older))
    guest.close()
    held.post(f"{answer['status_url']}/retry")
    wait_for(lambda: held.get(answer["status_url"]).json()["attempts"] == 2)
    assert settled(held, answer, state="failed")["history"][-1]["note"].endswith("given up")


def test_cancel(held: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """A mail that waits is never sent; to cancel it twice, or to retry it, is a conflict."""
    answer = post(held, report).json()
    settled(held, answer, state="queued")
    assert held.post(f"{answer['status_url']}/cancel").json()["state"] == "cancelled"
    postfix.data = []
    problem(held.post(f"{answer['status_url']}/cancel"), 409)
    problem(held.post(f"{answer['status_url']}/retry"), 409)
    status = settled(held, answer, state="cancelled")
    assert status["next_attempt_at"] is None
    assert not postfix.mails


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_what_postfix_has(
    client: TestClient, postfix: PostfixStandIn, report: Json, action: str
) -> None:
    """A mail that Postfix has can be neither cancelled nor retried: 409."""
    answer = post(client, report).json()
    settled(client, answer)
    refusal = problem(client.post(f"{answer['status_url']}/{action}"), 409)
    assert refusal["detail"].startswith("Postfix has it")
    assert len(postfix.mails) == 1


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_an_unknown_one(held: TestClient, action: str) -> None:
    """An unknown ID is answered 404, whatever it looks like."""
    for name in ("none", "%00", "a%0Ab", "x" * 3000):
        problem(held.post(f"/v1/reports/{name}/{action}"), 404)
    problem(held.get("/v1/reports/%00"), 404)


def test_reports_are_their_tokens(settings: Settings, tmp_path: Path, report: Json) -> None:
    """Another token can neither see nor change them; a caller without a token gets 401."""
    file = tmp_path / "tokens.toml"
    mine, other = ({"authorization": f"Bearer {tokens.new(file, name)}"} for name in ("a", "b"))
    with serve(settings.model_copy(update={"tokens_file": file, "smtp_port": 1})) as client:
        answer = post(client, report, **mine).json()
        assert len(client.get("/v1/reports", headers=mine).json()["reports"]) == 1
        assert client.get("/v1/reports", headers=other).json()["reports"] == []
        problem(client.get(f"/v1/reports?after={answer['id']}", headers=other), 422)
        for action in ("retry", "cancel"):
            path = f"{answer['status_url']}/{action}"
            problem(client.post(path, headers=other), 404)
            problem(client.post(path), 401)
        problem(client.get("/v1/reports"), 401)


@pytest.mark.parametrize(
    ("limit", "words"),
    [({"outbox_max_waiting": 1}, "OUTBOX_MAX_WAITING"), ({"outbox_max_bytes": 1}, "OUTBOX_MAX_B")],
)
def test_a_full_outbox(
    database_url: str,
    settings: Settings,
    postfix: PostfixStandIn,
    report: Json,
    limit: dict[str, int],
    words: str,
) -> None:
    """A full outbox answers 503 with the reason; a known report gets 200, and leaves room."""
    postfix.data = ["451 4.3.0 later"]
    with serve(settings.model_copy(update={"database_url": database_url, **limit})) as client:
        answer = post(client, report).json()
        settled(client, answer, state="queued")
        with capture_logs() as logs:
            refused = post(client, build(report, 3))
        refusal = problem(refused, 503)
        assert words in refusal["detail"]
        assert "not accepted" in refusal["detail"]
        assert int(refused.headers["retry-after"]) > 0
        assert [log["log_level"] for log in logs if log["event"] == "request.refused"] == [
            "warning"
        ]
        assert post(client, report).status_code == 200
        client.post(f"{answer['status_url']}/retry")
        settled(client, answer)
        wait_for(lambda: post(client, build(report, 3)).status_code == 202)  # within a second
        wait_for(lambda: len(postfix.mails) == 2)
