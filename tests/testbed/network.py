"""The whole network: a node with docker0, a container behind it, a relay host, an outsider."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

from tests.testbed import namespaces
from tests.testbed.namespaces import Namespace, ip
from tests.testbed.postfix import Postfix

BRIDGE = "172.22.91.1"
CONTAINER = "172.22.91.2"
NODE_UPLINK, RELAY = "198.51.100.1", "198.51.100.2"
NODE_OUTSIDE, OUTSIDER = "203.0.113.1", "203.0.113.2"
SERVICE = f"http://{BRIDGE}:8525"
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Mail:
    """A mail as it came out at the relay host."""

    sender: str
    recipients: list[str]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """Parsed."""
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class Testbed:
    """Made on entry, gone on exit, whatever happens in between."""

    __test__ = False  # pytest: it is none

    def __enter__(self) -> Self:
        """Make the namespaces, the relay host's sink and the node's Postfix."""
        namespaces.clear_leftovers()
        self.folder = namespaces.folder()
        self._made: list[Namespace] = []
        self._service: subprocess.Popen[bytes] | None = None
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Take everything away."""
        for namespace in self._made:
            namespace.remove()
        shutil.rmtree(self.folder)

    def _build(self) -> None:
        self.node, self.container, self.relay, self.outsider = (
            self._namespace(role) for role in ("node", "container", "relay", "outsider")
        )
        ip("-n", self.node.name, "link", "add", "docker0", "type", "bridge")
        self.node.address("docker0", f"{BRIDGE}/24")
        self.container.join("eth0", f"{CONTAINER}/24", self.node, "veth0")
        ip("-n", self.node.name, "link", "set", "veth0", "master", "docker0")
        self.container.route("default", via=BRIDGE)
        self.relay.join("eth0", f"{RELAY}/30", self.node, "uplink")
        self.node.address("uplink", f"{NODE_UPLINK}/30")
        self.outsider.join("eth0", f"{OUTSIDER}/30", self.node, "outside")
        self.node.address("outside", f"{NODE_OUTSIDE}/30")
        self.outsider.route(f"{BRIDGE}/32", via=NODE_OUTSIDE)

        self._sunk = self.folder / "sunk"
        self._sunk.mkdir()
        self.relay.start(
            sys.executable,
            "-m",
            "tests.testbed.sink",
            RELAY,
            "25",
            str(self._sunk),
            log=self.folder / "sink.log",
            env={"PYTHONPATH": str(ROOT)},
        )
        self.postfix = Postfix(
            self.node,
            self.folder / "postfix",
            {
                "myhostname": "node1.ci.example.com",
                "mydestination": "",
                "inet_interfaces": f"localhost, {BRIDGE}",
                "mynetworks": "127.0.0.0/8, 172.22.0.0/16",
                "relayhost": f"[{RELAY}]:25",
            },
        )
        self.postfix.start()

    def _namespace(self, role: str) -> Namespace:
        made = Namespace(role)
        self._made.append(made)
        return made

    def mails(self) -> list[Mail]:
        """What came out at the relay host, in order."""
        found = sorted(self._sunk.glob("*.json"), key=lambda file: int(file.stem))
        return [
            Mail(**json.loads(file.read_text()), content=file.with_suffix(".eml").read_bytes())
            for file in found
        ]

    def wait_for_mails(self, count: int, seconds: float = 30) -> list[Mail]:
        """Wait until so many mails came out."""
        ends = time.monotonic() + seconds
        while len(self.mails()) < count:
            queue = self.postfix.queue() if self.postfix.is_running() else "Postfix is stopped"
            assert time.monotonic() < ends, f"{len(self.mails())} of {count} mails. {queue}"
            time.sleep(0.1)
        return self.mails()

    def relay_answers(self, reply: str | None) -> None:
        """Let the relay host refuse every mail with a reply, or take them again."""
        if reply is None:
            (self._sunk / "reply").unlink(missing_ok=True)
        else:
            (self._sunk / "reply").write_text(reply)

    def reset(self) -> None:
        """An empty sink, a running Postfix, no service."""
        self.stop_service()
        self.relay_answers(None)
        if not self.postfix.is_running():
            self.postfix.start()
        for file in self._sunk.iterdir():
            if file.stem.isdigit():
                file.unlink()

    def start_service(self, **settings: str) -> None:
        """Start the service on the node, and wait until a container reaches it and it is ready.

        Args:
            settings: NOTIFY_EMAIL_…, beside the ones that keep it apart.
        """
        self.token = self.token_file().read_text()
        environment = {
            "TOKENS_FILE": str(self.folder / "tokens.toml"),
            "DATABASE_URL": f"sqlite:///{self.folder}/outbox.db",
            "SENDER": "Jenkins <jenkins@ci.example.com>",
        } | {name.upper(): value for name, value in settings.items()}
        self._service = self.node.start(
            str(BIN / "notify-email"),
            "serve",
            log=self.folder / "service.log",
            env={f"NOTIFY_EMAIL_{name}": value for name, value in environment.items()},
        )
        for _ in range(150):
            if self.curl("/healthz").returncode == 0:
                return
            assert self._service.poll() is None, self.service_log()
            time.sleep(0.1)
        raise AssertionError(self.service_log())

    def token_file(self) -> Path:
        """A file with the token that Jenkins has."""
        file = self.folder / "token"
        if not file.exists():
            made = subprocess.run(
                [
                    str(BIN / "notify-email"),
                    "token",
                    "new",
                    "--name",
                    "ci",
                    "--file",
                    str(self.folder / "tokens.toml"),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            file.write_text(made.stdout.strip())
        return file

    def stop_service(self, *, kill: bool = False) -> None:
        """End the service, by SIGKILL if asked to; the outbox stays."""
        service, self._service = self._service, None
        if service is not None:
            # `ip netns exec` replaces itself by the command: this is the service's own process.
            if kill:
                service.kill()
            else:
                service.terminate()
            service.wait(30)

    def forget(self) -> None:
        """Remove the outbox of a service that is stopped."""
        for file in self.folder.glob("outbox.db*"):
            file.unlink()

    def service_log(self) -> str:
        """The service's log."""
        return (self.folder / "service.log").read_text()

    def curl(self, path: str, *arguments: str, body: str | None = None) -> namespaces.Completed:
        """Ask the service from inside of the container, with the token."""
        post = ["-H", "Content-Type: application/json", "--data-binary", "@-"] if body else []
        return self.container.run(
            "curl",
            "-sS",
            "--fail-with-body",
            "--noproxy",
            "*",
            "-m",
            "10",
            "-H",
            f"Authorization: Bearer {self.token}",
            *post,
            *arguments,
            SERVICE + path,
            text=body,
        )

    def post(self, report: dict[str, Any]) -> dict[str, Any]:
        """POST a report from inside of the container."""
        done = self.curl("/v1/reports", body=json.dumps(report))
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def status(self, answer: dict[str, Any], state: str = "accepted") -> dict[str, Any]:
        """Wait until a report is in a state, and return its status."""
        for _ in range(300):
            status: dict[str, Any] = json.loads(self.curl(f"/v1/reports/{answer['id']}").stdout)
            if status["state"] == state:
                return status
            time.sleep(0.1)
        raise AssertionError(f"{state} was not reached: {status}")

    def pipeline(self, source: str, sample: str, *, trusted: bool) -> dict[str, Any]:
        """Run a Pipeline with the step, as Jenkins does, inside of the container."""
        file = self.folder / "Pipeline.groovy"
        file.write_text(source)
        classpath = (ROOT / "target" / "test-classpath.txt").read_text().strip()
        opens = [
            f"--add-opens=java.base/{name}=ALL-UNNAMED"
            for name in ("java.lang", "java.util", "java.lang.reflect", "java.net")
        ]
        done = self.container.run(
            "env",
            "-C",
            str(ROOT),
            "java",
            *opens,
            "-Dfile.encoding=UTF-8",
            "-cp",
            f"target/test-classes{os.pathsep}{classpath}",
            "harness.RunPipeline",
            "--sample",
            f"pyservice/samples/{sample}",
            "--pipeline",
            str(file),
            "--global",
            f"NOTIFY_EMAIL_URL={SERVICE}",
            "--credential",
            f"notify-email-token={self.token}",
            "--env",
            "NOTIFY_EMAIL_CREDENTIALS_ID=notify-email-token",
            *(["--trusted"] if trusted else []),
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result
