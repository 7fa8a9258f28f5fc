"""The doctor without a testbed: the dialogue, the checks, the findings, the scripts for pods."""

import ast
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pyservice.cli.doctor import _address
from pyservice.errors import ConfigurationError, SetupError
from pyservice.setup.doctor import checks, evidence, pod_script, workload
from pyservice.setup.doctor.checks import JenkinsMail
from pyservice.setup.doctor.diagnose import Diagnosis, examine
from pyservice.setup.doctor.findings import CATALOGUE, KNOWN, Finding
from pyservice.setup.doctor.mail_path import Options
from pyservice.setup.doctor.smtp_session import NoReplyError, SmtpSession
from pyservice.setup.node.detect import Bridge, Node
from tests.builders.doctor import EHLO, GREETING, OK, a_node, saying
from tests.builders.patience import PATIENCE, TIMEOUT
from tests.builders.ports import free_port
from tests.python.conftest import PostfixStandIn

Scripted = Callable[[Callable[[socket.socket], None]], int]
ROOT = Path(__file__).parents[3]


def diagnosis(
    port: int,
    *,
    sent: bool = False,
    log: Path | None = None,
    timeout: float = PATIENCE,
    late: float = PATIENCE,
) -> Diagnosis:
    """Examine a server on loopback."""
    options = Options(
        "jenkins@ci.example.com",
        "ada@example.com",
        is_sent=sent,
        port=port,
        timeout=timeout,
        late=late,
        postfix_log=log or Path("/nowhere/mail.log"),
    )
    return examine(a_node(), options)


def errors(found: Diagnosis) -> list[str]:
    """The errors' ids."""
    return [finding.id for finding in found.findings if finding.is_error]


@pytest.mark.parametrize(
    ("replies", "known", "words"),
    [
        (["SSH-2.0-OpenSSH_9.2"], "not-postfix", "SSH-2.0-OpenSSH_9.2"),
        ([], "not-postfix", "hangs up"),
        (["220 mail ESMTP Exim", EHLO, "250 OK"], "not-postfix", "Exim"),
        (["421 4.7.0 mail Error: too many connections"], "rejected", "at the greeting: 421"),
        ([GREETING, EHLO, "501 5.1.7 Bad sender address syntax"], "sender-refused", "501"),
        (
            [GREETING, EHLO, OK, "550 5.1.8 <a@b>: Sender address rejected: Domain not found"],
            "sender-refused",
            "jenkins@ci.example.com",
        ),
        (
            [GREETING, EHLO, "452 4.3.1 Insufficient system storage"],
            "disk-full",
            "too little space",
        ),
        (
            [GREETING, EHLO, OK, "454 4.7.1 <a@b>: Relay access denied"],
            "relay-denied",
            "for 127.0.0.1, which",
        ),
        (
            [GREETING, EHLO, OK, "554 5.7.1 <unknown[192.0.2.9]>: Client host rejected: no"],
            "client-refused",
            "for 192.0.2.9 (this is 127.0.0.1: the source is rewritten)",
        ),
        ([GREETING, EHLO, OK, "450 4.1.1 later"], "rejected", "at RCPT: 450 4.1.1 later"),
        ([GREETING, EHLO], "rejected", "at MAIL: it closed the connection"),
    ],
)
def test_what_a_server_says(scripted: Scripted, replies: list[str], known: str, words: str) -> None:
    """The first reply that is not as Postfix' should be is one finding, which quotes it."""
    found = diagnosis(scripted(saying(*replies)))
    assert errors(found) == [known]
    assert words in found.findings[0].sentence
    assert not found.is_well


def test_nobody_listens() -> None:
    """A refused connection means that Postfix does not serve that address."""
    assert errors(diagnosis(free_port())) == ["refused"]


@pytest.mark.testbed
def test_nobody_listens_on_the_node() -> None:
    """Where localhost refuses, too, Postfix is not running."""
    options = Options("a@example.com", "b@example.com", port=free_port(), timeout=0.5)
    found = examine(a_node(is_container=False), options)
    assert errors(found) == ["postfix-down"]


