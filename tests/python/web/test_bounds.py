"""A token that is bounded to `team-a` sees and changes nothing of `team-b`, whatever the route.

The routes are those of the application, so that a new page is tested as soon as there is one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from pyservice import samples
from pyservice.auth import tokens
from pyservice.auth.permissions import Permissions
from pyservice.config.settings import Settings
from pyservice.web.api import ROUTERS
from tests.python.conftest import Json, post, serve, wait_for

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
GET = sorted({route.path for route in ROUTES if "GET" in (route.methods or ())})
POST = sorted({route.path for route in ROUTES if "POST" in (route.methods or ())})
NEVER_ENDS = {"/live"}  # tests/python/web/test_live.py
OF_THE_NODE = {"/metrics", "/healthz", "/readyz"}  # by no owner and no job
MARK = "zebra"
"""What only team-b's reports, samples and recipients have."""
NEEDLE = "quokka"
"""What a search of team-a's looks for, and only team-b's reports have."""
QUERIES: list[Json] = [
    {},
    *({"part": part} for part in ("list", "mails", "status", "rates", "run", "html", "text")),
    *({name: NEEDLE} for name in ("q", "to", "what", "job", "template")),
    {"job": "team-b"},
    {"to": "@example.org"},
    {"show": "waiting"},
    {"show": "queued", "age": "1d"},
    {"state": "queued", "limit": 200},
    {"state": "yours"},
]
BROWSER = {"accept": "text/html", "sec-fetch-site": "same-origin"}


@dataclass(frozen=True)
class Node:
    """A service with reports of two teams."""

    client: TestClient
    team_a: str
    team_b: str
    theirs: Json
    """The answer to team-b's report."""

    def values(self, name: str) -> list[str]:
        """What a person of team-a could put into a path to see what is team-b's."""
        report_id = self.theirs["id"]
        signed = self.theirs["status_url"].rpartition("/")[2]
        ids = [report_id, f"{signed}x", f"{report_id}.aaaaaa.bbbbbb"]
        return {
            "report_id": ids,
            "template": ["build", "digest", "team-b"],
            "source": [
                "2-failure",
                *(f"{kind}:{one}" for kind in ("report", "sent") for one in ids),
                f"own:{MARK}",
                f"build:team-b/{NEEDLE}-{MARK}#1",
            ],
            "name": [MARK, "style.css"],
            "version": ["x"],
        }.get(name, [report_id, MARK, "team-b", "1"])

    def paths(self, path: str) -> Iterator[str]:
        """Every such path of a route."""
        names = re.findall(r"{(\w+)(?::path)?}", path)
        for values in product(*map(self.values, names)):
            filled = path
            for name, value in zip(names, values, strict=True):
                filled = re.sub(rf"{{{name}(:path)?}}", value.replace("#", "%23"), filled)
            yield filled


def report_of(team: str, word: str, number: int = 1) -> Json:
    """A report in which each text says whose it is."""
    report: Json = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    job = f"{team}/{word}"
    report["build"] |= {"job": job, "full_display_name": f"{job} #{number}", "number": number}
    report["build"]["url"] = f"https://ci.example.com/job/{team}/job/{word}/{number}/"
    report["log"] = [f"error: {word}"]
    mail = {"to": [f"{word}@example.org"], "subject": f"About {word}", "data": {"w": word}}
    return report | {"mail": mail}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The service. Nobody takes its mails, so they wait."""
    folder = tmp_path_factory.mktemp("bounds")
    file = folder / "tokens"
    team_a = tokens.new(file, "team-a", Permissions(jobs=("team-a",)))
    team_b = tokens.new(file, f"team-b-{MARK}", Permissions(jobs=("team-b",)))
    desk_of_a = tokens.new(
        file, "desk", Permissions(may=("send", "see", "operate"), jobs=("team-a",))
    )
    settings = Settings(
        database_url=f"sqlite:///{folder}/outbox.db",
        samples_dir=folder / "samples",
        sender="Jenkins <jenkins@ci.example.com>",
        smtp_port=9,
        tokens_file=file,
        rate_limits="job=1/hour",
    )
    with serve(settings) as client:
        client.follow_redirects = False
        mine = report_of("team-a", "plain")
        assert post(client, mine, authorization=f"Bearer {team_a}").status_code == 202
        yield Node(client, team_a, team_b, {"desk": desk_of_a})


@pytest.fixture(scope="module")
def pages_before(node: Node) -> dict[str, str]:
    """Each page of team-a's without parameters, before there is anything of team-b's."""
    wait_for_attempts(node, node.team_a)
    return {path: plain(page(node, path).text) for path in GET if "{" not in path and is_ours(path)}


@pytest.fixture(scope="module")
def filled(node: Node, pages_before: dict[str, str]) -> Node:
    """The service with team-b's reports, one of which waits for a digest, and with its sample."""
    assert pages_before
    their = {"authorization": f"Bearer {node.team_b}"}
    answers = [
        post(node.client, report_of("team-b", f"{NEEDLE}-{MARK}", number), **their).json()
        for number in (1, 2, 3)
    ]
    saved = node.client.post(
        "/samples",
        data={"template": "build", "source": f"report:{answers[0]['id']}", "name": MARK},
        headers=their,
    )
    assert saved.status_code == 303, saved.text
    wait_for_attempts(node, node.team_b)
    node.theirs.update(answers[0])
    return node


def is_ours(path: str) -> bool:
    """Whether a route shows what depends on its caller."""
    return path not in NEVER_ENDS | OF_THE_NODE


