"""metrics.py: the figures for Prometheus; and deploy/'s dashboard and rules, which query them."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import sqlalchemy as sa
import yaml
from aiosmtpd.smtp import SMTP
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pyservice.auth import tokens
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.events import AttemptEnded, Events
from pyservice.mail import composer
from pyservice.metrics import Metrics
from pyservice.outbox.database import Database
from pyservice.outbox.queue import Outbox
from tests.builders.answers import Scrape, scrape, scrape_when
from tests.builders.growth import is_at_most
from tests.builders.limits import QUICK
from tests.builders.log_lines import CLIENT, LINE
from tests.builders.outbox import accept, other
from tests.builders.ports import free_port
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled, wait_for

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "notify-email.rules.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
SCRAPE = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "notify-email.json").read_text())
PANELS = DASHBOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
PAGE = (ROOT / "docs" / "monitoring.md").read_text()

Labels = dict[str, str]


@pytest.fixture
def quick(settings: Settings) -> Iterator[TestClient]:
    """The client of a service that retries at once."""
    with serve(settings, QUICK) as client:
        yield client


def test_accepted(client: TestClient, report: Json) -> None:
    """A report, its attempt and its mail are counted once, and their times are taken."""
    settled(client, post(client, report).json())
    assert post(client, report).status_code == 200  # the same again is none
    figures = scrape_when(client, "mails_total", accepted=1)
    assert figures("reports_accepted_total") == 1
    assert figures.counts("attempts_total") == {"accepted": 1}
    for name in ("handover_seconds", "smtp_attempt_seconds", "render_seconds"):
        assert figures(f"{name}_count") == 1
        assert 0 < figures(f"{name}_sum") < 15
    assert not figures.counts("outbox_waiting")
    assert figures("outbox_oldest_age_seconds") == 0
    assert not figures.counts("requests_refused_total")


def test_deferred_and_then_accepted(
    postfix: PostfixStandIn, report: Json, quick: TestClient
) -> None:
    """Each attempt is counted, the mail once; it is rendered once."""
    postfix.data = ["451 4.3.0 later", "452 4.3.1 later still"]
    post(quick, report)
    figures = scrape_when(quick, "mails_total", accepted=1)
    assert figures.counts("attempts_total") == {"deferred": 2, "accepted": 1}
    assert figures("smtp_attempt_seconds_count") == 3
    assert figures("render_seconds_count") == figures("handover_seconds_count") == 1


def test_failed(client: TestClient, postfix: PostfixStandIn, report: Json) -> None:
    """A mail that Postfix refuses was handed over to nobody."""
    postfix.data = ["550 5.7.1 we do not like this"]
    post(client, report)
    figures = scrape_when(client, "mails_total", failed=1)
    assert figures.counts("attempts_total") == {"refused": 1}
    assert figures("handover_seconds_count") == 0


def test_not_rendered(client: TestClient, report: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that can't be made has failed without an attempt."""

    def broken(*_: object) -> bytes:
        raise ValueError("a slip of ours")

    monkeypatch.setattr(composer, "compose", broken)
    post(client, report)
    assert not scrape_when(client, "mails_total", failed=1).counts("attempts_total")


def test_partly(postfix: PostfixStandIn, report: Json, quick: TestClient) -> None:
    """Some recipients have it, some get it later: one mail, handed over once."""
    postfix.rcpt = {"b@x.org": "450 4.2.0 greylisted"}
    report["mail"] = {"to": ["a@x.org", "b@x.org"]}
    settled(quick, post(quick, report).json(), state="queued")
    postfix.rcpt = {}
    figures = scrape_when(quick, "mails_total", accepted=1)
    attempts = figures.counts("attempts_total")
    assert (attempts["partly"], attempts["accepted"]) == (1, 1)
    assert figures("handover_seconds_count") == 1


def test_uncertain(postfix: PostfixStandIn, report: Json, quick: TestClient) -> None:
    """A lost reply to the final dot is an outcome of its own."""

    def hang_up_once(server: SMTP) -> None:
        postfix.data_hook = None
        assert isinstance(server.transport, asyncio.Transport)
        server.transport.abort()

    postfix.data_hook = hang_up_once
    post(quick, report)
    figures = scrape_when(quick, "mails_total", accepted=1)
    assert figures.counts("attempts_total") == {"uncertain": 1, "accepted": 1}


