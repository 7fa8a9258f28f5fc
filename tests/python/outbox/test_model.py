"""queue, receipts, admin and retention against a small model, by whatever order of steps.

The model knows what Postfix really has of each mail. A step is drawn by hypothesis: a report comes
(again), is taken, sent, settled or released; a service dies; a lease runs out; a person cancels,
tries again or purges; Postfix' log tells. After each one all rows are as the model has them.
"""

import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pyservice.addresses import Mailbox
from pyservice.errors import ConflictError, LostLeaseError
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.database import Database
from pyservice.outbox.models import LogEvent, QueuedReport, Receipt
from pyservice.outbox.queue import Outbox, OutboxLimits
from pyservice.outbox.receipts import ReceiptStore
from pyservice.outbox.states import ACCEPTED_BY_POSTFIX, RECEIPTS, WAITING
from pyservice.outbox.tables import metadata, reports
from pyservice.policy.recipients import Recipients
from tests.builders.outbox import other

EVERYBODY = ("ada@example.com", "bo@example.com", "c@example.com")
PEOPLE = Recipients(to=tuple(Mailbox("", address) for address in EVERYBODY))
BYTES = b"From: x\r\n\r\nbytes\r\n"
REPLIES = ("accepted", "deferred", "refused")
START = datetime(2026, 11, 25, 12, tzinfo=UTC)

picks = st.integers(0, 7)


@dataclass(eq=False)
class Attempt:
    """A mail on its way: what Postfix is about to do with it."""

    entry: QueuedReport
    replies: dict[str, str]
    """Of each recipient."""
    is_reply_lost: bool
    """The connection breaks after the final dot."""
    queue_id: str

    @property
    def copies(self) -> tuple[str, ...]:
        """Who gets a mail by it."""
        return tuple(who for who, reply in self.replies.items() if reply == "accepted")


@dataclass(eq=False)
class Known:
    """What a row must be, and what is true of its mail."""

    id: str
    number: int
    next_attempt_at: float | None
    state: str = "received"
    pending: tuple[str, ...] = EVERYBODY
    attempts: int = 0
    has_mail: bool = False
    accepted_by_postfix: bool = False
    unconfirmed_attempts: int = 0
    holder: "Node | None" = None
    has_run_out: bool = False
    logged: bool = False
    """Whether the log has the attempt that is under way."""
    ended: float | None = None
    has: set[str] = field(default_factory=set)
    """Recipients that have the mail, by Postfix' reply or its log."""
    copies: set[str] = field(default_factory=set)
    """Who really has one."""
    settled_without: set[str] = field(default_factory=set)
    """Who gets none: refused, given up or cancelled."""
    receipts: dict[str, str] = field(default_factory=dict)

    @property
    def is_free(self) -> bool:
        """Nobody has it."""
        return self.holder is None

    def free(self) -> None:
        """Nobody holds it any more."""
        self.holder, self.has_run_out = None, False

    def is_still(self, entry: QueuedReport, node: "Node") -> bool:
        """Whether a node holds it, and as it was when it took it."""
        return self.holder is node and self.pending == entry.pending_recipients

    def end(self, state: str, now: float) -> None:
        """There is no further attempt."""
        self.state, self.pending, self.next_attempt_at, self.ended = state, (), None, now
        if state == "accepted":
            self.state = self.worst
        self.free()

    def settle_by_log(self, now: float) -> None:
        """Postfix' log has it."""
        self.has |= set(self.pending)
        self.accepted_by_postfix = True
        self.end("accepted", now)

    @property
    def worst(self) -> str:
        """The state of a mail that Postfix has."""
        return max(("accepted", *self.receipts.values()), key=ACCEPTED_BY_POSTFIX.index)

    def doubt(self, now: float) -> None:
        """Its holder is dead."""
        if self.state == "sending" and self.logged:
            self.settle_by_log(now)
        elif self.state == "sending":
            self.state = "queued"
            self.unconfirmed_attempts += 1