def test_no_postfix_on_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no Postfix is installed, the finding is another one."""
    monkeypatch.setattr("pyservice.postfix.commands.find_program", lambda _program: None)
    options = Options("a@example.com", "b@example.com", port=free_port(), timeout=0.5)
    assert errors(examine(a_node(is_container=False), options)) == ["postfix-missing"]


def silent(connection: socket.socket) -> None:
    """A server that waits until the client hangs up."""
    connection.recv(1)


def test_a_server_that_greets_late(scripted: Scripted) -> None:
    """A greeting that does not come in time is an error."""
    found = diagnosis(scripted(silent), timeout=0.5)
    assert errors(found) == ["greeting-slow"]
    assert "more than 0.5 s" in found.findings[0].sentence


def test_a_late_greeting_that_comes(scripted: Scripted) -> None:
    """A greeting that takes long and comes is a note."""

    def converse(connection: socket.socket) -> None:
        time.sleep(0.2)
        saying(GREETING, EHLO, OK, OK, "221 Bye")(connection)

    found = diagnosis(scripted(converse), late=0.1)
    assert found.is_well
    assert [f.severity for f in found.findings if f.id == "greeting-slow"] == ["note"]


def endless(text: bytes, seconds: float) -> Callable[[socket.socket], None]:
    """A server that says the same again and again, until nobody listens any more."""

    def converse(connection: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection.sendall(text)
                time.sleep(seconds)

    return converse


@pytest.mark.parametrize(
    ("server", "known"),
    [
        (endless(b"220-x\r\n" * 1000, 0), "not-postfix"),
        (endless(b"x" * 9999, 0), "not-postfix"),
        (endless(b"220-x\r\n", 0.1), "greeting-slow"),
    ],
)
def test_a_server_that_never_ends(
    scripted: Scripted, server: Callable[[socket.socket], None], known: str
) -> None:
    """A reply has a last line and a limit of time, whatever a server does; so have the scripts'."""
    found = diagnosis(scripted(server), timeout=0.5 if known == "greeting-slow" else PATIENCE)
    assert errors(found) == [known]
    assert len(found.lines) < 60


@pytest.mark.parametrize(
    "program",
    [["bash"], pytest.param(["sh"], marks=pytest.mark.testbed), [sys.executable, "-S", "-I", "-"]],
)
def test_a_script_and_a_server_that_never_ends(scripted: Scripted, program: list[str]) -> None:
    """A script, too, ends at its limit of lines, with its finding."""
    port = scripted(endless(b"220-x\r\n", 0))
    options = Options("a@example.com", "b@example.com", port=port, timeout=PATIENCE)
    text = pod_script.script(options, "127.0.0.1", python=program[-1] == "-")
    done = subprocess.run(
        program, input=text, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "Finding not-postfix: " in done.stdout
    assert done.stdout.count("\n") < 70


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("Ncat: Connection refused.", "refused"),
        ("Ncat: No route to host.", "filtered"),
        ("Ncat: Connected to 192.0.2.1:25.", "not-postfix"),
    ],
)
def test_a_script_and_ncat(tmp_path: Path, line: str, known: str) -> None:
    """Red Hat's nc prints its version before anything; that is no connection yet."""
    nc = tmp_path / "nc"
    nc.write_text(
        f"#!/bin/sh\necho 'Ncat: Version 7.93 ( https://nmap.org/ncat )'\necho '{line}'\n"
    )
    nc.chmod(0o755)
    text = pod_script.script(
        Options("a@example.com", "b@example.com", timeout=PATIENCE), "192.0.2.1", python=False
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh"], input=text, capture_output=True, text=True, check=False, env={"PATH": path}
    )
    assert f"Finding {known}: " in done.stdout, done.stdout + done.stderr


