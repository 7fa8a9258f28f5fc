"""The testbed itself: it behaves as its README says, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.builders import owned
from tests.testbed import namespaces
from tests.testbed.deferred import MAIL, wait_until_deferred
from tests.testbed.errors import TestbedError
from tests.testbed.network import BRIDGE, ROOT, Testbed
from tests.testbed.waiting import until


def test_a_pod_proves_the_path(testbed: Testbed) -> None:
    """From within a container an SMTP conversation with docker0's address ends in a queue ID."""
    replies = testbed.speak_smtp(testbed.container, MAIL)
    assert replies[0].startswith("220 node1.ci.example.com ESMTP")
    assert replies[-1].startswith("250 2.0.0 Ok: queued as ")
    [mail] = testbed.wait_for_mails(1)
    assert (mail.sender, mail.recipients) == ("jenkins@ci.example.com", ["ada@example.com"])
    assert f"{replies[-1].rpartition(' ')[2]}: to=<ada@example.com>" in testbed.node.maillog()


def test_the_relay_host_keeps_the_exact_bytes(testbed: Testbed) -> None:
    """The relay host's copy is what was sent, below the Received header that Postfix adds."""
    testbed.speak_smtp(testbed.container, MAIL)
    [mail] = testbed.wait_for_mails(1)
    received, separator, rest = mail.content.partition(b"\r\nFrom: ")
    assert received.startswith(b"Received: from container.example.com (unknown [172.22.91.2])")
    assert (separator + rest).removeprefix(b"\r\n") == MAIL.encode()


def test_a_pod_of_the_wider_network_may_send(testbed: Testbed) -> None:
    """A pod's address lies in the cluster's network, wider than the bridge's."""
    pod = testbed.add_container(testbed.node, "172.22.180.7")
    assert testbed.speak_smtp(pod, MAIL)[-1].startswith("250 2.0.0 Ok: queued as ")
    [mail] = testbed.wait_for_mails(1)
    assert b"(unknown [172.22.180.7])" in mail.content


def test_an_outsider_is_refused(testbed: Testbed) -> None:
    """An address outside of mynetworks gets 454 or 554 at RCPT."""
    replies = testbed.speak_smtp(testbed.outsider, MAIL)
    assert len(replies) == 4, replies
    assert replies[-1].startswith(("454 4.7.1", "554 5.7.1"))
    assert testbed.mails() == []


def test_a_stopped_postfix_refuses(testbed: Testbed) -> None:
    """A container's connection is refused then."""
    testbed.postfix.stop()
    assert testbed.speak_smtp(testbed.container, MAIL) == []


@pytest.mark.parametrize("command", ["mail", "rcpt", "data"])
def test_a_deferred_mail_waits(testbed: Testbed, command: str) -> None:
    """While the relay host says 451 a mail stays in the queue, and then it goes."""
    testbed.relay_answers("451 4.3.0 later", at=command)
    testbed.speak_smtp(testbed.container, MAIL)
    wait_until_deferred(testbed, "451 4.3.0 later")
    assert testbed.mails() == []
    testbed.relay_answers(None)
    testbed.postfix.flush()
    testbed.wait_for_mails(1)
    until(lambda: "is empty" in testbed.node.queue(), "the queue is empty")
    assert len(testbed.mails()) == 1


def test_a_refused_mail_bounces(testbed: Testbed) -> None:
    """A mail that the relay host refuses for good leaves the queue, and the log says why."""
    testbed.relay_answers("550 5.1.1 no such user", at="rcpt")
    queue_id = testbed.speak_smtp(testbed.container, MAIL)[-1].rpartition(" ")[2]
    delivery = f"{queue_id}: to=<ada@example.com>"

    def lines() -> list[str]:
        return [line for line in testbed.node.maillog().splitlines() if delivery in line]

    until(lambda: any("status=bounced" in line for line in lines()), lambda: str(lines()))
    assert "said: 550 5.1.1 no such user" in lines()[-1]


