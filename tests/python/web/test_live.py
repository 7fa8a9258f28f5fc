"""live.py and routes/live.py: open pages hear of changes that their callers may see."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from threading import Thread

import pytest

from pyservice.auth import tokens
from pyservice.auth.permissions import Permissions
from pyservice.config.settings import Settings
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.database import Database
from pyservice.outbox.history import history_rows
from pyservice.outbox.reading import OutboxReader, Step
from pyservice.outbox.search import Filter
from pyservice.outbox.states import State
from pyservice.outbox.tables import events
from pyservice.web import outbox_watcher
from pyservice.web.limits import HttpLimits
from pyservice.web.live import PAUSE, Hub, Topic
from pyservice.web.outbox_watcher import OutboxWatcher
from tests.builders.answers import problem
from tests.builders.limits import AMPLE
from tests.builders.outbox import accept, opened
from tests.builders.patience import HANG, PATIENCE
from tests.python.conftest import Json, PostfixStandIn, listening, serve, wait_for


@dataclass
class Stream:
    """The events that a page gets."""

    answer: HTTPResponse
    names: list[str] = field(default_factory=list)
    is_over: bool = False

    def read(self) -> None:
        """Collect the names of the events until the stream ends."""
        with suppress(HTTPException, OSError):
            for line in self.answer:
                if line.startswith(b"event: "):
                    self.names.append(line.removeprefix(b"event: ").decode().strip())
        self.is_over = True


@contextmanager
def stream(address: tuple[str, int], topic: str, token: str | None = None) -> Iterator[Stream]:
    """Hear of changes as a page does."""
    connection = HTTPConnection(*address, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request("GET", f"/live?topic={topic}", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert (answer.headers["content-type"] or "").startswith("text/event-stream")
    heard = Stream(answer)
    reader = Thread(target=heard.read)
    reader.start()
    wait_for(lambda: heard.names == ["connected"])
    yield heard
    with suppress(OSError):
        connection.sock.shutdown(socket.SHUT_RDWR)
    reader.join(PATIENCE)
    connection.close()


def send(address: tuple[str, int], report: Json, token: str | None = None) -> Json:
    """POST a report, and return the answer."""
    connection = HTTPConnection(*address, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers["Content-Type"] = "application/json"
    connection.request("POST", "/v1/reports", json.dumps(report), headers)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 202, body
    connection.close()
    accepted: Json = json.loads(body)
    return accepted


def test_a_page_hears_of_a_saved_template(settings: Settings, tmp_path: Path) -> None:
    """Pages about other things don't."""
    body = tmp_path / "templates" / "team" / "body.html"
    body.parent.mkdir(parents=True)
    with (
        listening(settings.model_copy(update={"templates_dir": body.parents[1]})) as address,
        stream(address, "outbox") as outbox,
        stream(address, "templates") as templates,
    ):
        body.write_text("Hello")
        wait_for(lambda: "templates" in templates.names)
    assert outbox.names == ["connected"]


def test_a_page_hears_of_a_new_report(settings: Settings, report: Json) -> None:
    """It gets the topic's name, for what is accepted and for what happens to it."""
    with (
        listening(settings) as address,
        stream(address, "outbox") as outbox,
        stream(address, "templates") as templates,
    ):
        send(address, report)
        wait_for(lambda: "outbox" in outbox.names)
        assert templates.names == ["connected"]


def test_a_token_hears_of_its_own(settings: Settings, tmp_path: Path, report: Json) -> None:
    """Another token's reports, and those of other jobs, make no event; an operator has all."""
    file = tmp_path / "tokens"
    team_a = tokens.new(file, "team-a", Permissions(jobs=("team-a",)))
    team_b = tokens.new(file, "team-b", Permissions(jobs=("team-b",)))
    desk = tokens.new(file, "desk", Permissions(may=("see", "operate")))
    half = tokens.new(file, "half", Permissions(may=("see", "operate"), jobs=("team-a",)))
    build = report["build"] | {"job": "team-b/shop", "url": None}
    with (
        listening(settings.model_copy(update={"tokens_file": file})) as address,
        stream(address, "outbox", team_a) as a,
        stream(address, "outbox", team_b) as b,
        stream(address, "outbox", desk) as all_of_them,
        stream(address, "outbox", half) as of_a,
    ):
        send(address, report | {"build": build}, team_b)
        wait_for(lambda: "outbox" in b.names and "outbox" in all_of_them.names)
        time.sleep(4 * PAUSE)  # what would be announced by mistake has time to come
        assert a.names == of_a.names == ["connected"]
        send(address, report | {"build": build | {"job": "team-a/shop"}}, team_a)
        wait_for(lambda: "outbox" in a.names and "outbox" in of_a.names)


