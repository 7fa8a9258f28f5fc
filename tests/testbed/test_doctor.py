"""`notify-email doctor` and its scripts, on a node and in containers with the real Postfix."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyservice.setup.doctor import pod_script
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.doctor.mail_path import Options
from tests.builders.patience import PATIENCE
from tests.controller.standin import READER_TOKEN, TOKEN, StandIn
from tests.testbed.namespaces import Completed, Namespace, ip
from tests.testbed.network import BRIDGE, Testbed
from tests.testbed.node import BIN
from tests.testbed.waiting import until

PROGRAMS = {
    "bash": ["bash"],
    "nc": ["sh"],
    "busybox": ["busybox", "sh"],
    "python": [sys.executable, "-S", "-I", "-"],
}
TOOLS = {"nc": ["nc", "mkfifo", "mkdir", "rm", "sleep", "date", "tr", "cat"]}
TOOLS["busybox"] = TOOLS["nc"]
"""What a pod of that kind has; bash and Python need nothing."""
USUAL = ["--from", "jenkins@ci.example.com", "--timeout", f"{PATIENCE:g}"]
SOON = ["--timeout", "1"]
"""Where nothing is to be expected; elsewhere a busy machine has its time."""
Json = dict[str, Any]


def doctor(machine: Namespace, *options: str) -> tuple[int, Json]:
    """Return its exit code and its diagnosis."""
    command = [str(BIN / "notify-email"), "doctor", *USUAL, "--json", *options]
    done = machine.run(*command)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def on_the_node(testbed: Testbed, *options: str) -> tuple[int, Json]:
    """The same, beside the node's Postfix."""
    return doctor(testbed.node, "--config-dir", str(testbed.postfix.config), *options)


def first(found: Json) -> Json:
    """The first finding, which is the error if there is one."""
    finding: Json = found["findings"][0]
    return finding


@contextmanager
def postfix_with(testbed: Testbed, **settings: str) -> Iterator[None]:
    """Change the node's Postfix meanwhile."""
    postfix = testbed.postfix
    before = testbed.node.run("postconf", "-c", str(postfix.config), *settings).stdout
    old = {n: v.strip() for n, _, v in (line.partition(" =") for line in before.splitlines())}

    def take(values: dict[str, str]) -> None:
        postfix.set(**values)
        if "inet_interfaces" in values:  # which a reload ignores
            postfix.stop()
            postfix.start()
        else:
            postfix.reload()

    take(settings)
    try:
        yield
    finally:
        take(old)


def paste(machine: Namespace, found: Json) -> str:
    """Run the first finding's cure as it stands in a shell of the node, and return its output."""
    done = machine.run("bash", "-c", first(found)["cure"])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def a_firewall(testbed: Testbed) -> Iterator[None]:
    """Meanwhile the node drops what comes from the containers, unless a rule before says else."""
    rule = ("INPUT", "-i", "docker0", "-p", "tcp", "--dport", "25", "-j", "DROP")
    assert testbed.node.run("iptables", "-A", *rule).returncode == 0
    try:
        yield
    finally:
        testbed.node.run("iptables", "-F")


def installed() -> list[str]:
    """The kinds of pod that can be tried here."""
    return [kind for kind, (program, *_) in PROGRAMS.items() if shutil.which(program)]


def script(
    machine: Namespace,
    program: str,
    *,
    address: str | None = None,
    send_to: str | None = None,
    timeout: float = PATIENCE,
) -> tuple[int, str]:
    """Run the script in a kind of pod, and return its exit code and its output."""
    if program not in installed():
        pytest.skip(f"there is no {PROGRAMS[program][0]}")
    options = Options(
        sender="jenkins@ci.example.com",
        recipient=send_to or "postmaster@example.com",
        is_sent=send_to is not None,
        timeout=timeout,
    )
    text = pod_script.script(options, address, python=program == "python")
    command, *arguments = PROGRAMS[program]
    with tempfile.TemporaryDirectory() as folder:
        for tool in TOOLS.get(program, ()):
            source = shutil.which("busybox" if program == "busybox" else tool)
            (Path(folder) / tool).symlink_to(str(source))
        whole = (str(shutil.which(command)), *arguments)
        done = machine.run("env", "-i", f"PATH={folder}", *whole, text=text)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_script_is_printed(testbed: Testbed) -> None:
    """The command prints a script that runs as it is."""
    printed = [str(BIN / "notify-email"), "doctor", *USUAL, "--print-script"]
    for kind, program in (("--shell", "bash"), ("--python", "python")):
        made = testbed.node.run(*printed, kind)
        done = testbed.container.run(*PROGRAMS[program], text=made.stdout)
        assert done.returncode == 0, made.stderr + done.stdout + done.stderr