def test_lines_wait_for_their_replies(scripted: Scripted) -> None:
    """Each line waits for the reply to the line before, and ends in CRLF."""
    heard: list[bytes] = []

    def converse(connection: socket.socket) -> None:
        for reply in (GREETING, EHLO, OK, OK, "221 2.0.0 Bye"):
            time.sleep(0.05)
            connection.setblocking(False)
            try:
                early = connection.recv(100)
            except BlockingIOError:
                early = b""
            connection.setblocking(True)
            assert early == b""
            connection.sendall(reply.encode() + b"\r\n")
            heard.append(connection.recv(4096))

    found = diagnosis(scripted(converse))
    assert found.is_well
    assert all(line.endswith(b"\r\n") and line.count(b"\n") == 1 for line in heard[:4])
    assert [line.text for line in found.lines if line.who == ">"] == [
        f"EHLO {socket.gethostname()}",
        "MAIL FROM:<jenkins@ci.example.com>",
        "RCPT TO:<ada@example.com>",
        "QUIT",
    ]


def test_a_server_that_draws_on_the_terminal(scripted: Scripted) -> None:
    """Control characters of a server never reach the terminal."""
    found = diagnosis(scripted(saying("220 \x1b[2J Postfix", "500 \x07no")))
    assert not any("\x1b" in line.text or "\x07" in line.text for line in found.lines)


def test_nothing_is_sent_unasked(postfix: PostfixStandIn) -> None:
    """Without --send-to the conversation ends after RCPT."""
    found = diagnosis(postfix.port)
    assert postfix.mails == []
    assert not any(line.text == "DATA" for line in found.lines)


def test_a_log_that_is_not_at_hand(scripted: Scripted) -> None:
    """A mail that Postfix takes is well, with a note that its delivery is not known."""

    def converse(connection: socket.socket) -> None:
        incoming = connection.makefile("rb")
        for reply in (GREETING, EHLO, OK, OK, "354 go on"):
            connection.sendall(reply.encode() + b"\r\n")
            incoming.readline()
        while incoming.readline() != b".\r\n":
            pass
        connection.sendall(b"250 2.0.0 Ok: queued as 4QABC\r\n")
        incoming.readline()
        connection.sendall(b"221 2.0.0 Bye\r\n")

    found = diagnosis(scripted(converse), sent=True)
    assert found.is_well
    assert found.queue_id == "4QABC"
    [note] = [f for f in found.findings if f.id == "log-missing"]
    assert "not at hand. There is no /nowhere/mail.log: " in note.sentence


@pytest.mark.parametrize(
    ("node", "known"),
    [
        (a_node(None), "no-address"),
        (a_node(None, is_container=False), "no-bridge"),
        (
            a_node(None, Bridge("cni0", None, None, True), is_container=False),
            "bridge-without-address",
        ),
    ],
)
def test_no_route(node: Node, known: str) -> None:
    """Where no address is known there is no dialogue, and the finding says why."""
    found = examine(node, Options("a@example.com", "b@example.com"))
    assert errors(found) == [known]
    assert found.lines == ()


def test_an_instance_that_is_none(tmp_path: Path) -> None:
    """A --config-dir without a Postfix in it is an error."""
    with pytest.raises(SetupError, match=re.escape(str(tmp_path))):
        examine(a_node(), Options("a@example.com", "b@example.com", config_dir=tmp_path))


def test_a_connection_that_is_not_there() -> None:
    """A command before the connection has no reply."""
    with pytest.raises(NoReplyError):
        SmtpSession(1).say("NOOP")


