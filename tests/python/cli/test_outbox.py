"""outbox.py: the outbox' commands, with and without the running service."""

import base64
import json
import re
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from pyservice.cli.outbox_access import open_outbox, printable_url
from pyservice.config.settings import Settings
from pyservice.delivery.retry import RetryPolicy
from pyservice.errors import SetupError
from pyservice.outbox.database import Database
from tests.builders.command import COMMAND, http, is_up, run, serving
from tests.builders.limits import AMPLE
from tests.builders.outbox import accept, accept_in_group, opened
from tests.builders.patience import PATIENCE
from tests.builders.ports import free_port
from tests.builders.reports import build
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled, wait_for


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch, database_url: str) -> str:
    """The URL of an outbox of each kind, which is in the command's environment."""
    monkeypatch.setenv("NOTIFY_EMAIL_DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def service(url: str, settings: Settings, postfix: PostfixStandIn) -> Iterator[TestClient]:
    """A running service whose Postfix takes nothing until `postfix.data` is emptied."""
    postfix.data = ["451 4.3.0 later"] * 50
    settings = settings.model_copy(update={"database_url": url})
    # Often it reads the outbox. A second attempt comes only by request, however slow a command is.
    limits = replace(
        AMPLE, delivery=replace(AMPLE.delivery, idle=0.3, retry=RetryPolicy(first_delay=900))
    )
    with serve(settings, limits) as client:
        yield client


def queued(service: TestClient, report: Json, number: int) -> str:
    """The ID of a report that waits for its second try."""
    answer = post(service, build(report, number)).json()
    settled(service, answer, state="queued")
    return str(answer["id"])


def test_list(service: TestClient, report: Json) -> None:
    """Reports are listed as a table or as JSON; filters leave the others out."""
    first, second = queued(service, report, 1), queued(service, report, 2)
    shown = run("outbox", "list")
    assert (shown.returncode, shown.stderr) == (0, "")
    head, *lines = shown.stdout.splitlines()
    assert head.split()[:3] == ["ID", "STATE", "BUILD"]
    assert [line.split()[0] for line in lines] == [second[:8], first[:8]]
    assert "shop/checkout #2" in lines[0]
    assert "451 4.3.0 later" in lines[0]
    listed = json.loads(run("outbox", "list", "--json", "--job", "shop", "--limit", "1").stdout)
    assert [report["id"] for report in listed] == [second]
    limited = run("outbox", "list", "--limit", "1")
    assert "more than these 1" in limited.stderr
    for nothing in (("--state", "failed"), ("--older-than", "1h"), ("--job", "shop/check")):
        shown = run("outbox", "list", *nothing)
        assert (shown.returncode, shown.stdout) == (0, "")
        assert "No such report" in shown.stderr


def test_show(service: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """The beginning of the ID shows all of a report, and the mail's bytes as they were sent."""
    postfix.data = []
    report["build"]["job"] = "shop/\u202echeckout"
    report["mail"]["cc"] = ["noreply@example.com"]
    answer = post(service, report).json()
    settled(service, answer)
    shown = run("outbox", "show", answer["id"][:12])
    assert shown.returncode == 0
    for words in (
        answer["id"],
        "accepted",
        "4Q0001",
        "ada@example.com",
        "attempt 1",
        "Postfix: 250 OK",
    ):
        assert words in shown.stdout
    assert re.search(r"^Left out +noreply@example\.com$", shown.stdout, re.M)
    assert re.search(r"^Attempt 1 +\d+\.\d{3} s Postfix: 220 ", shown.stdout, re.M)
    assert "\u202e" not in shown.stdout
    accepted = run("outbox", "list").stdout.splitlines()[1].partition("#2")[2].split()[:2]
    assert re.search(rf"^Accepted +{' '.join(accepted)}, from", shown.stdout, re.M)
    assert re.search(rf"^History +{' '.join(accepted)} received", shown.stdout, re.M)
    as_json = json.loads(run("outbox", "show", answer["id"], "--json").stdout)
    mail = run("outbox", "show", answer["id"], "--mail").stdout
    assert base64.b64decode(as_json["mail"]).decode().replace("\r\n", "\n") == mail
    assert f"Message-ID: {answer['message_id']}" in mail


def test_show_of_a_digest(url: str) -> None:
    """A member of a digest has no mail, and names the report that has it."""
    with opened(url, "node1") as outbox:
        entries = [accept_in_group(outbox, number, wait=number - 100.0) for number in (1, 2)]
        first = outbox.claim()[0]
        outbox.groups.store_digest(first, b"digest", [entries[1].id])
        shown = run("outbox", "show", entries[1].id)
        assert re.search(rf"^Digest +{first.id}$", shown.stdout, re.M)
        [line] = run("outbox", "list", "--state", "digested").stdout.splitlines()[1:]
        assert line.split()[:2] == [entries[1].id[:8], "digested"]
        mail = run("outbox", "show", entries[1].id, "--mail")
        assert mail.returncode == 1
        assert f"is in the mail of {first.id}: show that." in mail.stderr
        assert run("outbox", "show", first.id, "--mail").stdout == "digest"


def test_retry(service: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """The running service notices the change."""
    first, second = queued(service, report, 1), queued(service, report, 2)
    postfix.data = []
    done = run("outbox", "retry", first[:12], second)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{first[:8]} is tried at once: shop/checkout #1",
        f"{second[:8]} is tried at once: shop/checkout #2",
    ]
    wait_for(lambda: len(postfix.mails) == 2)


def test_retry_of_all_that_failed(
    service: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """Only mails that have failed are tried again."""
    waits = queued(service, report, 1)
    postfix.data = ["550 5.7.1 no", "550 5.7.1 no", "451 later"]
    for number in (2, 3):
        settled(service, post(service, build(report, number)).json(), state="failed")
    postfix.data = []
    done = run("outbox", "retry", "--failed")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    wait_for(lambda: len(postfix.mails) >= 2)
    for one in service.get("/v1/reports").json()["reports"]:
        if one["id"] != waits:
            settled(service, one)
    again = run("outbox", "retry", "--failed")
    assert (again.returncode, again.stdout) == (0, "")
    assert "No mail has failed" in again.stderr


def test_cancel(service: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """A cancelled mail is never sent; one that can't be cancelled is named, and stops no other."""
    waits = queued(service, report, 1)
    postfix.data = []
    has = post(service, build(report, 2)).json()
    settled(service, has)
    done = run("outbox", "cancel", has["id"], "zzz", waits)
    assert done.returncode == 1
    assert done.stdout == f"{waits[:8]} is cancelled: shop/checkout #1\n"
    assert "Postfix has it" in done.stderr
    assert "There is no report zzz" in done.stderr
    status = service.get(f"/v1/reports/{waits}").json()
    assert status["state"] == "cancelled"
    assert status["history"][-1]["note"] == "says `notify-email outbox`"


def test_a_mail_that_is_not_made_yet(url: str) -> None:
    """`show --mail` says that the mail is not made yet."""
    with opened(url, "node1") as outbox:
        entry_id = accept(outbox).id
        shown = run("outbox", "show", entry_id, "--mail")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "is not made yet" in shown.stderr


def test_what_is_being_sent_is_left_alone(
    service: TestClient, postfix: PostfixStandIn, report: Json
) -> None:
    """A mail that is being sent can't be cancelled."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        begun.set()
        go_on.wait(60)

    postfix.data, postfix.data_hook = [], hold
    answer = post(service, report).json()
    assert begun.wait(60)
    done = run("outbox", "cancel", answer["id"])
    go_on.set()
    assert done.returncode == 1
    assert "It is being sent right now" in done.stderr
    settled(service, answer)


def test_purge(service: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """Without --yes it says how many; a removed report can be sent again as a new one."""
    waits = queued(service, report, 1)
    postfix.data = []
    answer = post(service, build(report, 2)).json()
    settled(service, answer)
    planned = run("outbox", "purge", "--ended-before", "0")
    assert (planned.returncode, planned.stdout.split()) == (0, ["To", "remove", "1", "reports"])
    assert "Nothing was removed" in planned.stderr
    assert service.get(answer["status_url"]).status_code == 200
    done = run("outbox", "purge", "--ended-before", "0", "--yes")
    assert (done.returncode, done.stdout.split()) == (0, ["Removed", "1", "reports"])
    assert service.get(answer["status_url"]).status_code == 404
    assert service.get(f"/v1/reports/{waits}").status_code == 200
    assert post(service, build(report, 2)).status_code == 202


def test_export(service: TestClient, report: Json, tmp_path: Path) -> None:
    """Each report is a line of JSON, in a file for its owner only or on the standard output."""
    ids = {queued(service, report, number) for number in (1, 2)}
    file = tmp_path / "outbox.jsonl"
    file.write_text("older")
    file.chmod(0o644)
    done = run("outbox", "export", str(file))
    assert done.returncode == 0
    assert "2 reports" in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    exported = [json.loads(line) for line in file.read_text().splitlines()]
    assert {report["id"] for report in exported} == ids
    assert [event["state"] for event in exported[0]["history"]][:2] == ["received", "queued"]

    def is_the_same() -> bool:  # unless a mail is tried in between
        assert run("outbox", "export", str(file)).returncode == 0
        return run("outbox", "export", "-").stdout == file.read_text()

    wait_for(is_the_same)
    assert sorted(path.name for path in tmp_path.glob("*outbox.jsonl*")) == ["outbox.jsonl"]


def test_without_its_service(
    url: str, postfix: PostfixStandIn, report: Json, settings: Settings
) -> None:
    """A change that is made while the service is stopped takes effect when it starts."""
    settings = settings.model_copy(update={"database_url": url})
    postfix.data = ["451 4.3.0 later"] * 2
    with serve(settings) as client:
        ids = [queued(client, report, number) for number in (1, 2)]
    retried = json.loads(run("outbox", "retry", ids[0], "--json").stdout)
    assert [(report["id"], report["state"]) for report in retried] == [(ids[0], "queued")]
    cancelled = json.loads(run("outbox", "cancel", ids[1], "--json").stdout)
    assert [(report["id"], report["state"]) for report in cancelled] == [(ids[1], "cancelled")]
    counted = run("outbox", "purge", "--ended-before", "0", "--json")
    assert json.loads(counted.stdout) == {"reports": 1, "removed": False}
    with serve(settings) as client:
        settled(client, {"status_url": f"/v1/reports/{ids[0]}"})
        settled(client, {"status_url": f"/v1/reports/{ids[1]}"}, state="cancelled")
    assert len(postfix.mails) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["list", "--state", "lost"], 2, "--state is one of: received, queued"),
        (["list", "--older-than", "soon"], 2, "--older-than soon: give a number and s, m, h or d"),
        (["list", "--limit", "0"], 2, "--limit"),
        (["show", "zzz"], 1, "There is no report zzz."),
        (["retry"], 2, "Give IDs, or --failed"),
        (["retry", "zzz", "--failed"], 2, "Give IDs, or --failed"),
        (["cancel"], 2, "ID"),
        (["purge"], 2, "--ended-before"),
        (["purge", "--ended-before", "-1"], 2, "--ended-before"),
        (["export", "/proc/nowhere/x"], 1, "/proc/nowhere/x can't be written"),
        (["export", "/etc"], 1, "/etc can't be written"),
    ],
)
def test_mistakes(settings: Settings, arguments: list[str], code: int, words: str) -> None:
    """A mistake gives one clear line, never a traceback."""
    Database(settings.outbox_url).close()
    ended = run("outbox", *arguments, NOTIFY_EMAIL_DATABASE_URL=settings.outbox_url)
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "x"], ["retry", "x"], ["export", "-"], ["cancel", "x"]]
)
@pytest.mark.usefixtures("url")
def test_no_outbox_yet(arguments: list[str], tmp_path: Path) -> None:
    """The command says that there is no outbox, and makes none."""
    ended = run("outbox", *arguments)
    assert ended.returncode == 1
    assert "There is no outbox" in ended.stderr
    assert not list(tmp_path.glob("**/outbox.db*"))


@pytest.mark.parametrize("place", ["none.db", "no/folder/outbox.db", "empty.db"])
def test_drain_without_an_outbox(tmp_path: Path, place: str) -> None:
    """drain names the path at which there is no outbox, and does not end as if it were empty."""
    (tmp_path / "empty.db").touch()
    url = f"sqlite:///{tmp_path / place}"
    ended = run("drain", "--timeout", "0", NOTIFY_EMAIL_DATABASE_URL=url)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"There is no outbox {url}" in ended.stderr
    assert "NOTIFY_EMAIL_DATABASE_URL" in ended.stderr


def test_what_goes_wrong_in_the_database(url: str) -> None:
    """The error has the database's words, on one line, without a password, and what to do."""
    Database(url).close()
    locked = OperationalError("update", {}, Exception("database is\nlocked"))
    sentence = r"can't be used: database is locked\. Try again: another program"
    with pytest.raises(SetupError, match=sentence), open_outbox(url):
        raise locked
    assert (
        printable_url("postgresql+psycopg://me:secret@db/x") == "postgresql+psycopg://me:***@db/x"
    )


def test_what_is_no_outbox(tmp_path: Path) -> None:
    """A command that can't use the file says so in one line, and what to do."""
    (tmp_path / "text.db").write_text("no database" * 100)
    for name, reason in (("text.db", "file is not a database"), (".", "unable to open")):
        url = f"sqlite:///{tmp_path}/{name}"
        ended = run("outbox", "list", NOTIFY_EMAIL_DATABASE_URL=url)
        assert (ended.returncode, ended.stdout) == (1, "")
        [line] = ended.stderr.splitlines()
        assert line.startswith(f"notify-email: The outbox {url} can't be used: {reason}")
        assert "Run this as the service's user" in line


@pytest.mark.usefixtures("url")
def test_the_service_as_a_process_of_its_own(
    postfix: PostfixStandIn, report: Json, tmp_path: Path
) -> None:
    """Two processes on one outbox: each sees at once what the other wrote."""
    postfix.data = ["451 4.3.0 later"]
    port, log = free_port(), tmp_path / "log"
    base = f"http://127.0.0.1:{port}"
    with serving(log, "--port", str(port), NOTIFY_EMAIL_SMTP_PORT=str(postfix.port)):
        wait_for(lambda: is_up(base))
        answer = http().post(f"{base}/v1/reports", json=report, timeout=PATIENCE).json()

        def state() -> str:
            status: requests.Response = http().get(base + answer["status_url"], timeout=PATIENCE)
            return str(status.json()["state"])

        # On a busy machine the service may try again by itself before the command does.
        wait_for(
            lambda: (
                state() == "accepted"
                or (state() == "queued" and run("outbox", "retry", answer["id"]).returncode == 0)
            )
        )
        wait_for(lambda: state() == "accepted")
    assert len(postfix.mails) == 1
    assert "outbox.error" not in log.read_text()


@pytest.mark.parametrize("command", ["list", "show", "retry", "cancel", "purge", "export"])
def test_help(command: str) -> None:
    """Every command has examples."""
    shown = subprocess.run(
        [COMMAND, "outbox", command, "--help"], capture_output=True, text=True, check=True
    )
    assert f"notify-email outbox {command}" in shown.stdout.partition("Examples:")[2]