def test_a_container(testbed: Testbed) -> None:
    """In a container whose mail gets through it finds the node itself and no fault."""
    code, found = doctor(testbed.container)
    assert code == 0
    assert found["address"] == BRIDGE
    assert [line["text"] for line in found["dialogue"] if line["who"] == ">"] == [
        f"EHLO {socket.gethostname()}",
        "MAIL FROM:<jenkins@ci.example.com>",
        "RCPT TO:<postmaster@example.com>",
        "QUIT",
    ]
    assert testbed.mails() == []


def test_all_the_way(testbed: Testbed) -> None:
    """On the node a mail is followed through the log to the relay's answer."""
    code, found = on_the_node(testbed, "--send-to", "ada@example.com")
    assert code == 0, found
    assert f"{found['queue_id']}: to=<ada@example.com>" in testbed.node.maillog()
    relay = "198.51.100.1[198.51.100.1]:25: 250 2.0.0 Ok: queued as SINK"
    assert found["relay"].startswith(relay)  # and its number
    [mail] = testbed.wait_for_mails(1)
    assert mail.recipients == ["ada@example.com"]
    notes = [finding["id"] for finding in found["findings"]]
    assert notes == ["gateway-trusted", "bare-newline"]


def test_a_delivery_that_is_not_known(testbed: Testbed) -> None:
    """Where the log is out of reach, no more is claimed than that Postfix has the mail."""
    command = (str(BIN / "notify-email"), "doctor", *USUAL, "--send-to", "ada@example.com")
    done = testbed.container.run(*command, "--postfix-log", "/nowhere/mail.log")
    assert done.returncode == 0
    assert "log is not at hand. There is no /nowhere/mail.log" in done.stdout
    assert f"\nAll is well with Postfix at {BRIDGE}:25.\n" in done.stdout
    assert "\nNot checked: the relay host: Postfix' log does not show its answer.\n" in done.stdout
    assert "\nNot checked: Jenkins: give --jenkins-url URL, " in done.stdout
    testbed.wait_for_mails(1)


def test_notes(testbed: Testbed) -> None:
    """A bare newline does end a mail, until the note is cured; so is that of the gateway."""
    node = testbed.add_node("172.22.94.1")
    pod = testbed.add_container(node, "172.22.94.2")
    assert "252 2.0.0 x" in pod.run(sys.executable, "-c", SMUGGLED).stdout
    instance = ("--config-dir", str(node.postfix.config))
    command = (str(BIN / "notify-email"), "doctor", *USUAL, *instance, "--fix")
    fixed = node.run(*command, text="y\n")
    assert "Note bare-newline: " in fixed.stdout
    replies = pod.run(sys.executable, "-c", SMUGGLED).stdout
    assert "queued as" in replies
    assert "252 2.0.0 x" not in replies
    found = doctor(node, *instance)[1]
    assert [finding["id"] for finding in found["findings"]] == ["gateway-trusted"]
    paste(node, found)
    found = doctor(node, *instance)[1]
    assert found["findings"] == []
    assert doctor(pod)[0] == 0


SMUGGLED = """
import socket, sys
connection = socket.create_connection(("172.22.94.1", 25), 90)
connection.recv(999)
for line in ("EHLO x", "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.com>", "DATA"):
    connection.sendall(line.encode() + b"\\r\\n")
    connection.recv(9999)
connection.sendall(b"Subject: x\\r\\n\\r\\nx\\n.\\nVRFY x\\r\\n.\\r\\nQUIT\\r\\n")
while reply := connection.recv(9999):
    print(reply.decode(), end="")
"""
"""Ends its mail by a bare newline: if that counts, VRFY is a command, and gets a reply."""


def test_not_served(testbed: Testbed) -> None:
    """An inet_interfaces without the bridge's address is a finding, wherever the doctor runs."""
    with postfix_with(testbed, inet_interfaces="127.0.0.1"):
        for code, found in (on_the_node(testbed), doctor(testbed.container)):
            assert code == 1
            assert first(found)["id"] == "refused"
            assert first(found)["cure"].startswith("notify-email relay apply")