def test_receipts(settings: Settings, tmp_path: Path, report: Json) -> None:
    """What Postfix' log tells of our mails is counted, each news once; foreign mails are not."""
    log = tmp_path / "mail.log"
    log.touch()
    with serve(settings.model_copy(update={"postfix_log": str(log)}), QUICK) as client:
        two = report | {"mail": {"to": ["ada@example.com", "bob@example.com"]}}
        answer = post(client, two).json()
        settled(client, answer)
        later = "to=<{}>, relay=relay.example.com[192.0.2.1]:25, delay=1, status={} ({})"
        lines = [
            LINE.format("cleanup", "4Q0001", f"message-id={answer['message_id']}"),
            LINE.format("smtp", "4Q0001", later.format("ada@example.com", "deferred", "451 x")),
            LINE.format("smtp", "4Q0001", later.format("ada@example.com", "deferred", "451 x")),
            LINE.format("smtp", "4Q0001", later.format("ada@example.com", "sent", "250 Ok")),
            LINE.format("smtp", "4Q0001", later.format("bob@example.com", "bounced", "550 no")),
            LINE.format("cleanup", "4FOREIGN", "message-id=<foreign@example.com>"),
            LINE.format("smtp", "4FOREIGN", later.format("eve@example.com", "sent", "250 Ok")),
        ]
        with capture_logs() as logs:
            log.write_text("\n".join(lines) + "\n")
            figures = scrape_when(client, "receipts_total", deferred=1, relayed=1, bounced=1)
    assert figures("postfix_log_readable") == 1
    assert figures.counts("mails_total") == {"accepted": 1}
    [bounce] = [entry for entry in logs if entry["event"] == "mail.bounced"]
    assert (bounce["id"], bounce["recipient"]) == (answer["id"], "bob@example.com")
    assert bounce["reply"] == "550 no"


def test_settled_by_the_log(
    settings: Settings, postfix: PostfixStandIn, tmp_path: Path, report: Json
) -> None:
    """A mail whose reply was lost has ended as accepted when Postfix' log has it."""

    def hang_up(server: SMTP) -> None:
        assert isinstance(server.transport, asyncio.Transport)
        server.transport.abort()

    postfix.data_hook = hang_up
    log = tmp_path / "mail.log"
    log.touch()
    with serve(settings.model_copy(update={"postfix_log": str(log)}), QUICK) as client:
        answer = post(client, report).json()
        wait_for(lambda: "uncertain" in scrape(client).counts("attempts_total"))
        queued = "from=<jenkins@ci.example.com>, size=9, nrcpt=1 (queue active)"
        with log.open("a") as out:
            out.write(LINE.format("smtpd", "4Q9", CLIENT) + "\n")
            out.write(LINE.format("cleanup", "4Q9", f"message-id={answer['message_id']}") + "\n")
            out.write(LINE.format("qmgr", "4Q9", queued) + "\n")
        scrape_when(client, "mails_total", accepted=1)


def test_settled_by_what_the_log_told_before(
    settings: Settings, postfix: PostfixStandIn, tmp_path: Path, report: Json
) -> None:
    """It is counted, too, where the log was read before the reply was lost."""
    log = tmp_path / "mail.log"
    log.touch()
    answers: list[Json] = []
    engine = sa.create_engine(settings.outbox_url)

    def is_known() -> bool:
        with engine.connect() as read:
            return bool(read.execute(sa.text("SELECT logged_queue_id FROM reports")).scalar())

    def log_and_hang_up(server: SMTP) -> None:
        wait_for(lambda: bool(answers))
        queued = "from=<jenkins@ci.example.com>, size=9, nrcpt=1 (queue active)"
        with log.open("a") as out:
            named = f"message-id={answers[0]['message_id']}"
            out.write(LINE.format("smtpd", "4Q9", CLIENT) + "\n")
            out.write(LINE.format("cleanup", "4Q9", named) + "\n")
            out.write(LINE.format("qmgr", "4Q9", queued) + "\n")
        wait_for(is_known)
        assert isinstance(server.transport, asyncio.Transport)
        server.transport.abort()

    postfix.data_hook = log_and_hang_up
    with serve(settings.model_copy(update={"postfix_log": str(log)}), QUICK) as client:
        answers.append(post(client, report).json())
        figures = scrape_when(client, "mails_total", accepted=1)
    engine.dispose()
    assert figures.counts("attempts_total") == {"uncertain": 1}


@pytest.mark.parametrize(("log", "readable"), [("absent", [0.0]), (None, [])])
def test_no_log(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: str | None,
    readable: list[float],
) -> None:
    """A log that can't be read is 0; where none is to be read there is no figure to alert by."""
    monkeypatch.setattr("pyservice.postfix.log_relay.FILE", tmp_path / "not" / "there")
    source = log and str(tmp_path / log)
    with serve(settings.model_copy(update={"postfix_log": source})) as client:
        figures = scrape(client)
    name = "notify_email_postfix_log_readable"
    assert [sample.value for sample in figures.samples if sample.name == name] == readable


