"""receipts.py and own_mails.py: what a line of Postfix' log may change, and what it may not."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.events import Events
from pyservice.outbox.models import LogEvent, QueuedReport, Receipt
from pyservice.outbox.queue import Outbox
from pyservice.outbox.receipts import ReceiptStore
from pyservice.outbox.tables import events, receipts_table, reports
from pyservice.postfix.log_line import Line
from pyservice.postfix.log_watcher import LogWatcher
from pyservice.postfix.own_mails import MAX_MAILS, OwnMails
from tests.builders.log_lines import CLIENT, LINE
from tests.builders.outbox import PEOPLE, accept, lose_reply, opened, taken

MESSAGE_ID = "<notify-email.1@ci.example.com>"
SENDER = "jenkins@ci.example.com"
ADA, BEN = PEOPLE.addresses
Log = Callable[..., None]


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    with opened(database_url, "node1") as one:
        yield one


@pytest.fixture
def store(outbox: Outbox) -> ReceiptStore:
    return ReceiptStore(outbox._database, "node1")


@pytest.fixture
def log(store: ReceiptStore, tmp_path: Path) -> Log:
    """A function that logs lines of one mail, each a program and a text, and lets them be read."""
    file = tmp_path / "mail.log"
    file.touch()
    live = LiveSettings(Settings(postfix_log=str(file), sender=SENDER))
    watcher = LogWatcher(store, live, Events())
    watcher.step()

    def write(queue_id: str, *lines: tuple[str, str]) -> None:
        with file.open("a") as out:
            out.writelines(f"{LINE.format(program, queue_id, text)}\n" for program, text in lines)
        watcher.step()

    return write


def accepted(outbox: Outbox, queue_id: str = "4QOURS") -> QueuedReport:
    """A report whose mail Postfix has."""
    entry = accept(outbox, hold=True)
    outbox.start_attempt(entry, b"bytes")
    outbox.finish_attempt(
        entry, state="accepted", note="250", queue_id=queue_id, accepted_by_postfix=True
    )
    return entry


def delivery(recipient: str, status: str = "sent") -> tuple[str, str]:
    text = f"to=<{recipient}>, relay=r[192.0.2.1]:25, delay=1, status={status} (so it was)"
    return "smtp", text


def beginning(
    message_id: str, *, sender: str = SENDER, first: tuple[str, str] = ("smtpd", CLIENT)
) -> list[tuple[str, str]]:
    """The lines before a mail's deliveries."""
    queued = f"from=<{sender}>, size=9, nrcpt=2 (queue active)"
    return [first, ("cleanup", f"message-id={message_id}"), ("qmgr", queued)]