def test_whom_the_log_says_that_postfix_saw(tmp_path: Path) -> None:
    """It is the client that was refused just now, and none before."""
    file = tmp_path / "mail.log"
    line = (
        "Nov 25 12:00:00 node1 postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[172.22.91.{}]: "
        "454 4.7.1 <{}>: Relay access denied; from=<a@b> to=<{}> proto=ESMTP helo=<x>\n"
    )
    file.write_text(line.format(2, "b@example.com", "b@example.com"))
    log = evidence.find_log(None, {"maillog_file": str(file)})
    assert evidence.rejected_client(log, "b@example.com", seconds=0) == ""
    with file.open("a") as more:
        more.write(line.format(3, "c@example.com", "c@example.com"))
        more.write(line.format(4, "b@example.com", "b@example.com"))
    assert evidence.rejected_client(log, "b@example.com", seconds=0) == "172.22.91.4"


LIST = "127.0.0.0/8, 172.22.0.0/16"


@pytest.mark.parametrize(
    ("mynetworks", "network", "is_denied"),
    [
        (LIST, "172.22.91.0/24", False),
        ("127.0.0.0/8", "172.22.91.0/24", True),
        ("127.0.0.0/8 172.22.91.7", "172.22.91.0/24", False),
        ("127.0.0.0/8 cidr:/etc/postfix/networks", "172.22.91.0/24", False),
        ("127.0.0.0/8 [::1]/128", "fd00:1::/64", True),
        ("127.0.0.0/8, !172.22.91.0/24, 172.22.0.0/16", "172.22.91.0/24", True),
        ("127.0.0.0/8, !172.22.91.1, 172.22.0.0/16", "172.22.91.0/24", False),
        ("172.22.0.0/16, !172.22.91.0/24", "172.22.91.0/24", False),
        ("fd00::/8, 127.0.0.0/8", "172.22.91.0/24", True),
        ("", "172.22.91.0/24", True),
    ],
)
def test_containers_outside_of_mynetworks(mynetworks: str, network: str, is_denied: bool) -> None:
    """They are denied if no entry has any of them; a table may have them."""
    found = checks.check_containers({"mynetworks": mynetworks}, network)
    assert [finding.id for finding in found] == ["relay-denied"] * is_denied
    assert all(f.cure == f"notify-email relay apply --network {network}" for f in found)


def test_a_gateway_of_ipv6() -> None:
    """In the cure it stands in brackets, without which Postfix takes it for a table."""
    [found] = checks.check_strangers({"mynetworks": "[fd00::]/64"}, "fd00::1", 25, None)
    assert found.cure == "postconf -e mynetworks='![fd00::1] [fd00::]/64' && postfix reload"


@pytest.mark.parametrize(
    ("mynetworks", "published", "expected"),
    [
        (LIST, None, ["gateway-trusted"]),
        (LIST, "docker-proxy publishes port 25", ["open-relay"]),
        (f"!172.22.91.1 {LIST}", "docker-proxy publishes port 25", []),
        ("127.0.0.0/8", None, []),
    ],
)
def test_strangers(mynetworks: str, published: str | None, expected: list[str]) -> None:
    """A trusted gateway is a note, an error once port 25 is published, and excluded neither."""
    parameters = {"mynetworks": mynetworks}
    found = checks.check_strangers(parameters, "172.22.91.1", 25, published)
    assert [finding.id for finding in found] == expected
    for finding in found:
        assert finding.is_error is (published is not None)
        setting = shlex.split(finding.cure)[2].removeprefix("mynetworks=")
        assert checks.check_strangers({"mynetworks": setting}, "172.22.91.1", 25, published) == []


PROXY = ["/usr/bin/docker-proxy", "-proto", "tcp", "-host-ip"]


