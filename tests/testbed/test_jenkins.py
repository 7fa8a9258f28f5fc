"""notify-email jenkins from a node to a controller in a container, with the node's real Postfix."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controller.standin import TOKEN, StandIn
from tests.testbed.namespaces import Completed, Namespace, ip
from tests.testbed.network import Testbed
from tests.testbed.node import BIN, Node
from tests.testbed.waiting import until

CONTROLLER = "172.22.91.9"
HOST = "print hudson.tasks.Mailer.descriptor().smtpHost"
_POST = (
    "import sys, urllib.request; "
    "opener = urllib.request.build_opener(urllib.request.ProxyHandler({})); "
    "request = urllib.request.Request(sys.argv[1], sys.stdin.buffer.read()); "
    "sys.stdout.write(opener.open(request, timeout=90).read().decode())"
)
_GREETS = (
    "import socket, sys; "
    "server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6)\n"
    "print('ready', flush=True)\n"
    "while True: server.accept()[0].sendall(b'220 node ESMTP Postfix\\r\\n')"
)


class Jenkins:
    """The stand-in in a container that can be moved from node to node."""

    def __init__(self, testbed: Testbed) -> None:
        """Start it in a container on the first node."""
        self.node, self.testbed = testbed.node, testbed
        self.container: Namespace = testbed.add_container(testbed.node, CONTROLLER)
        home = testbed.folder / "jenkins"
        self.standin = StandIn(home, self.container.start, CONTROLLER)
        self.standin.wait(self.ask)

    def ask(self, url: str, text: str) -> str:
        """POST from within the container, wherever that is now."""
        done = self.container.run(
            sys.executable, "-c", _POST, url.replace(self.standin.host, "127.0.0.1"), text=text
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def move(self, node: Node) -> None:
        """To another node, with an address of its network: as a pod that is started anew."""
        ip("-n", self.container.name, "link", "delete", "eth0")
        address = f"{node.bridge.rpartition('.')[0]}.9"
        node.attach(self.container, address)
        self.node, self.standin.host = node, address

    def run(self, *arguments: str) -> Completed:
        """`notify-email jenkins …` on the node that the controller is on."""
        done = self.node.run(
            str(BIN / "notify-email"),
            "jenkins",
            *arguments,
            env={
                "NOTIFY_EMAIL_JENKINS_URL": self.standin.url,
                "NOTIFY_EMAIL_JENKINS_USER": "admin",
                "NOTIFY_EMAIL_JENKINS_TOKEN": TOKEN,
            },
        )
        assert TOKEN not in done.stdout + done.stderr
        return done

    def host(self) -> str:
        """Mailer's server."""
        found: str = self.standin.control(self.ask, run=HOST)["output"]
        return found

    def test_mail(self, log: Path) -> Completed:
        """Jenkins' own, followed in a Postfix' log."""
        return self.run("test-mail", "--to", "ada@example.com", "--postfix-log", str(log))


@pytest.fixture(scope="module")
def _jenkins(_network: Testbed) -> Iterator[Jenkins]:
    made = Jenkins(_network)
    yield made
    made.standin.stop()


@pytest.fixture
def jenkins(_jenkins: Jenkins, testbed: Testbed) -> Jenkins:
    """As new, on the first node."""
    _jenkins.standin.renew(_jenkins.ask)
    if _jenkins.node is not testbed.node:
        _jenkins.move(testbed.node)
    return _jenkins


@pytest.fixture(scope="module")
def nodes(_network: Testbed) -> list[Node]:
    """Three, with their own docker0 and Postfix each, within one flannel /16."""
    others = [_network.add_node(bridge=f"172.22.{number}.1") for number in (92, 93)]
    return [_network.node, *others]


def test_from_nothing_to_a_mail(jenkins: Jenkins, testbed: Testbed) -> None:
    """Plan, apply and status agree on docker0's address, and the test mail gets out."""
    planned = jenkins.run("plan", "--check", "--admin-address", "jenkins@ci.example.com")
    assert planned.returncode == 2, planned.stderr
    assert "    + 172.22.91.1" in planned.stdout
    assert "reaches 172.22.91.1 (the default gateway of eth0): 220 " in planned.stdout
    applied = jenkins.run("apply", "--admin-address", "jenkins@ci.example.com")
    assert applied.returncode == 0, applied.stderr
    assert jenkins.run("plan", "--check").returncode == 0
    status = jenkins.run("status", "--check")
    assert status.returncode == 0, status.stdout
    assert "Mailer      172.22.91.1:25" in status.stdout
    done = jenkins.test_mail(testbed.postfix.log)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", sent (250 " in done.stdout
    [mail] = testbed.wait_for_mails(1)
    assert mail.recipients == ["ada@example.com"]
    assert mail.sender == "jenkins@ci.example.com"
    queue_id = done.stdout.partition("Postfix: ")[2].partition(",")[0]
    assert queue_id.encode() in mail.content


