"""The testbed itself: it is what it says, and leaves nothing behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.testbed import namespaces
from tests.testbed.network import BRIDGE, ROOT, Testbed

DIALOGUE = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 25), timeout=10)
lines = peer.makefile("rb")
def say(text):
    if text:
        peer.sendall(text.encode() + b"\\r\\n")
    while True:
        line = lines.readline().decode()
        print(line, end="")
        if line[3:4] != "-":
            return
for text in ("", "EHLO pod", "MAIL FROM:<jenkins@ci.example.com>", "RCPT TO:<ada@example.com>",
             "DATA", "Subject: by hand\\r\\n\\r\\nHello.\\r\\n.", "QUIT"):
    say(text)
"""


def test_a_pod_proves_the_path(testbed: Testbed) -> None:
    """From inside of a container an SMTP dialogue with docker0's address ends in a queue ID."""
    said = testbed.container.run("python3", "-c", DIALOGUE, BRIDGE)
    assert "250 2.0.0 Ok: queued as" in said.stdout, said.stderr
    [mail] = testbed.wait_for_mails(1)
    assert (mail.sender, mail.recipients) == ("jenkins@ci.example.com", ["ada@example.com"])
    assert mail.message["Subject"] == "by hand"
    assert mail.message.get_content().splitlines() == ["Hello."]


def test_an_outsider_is_refused(testbed: Testbed) -> None:
    """An address outside of mynetworks gets 454 or 554 at RCPT."""
    said = testbed.outsider.run("python3", "-c", DIALOGUE, BRIDGE)
    assert "454 4.7.1" in said.stdout or "554 5.7.1" in said.stdout
    assert "queued" not in said.stdout


def test_a_stopped_postfix_refuses(testbed: Testbed) -> None:
    """A container then meets a refused connection."""
    testbed.postfix.stop()
    said = testbed.container.run("python3", "-c", DIALOGUE, BRIDGE)
    assert "ConnectionRefusedError" in said.stderr


def test_a_deferred_mail_waits(testbed: Testbed) -> None:
    """While the relay host says 451 a mail stays in the queue, and then it goes."""
    testbed.relay_answers("451 4.3.0 later")
    testbed.container.run("python3", "-c", DIALOGUE, BRIDGE)
    for _ in range(100):
        if "451 4.3.0 later" in testbed.postfix.queue():
            break
        time.sleep(0.1)
    assert "451 4.3.0 later" in testbed.postfix.queue()
    assert testbed.mails() == []
    testbed.relay_answers(None)
    testbed.postfix.flush()
    assert len(testbed.wait_for_mails(1)) == 1


def test_the_machine_itself_is_not_touched(testbed: Testbed) -> None:
    """Its interfaces are the same before, during and after a second testbed."""
    before = namespaces.ip("-br", "link")
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
    assert namespaces.ip("-br", "link") == before


def is_running(pid: int) -> bool:
    """Whether a process is there; a zombie only waits for init to notice its end."""
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