def wait_for_attempts(node: Node, token: str) -> None:
    """Wait until nothing changes by itself: one attempt has ended, other mails wait."""
    headers = {"authorization": f"Bearer {token}"}

    def is_tried() -> bool:
        listed = node.client.get("/v1/reports", headers=headers).json()["reports"]
        return any(one["attempts"] and one["state"] == "queued" for one in listed)

    wait_for(is_tried)


def page(node: Node, path: str, token: str | None = None, **query: Any) -> Any:
    """GET a page as team-a, or with another token."""
    headers = BROWSER | {"authorization": f"Bearer {token or node.team_a}"}
    return node.client.get(path, params=query, headers=headers)


def plain(text: str) -> str:
    """A page without what changes by itself: attempts, times, versions and random keys."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.+]+(Z| UTC)?", "TIME", text)
    text = re.sub(r"seen=\w+", "seen=X", text)
    text = re.sub(r'value="[0-9a-f]{16}"', 'value="VERSION"', text)
    text = re.sub(r'(Attempts">|attempts":)\d+', "ATTEMPTS", text)
    return re.sub(r"\s+", " ", text)


def check(node: Node, answer: Any, asked: str) -> None:
    """Nothing in an answer is team-b's, but what was asked for."""
    text = answer.text.lower()
    for word in asked.lower().split():
        text = text.replace(word, "")
    assert MARK not in text, (asked, text[max(0, text.find(MARK) - 200) :][:400])
    assert node.theirs["id"] not in text, asked
    assert MARK not in str(answer.headers.get("location", "")) or MARK in asked


def test_there_are_routes() -> None:
    """The list is of the whole application."""
    assert {"/", "/preview", "/outbox", "/outbox/{report_id}", "/v1/reports", "/doctor"} <= {*GET}
    assert len(POST) >= 8


@pytest.mark.parametrize("path", [path for path in GET if is_ours(path)])
def test_no_page_shows_it(filled: Node, path: str) -> None:
    """Not by an address, a search, a filter or a part, and an operator of team-a no more."""
    for at in filled.paths(path):
        queries = QUERIES if "{" not in path or at.endswith(filled.theirs["id"]) else QUERIES[:1]
        for query, token in product(queries, (filled.team_a, filled.theirs["desk"])):
            answer = page(filled, at, token, **query)
            assert answer.status_code < 500, (at, query, answer.text)
            check(filled, answer, f"{at} {' '.join(map(str, query.values()))} {path_words(at)}")


def path_words(at: str) -> str:
    """The parts of a path, which an answer may repeat."""
    return " ".join(part for part in re.split(r"[/?:]", at.replace("%23", "#")) if MARK in part)


@pytest.mark.parametrize("path", [path for path in GET if is_ours(path)])
def test_nobody_sees_it_without_a_token(filled: Node, path: str) -> None:
    """What a stranger gets is the login, or what we ship."""
    for at in filled.paths(path):
        for accept in ("text/html", "application/json"):
            answer = filled.client.get(at, headers={"accept": accept})
            check(filled, answer, f"{at} {path_words(at)}")


def test_counts_do_not_tell(filled: Node, pages_before: dict[str, str]) -> None:
    """team-a's pages are as they were before team-b had any mail."""
    for path, before in pages_before.items():
        assert plain(page(filled, path).text) == before, path


@pytest.mark.parametrize("path", [path for path in POST if path not in {"/login", "/logout"}])
def test_no_action_reaches_it(filled: Node, path: str) -> None:
    """It can't be retried, cancelled, sent again, or taken as a sample; it stays as it is."""
    theirs = {"authorization": f"Bearer {filled.team_b}", "accept": "*/*"}
    at_theirs = f"/v1/reports/{filled.theirs['id']}"
    form = {
        "template": "build",
        "source": f"report:{filled.theirs['id']}",
        "name": "mine",
        "to": "eve@example.net",
        "q": NEEDLE,
        "job": "team-b",
    }
    listed = filled.client.get("/v1/reports", headers=theirs).json()["reports"]
    for at in filled.paths(path):
        for token in (filled.team_a, filled.theirs["desk"]):
            headers = BROWSER | {"authorization": f"Bearer {token}"}
            answer = filled.client.post(at, data=form, headers=headers)
            assert answer.status_code < 500, (at, answer.text)
            check(filled, answer, f"{at} {path_words(at)}")
            mine = filled.client.get("/v1/reports", headers={"authorization": f"Bearer {token}"})
            assert len(mine.json()["reports"]) == 1, at
    after = filled.client.get(at_theirs, headers=theirs).json()
    assert after["state"] in {"received", "queued", "sending"}, after
    assert not [one["note"] for one in after["history"] if ", says " in f", {one['note']}"]
    names = [
        one["id"] for one in filled.client.get("/v1/reports", headers=theirs).json()["reports"]
    ]
    assert names == [one["id"] for one in listed]


def test_the_test_would_notice(filled: Node) -> None:
    """With team-b's token the pages do show it."""
    for at, query, word in (
        ("/", {}, MARK),
        ("/outbox", {"q": NEEDLE}, MARK),
        ("/preview", {"q": MARK}, f"own:{MARK}"),
        ("/v1/reports", {}, MARK),
        (f"/outbox/{filled.theirs['id']}", {}, MARK),
        (f"/preview/build/report:{filled.theirs['id']}", {"part": "text"}, MARK),
    ):
        assert word in page(filled, at, filled.team_b, **query).text.lower(), at