def test_postfix_words_are_shown(jenkins: Jenkins, testbed: Testbed) -> None:
    """A stopped Postfix, one that doesn't relay and a relay host that defers differ."""
    jenkins.run("apply", "--admin-address", "jenkins@ci.example.com")
    testbed.relay_answers("451 4.3.0 later")
    done = jenkins.test_mail(testbed.postfix.log)
    assert ", deferred (" in done.stdout
    assert "451 4.3.0 later" in done.stdout
    testbed.postfix.set(mynetworks="127.0.0.0/8")
    testbed.postfix.reload()
    try:
        refused = jenkins.test_mail(testbed.postfix.log)
        assert refused.returncode == 1
        assert "Relay access denied" in refused.stderr
        assert refused.stderr.strip().endswith("run `notify-email relay apply` on the node.")
    finally:
        testbed.postfix.set(mynetworks="127.0.0.0/8, 172.22.0.0/16")
        testbed.postfix.reload()
    testbed.postfix.stop()
    nothing = jenkins.run("plan")
    assert nothing.returncode == 1
    assert "No Postfix greets the controller at port 25. It tried 172.22.91.1" in nothing.stderr


def test_auto_follows_a_controller_that_moves(
    jenkins: Jenkins, testbed: Testbed, nodes: list[Node]
) -> None:
    """On each of three nodes it finds that node's Postfix, and mail leaves by no other."""
    for count, node in enumerate(nodes, 1):
        if node is not jenkins.node:
            jenkins.move(node)
            drifted = jenkins.run("status", "--check")
            assert drifted.returncode == 2, drifted.stderr
            assert f"the node is {node.bridge}" in drifted.stdout
        applied = jenkins.run("apply", "--admin-address", "jenkins@ci.example.com")
        assert applied.returncode == 0, applied.stderr
        assert jenkins.host() == node.bridge
        done = jenkins.test_mail(node.postfix.log)
        assert done.returncode == 0, done.stdout + done.stderr
        mails = testbed.wait_for_mails(count)
        queue_id = done.stdout.partition("Postfix: ")[2].partition(",")[0]
        through = [queue_id in one.maillog() for one in nodes]
        assert through == [one is node for one in nodes]
        assert queue_id.encode() in mails[-1].content


def test_the_watch_follows_and_brings_back(
    jenkins: Jenkins, testbed: Testbed, nodes: list[Node]
) -> None:
    """The init script finds the node, after a JCasC reload and after a move, with no token."""
    emitted = jenkins.run("emit", "init-groovy", "--watch", "1").stdout
    assert TOKEN not in emitted
    jenkins.standin.casc({"unclassified": {"mailer": {"smtpHost": "smtp.example.com"}}})
    jenkins.standin.init_script(emitted)
    jenkins.standin.control(jenkins.ask, restart=True)
    assert jenkins.host() == "172.22.91.1"
    logged = len(jenkins.standin.log())
    jenkins.standin.control(jenkins.ask, reload=True)
    until(lambda: jenkins.host() == "172.22.91.1", "the watch brings the host back")
    assert "172.22.91.1:25, before to smtp.example.com" in jenkins.standin.log()[logged:]
    testbed.postfix.stop()
    jenkins.move(nodes[1])
    until(lambda: jenkins.host() == nodes[1].bridge, "the watch follows the controller")
    assert "172.22.92.1:25, before to 172.22.91.1" in jenkins.standin.log()[logged:]


def test_a_container_with_ipv6_only(jenkins: Jenkins, tmp_path: Path) -> None:
    """The init script finds the gateway in IPv6's route table, without NODE_IP."""
    gateway, device = "fd22:91::1", ("dev", "eth0")
    name = jenkins.container.name
    ip("-n", jenkins.node.name, "address", "add", f"{gateway}/64", "dev", "docker0", "nodad")
    ip("-n", name, "address", "add", "fd22:91::9/64", *device, "nodad")
    ip("-n", name, "route", "delete", "default")
    ip("-n", name, "-6", "route", "add", "default", "via", gateway, *device)
    log = tmp_path / "greets"
    postfix = jenkins.node.start(sys.executable, "-c", _GREETS, gateway, "2525", log=log)
    try:
        until(lambda: "ready" in log.read_text(), "something listens at an IPv6 address")
        emitted = jenkins.run("emit", "init-groovy", "--port", "2525").stdout
        jenkins.standin.init_script(emitted)
        jenkins.standin.control(jenkins.ask, restart=True)
        assert jenkins.host() == "fd22:91:0:0:0:0:0:1"
    finally:
        postfix.kill()
        ip("-n", name, "-6", "address", "delete", "fd22:91::9/64", *device)
        ip("-n", jenkins.node.name, "-6", "address", "delete", f"{gateway}/64", "dev", "docker0")
        ip("-n", name, "route", "add", "default", "via", "172.22.91.1", *device)


def test_no_secret_among_the_processes(jenkins: Jenkins, tmp_path: Path) -> None:
    """Neither the API token nor the service's is an argument of any process while it applies."""
    secret = "ne_a-service-token-to-look-for"
    file = tmp_path / "token"
    file.write_text(secret)
    jenkins.standin.control(jenkins.ask, busy=2)
    log = tmp_path / "log"
    process = jenkins.node.start(
        str(BIN / "notify-email"),
        *("jenkins", "apply", "--service-token-file", str(file)),
        log=log,
        env={
            "NOTIFY_EMAIL_JENKINS_URL": jenkins.standin.url,
            "NOTIFY_EMAIL_JENKINS_USER": "admin",
            "NOTIFY_EMAIL_JENKINS_TOKEN": TOKEN,
        },
    )
    seen = ""
    while process.poll() is None:
        for pid in jenkins.node.pids():
            command = Path(f"/proc/{pid}/cmdline")
            seen += command.read_text() if command.exists() else ""
    assert process.returncode == 0, log.read_text()
    assert "service-token-file" in seen
    assert secret not in seen + log.read_text()
    assert TOKEN not in seen + log.read_text()