def test_a_relay_host_that_is_away(testbed: Testbed) -> None:
    """While nobody listens there a mail waits, and then it goes."""
    testbed.stop_relay()
    testbed.speak_smtp(testbed.container, MAIL)
    wait_until_deferred(testbed, "Connection refused")
    testbed.start_relay()
    testbed.postfix.flush()
    testbed.wait_for_mails(1)


def test_nodes_share_nothing(testbed: Testbed) -> None:
    """A second node with the same bridge address serves its own containers only."""
    other = testbed.add_node()
    neighbour = testbed.add_container(other, "172.22.91.2")
    testbed.postfix.stop()
    replies = testbed.speak_smtp(neighbour, MAIL)
    assert not replies[0].startswith("220 node1.")
    [mail] = testbed.wait_for_mails(1)
    assert replies[-1].rpartition(" ")[2] in other.maillog()
    assert replies[-1].rpartition(" ")[2].encode() in mail.content
    assert testbed.speak_smtp(testbed.container, MAIL) == []
    other.postfix.stop()


def test_a_failure_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A testbed that fails while it is made is removed again, its folder and processes too."""
    before = own_resources()
    pids: list[int] = []

    def fail(self: Testbed, _node: object) -> None:
        pids.extend([*self.relay.pids(), *self.node.pids()])
        raise RuntimeError("no outsider")

    monkeypatch.setattr(Testbed, "add_outsider", fail)
    with pytest.raises(RuntimeError, match="no outsider"), Testbed():
        pass
    assert own_resources() == before
    assert len(pids) > 2
    until(lambda: not any(is_running(pid) for pid in pids), "its processes end")


def own_resources() -> list[str]:
    """Return this process' namespaces and folders; those of another run may come and go."""
    mine = f"{owned.PREFIX}-{os.getpid()}-"
    folders = Path(tempfile.gettempdir()).glob(f"{mine}*")
    return sorted([*(n for n in namespaces.existing() if n.startswith(mine)), *map(str, folders)])


def test_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root an error says that the testbed needs it."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(TestbedError, match="needs root"), Testbed():
        pass


def test_the_machine_itself_is_not_touched(testbed: Testbed) -> None:
    """Its interfaces are the same before, during and after a second testbed."""
    before = host_state()
    assert "docker0" in namespaces.ip("-br", "-n", testbed.node.name, "link")
    assert BRIDGE not in namespaces.ip("-br", "addr")
    made = subprocess.run(
        [sys.executable, "-c", "from tests.testbed.network import Testbed\nwith Testbed(): pass"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert host_state() == before


def host_state() -> tuple[object, ...]:
    """Return the machine's interfaces with their addresses, its routes, and its Postfix' files."""
    places = (Path("/etc/postfix"), Path("/var/spool/postfix"), Path("/var/lib/postfix"))
    files = [(str(file), file.lstat().st_mtime_ns) for place in places for file in place.rglob("*")]
    links = namespaces.ip("-br", "link"), namespaces.ip("-br", "addr")
    return *links, namespaces.ip("route", "show", "table", "all"), sorted(files)


def is_running(pid: int) -> bool:
    """Return whether a process is there; a zombie has ended already."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_a_killed_run_left_is_removed(testbed: Testbed) -> None:
    """Its namespaces, processes and files go; those of a living run stay."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time\nfrom tests.testbed.network import Testbed\n"
            "with Testbed() as made:\n print(made.folder, flush=True)\n time.sleep(60)",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    left = child.stdout.readline().strip()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    names = [name for name in namespaces.existing() if f"-{child.pid}-" in name]
    assert len(names) == 4
    pids = [int(pid) for name in names for pid in namespaces.ip("netns", "pids", name).split()]
    assert pids
    namespaces.clear_leftovers()
    assert not [name for name in namespaces.existing() if f"-{child.pid}-" in name]
    assert not Path(left).exists()
    assert not [pid for pid in pids if is_running(pid)]
    assert testbed.postfix.is_running()