@pytest.mark.parametrize(
    ("words", "rules", "expected"),
    [
        ([*PROXY, "0.0.0.0", "-host-port", "25"], "", "docker-proxy publishes port 25"),
        ([*PROXY, "0.0.0.0", "-host-port", "2525"], "", None),
        ([*PROXY, "127.0.0.1", "-host-port", "25"], "", None),
        ([*PROXY, "anything", "-host-port", "25"], "", "docker-proxy publishes port 25"),
        (["docker-proxy", "-host-port", "25"], "", "docker-proxy publishes port 25"),
        (["x"], "-A DOCKER -p tcp -m tcp --dport 25 -j DNAT --to 172.17.0.2:25", "a rule"),
        (["x"], "-A DOCKER -p tcp -m tcp --dport 2525 -j DNAT --to 172.17.0.2:25", None),
        (["x"], "-A PREROUTING -p tcp -m multiport --dports 25,587 -j REDIRECT", "a rule"),
        (["x"], "-A PREROUTING -p tcp -m multiport --dports 20:30 -j REDIRECT", "a rule"),
        (["x"], "  tcp dport 25 dnat to 172.17.0.2:25", "a rule of the firewall rewrites: tcp dpo"),
        (["x"], "  tcp dport { 20-22, 25 } dnat to 172.17.0.2", "a rule"),
        (["x"], "  tcp dport { 20-22, 26 } dnat to 172.17.0.2", None),
        (["x"], "  ip daddr 203.0.113.1 snat to 172.22.91.1", "a rule"),
        (["x"], "  ip daddr 203.0.113.1 snat to 172.22.91.10", None),
        (["x"], "-A INPUT -j SNAT --to-source 172.22.91.1", "a rule"),
        (["x"], "-A PREROUTING -p tcp --dport 2525 -j REDIRECT --to-ports 25", None),
        (["x"], "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", None),
        (["x"], "-A INPUT -p tcp --dport 25 -j ACCEPT", None),
    ],
)
def test_a_published_port(words: list[str], rules: str, expected: str | None) -> None:
    """Docker's proxy publishes a port, and so do rules that rewrite destination or source."""
    found = evidence.published_by(25, "172.22.91.1", [words], rules)
    assert found == expected or (expected and found and found.startswith(expected))


@pytest.mark.parametrize(
    ("parameters", "is_found"),
    [
        ({}, True),
        ({"smtpd_forbid_bare_newline": "no"}, True),
        ({"smtpd_forbid_bare_newline": "normalize"}, False),
        (
            {
                "smtpd_forbid_bare_newline": "normalize",
                "smtpd_forbid_bare_newline_exclusions": LIST,
            },
            True,
        ),
    ],
)
def test_bare_newlines(parameters: dict[str, str], is_found: bool) -> None:
    """They are taken unless forbidden to the containers, too."""
    assert bool(checks.check_bare_newlines(parameters)) is is_found


RIGHT = JenkinsMail(
    "172.22.91.1", 25, True, "172.22.91.1", 25, "https://ci.example.com/", "ci@example.com"
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"smtp_host": "smtp.example.com"}, ["mailer-elsewhere"]),
        ({"smtp_host": None}, ["mailer-elsewhere"]),
        ({"smtp_host": "127.0.0.1"}, ["mailer-elsewhere"]),
        ({"smtp_port": 2525}, ["mailer-elsewhere"]),
        ({"smtp_host": "172.22.92.1"}, ["address-drifted"]),
        ({"email_ext_host": ""}, ["email-ext-elsewhere"]),
        ({"email_ext_host": "", "has_email_ext": False}, []),
        ({"url": None}, ["jenkins-url-missing"]),
        ({"admin_address": ""}, ["admin-address-missing"]),
        (
            {"admin_address": "address not configured yet <nobody@nowhere>"},
            ["admin-address-missing"],
        ),
    ],
)
def test_jenkins(changes: dict[str, object], expected: list[str]) -> None:
    """Jenkins' settings are compared with the address of the node's Postfix."""
    controller = JenkinsMail(**(vars(RIGHT) | changes))
    assert [found.id for found in checks.check_jenkins(controller, "172.22.91.1")] == expected