def test_stopped(testbed: Testbed) -> None:
    """A Postfix that is not running is another finding than one that does not serve the address."""
    testbed.postfix.stop()
    code, found = on_the_node(testbed)
    assert code == 1
    assert first(found)["id"] == "postfix-down"
    paste(testbed.node, found)
    code, found = on_the_node(testbed)
    assert code == 0, found


IMAP = """
import socket
listening = socket.create_server(("", 25))
while True:
    listening.accept()[0].sendall(b"* OK IMAP\\r\\n")
"""


def test_not_postfix(testbed: Testbed) -> None:
    """Another program at port 25 is a finding, and the cure shows which one it is."""
    testbed.postfix.stop()
    other = testbed.node.start(sys.executable, "-c", IMAP, log=testbed.folder / "other.log")
    testbed.node.wait_for_port(25, listening=True)
    try:
        for code, found in (on_the_node(testbed), doctor(testbed.container)):
            assert code == 1
            assert first(found)["id"] == "not-postfix"
            assert first(found)["sentence"].endswith("is not Postfix: * OK IMAP")
            assert f"pid={other.pid}," in paste(testbed.node, found)
    finally:
        other.kill()
        other.wait()


def test_filtered(testbed: Testbed) -> None:
    """A firewall is a finding, with the rule that lets the container's network in."""
    with a_firewall(testbed):
        code, found = doctor(testbed.container, *SOON)
        paste(testbed.node, found)
        assert doctor(testbed.container)[0] == 0
    assert code == 1
    assert [line["text"] for line in found["dialogue"]] == [
        f"{BRIDGE} (default gateway): the node is the way out of eth0",
        f"connecting to {BRIDGE} port 25, for up to 1 s",
        f"{BRIDGE} port 25: no answer",
    ]
    assert first(found)["id"] == "filtered"
    assert " -s 172.22.91.0/24 -p tcp --dport 25 " in first(found)["cure"]


def test_a_firewall_of_ipv6(testbed: Testbed) -> None:
    """Its rule is ip6tables', since iptables refuses such a network."""
    address = "2001:db8::1"
    texts = [script(testbed.container, program, address=address)[1] for program in installed()]
    texts.append(first(doctor(testbed.container, "--address", address)[1])["cure"])
    assert all("ip6tables -I INPUT -s " in text for text in texts)


def test_no_bridge_address(testbed: Testbed) -> None:
    """A bridge that lost its address is a finding, with the engine that gives it one."""
    node = testbed.add_node()
    node.postfix.stop()  # without that address it could not even be stopped
    ip("-n", node.name, "address", "flush", "dev", "docker0")
    code, found = doctor(node)
    assert code == 1
    assert first(found)["id"] == "bridge-without-address"
    assert first(found)["cure"] == "systemctl restart docker"


BARE = (
    "import sys; from pyservice.setup.node import facts; facts._MARKER_FILES = (); "
    "from pyservice.cli import main; main()"
)


def test_no_bridge(testbed: Testbed) -> None:
    """A machine without a bridge has that finding, even where these tests run in a container."""
    node = testbed.add_node()
    node.postfix.stop()
    ip("-n", node.name, "link", "delete", "docker0")
    done = node.run(sys.executable, "-c", BARE, "doctor", *USUAL, "--json")
    assert done.returncode == 1
    assert first(json.loads(done.stdout))["id"] == "no-bridge"


KUBECTL = """
kubectl() { if [ "$1" = get ]; then echo %s; else shift 4; "$@"; fi; }
"""


