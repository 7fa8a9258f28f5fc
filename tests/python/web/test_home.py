"""home.py, node_status.py and errors.py: the first page, and no dead end for a person."""

import pytest
from starlette.testclient import TestClient

from pyservice.config.settings import Settings
from tests.builders.answers import problem
from tests.builders.ports import free_port
from tests.python.conftest import Json, post, serve, settled

PROGRAMS = (
    "*/*",
    "application/json",
    "text/html;q=0.5, application/json",
    # Java's HttpURLConnection, by which a trusted library reports: of JDK 17, and of later ones.
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "text/html, image/gif, image/jpeg, */*; q=0.2",
)
PERSON = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_it_works(client: TestClient, report: Json) -> None:
    """The page names the parts that work, the last mails, and the ways on."""
    settled(client, post(client, report).json())
    page = client.get("/").text
    assert "It works" in page
    assert "Rerouted" not in page
    assert "shop/checkout #2" in page
    assert 'is-accepted">accepted' in page
    for way in ("/preview", "/outbox", "/doctor", "/docs"):
        assert f'href="{way}"' in page
    part = client.get("/?part=mails").text
    assert "<html" not in part
    assert "shop/checkout #2" in part


def test_what_does_not_work(settings: Settings) -> None:
    """A Postfix or a Jenkins that doesn't answer is named, with the reason."""
    away = f"http://127.0.0.1:{free_port()}"
    broken = settings.model_copy(
        update={"smtp_port": free_port(), "jenkins_url": away, "jenkins_user": "ada"}
    )
    with serve(broken) as client:
        page = client.get("/").text
    assert "Something is wrong" in page
    assert "refused" in page
    assert away in page


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"dry_run": True}, "Dry run."),
        ({"reroute_to": "me@example.com"}, "me@example.com gets all"),
    ],
)
def test_diverted_mail_is_noticed(settings: Settings, setting: Json, words: str) -> None:
    """A setting by which recipients get nothing is on the first page."""
    with serve(settings.model_copy(update=setting)) as client:
        assert words in client.get("/").text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "Start from one of the pages above"),
        ("/v1/reports/x/preview", 404, "There is no such report."),
        ("/preview/build/2-failure?part=body", 422, "part: "),
        ("/v1/reports?limit=0", 422, "limit: "),
        ("/outbox/x/retry", 405, "Go back to the page from which you came."),
    ],
)
def test_an_error_is_a_page_for_a_person(
    client: TestClient, path: str, status: int, words: str
) -> None:
    """It has words, what to do, and the navigation; a program gets problem+json."""
    page = client.get(path, headers=PERSON)
    assert page.status_code == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept"
    assert words in page.text
    assert 'aria-label="Main"' in page.text
    part = client.get(path, headers=PERSON | {"hx-request": "true"})
    assert part.status_code == status
    assert words in part.text
    assert "<html" not in part.text
    for accept in PROGRAMS:
        problem(client.get(path, headers={"accept": accept}), status)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("/outbox/", "/outbox"), ("/docs//", "/docs"), ("//evil.example.com/", "/")],
)
def test_a_slash_too_many_is_forgiven(client: TestClient, typed: str, meant: str) -> None:
    """For a person, and it leads to no other host."""
    url = f"http://127.0.0.1:8525{typed}"
    answer = client.get(url, headers=PERSON, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, meant)
    problem(client.get(url, headers={"accept": "*/*"}), 404)


def test_a_method_that_an_address_does_not_take_is_named(client: TestClient) -> None:
    """In a sentence of its own, which does not repeat the title."""
    refused = problem(client.delete("/v1/reports"), 405)
    assert refused["title"] == "Method not allowed"
    assert refused["detail"] == "This address does not take DELETE requests."


def test_a_defect_is_a_page_for_a_person(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows no traceback."""

    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("pyservice.web.pages.home._last_mails", fail)
    page = client.get("/", headers=PERSON)
    assert page.status_code == 500
    assert "because of a defect" in page.text
    assert "RuntimeError" not in page.text
    problem(client.get("/", headers={"accept": "*/*"}), 500)


@pytest.mark.parametrize("accept", PROGRAMS)
def test_a_program_follows_its_report(client: TestClient, report: Json, accept: str) -> None:
    """Whatever it says to accept, it gets JSON: the status, and what is wrong with a report."""
    status_url = post(client, report).json()["status_url"]
    assert client.get(status_url, headers={"accept": accept}).json()["job"] == "shop/checkout"
    problem(post(client, b"{}", accept=accept), 422)