def test_jenkins_as_it_was_read() -> None:
    """The settings that `notify-email jenkins` reads are parsed."""
    server = {"smtpHost": "172.22.91.1", "smtpPort": "25"}
    location = {"url": "https://ci.example.com/", "adminAddress": "ci@example.com"}
    found = checks.JenkinsMail.parse({"mailer": server, "emailExt": server, "location": location})
    assert found == RIGHT
    fresh = checks.JenkinsMail.parse({"mailer": None, "emailExt": None, "location": {}})
    assert [one.id for one in checks.check_jenkins(fresh, "172.22.91.1")] == [
        "mailer-elsewhere",
        "jenkins-url-missing",
        "admin-address-missing",
    ]


def affinity(*terms: list[dict[str, object]]) -> dict[str, object]:
    """A required affinity: any of the terms, each of which is all of its expressions."""
    selector = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": selector}
    return {"affinity": {"nodeAffinity": required}}


def on(*names: str, key: str = "kubernetes.io/hostname") -> dict[str, object]:
    """An expression of such a term."""
    return {"key": key, "operator": "In", "values": list(names)}


@pytest.mark.parametrize(
    ("spec", "is_found"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"kubernetes.io/hostname": "node-1"}}, False),
        ({"nodeName": "node-1"}, False),
        (affinity([on("node-1")]), False),
        (affinity([on("node-1"), on("ssd", key="disk")]), False),
        (affinity([on("node-1", "node-2")]), True),
        (affinity([on("node-1")], [on("node-2")]), True),
        (affinity([on("node-1")], [on("ssd", key="disk")]), True),
        ({"affinity": {"nodeAffinity": {}}}, True),
    ],
)
def test_a_workload(spec: dict[str, object], is_found: bool) -> None:
    """It is pinned only if its pods may go to one node alone, and the cure pins it."""
    metadata = {"name": "jenkins", "namespace": "ci"}
    inner = {"containers": [], **spec}
    whole = {"kind": "StatefulSet", "metadata": metadata, "spec": {"template": {"spec": inner}}}
    found = workload.examine(json.dumps(whole))
    assert [finding.id for finding in found] == ["controller-not-pinned"] * is_found
    for finding in found:
        words = shlex.split(finding.cure)
        expected = ["kubectl", "patch", "statefulset/jenkins", "--namespace", "ci"]
        assert words[:5] == expected
        inner |= json.loads(words[-1])["spec"]["template"]["spec"]
        assert workload.examine(json.dumps(whole)) == []


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ({"kind": "StatefulSet", "name": "jenkins"}, "statefulset/jenkins"),
        ({"kind": "ReplicaSet", "name": "jenkins-5f6d"}, "deployment/jenkins"),
        ({"kind": "DaemonSet", "name": "jenkins"}, None),
        (None, None),
    ],
)
def test_a_pod(owner: dict[str, str] | None, expected: str | None) -> None:
    """The scheduler's choice does not pin a pod; the cure is for the pod's owner."""
    metadata = {"name": "jenkins-0", "labels": {"pod-template-hash": "5f6d"}}
    pod = {
        "kind": "Pod",
        "metadata": metadata | ({"ownerReferences": [owner]} if owner else {}),
        "spec": {"nodeName": "node-7"},
    }
    found = workload.examine(json.dumps(pod))
    assert [shlex.split(one.cure)[2] for one in found] == [expected] * bool(expected)
    assert all('"kubernetes.io/hostname":"node-7"' in one.cure for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kind: Pod",
        "[]",
        '{"kind": "Pod"}',
        '{"kind": "Deployment", "metadata": {"name": "x;"}, "spec": {"template": {"spec": {}}}}',
        '{"kind": "Deployment", "metadata": {"name": "x"}, "spec": {"template": {"spec": []}}}',
    ],
)
def test_what_is_no_workload(text: str) -> None:
    """Something else is refused, with what the option needs."""
    with pytest.raises(ConfigurationError, match="kubectl get statefulset NAME -o json"):
        workload.examine(text)