def test_a_page_hears_what_others_change(
    settings: Settings,
    database_url: str,
    tmp_path: Path,
    report: Json,
    postfix: PostfixStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command, or a service that shares the outbox; a token of another job hears nothing."""
    monkeypatch.setattr(outbox_watcher, "FRESH", 2.0)
    postfix.rcpt["ada@example.com"] = "450 4.7.1 later"
    file = tmp_path / "tokens"
    ci = tokens.new(file, "ci")
    team_a = tokens.new(file, "team-a", Permissions(may=("see", "operate"), jobs=("team-a",)))
    desk = tokens.new(file, "desk", Permissions(may=("see", "operate")))
    update = {"tokens_file": file, "database_url": database_url}
    guest = None
    with listening(settings.model_copy(update=update)) as address:
        report_id = send(address, report, ci)["id"]
        guest = Database.guest(database_url)
        assert guest is not None
        command = OutboxAdmin(guest, "a test")

        def waits() -> bool:
            return command.counts(Filter()) == {State.QUEUED: 1}

        wait_for(waits)
        time.sleep(2.1)  # until what the service did itself is no news
        with stream(address, "outbox", team_a) as a, stream(address, "outbox", desk) as all_of_them:
            command.cancel(report_id)
            wait_for(lambda: "outbox" in all_of_them.names)
            time.sleep(4 * PAUSE)
            assert a.names == ["connected"]
        guest.close()


def test_the_outbox_is_read_while_somebody_watches(database_url: str) -> None:
    """Once for all pages, and each change is announced once, in whatever order it was committed."""

    class Pages(Hub):
        """What pages are told."""

        def __init__(self) -> None:
            super().__init__(9)
            self.is_open, self.told = False, list[tuple[str | None, str | None]]()

        def is_watched(self, topic: Topic) -> bool:
            return self.is_open and topic == "outbox"

        def publish(self, topic: Topic, owner: str | None = None, job: str | None = None) -> None:
            self.told.append((owner, job))

    with opened(database_url, "node1") as outbox:
        read: list[int] = []
        database, pages = outbox._database, Pages()

        class Counted(OutboxReader):
            """How often the outbox is read."""

            def last_steps(self, limit: int) -> list[Step]:
                read.append(limit)
                return super().last_steps(limit)

        watcher = OutboxWatcher(Counted(database), pages)
        entry = accept(outbox)
        watcher.look()
        assert (read, pages.told) == ([], [])
        pages.is_open = True
        watcher.look()  # the page may have been fetched before this change
        assert pages.told == [("ci", "shop/checkout")]
        watcher.look()
        assert len(pages.told) == 1
        OutboxAdmin(database, "a test").cancel(entry.id)
        watcher.look()
        assert len(pages.told) == 2
        early = history_rows(entry.id, time.time(), ("cancelled", "late commit"))[0]
        database.write(lambda write: write.execute(events.insert(), early | {"number": -1}))
        watcher.look()
        assert len(pages.told) == 3
        assert len(read) == 4


def test_a_stream_ends_with_its_token(settings: Settings, tmp_path: Path, report: Json) -> None:
    """A token that is removed hears of nothing more."""
    file = tmp_path / "tokens"
    gone, ci = tokens.new(file, "gone", Permissions(may=("see", "operate"))), tokens.new(file, "ci")
    with (
        listening(settings.model_copy(update={"tokens_file": file})) as address,
        stream(address, "outbox", gone) as heard,
    ):
        tokens.remove(file, "gone")
        send(address, report, ci)
        wait_for(lambda: heard.is_over)
        assert heard.names == ["connected"]


def test_a_stream_ends_with_its_service(settings: Settings) -> None:
    """The service stops at once, though pages are open."""
    with ExitStack() as stack:
        with listening(settings, grace=int(HANG)) as address:
            heard = stack.enter_context(stream(address, "outbox"))
        wait_for(lambda: heard.is_over)


def test_a_stream_outlives_all_timeouts(settings: Settings) -> None:
    """Also on a connection on which a page was fetched before, as a browser does it."""
    short = HttpLimits(header_time=3.0, body_time=3.0, read_time=3.0, keep_alive=3)
    limits = replace(AMPLE, http=short)
    with listening(settings, limits) as address:
        connection = HTTPConnection(*address, timeout=PATIENCE)
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        connection.request("GET", "/live?topic=templates")
        heard = Stream(connection.getresponse())
        reader = Thread(target=heard.read)
        reader.start()
        time.sleep(4)
        assert not heard.is_over
        connection.sock.shutdown(socket.SHUT_RDWR)
        reader.join(PATIENCE)
        connection.close()


def test_too_many_pages(settings: Settings) -> None:
    """The service has connections left for reports: a further page is answered 503."""
    limits = replace(AMPLE, http=replace(AMPLE.http, max_streams=0))
    with serve(settings, limits) as client:
        assert "Too many open pages" in problem(client.get("/live?topic=outbox"), 503)["detail"]


def test_one_caller_does_not_take_all(settings: Settings, tmp_path: Path) -> None:
    """The caller with the most pages loses its oldest one to another caller, down to its share."""
    file = tmp_path / "tokens"
    greedy, modest = tokens.new(file, "greedy"), tokens.new(file, "modest")
    limits = replace(AMPLE, http=replace(AMPLE.http, max_streams=4))
    guarded = settings.model_copy(update={"tokens_file": file})
    with listening(guarded, limits) as address, ExitStack() as stack:
        streams = [stack.enter_context(stream(address, "outbox", greedy)) for _ in range(4)]
        theirs = [stack.enter_context(stream(address, "outbox", modest)) for _ in range(2)]
        wait_for(lambda: [one.is_over for one in streams] == [True, True, False, False])
        for token in (greedy, modest):
            connection = HTTPConnection(*address, timeout=PATIENCE)
            headers = {"Authorization": f"Bearer {token}"}
            connection.request("GET", "/live?topic=outbox", headers=headers)
            assert connection.getresponse().status == 503
            connection.close()
        assert not any(one.is_over for one in theirs)


@pytest.mark.parametrize("query", ["", "?topic=", "?topic=secrets"])
def test_an_unknown_topic(settings: Settings, query: str) -> None:
    """It is refused, and the answer names the topics."""
    with serve(settings) as client:
        assert "topic" in problem(client.get(f"/live{query}"), 422)["detail"]