def test_no_address(testbed: Testbed) -> None:
    """The cure for a pod that can't know its node looks at once from within the pod."""
    found = doctor(testbed.outsider)[1]
    assert first(found)["id"] == "no-address"
    command = KUBECTL % BRIDGE + f"PATH={BIN}:$PATH\n" + first(found)["cure"]
    done = testbed.container.run("bash", "-c", command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_denied(testbed: Testbed) -> None:
    """Outside of mynetworks the finding has the address that Postfix saw, and the cure."""
    with postfix_with(testbed, mynetworks="127.0.0.0/8"):
        code, found = doctor(testbed.container)
        on_node = on_the_node(testbed)[1]
        through = doctor(testbed.container, "--postfix-log", str(testbed.postfix.log))[1]
    assert code == 1
    assert first(found)["id"] == "relay-denied"
    assert "for 172.22.91.2, which is not in mynetworks: 454 4.7.1" in first(found)["sentence"]
    assert first(found)["cure"] == "notify-email relay apply --network 172.22.91.0/24"
    assert first(through)["sentence"] == first(found)["sentence"]
    assert first(on_node)["id"] == "relay-denied"
    assert "the containers' network 172.22.91.0/24" in first(on_node)["sentence"]


def test_denied_by_a_list(testbed: Testbed) -> None:
    """The doctor blames the lists, not mynetworks, and the cures open the way."""
    everybody = "127.0.0.0/8, 172.22.0.0/16, 0.0.0.0/0"
    with postfix_with(
        testbed,
        mynetworks=everybody,
        smtpd_client_restrictions="permit_sasl_authenticated, reject",
        smtpd_data_restrictions="reject",
    ):
        in_pod = doctor(testbed.container)[1]
        assert first(in_pod)["id"] == "client-refused"
        assert "a restriction list refuses all containers" in first(in_pod)["sentence"]
        errors = [f for f in on_the_node(testbed)[1]["findings"] if f["severity"] == "error"]
        assert [finding["id"] for finding in errors] == ["open-network", *2 * ["restriction"]]
        for finding, words in zip(
            errors,
            ("(0.0.0.0/0)", "smtpd_client_restrictions (main.cf)", "smtpd_data_restrictions (main"),
            strict=True,
        ):
            assert words in finding["sentence"]
            paste(testbed.node, {"findings": [finding]})
        aged(testbed.postfix.config / "main.cf")
        assert on_the_node(testbed)[0] == 0
        assert doctor(testbed.container, "--send-to", "ada@example.com")[0] == 0
    with postfix_with(testbed, mynetworks="127.0.0.0/8, 172.22.91.1/16"):
        found = on_the_node(testbed)[1]
        assert "invalid-network" in [finding["id"] for finding in found["findings"]]


def aged(file: Path) -> None:
    """Make a file look old: Postfix waits for seconds before it reads a new one."""
    os.utime(file, (time.time() - 60,) * 2)


def test_a_rewritten_source(testbed: Testbed) -> None:
    """Postfix' log has another address than the one that the mail came from."""
    if shutil.which("nft", path="/usr/sbin:/sbin") is None:
        pytest.skip("there is no nft")
    rules = (
        "add table ip t; add chain ip t post { type nat hook postrouting priority 100; }; "
        "add rule ip t post tcp dport 25 snat to 203.0.113.200"
    )
    ip("-n", testbed.container.name, "address", "add", "203.0.113.200/32", "dev", "eth0")
    ip("-n", testbed.node.name, "route", "add", "203.0.113.200", "dev", "docker0")
    done = testbed.container.run("nft", rules)
    assert done.returncode == 0, done.stderr
    try:
        found = doctor(testbed.container, "--postfix-log", str(testbed.postfix.log))[1]
    finally:
        testbed.container.run("nft", "delete table ip t")
        ip("-n", testbed.container.name, "address", "delete", "203.0.113.200/32", "dev", "eth0")
        ip("-n", testbed.node.name, "route", "delete", "203.0.113.200")
    seen = "for 203.0.113.200 (this is 172.22.91.2: the source is rewritten)"
    assert seen in first(found)["sentence"]


PROXY = f"""
import socket, threading

def carry(one, other):
    while data := one.recv(4096):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)

listening = socket.create_server(("198.51.100.11", 25))
while True:
    outer = listening.accept()[0]
    inner = socket.create_connection(("{BRIDGE}", 25), source_address=("{BRIDGE}", 0))
    for pair in ((outer, inner), (inner, outer)):
        threading.Thread(target=carry, args=pair, daemon=True).start()
"""
MAIL = "Subject: x\r\n\r\nx\r\n"


@contextmanager
def docker_proxy(testbed: Testbed) -> Iterator[str]:
    """Meanwhile one like Docker's brings the uplink's port 25 in, as the bridge's address."""
    file = testbed.folder / "proxy.py"
    file.write_text(PROXY)
    started = f"exec -a docker-proxy {sys.executable} {file} -host-ip 198.51.100.11 -host-port 25"
    # Python looks for its modules beside the name that it is started by.
    home = {"PYTHONHOME": sys.base_prefix}
    process = testbed.node.start("bash", "-c", started, log=testbed.folder / "proxy.log", env=home)
    until(lambda: "198.51.100.11:25" in testbed.node.run("ss", "-Hltn").stdout, "the proxy listens")
    testbed.outsider.route("198.51.100.11", via=gateway_of(testbed.outsider))
    try:
        yield "198.51.100.11"
    finally:
        ip("-n", testbed.outsider.name, "route", "delete", "198.51.100.11")
        process.kill()
        process.wait()


def test_a_docker_proxy_elsewhere(testbed: Testbed) -> None:
    """In another network, as that of a Docker in a container, it publishes no port of the node."""
    file = testbed.folder / "elsewhere.py"
    file.write_text("import time\ntime.sleep(600)\n")
    started = f"exec -a docker-proxy {sys.executable} {file} -host-ip 0.0.0.0 -host-port 25"
    process = testbed.container.start("bash", "-c", started, log=testbed.folder / "proxy.log")
    try:
        lines = Path(f"/proc/{process.pid}/cmdline")
        until(lambda: lines.read_bytes().startswith(b"docker-proxy"), "it runs")
        code, found = on_the_node(testbed)
        assert code == 0, found
    finally:
        process.kill()
        process.wait()


@contextmanager
def a_rewritten_source_of_strangers(testbed: Testbed) -> Iterator[str]:
    """Meanwhile a rule of nft lets everybody seem to come from the bridge."""
    if shutil.which("nft", path="/usr/sbin:/sbin") is None:
        pytest.skip("there is no nft")
    rules = (
        "add table ip t; add chain ip t in { type nat hook input priority 100; }; "
        f"add rule ip t in ip saddr 203.0.113.0/24 tcp dport 25 snat to {BRIDGE}"
    )
    done = testbed.node.run("nft", rules)
    assert done.returncode == 0, done.stderr
    try:
        yield BRIDGE
    finally:
        testbed.node.run("nft", "delete table ip t")


def gateway_of(outsider: Namespace) -> str:
    """The node's side of an outsider's cable."""
    return ip("-n", outsider.name, "route", "show", BRIDGE).split()[2]


@pytest.mark.parametrize("opened", [docker_proxy, a_rewritten_source_of_strangers])
def test_an_open_relay(
    testbed: Testbed, opened: Callable[[Testbed], AbstractContextManager[str]]
) -> None:
    """Where strangers really relay it is an error, and what it says closes that to them alone."""
    with postfix_with(testbed, mynetworks="127.0.0.0/8, 172.22.0.0/16"), opened(testbed) as host:
        assert "queued as" in testbed.speak_smtp(testbed.outsider, MAIL, host)[-1]
        code, found = on_the_node(testbed)
        assert code == 1
        assert first(found)["id"] == "open-relay"
        pasted = testbed.node.run("bash", "-c", first(found)["cure"])
        assert pasted.returncode == 0, pasted.stderr
        assert on_the_node(testbed)[0] == 0
        refused = testbed.speak_smtp(testbed.outsider, MAIL, host)
        assert refused[-1].startswith("454 4.7.1"), refused
        assert "queued as" in testbed.speak_smtp(testbed.container, MAIL)[-1]


def test_a_sender_that_is_refused(testbed: Testbed) -> None:
    """The finding has the sender, with Postfix' own words."""
    restrictions = "reject_non_fqdn_sender"
    with postfix_with(testbed, smtpd_sender_restrictions=restrictions):
        code, found = doctor(testbed.container, "--from", "jenkins@ci")
    assert code == 1
    assert first(found)["id"] == "sender-refused"
    assert "jenkins@ci: 504 5.5.2 <jenkins@ci>: Sender address rejected" in first(found)["sentence"]


def test_a_full_disk(testbed: Testbed) -> None:
    """A queue without space is a finding."""
    with postfix_with(testbed, queue_minfree="2000000000000"):
        found = on_the_node(testbed)[1]
        assert first(found)["id"] == "disk-full"
        assert "Filesystem" in paste(testbed.node, found)


def test_a_slow_greeting(testbed: Testbed) -> None:
    """A Postfix that greets late is a finding of the doctor and of each script."""
    slow = {"smtpd_delay_reject": "no", "smtpd_client_restrictions": "sleep 2"}
    with postfix_with(testbed, **slow):
        assert first(doctor(testbed.container, *SOON)[1])["id"] == "greeting-slow"
        for program in installed():
            code, output = script(testbed.container, program, timeout=1)
            assert code == 1
            assert "Finding greeting-slow: " in output, output


@pytest.mark.parametrize(
    ("reply", "known"),
    [("451 4.3.0 come later", "deferred"), ("550 5.1.1 no such user", "bounced")],
)
def test_a_relay_that_does_not_take_it(testbed: Testbed, reply: str, known: str) -> None:
    """The finding has the relay's own words."""
    testbed.relay_answers(reply, at="rcpt")
    code, found = on_the_node(testbed, "--send-to", "ada@example.com")
    assert code == 1
    assert first(found)["id"] == known
    assert reply in first(found)["sentence"]
    assert found["queue_id"] in first(found)["sentence"]
    if known == "deferred":
        testbed.relay_answers(None)
        paste(testbed.node, found)
        testbed.wait_for_mails(1)


FAULTS = [
    ("relay-denied", "mynetworks", "127.0.0.0/8"),
    ("relay-denied", "mynetworks", "172.22.0.0/16"),
    ("refused", "inet_interfaces", "localhost"),
]


@pytest.mark.parametrize(("known", "name", "value"), FAULTS)
def test_fix(testbed: Testbed, known: str, name: str, value: str) -> None:
    """Asked to fix, it runs the cure and looks again: all is well."""
    command = [str(BIN / "notify-email"), "doctor", *USUAL, "--fix", "--yes"]
    instance = ["--config-dir", str(testbed.postfix.config)]
    with postfix_with(testbed, **{name: value}):
        fixed = testbed.node.run(*command, *instance)
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert f"Finding {known}" in fixed.stdout
    assert f"All is well with Postfix at {BRIDGE}:25 and Postfix' configuration." in fixed.stdout


def test_fix_asks(testbed: Testbed) -> None:
    """Before it asks it shows the plan, and without a yes nothing is changed."""
    with postfix_with(testbed, mynetworks="127.0.0.0/8"):
        command = [str(BIN / "notify-email"), "doctor", *USUAL, "--fix"]
        joined = ["sh", "-c", 'exec "$@" 2>&1', "sh", *command]
        done = testbed.node.run(*joined, "--config-dir", str(testbed.postfix.config), text="n\n")
        set_now = testbed.node.run("postconf", "-c", str(testbed.postfix.config), "mynetworks")
    assert done.returncode == 1
    plan, asked, _ = done.stdout.partition("Run `notify-email relay apply")
    assert asked
    assert "    - 127.0.0.0/8\n    + 127.0.0.0/8, 172.22.91.0/24\n" in plan
    assert set_now.stdout == "mynetworks = 127.0.0.0/8\n"


class Jenkins:
    """The stand-in in a container, which the doctor on the node examines."""

    def __init__(self, testbed: Testbed) -> None:
        """Start it."""
        self._node, address = testbed.node, "172.22.91.8"
        self.container = testbed.add_container(testbed.node, address)
        self.standin = StandIn(testbed.folder / "looked-at", self.container.start, address)
        self._instance = ("--config-dir", str(testbed.postfix.config))
        self.standin.wait(self._ask)

    def _ask(self, url: str, text: str) -> str:
        asked = (
            "curl",
            "-sS",
            "--fail",
            "--noproxy",
            "*",
            "-m",
            f"{PATIENCE:g}",
            "--data-binary",
            "@-",
            url,
        )
        done = self._node.run(*asked, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *command: str, text: str = "", **settings: str) -> Completed:
        """`notify-email …` on the node; settings are NOTIFY_EMAIL_JENKINS_…."""
        given = {"URL": self.standin.url, "USER": "admin", "TOKEN": TOKEN} | settings
        return self._node.run(
            *(str(BIN / "notify-email"), *command),
            env={f"NOTIFY_EMAIL_JENKINS_{name}": value for name, value in given.items()},
            text=text,
        )

    def doctor(self, *options: str, text: str = "", **settings: str) -> Completed:
        """`doctor --jenkins`."""
        command = ("doctor", *USUAL, *self._instance, "--jenkins", *options)
        return self.run(*command, text=text, **settings)

    def groovy(self, script: str) -> None:
        """Run something in it."""
        self.standin.control(self._ask, run=script)

    def errors(self, **settings: str) -> list[str]:
        """The errors' ids."""
        done = self.doctor("--json", **settings)
        findings = json.loads(done.stdout)["findings"]
        return [finding["id"] for finding in findings if finding["severity"] == "error"]


@pytest.fixture(scope="module")
def jenkins(_network: Testbed) -> Iterator[Jenkins]:
    """One that was just installed."""
    made = Jenkins(_network)
    yield made
    made.standin.stop()


UNSET = ["jenkins-url-missing", "admin-address-missing"]


def test_jenkins(testbed: Testbed, jenkins: Jenkins) -> None:
    """A new Jenkins points elsewhere everywhere; --fix cures what needs nobody's answer."""
    assert jenkins.errors() == ["mailer-elsewhere", "email-ext-elsewhere", *UNSET]
    fixed = jenkins.doctor("--fix", "--yes")
    assert fixed.stdout.count("Applied, and read back.") == 1, fixed.stdout + fixed.stderr
    assert "Yours to run: notify-email jenkins apply --admin-address ADDRESS" in fixed.stdout
    assert jenkins.errors() == UNSET
    for id_ in UNSET:
        cure = KNOWN[id_].cure
        if script := re.match(r'echo "(.*)" \| java -jar jenkins-cli.jar', cure):
            jenkins.groovy(script[1].replace("URL", jenkins.standin.url))
        else:
            words = shlex.split(cure.replace("ADDRESS", "jenkins@ci.example.com"))
            assert jenkins.run(*words[1:]).returncode == 0
    assert jenkins.doctor().returncode == 0
    jenkins.groovy("hudson.tasks.Mailer.descriptor().smtpHost = '172.22.92.1'")
    assert jenkins.errors() == ["address-drifted"]
    asked = jenkins.doctor("--fix", text="y\n")
    assert asked.returncode == 0, asked.stdout + asked.stderr


def test_the_whole_way(testbed: Testbed, jenkins: Jenkins, tmp_path: Path) -> None:
    """From Jenkins' library and URL to the service and Postfix: what is wrong there is found."""
    node, token = testbed.node, tmp_path / "token"
    config = tmp_path / "settings.toml"
    config.write_text(f"tokens_file = '{node.folder}/tokens.toml'\n")
    token.write_text(node.make_token())
    with_service = ("--config", str(config), "--service-token-file", str(token))
    jenkins.groovy(
        f"jenkins.model.JenkinsLocationConfiguration.get().url = '{jenkins.standin.url}'"
    )
    library = ("--library", "https://git.example.com/notify-email.git@v0.1.0")
    sender = ("--admin-address", "jenkins@ci.example.com")
    assert jenkins.run("jenkins", "apply", *library, *sender).returncode == 0
    node.start_service(smtp_host=BRIDGE)
    try:
        # --fix gives Jenkins the URL; then its controller gets there, and lacks the token.
        fixed = jenkins.doctor("--fix", "--yes", *with_service)
        assert "Finding service-url-missing" in fixed.stdout, fixed.stdout + fixed.stderr
        assert (
            "Finding token-refused: The service at http://172.22.91.1:8525 refuses" in fixed.stdout
        )
        given = ("jenkins", "apply", "--service-token-file", str(token))
        assert jenkins.run(*given).returncode == 0
        done = jenkins.doctor(*with_service)
        assert done.returncode == 0, done.stdout
        well = done.stdout.partition("\nAll is well with ")[2]
        assert "the service at http://127.0.0.1:8525, " in well
        assert "the controller's way to http://172.22.91.1:8525." in well
        from_pod = doctor(testbed.container, "--service-url", node.url)
        assert from_pod[0] == 0
        assert f"the service at {node.url}" in from_pod[1]["checked"]
    finally:
        node.stop_service()
    stopped = json.loads(jenkins.doctor("--json", *with_service).stdout)
    ids = [finding["id"] for finding in stopped["findings"] if finding["severity"] == "error"]
    assert ids == ["service-down", "service-down", "service-unreachable"]


def test_a_controller_behind_a_firewall(testbed: Testbed, jenkins: Jenkins) -> None:
    """The controller meets a firewall that the node does not, since it comes from loopback."""
    rule = ("INPUT", "-i", "docker0", "-p", "tcp", "--dport", "25", "-j", "REJECT")
    assert testbed.node.run("iptables", "-A", *rule).returncode == 0
    try:
        assert "controller-cut-off" in jenkins.errors()
    finally:
        testbed.node.run("iptables", "-D", *rule)


def test_a_jenkins_that_does_not_answer(jenkins: Jenkins) -> None:
    """The dialogue is shown all the same, and the token never."""
    for settings in ({"TOKEN": "wrong"}, {"USER": "reader", "TOKEN": READER_TOKEN}):
        done = jenkins.doctor(**settings)
        assert done.returncode == 1
        assert "< 250 2.1.5 Ok" in done.stdout
        assert "Finding jenkins-silent: Jenkins' settings can't be read" in done.stdout
        assert settings["TOKEN"] not in done.stdout + done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_script_that_finds_no_fault(testbed: Testbed, program: str) -> None:
    """In a bare container it finds the node, sends a mail with --send-to, and leaves nothing."""
    # Its clock, a `sleep`, ends with the time that it gives each step.
    code, output = script(testbed.container, program, timeout=20)
    assert code == 0, output
    assert output.endswith(
        f"\nAll is well with Postfix at {BRIDGE}:25. The service was not checked: --service-url "
        "does. Nothing was sent: --send-to does.\n"
    )
    code, output = script(testbed.container, program, send_to="ada@example.com", timeout=20)
    assert code == 0, output
    assert "> MAIL FROM:<jenkins@ci.example.com>\n< 250 2.1.0 Ok\n> RCPT TO:<ada@" in output
    [mail] = testbed.wait_for_mails(1)
    assert mail.message["Subject"] == "notify-email doctor"
    queue_id = output.rstrip(".\n").rpartition(" ")[2]
    line = f"{queue_id}: to=<ada@example.com>"
    until(lambda: line in testbed.node.maillog(), lambda: f"{line}: {testbed.node.maillog()}")
    until(lambda: not testbed.container.pids(), "nothing of it is left running")


def is_connecting(machine: Namespace) -> bool:
    """Return whether a connection of a machine waits for its answer."""
    return bool(machine.run("ss", "-Htn", "state", "syn-sent").stdout)


@pytest.mark.parametrize("opens", ["its pipes", "a pipe that nobody writes to"])
@pytest.mark.parametrize("shell", ["nc", "busybox"])
def test_a_script_that_is_ended(testbed: Testbed, shell: str, opens: str) -> None:
    """It takes its pipes, its nc and its clock along, as when kubectl is interrupted.

    So it does where the signal ends its wait for nc to open the other end of a pipe, too.
    """
    options = Options(sender="a@example.com", recipient="b@example.com", timeout=600)
    place, commands = testbed.folder / "ended", testbed.folder / "commands"
    place.mkdir()
    commands.mkdir()
    file, silent = testbed.folder / "ended.sh", commands / "silent"
    os.mkfifo(silent)
    file.write_text(pod_script.script(options, None, python=False))
    if opens != "its pipes":
        # For the script this is its standard input, a pipe without a writer; for its nc it is not.
        (commands / "mkfifo").write_text('#!/bin/sh\n/usr/bin/mkfifo "$1"\nln -s /dev/stdin "$2"\n')
        (commands / "mkfifo").chmod(0o755)
    environment = {"TMPDIR": str(place), "PATH": f"{commands}:{os.environ['PATH']}"}
    try:
        with a_firewall(testbed):
            for signalled in (signal.SIGTERM, signal.SIGHUP):
                process = testbed.container.start(
                    *(
                        "sh",
                        "-c",
                        ': >"$0" & exec "$@" <"$0"',
                        str(silent),
                        *PROGRAMS[shell],
                        str(file),
                    ),
                    log=testbed.folder / "ended.log",
                    env=environment,
                )
                until(lambda: is_connecting(testbed.container), "its nc has started")
                process.send_signal(signalled)
                assert process.wait(PATIENCE) == 1
                assert list(place.iterdir()) == []
                until(lambda: not is_connecting(testbed.container), "its nc has ended")
    finally:
        shutil.rmtree(place)
        shutil.rmtree(commands)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_script_that_finds_a_fault(testbed: Testbed, program: str) -> None:
    """It names what is wrong as the doctor does: denied, filtered, refused, no address."""
    outsider = script(testbed.outsider, program)
    assert outsider[0] == 1
    assert "Finding no-address: " in outsider[1]
    code, output = script(testbed.outsider, program, address=BRIDGE)
    assert code == 1
    assert "< 454 4.7.1 <postmaster@example.com>: Relay access denied\n" in output
    assert "\nFinding relay-denied: Postfix relays nothing for 203.0.113." in output
    with a_firewall(testbed):
        code, output = script(testbed.container, program, timeout=1)
    assert code == 1
    assert "Finding filtered: " in output, output
    assert "iptables -I INPUT -s 172.22.91.0/24 -p tcp --dport 25 -j ACCEPT" in output
    testbed.postfix.stop()
    code, output = script(testbed.container, program)
    assert code == 1
    assert "Finding refused: " in output, output