def test_cures_that_can_be_run() -> None:
    """--fix runs commands of ours that are whole, and no other program."""
    runnable = {
        known.id
        for known in CATALOGUE
        if Finding(known.id, known.severity, "", known.cure.format_map(Blanks())).command
    }
    assert runnable == {
        "refused",
        "stale-address",
        "bridge-not-served",
        "relay-denied",
        "client-refused",
        "bare-newline",
        "mailer-elsewhere",
        "address-drifted",
        "email-ext-elsewhere",
        "service-url-missing",
        "service-name-refused",
    }


class Blanks(dict[str, str]):
    """Something for every field."""

    def __missing__(self, _name: str) -> str:
        return "x"


def test_another_instance() -> None:
    """A cure is for the Postfix that was examined."""
    folder = Path("/etc/postfix out")
    cure = KNOWN["relay-denied"].finding(seen="", network="172.22.0.0/16", text="")
    assert cure.on_instance(folder).cure == (
        "notify-email relay apply --config-dir '/etc/postfix out' --network 172.22.0.0/16"
    )
    down = KNOWN["postfix-down"].finding(address="", port=25)
    assert down.on_instance(folder).cure == "postfix -c '/etc/postfix out' start"
    disk = KNOWN["disk-full"].finding(text="")
    assert "$(postconf -c '/etc/postfix out' -h queue_directory)" in disk.on_instance(folder).cure
    assert disk.on_instance(None) == disk
    sender = KNOWN["sender-refused"].finding(sender="", text="").on_instance(folder)
    assert sender.cure == "notify-email doctor --config-dir '/etc/postfix out' --from SENDER"
    pod = KNOWN["no-address"].finding()
    assert pod.on_instance(folder) == pod


def test_a_value_is_one_word() -> None:
    """No value from elsewhere can add a command to a cure."""
    found = KNOWN["unanswered"].finding(queue_id="x; reboot", seconds=1)
    assert "reboot" not in found.cure
    found = KNOWN["relay-denied"].finding(seen="", text="", network="$(reboot)")
    assert shlex.split(found.cure)[-1] == "$(reboot)"


@pytest.mark.parametrize(
    "text", ["a@example.com>\r\nRCPT TO:<b@example.com", "a b", "a@b.example, c@d.example"]
)
def test_an_address_that_breaks_out(text: str) -> None:
    """An option that is more than one address is refused."""
    with pytest.raises(ConfigurationError, match="--from"):
        _address(text, "--from")


def test_the_script_for_python_needs_no_more_than_it_says() -> None:
    """It is in the language of Python 3.6, and imports nothing of ours."""
    text = pod_script.script(Options("a@example.com", "b@example.com"), None, python=True)
    imported: set[str] = set()
    for node in ast.walk(ast.parse(text, feature_version=(3, 6))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    assert not imported & {"dataclasses", "zoneinfo", "tomllib"}  # which are newer


NASTY = "it's\"$(touch broken)`touch broken`\\{sender}@example.com"


@pytest.mark.parametrize(
    "program",
    [["bash"], pytest.param(["sh"], marks=pytest.mark.testbed), [sys.executable, "-S", "-I", "-"]],
)
def test_values_in_a_script(tmp_path: Path, scripted: Scripted, program: list[str]) -> None:
    """A script sends its values as they are, and runs none of them."""
    port = scripted(saying(GREETING, EHLO, "501 5.1.7 Bad sender address syntax"))
    options = Options(NASTY, "ada@example.com", port=port, timeout=PATIENCE)
    text = pod_script.script(options, "127.0.0.1", python=program[-1] == "-")
    done = subprocess.run(
        program, input=text, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1, done.stderr
    assert f"> MAIL FROM:<{NASTY}>" in done.stdout
    assert "Finding sender-refused: " in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_every_finding_is_documented() -> None:
    """docs/doctor.md has each finding of the catalogue in its table, and no other."""
    table = re.findall(r"^\|.*\| `([a-z-]+)`", (ROOT / "docs" / "doctor.md").read_text(), re.M)
    assert sorted(table) == sorted(KNOWN) == sorted({known.id for known in CATALOGUE})
    assert len(KNOWN) == len(CATALOGUE)