def test_waiting(settings: Settings, report: Json) -> None:
    """While Postfix is away the mail waits, and the oldest gets older."""
    with serve(settings.model_copy(update={"smtp_port": free_port()})) as client:
        settled(client, post(client, report).json(), state="queued")
        figures = scrape(client)
        assert figures.counts("outbox_waiting") == {"queued": 1}
        assert figures("outbox_waiting", state="received") == 0
        first = figures("outbox_oldest_age_seconds")
        time.sleep(0.1)
        assert scrape(client)("outbox_oldest_age_seconds") >= first + 0.1


def test_only_what_waits_is_looked_at(database_url: str) -> None:
    """Those that ended are neither counted nor, on SQLite, read: an index has the others."""
    database, metrics = Database(database_url), Metrics()
    outbox = Outbox(database, host="ci.example.com", node="node1")
    try:
        metrics.watch(database, lambda: None, LiveSettings(Settings()))
        accept(outbox)
        ended = accept(outbox, other(3), hold=True)
        outbox.start_attempt(ended, b"bytes")
        outbox.finish_attempt(ended, state="failed", note="550 no")
        statements: list[tuple[str, Any]] = []

        def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
            statements.append((statement, parameters))

        with database.read() as read:
            sa.event.listen(read.engine, "before_cursor_execute", note)
            figures = Scrape(metrics.exposition().decode())
            sa.event.remove(read.engine, "before_cursor_execute", note)
            if not database.is_shared:
                [(statement, parameters)] = [s for s in statements if "GROUP BY" in s[0]]
                plan = read.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                assert "USING INDEX reports_next_attempt_at" in str(plan)
        assert figures.counts("outbox_waiting") == {"received": 1}
    finally:
        outbox.close()
        database.close()


