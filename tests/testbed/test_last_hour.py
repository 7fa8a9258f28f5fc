"""Before a node goes, its mail gets out, and its delivery status can be read."""

import json
from pathlib import Path

from tests.builders.reports import report_of
from tests.testbed.deferred import MAIL, wait_until_deferred
from tests.testbed.namespaces import Completed
from tests.testbed.network import Testbed
from tests.testbed.node import BIN


def drain(testbed: Testbed, *options: str) -> Completed:
    """`notify-email drain` on the first node."""
    return testbed.node.run(
        *(str(BIN / "notify-email"), "drain", "--config-dir", str(testbed.postfix.config)),
        *options,
        env={"NOTIFY_EMAIL_DATABASE_URL": f"sqlite:///{testbed.node.folder}/outbox.db"},
    )


def test_drain_waits_for_the_outbox_and_for_postfix(testbed: Testbed) -> None:
    """While Postfix is away, while the relay host is, and until the last mail is out."""
    testbed.postfix.stop()
    testbed.start_service()
    testbed.post(report_of("2-failure"))
    away = drain(testbed, "--timeout", "0")
    assert away.returncode == 1
    assert "Outbox      1 left" in away.stdout
    assert "postqueue failed: fatal: " in away.stderr
    testbed.relay_answers("451 4.3.0 later")
    testbed.postfix.start()
    wait_until_deferred(testbed, "451 4.3.0 later")
    held = drain(testbed, "--timeout", "1")
    assert held.returncode == 1
    assert held.stdout.splitlines() == ["Outbox      empty", "Postfix     1 left"]
    assert "There is mail left after 1 s" in held.stderr
    assert json.loads(drain(testbed, "--timeout", "0", "--json").stdout) == {
        "outbox": 0,
        "postfix": 1,
    }
    testbed.relay_answers(None)
    done = drain(testbed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["Outbox      empty", "Postfix     empty"]
    assert len(testbed.mails()) == 1


def test_the_service_sees_its_own_mails_and_no_others(testbed: Testbed, tmp_path: Path) -> None:
    """`share-log` passes on the lines about the service's mail, and no others."""
    ours = tmp_path / "ours.log"
    share = (str(BIN / "notify-email"), "share-log", "--log", str(testbed.postfix.log))
    testbed.node.run(*share, "--to", str(ours), "--once")
    before = len(ours.read_text().splitlines())
    testbed.start_service()
    testbed.speak_smtp(testbed.container, MAIL)
    answer = testbed.post(report_of("2-failure", to="grace@example.com"))
    queue_id = testbed.status(answer)["queue_id"]
    done = drain(testbed)
    assert done.returncode == 0, done.stderr
    shared = testbed.node.run(*share, "--to", str(ours), "--once")
    lines = ours.read_text().splitlines()[before:]
    assert shared.stdout == f"Passed on   {len(lines)} lines to {ours}\n", shared.stderr
    assert len(lines) >= 4
    assert all(f" {queue_id}: " in line for line in lines)
    assert any("to=<grace@example.com>" in line and "status=sent" in line for line in lines)
    assert lines[-1].endswith("removed")