def rows(outbox: Outbox, table: sa.Table) -> int:
    with outbox._database.read() as read:
        return int(read.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize(
    "first",
    [
        ("smtpd", CLIENT),
        ("smtpd", "client=unknown[172.17.0.2]"),
        ("pickup", "uid=1000 from=<mallory>"),
    ],
)
def test_another_mail_with_our_message_id(
    outbox: Outbox, store: ReceiptStore, log: Log, first: tuple[str, str]
) -> None:
    """It changes nothing of a report that has ended, wherever it comes from."""
    entry = accepted(outbox)
    before = rows(outbox, events)
    log(
        "4QFORGED",
        *beginning(entry.message_id, first=first),
        delivery(ADA),
        delivery(BEN, "bounced"),
    )
    assert outbox.get(entry.id, owner="ci")[0].state == "accepted"
    assert store.receipts(entry) == ()
    assert rows(outbox, events) == before
    log("4QOURS", *beginning(entry.message_id), delivery(ADA), delivery(BEN))
    assert outbox.get(entry.id, owner="ci")[0].state == "relayed"
    assert [receipt.recipient for receipt in store.receipts(entry)] == [ADA, BEN]


@pytest.mark.parametrize(
    ("first", "sender"),
    [
        (("smtpd", "client=unknown[172.17.0.2]"), SENDER),
        (("pickup", "uid=1000 from=<mallory>"), SENDER),
        (("smtpd", CLIENT), "mallory@example.com"),
        (None, SENDER),
    ],
)
def test_a_lost_reply_is_not_settled_by_another_mail(
    outbox: Outbox, store: ReceiptStore, log: Log, first: tuple[str, str] | None, sender: str
) -> None:
    """Only a mail from this machine with our sender shows that Postfix has ours."""
    entry = accept(outbox, hold=True)
    outbox.start_attempt(entry, b"bytes")
    lines = beginning(entry.message_id, sender=sender, first=first or ("smtpd", ""))
    log("4QFORGED", *lines, delivery(ADA))
    state = lose_reply(outbox, entry, next_attempt_at=time.time() + 60)
    assert state == "queued"
    assert store.receipts(entry) == ()
    log("4QOURS", *beginning(entry.message_id), delivery(ADA), delivery(BEN))
    found, history = outbox.get(entry.id, owner="ci")
    assert (found.state, found.queue_id) == ("relayed", "4QOURS")
    assert any("queued as 4QOURS: it is not sent again" in event.note for event in history)


def test_a_restart_between_any_two_lines(
    outbox: Outbox, store: ReceiptStore, tmp_path: Path
) -> None:
    """A mail is known again, wherever in its lines the service was killed."""
    file = tmp_path / "mail.log"
    file.touch()
    live = LiveSettings(Settings(postfix_log=str(file), sender=SENDER))
    entry = accept(outbox, hold=True)
    outbox.start_attempt(entry, b"bytes")
    lose_reply(outbox, entry, next_attempt_at=time.time() + 60)
    LogWatcher(store, live, Events()).step()
    for program, text in (*beginning(entry.message_id), delivery(ADA), delivery(BEN)):
        with file.open("a") as out:
            out.write(f"{LINE.format(program, '4QOURS', text)}\n")
        LogWatcher(store, live, Events()).step()
    found, _ = outbox.get(entry.id, owner="ci")
    assert (found.state, found.queue_id) == ("relayed", "4QOURS")


def test_receipts_that_come_before_the_reply(outbox: Outbox, store: ReceiptStore, log: Log) -> None:
    """They count once the reply is there."""
    entry = accept(outbox, hold=True)
    outbox.start_attempt(entry, b"bytes")
    log("4QOURS", *beginning(entry.message_id), delivery(ADA), delivery(BEN))
    outbox.finish_attempt(entry, state="accepted", note="250", queue_id="4QOURS")
    assert outbox.get(entry.id, owner="ci")[0].state == "relayed"


def test_every_attempt_has_its_queue_id(outbox: Outbox, store: ReceiptStore, log: Log) -> None:
    """Where the first attempt is accepted for some recipients, and the second for the others."""
    entry = accept(outbox, hold=True)
    outbox.start_attempt(entry, b"bytes")
    outbox.finish_attempt(
        entry,
        state="queued",
        note="250, and 450 for one",
        queue_id="4QFIRST",
        pending_recipients=(BEN,),
        next_attempt_at=1.0,
        accepted_by_postfix=True,
    )
    again = taken(outbox)
    outbox.start_attempt(again, b"bytes")
    outbox.finish_attempt(again, state="accepted", note="250", queue_id="4QSECOND")
    log("4QFIRST", *beginning(entry.message_id), delivery(ADA, "bounced"))
    log("4QSECOND", *beginning(entry.message_id), delivery(BEN))
    states = {receipt.recipient: receipt.state for receipt in store.receipts(entry)}
    assert states == {ADA: "bounced", BEN: "relayed"}


def test_only_recipients_of_the_report_have_receipts(
    outbox: Outbox, store: ReceiptStore, log: Log
) -> None:
    """A line about another one adds nothing; upper case is no other recipient."""
    entry = accepted(outbox)
    strangers = [delivery(f"{number}@example.com", "bounced") for number in range(50)]
    log("4QOURS", *beginning(entry.message_id), *strangers, delivery(ADA.upper()))
    assert [receipt.recipient for receipt in store.receipts(entry)] == [ADA]
    assert outbox.get(entry.id, owner="ci")[0].state == "relayed"


def test_rows_have_an_end(outbox: Outbox, store: ReceiptStore) -> None:
    """However many lines with new words there are: the last receipt and the state stay true."""
    entry = accepted(outbox)
    for number in range(1500):
        receipt = Receipt(ADA, "deferred", f"451 try {number}", 1.0)
        store.record([LogEvent(None, "4QOURS", receipt=receipt)] * 3, {})
    assert rows(outbox, events) < 300
    assert rows(outbox, receipts_table) == 1
    assert store.receipts(entry)[0].reply == "451 try 1499"
    assert rows(outbox, reports) == 1


def test_what_is_remembered_of_the_log_has_an_end() -> None:
    """Of many mails with our Message-IDs, and of many that never get one, the newest are known."""
    mails = OwnMails("127.0.0.1")
    for number in range(2 * MAX_MAILS):
        for _, text in beginning(MESSAGE_ID)[:2]:
            mails.learn(Line(f"4Q{number}", text), SENDER)
        mails.learn(Line(f"4P{number}", CLIENT), SENDER)
    assert len(mails.report_ids) == MAX_MAILS
    assert f"4Q{2 * MAX_MAILS - 1}" in mails.report_ids
    assert len(mails.clients) <= MAX_MAILS


@pytest.mark.parametrize(
    ("client", "is_ours"),
    [
        (CLIENT, True),
        ("client=localhost[::1], sasl_method=PLAIN", True),
        ("client=node1[172.17.0.1]", True),
        ("client=localhost[172.17.0.2]", False),
        ("client=[127.0.0.1][172.17.0.2]", False),
        ("client=unknown[unknown]", False),
    ],
)
def test_from_where_a_mail_came(client: str, is_ours: bool) -> None:
    """From this machine: loopback, or the address at which we reach Postfix."""
    mails = OwnMails("172.17.0.1")
    for _, text in beginning(MESSAGE_ID, first=("smtpd", client)):
        mails.learn(Line("4Q1", text), SENDER)
    assert ("4Q1" in mails.report_ids) == is_ours