def test_an_outbox_that_cannot_be_read(
    client: TestClient, report: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A figure says so, and the others are there."""
    settled(client, post(client, report).json())

    @contextmanager
    def broken(_: Database) -> Iterator[sa.Connection]:
        raise sa.exc.OperationalError("select", {}, Exception("disk I/O error"))
        yield

    monkeypatch.setattr(Database, "read", broken)
    figures = scrape(client)
    assert figures("outbox_readable") == 0
    assert figures("reports_accepted_total") == 1
    assert not figures.counts("outbox_waiting")


def test_refused(client: TestClient, report: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request that is answered with a problem is counted by its status."""
    post(client, b"{")
    post(client, report | {"colour": "red"})
    post(client, report | {"colour": "red"})
    client.get("/nowhere")

    def full(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("database or disk is full"))

    monkeypatch.setattr(Outbox, "accept", full)
    post(client, report)
    monkeypatch.setattr(Outbox, "accept", None)  # a slip of ours
    post(client, report)
    assert scrape(client).counts("requests_refused_total") == {
        "400": 1,
        "404": 1,
        "422": 2,
        "500": 1,
        "503": 1,
    }


def test_a_token_may_scrape(settings: Settings, tmp_path: Path) -> None:
    """Without one it is a 401, which is counted; Prometheus sends it as a bearer token."""
    file = tmp_path / "tokens.toml"
    token = tokens.new(file, "prometheus")
    with serve(settings.model_copy(update={"tokens_file": file})) as client:
        refused = client.get("/metrics")
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
        assert "notify_email" not in refused.text
        client.headers["authorization"] = f"Bearer {token}"
        assert scrape(client).counts("requests_refused_total") == {"401": 1}


def test_labels_are_bounded(client: TestClient, report: Json) -> None:
    """More jobs, recipients and reports make no more time series, and none is named."""
    before = len(scrape(client).samples)
    for number, name in enumerate(("ada", "bob", "eve"), 1):
        report["build"] |= {"job": f"shop/{name}-job", "number": number}
        report["mail"] = {"to": [f"{name}@example.com"]}
        settled(client, post(client, report).json())
    figures = scrape_when(client, "mails_total", accepted=3)
    assert len(figures.samples) == before < 120
    assert {label for sample in figures.samples for label in sample.labels} == {
        "status",
        "outcome",
        "state",
        "le",
        "by",
    }


def test_each_service_has_its_own(client: TestClient, report: Json) -> None:
    """Two in one process don't share their figures."""
    settled(client, post(client, report).json())
    assert Scrape(Metrics().exposition().decode())("reports_accepted_total") == 0


def test_names(client: TestClient) -> None:
    """They are as Prometheus recommends: a prefix, base units, `_total` for what is counted."""
    families = scrape(client).families
    for family in families:
        assert re.fullmatch(r"notify_email_[a-z_]+", family.name)
        assert family.documentation
        if family.type == "counter":
            assert {sample.name for sample in family.samples} == {f"{family.name}_total"}
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
    kinds = Counter(family.type for family in families)
    assert kinds == {"counter": 7, "histogram": 3, "gauge": 6}


def test_to_tell_of_an_event_costs_microseconds() -> None:
    """Less than a thousandth of what a mail costs, even on a busy machine."""
    events = Events()
    events.subscribe(Metrics().on_event)

    def announce() -> None:
        for _ in range(10_000):
            events.announce(AttemptEnded("accepted", 0.01))

    assert is_at_most(10_000 * 50e-6, announce)


@pytest.fixture
def offered(settings: Settings, tmp_path: Path) -> dict[str, list[Labels]]:
    """What a service that reads Postfix' log tells to a scrape: each name with its labels."""
    log = tmp_path / "mail.log"
    log.touch()
    with serve(settings.model_copy(update={"postfix_log": str(log)})) as client:
        samples = scrape(client).samples
    offered: dict[str, list[Labels]] = {"up": [{}]}  # Prometheus' own
    for sample in samples:
        offered.setdefault(sample.name, []).append(sample.labels)
    return offered


def selectors(query: str) -> list[Any]:
    """What a query selects; it is parsed as Prometheus does."""
    for name, seconds in (("$__rate_interval", "1m"), ("$__range", "6h")):
        query = query.replace(name, seconds)  # Grafana's own
    selectors: list[Any] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            selectors.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            selectors.append(node.vector_selector)
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    assert selectors, query
    return selectors


@pytest.mark.parametrize("queries", [[alert["expr"] for alert in ALERTS], QUERIES])
def test_only_figures_that_there_are(queries: list[str], offered: dict[str, list[Labels]]) -> None:
    """What rules and dashboard select is in a scrape, with those labels and values."""
    [job] = [config["job_name"] for config in SCRAPE["scrape_configs"]]
    for query in queries:
        for selector in selectors(query):
            assert selector.name in offered, query
            wanted = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
            assert wanted.pop("job") == job, query
            assert wanted.pop("instance", "$instance") == "$instance", query
            assert any(
                all(re.fullmatch(value, labels.get(name, "")) for name, value in wanted.items())
                for labels in offered[selector.name]
            ), query


def test_every_figure_is_shown(offered: dict[str, list[Labels]]) -> None:
    """The dashboard leaves none out."""
    shown = {selector.name for query in QUERIES for selector in selectors(query)}
    figures = {re.sub(r"_(sum|count)$", "_bucket", name) for name in offered}
    assert shown == figures


def test_rules_are_as_prometheus_documents_them() -> None:
    """Groups of alerting rules, each with a name, an expression and what to say."""
    assert set(RULES) == {"groups"}
    for group in RULES["groups"]:
        assert set(group) <= {"name", "interval", "limit", "rules", "labels"}
        assert group["name"]
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS) == 10
    for alert in ALERTS:
        assert set(alert) <= {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
        assert re.fullmatch(r"NotifyEmail[A-Za-z]+", alert["alert"])
        assert re.fullmatch(r"\d+[smh]", alert.get("for", "1m"))
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert set(alert["annotations"]) == {"summary", "description"}
        for text in alert["annotations"].values():
            assert isinstance(text, str)
            assert text.endswith(".")
            assert set(re.findall(r"{{ (\S+)", text)) <= {
                "$labels.instance",
                "$labels.status",
                "$value",
            }


def test_the_scrape_example() -> None:
    """It asks the default path and port with a bearer token, and names the rules."""
    [config] = SCRAPE["scrape_configs"]
    assert set(config) == {"job_name", "scrape_interval", "authorization", "static_configs"}
    assert set(config["authorization"]) == {"credentials_file"}
    assert config["static_configs"] == [{"targets": [f"127.0.0.1:{Settings().port}"]}]
    assert all((PROMETHEUS / file).exists() for file in SCRAPE["rule_files"])


def test_the_dashboard_is_whole() -> None:
    """Panels have their own IDs and places, and every variable that they use is declared."""
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        x, y, wide, high = (panel["gridPos"][key] for key in ("x", "y", "w", "h"))
        cells = {(x + dx, y + dy) for dx in range(wide) for dy in range(high)}
        assert x + wide <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        assert panel["title"]
        assert panel["description"].endswith(".")
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([PANELS, DASHBOARD["templating"]])))
    assert used - {"__rate_interval", "__range", "__all"} == variables


def test_the_page_has_every_figure_and_every_alert(offered: dict[str, list[Labels]]) -> None:
    """docs/monitoring.md describes each figure, and no other, and what to do about each alert."""
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in offered} - {"up"}
    assert set(re.findall(r"^\| `(notify_email_\w+)", PAGE, re.M)) == names
    assert re.findall(r"^\| `(NotifyEmail\w+)`", PAGE, re.M) == [rule["alert"] for rule in ALERTS]