class Node:
    """A service's process. One that has died is another one when it comes back."""

    def __init__(self, url: str, name: str, database: Database) -> None:
        self.url, self.name, self.database = url, name, database
        # A lease runs out when the model says so.
        limits = OutboxLimits(lease=3600.0)
        self.outbox = Outbox(database, host="ci.example.com", node=name, limits=limits)
        self.receipts = ReceiptStore(database, name)
        self.held: list[QueuedReport] = []
        """In its hands, not yet under way; one whose lease ran out may be there twice."""
        self.flying: list[Attempt] = []

    def die(self) -> "Node":
        """Without a word; a new one comes."""
        self.outbox.close()  # only its thread that renews leases
        database = self.database
        if not database.is_shared:
            database.close()
            database = Database(self.url)
        return Node(self.url, self.name, database)


class Machine(RuleBasedStateMachine):
    """Services on one outbox."""

    url: str
    databases: list[Database]
    """One a service; a service that died has opened another."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Known] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.lines: list[tuple[Node, Attempt]] = []
        """Of Postfix' log, not read yet."""
        self.numbers = itertools.count(1)
        self.clock = time_machine.travel(START, tick=False)
        self.time = self.clock.start()

    @initialize()
    def begin_empty(self) -> None:
        """Two reports, held by the first service."""
        with self.databases[0]._engine.begin() as write:
            for table in reversed(metadata.sorted_tables):
                write.execute(table.delete())
        self.nodes = [
            Node(self.url, f"node{n}", database) for n, database in enumerate(self.databases)
        ]
        self.admin = OutboxAdmin(self.nodes[0].database, "a test")
        for number in (1, 2):
            self.accept(pick=0, number=number, key="", owner="ci", hold=True)

    def teardown(self) -> None:
        """Leave the databases to the next example."""
        for node in self.nodes:
            node.outbox.close()
        self.databases[:] = [node.database for node in self.nodes]
        self.clock.stop()

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return datetime.now(UTC).timestamp()

    def node(self, pick: int) -> Node:
        """One of them."""
        return self.nodes[pick % len(self.nodes)]

    def one(self, pick: int) -> Known:
        """One of them."""
        return list(self.known.values())[pick % len(self.known)]

    # What services do.

    @rule(
        pick=picks,
        number=st.integers(1, 2),
        key=st.sampled_from(["", "", "", "k"]),
        owner=st.sampled_from(["ci", "ci", "ci", "other"]),
        hold=st.sampled_from([True, True, False]),
    )
    def accept(self, pick: int, number: int, key: str, owner: str, hold: bool) -> None:
        """A new one is a row; the same again is the first; the same key for another is refused."""
        self.time.shift(1)
        node, name = self.node(pick), (owner, key or f"report {number}")
        first = self.known.get(self.keys.get(name, ""))
        if first and first.number != number:
            with pytest.raises(ConflictError):
                node.outbox.accept(other(number), PEOPLE, owner=owner, key=key or None).result()
            return
        entry, is_new = node.outbox.accept(
            other(number), PEOPLE, owner=owner, key=key or None, hold=hold
        ).result()
        assert is_new == (first is None)
        if first:
            assert entry.id == first.id
            return
        self.keys[name] = entry.id
        self.known[entry.id] = known = Known(entry.id, number, next_attempt_at=self.now)
        if hold:
            known.holder = node
            node.held.append(entry)

    @precondition(lambda self: any(one.next_attempt_at for one in self.known.values()))
    @rule(pick=picks, limit=st.integers(1, 4))
    def take(self, pick: int, limit: int) -> None:
        """Claim the reports that are due longest and unlocked, each for one service alone."""
        node = self.node(pick)
        due = [
            one
            for one in self.known.values()
            if one.next_attempt_at is not None
            and one.next_attempt_at <= self.now
            and (one.is_free or (one.has_run_out and one.holder is not node))
        ]
        due.sort(key=lambda one: one.next_attempt_at or 0)
        for one in due[:limit]:
            one.holder, one.has_run_out = node, False
            one.doubt(self.now)
        wanted = [one for one in due[:limit] if one.next_attempt_at is not None]
        taken = node.outbox.claim(limit)
        assert {entry.id for entry in taken} == {one.id for one in wanted}
        for entry in taken:
            one = self.known[entry.id]
            assert (entry.pending_recipients, entry.state) == (one.pending, one.state)
            node.held.append(entry)

    def holding(self) -> bool:
        """Whether there is something to send."""
        return any(node.held for node in self.nodes)

    def sending(self) -> bool:
        """Whether something is under way."""
        return any(node.flying for node in self.nodes)

    @precondition(holding)
    @rule(
        pick=picks,
        replies=st.lists(st.sampled_from(REPLIES), min_size=3, max_size=3),
        all_alike=st.booleans(),
        is_reply_lost=st.booleans(),
    )
    def send(self, pick: int, replies: list[str], all_alike: bool, is_reply_lost: bool) -> None:
        """Nobody who surely has the mail gets it again; who lost the lease can't begin."""
        node = next(node for node in (self.node(pick), *self.nodes) if node.held)
        entry = node.held.pop(pick % len(node.held))
        one = self.known.get(entry.id)
        if one is None or not one.is_still(entry, node) or one.attempts != entry.attempts:
            with pytest.raises(LostLeaseError):
                node.outbox.start_attempt(entry, BYTES)
            return
        assert not one.has & set(entry.pending_recipients)
        node.outbox.start_attempt(entry, BYTES)
        one.state, one.attempts, one.has_mail, one.logged = "sending", one.attempts + 1, True, False
        given = replies[:1] * 3 if all_alike else replies
        queue_id = f"4Q{next(self.numbers)}"
        attempt = Attempt(
            entry, dict(zip(entry.pending_recipients, given, strict=False)), is_reply_lost, queue_id
        )
        node.flying.append(attempt)
        one.copies |= set(attempt.copies)
        if attempt.copies:
            self.lines.append((node, attempt))

    @precondition(sending)
    @rule(
        pick=picks,
        gives_up=st.sampled_from([False, False, True]),
        delay=st.sampled_from([0.0, 0.0, 900.5]),
    )
    def settle(self, pick: int, gives_up: bool, delay: float) -> None:
        """Finish an attempt as the worker does; the log may have confirmed it meanwhile."""
        self.time.shift(1)
        node = next(node for node in (self.node(pick), *self.nodes) if node.flying)
        attempt = node.flying.pop(pick % len(node.flying))
        entry, one = attempt.entry, self.known.get(attempt.entry.id)
        is_lost = attempt.is_reply_lost and bool(attempt.copies)
        accepted = () if is_lost else attempt.copies
        deferred = tuple(
            who
            for who, reply in attempt.replies.items()
            if reply == "deferred" or (is_lost and reply == "accepted")
        )
        refused = {who for who, reply in attempt.replies.items() if reply == "refused"}
        goes_on = bool(deferred) and not gives_up
        state = "accepted" if entry.accepted_by_postfix or accepted else "failed"
        new_state = node.outbox.finish_attempt(
            entry,
            state="queued" if goes_on else state,
            note="so it was",
            pending_recipients=deferred if goes_on else (),
            next_attempt_at=self.now + delay if goes_on else None,
            accepted_by_postfix=bool(accepted),
            unconfirmed=is_lost,
            queue_id=attempt.queue_id if accepted else None,
        )
        in_doubt = is_lost or (entry.unconfirmed_attempts > 0 and (goes_on or state == "failed"))
        if (
            one is None
            or not one.is_still(entry, node)
            or one.attempts - entry.attempts not in {0, 1}
        ):
            if one and in_doubt and one.logged:
                one.settle_by_log(self.now)
            return
        one.accepted_by_postfix = entry.accepted_by_postfix or bool(accepted)
        one.unconfirmed_attempts = entry.unconfirmed_attempts + is_lost
        one.has |= set(accepted)
        one.settled_without |= refused
        if one.logged and in_doubt:
            one.settle_by_log(self.now)
            assert new_state == "accepted"
        elif goes_on:
            one.state, one.pending, one.next_attempt_at = "queued", deferred, self.now + delay
            one.free()
        else:
            one.settled_without |= set(deferred)
            one.end(state, self.now)

    def release(self, pick: int) -> None:
        """Unlock a claimed report, and change nothing else."""
        if not self.holding():
            return
        node = next(node for node in (self.node(pick), *self.nodes) if node.held)
        entry = node.held.pop(pick % len(node.held))
        node.outbox.release(entry)
        one = self.known.get(entry.id)
        if one and one.holder is node:
            one.free()

    def crash(self, pick: int) -> None:
        """What the dead one held is free at once in a file, and when its lease runs out else."""
        node = self.node(pick)
        born = node.die()
        self.nodes[self.nodes.index(node)] = born
        self.admin = OutboxAdmin(self.nodes[0].database, "a test")
        self.lines = [(born if of is node else of, attempt) for of, attempt in self.lines]
        if born.database.is_shared:
            return
        for one in self.known.values():
            if one.holder:
                one.doubt(self.now)
                one.free()

    def run_out(self, pick: int) -> None:
        """A lease that nobody renews any more: the clock has moved on."""
        holders = [one.holder for one in self.known.values() if one.holder]
        if not holders or len(self.nodes) == 1:
            return
        node = holders[pick % len(holders)]
        with self.nodes[0].database._engine.begin() as write:
            held = reports.c.locked_by == node.outbox._holder
            write.execute(reports.update().where(held).values(locked_until=0))
        for one in self.known.values():
            if one.holder is node:
                one.has_run_out = True

    # What people and the clock do.

    def wait(self, pick: int) -> None:
        """The clock moves on."""
        self.time.shift((1, 10, 1000, 100_000)[pick % 4])

    def cancel(self, pick: int) -> None:
        """What waits is never sent; what is held or has ended is left alone."""
        one = self.one(pick)
        if one.next_attempt_at is None or one.holder:
            with pytest.raises(ConflictError):
                self.admin.cancel(one.id)
            return
        assert self.admin.cancel(one.id).state == "cancelled"
        one.settled_without |= set(one.pending)
        one.end("cancelled", self.now)

    def retry(self, pick: int) -> None:
        """What waits is due at once; what has failed goes to everybody."""
        one = self.one(pick)
        self.time.shift(1)
        if one.holder or (one.next_attempt_at is None and one.state != "failed"):
            with pytest.raises(ConflictError):
                self.admin.retry(one.id)
            return
        self.admin.retry(one.id)
        if one.next_attempt_at is None:
            one.state, one.pending = "queued" if one.has_mail else "received", EVERYBODY
            one.settled_without, one.ended = set(), None
        one.next_attempt_at = self.now

    def purge(self, pick: int) -> None:
        """What ended before that goes, and nothing else."""
        days = pick % 3
        before = self.now - days * 86400
        old = [one for one in self.known.values() if one.ended is not None and one.ended < before]
        assert self.admin.ended_before(days) == len(old)
        assert self.admin.purge(days, pause=0.0) == len(old)
        for one in old:
            del self.known[one.id]

    # One rule, or most examples would be of them alone.
    @rule(kind=st.integers(0, 6), pick=picks)
    def something_else(self, kind: int, pick: int) -> None:
        """Mishaps, and what people do."""
        if not self.known:
            return
        (self.wait, self.retry, self.cancel, self.release, self.crash, self.run_out, self.purge)[
            kind
        ](pick)

    # What Postfix' log tells.

    @precondition(lambda self: self.lines)
    @rule()
    def log_of_queue(self) -> None:
        """A mail is in the queue: it settles what was in doubt, if it is for everybody."""
        node, attempt = self.lines.pop(0)
        trace = LogEvent(attempt.entry.id, attempt.queue_id, recipients=len(attempt.copies))
        node.receipts.record([trace], {})
        one = self.known.get(attempt.entry.id)
        if one is None or {len(one.pending), len(attempt.copies)} != {len(EVERYBODY)}:
            return
        if one.state == "sending":
            one.logged = True
        elif one.state == "queued" and one.unconfirmed_attempts:
            one.settle_by_log(self.now)

    @precondition(lambda self: self.known)
    @rule(
        pick=picks,
        who=st.sampled_from(EVERYBODY),
        state=st.sampled_from(RECEIPTS),
        is_forged=st.booleans(),
    )
    def receive(self, pick: int, who: str, state: str, is_forged: bool) -> None:
        """A receipt: a mail that Postfix has is as its worst one says.

        Once it has ended, only a queue ID that Postfix replied to the service counts.
        """
        one = self.one(pick)
        if not one.has_mail:
            return
        with self.nodes[0].database.read() as read:
            query = sa.select(reports.c.queue_id).where(reports.c.id == one.id)
            replied = None if is_forged else read.execute(query).scalar_one()
        receipt = Receipt(who, state, "so it was", self.now)
        event = LogEvent(one.id, replied or "4QFORGED", receipt=receipt)
        news = self.nodes[0].receipts.record([event], {})
        is_trusted = replied is not None or one.state in WAITING
        assert len(news.receipts) == (is_trusted and one.receipts.get(who) != state)
        if not is_trusted:
            return
        one.receipts[who] = state
        if one.state in ACCEPTED_BY_POSTFIX:
            one.state = one.worst

    # What is always so.

    @invariant()
    def rows_are_as_known(self) -> None:
        """State, due, holder and the rest; what is counted and due next agrees."""
        if not hasattr(self, "nodes"):
            return
        with self.nodes[0].database.read() as read:
            rows = {row["id"]: row for row in read.execute(sa.select(reports)).mappings()}
        assert rows.keys() == self.known.keys()
        for one in self.known.values():
            row = rows[one.id]
            assert row["state"] == one.state
            assert row["attempts"] == one.attempts
            assert row["next_attempt_at"] == one.next_attempt_at
            assert row["accepted_by_postfix"] == one.accepted_by_postfix
            assert row["unconfirmed_attempts"] == one.unconfirmed_attempts
            assert tuple(json.loads(row["pending_recipients"])) == one.pending
            assert row["locked_by"] == (one.holder and one.holder.outbox._holder)
            assert (
                (row["state"] in WAITING)
                == (row["next_attempt_at"] is not None)
                == bool(one.pending)
            )
            assert (row["ended_at"] is None) == (row["next_attempt_at"] is not None)
            assert row["size_bytes"] == len(row["report"].encode()) + len(row["mail"] or b"")
        waiting = [
            one.next_attempt_at for one in self.known.values() if one.next_attempt_at is not None
        ]
        assert self.admin.waiting() == len(waiting)
        for node in self.nodes:
            free = [
                one.next_attempt_at
                for one in self.known.values()
                if one.next_attempt_at is not None
                and (one.is_free or (one.has_run_out and one.holder is not node))
            ]
            assert node.outbox.next_due() == min(free, default=None)

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Each recipient has the mail, waits for it, or is known to get none."""
        for one in self.known.values():
            assert one.has <= one.copies
            for who in EVERYBODY:
                assert who in one.has or who in one.pending or who in one.settled_without


def run(url: str, databases: list[Database], *, examples: int, steps: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    here = type("Here", (Machine,), {"url": url, "databases": databases})
    try:
        run_state_machine_as_test(here, settings=chosen)
    finally:
        for database in databases:
            database.close()


def test_a_service_and_its_file(tmp_path: Path) -> None:
    """One service on SQLite, which dies now and then."""
    url = f"sqlite:///{tmp_path}/outbox.db"
    run(url, [Database(url)], examples=120, steps=40)


def test_services_that_share(shared_url: str) -> None:
    """Two on one PostgreSQL."""
    run(shared_url, [Database(shared_url), Database(shared_url)], examples=40, steps=50)
