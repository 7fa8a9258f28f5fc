"""A node: a container bridge, a Postfix of its own and, when it is started, the service."""

import subprocess
import sys
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path

from tests.builders.patience import PATIENCE
from tests.testbed.namespaces import Completed, Namespace, ip
from tests.testbed.postfix import Postfix
from tests.testbed.waiting import until

BRIDGE_DEVICE = "docker0"
PORT = 8525
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
LAUNCHER = (str(BIN / "notify-email"),)


class Node(Namespace):
    """A node. Several may have the same bridge address: they share the relay host only."""

    def __init__(self, role: str, *, bridge: str, folder: Path) -> None:
        """Make the machine with its bridge; `install_postfix` adds Postfix.

        Args:
            role: its name within the testbed.
            bridge: the bridge's address, in a /24.
            folder: a new folder for all its files.
        """
        super().__init__(role)
        self.bridge, self.folder = bridge, folder
        self.url = f"http://{bridge}:{PORT}"
        self._service: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self.add_bridge(BRIDGE_DEVICE, f"{bridge}/24")

    def attach(self, container: Namespace, address: str) -> None:
        """Join a container to the bridge, which becomes its default gateway.

        An address outside of the bridge's /24, such as flannel gives to pods, is routed to it.
        """
        port = f"veth{int(ip_address(address)) & 0xFFFFFF:06x}"
        is_near = ip_address(address) in ip_network(f"{self.bridge}/24", strict=False)
        container.join("eth0", f"{address}/{24 if is_near else 32}", self, port)
        ip("-n", self.name, "link", "set", port, "master", BRIDGE_DEVICE)
        if not is_near:
            ip("-n", container.name, "route", "add", self.bridge, "dev", "eth0", "scope", "link")
            ip("-n", self.name, "route", "add", address, "dev", BRIDGE_DEVICE)
        container.route("default", via=self.bridge)

    def install_postfix(self, relay: str, settings: Mapping[str, str]) -> None:
        """Give it a Postfix that takes mail from containers for the relay host, and start it."""
        self.postfix = Postfix(
            self,
            self.folder / "postfix",
            {
                "mydestination": "",
                "inet_interfaces": f"localhost, {self.bridge}",
                "mynetworks": "127.0.0.0/8, 172.22.0.0/16",
                "relayhost": f"[{relay}]:25",
                **settings,
            },
        )
        self.postfix.start()

    def start_service(self, *, launcher: tuple[str, ...] = LAUNCHER, **settings: str) -> None:
        """Start the service, and wait until it answers at the bridge's address.

        Args:
            launcher: the command before its arguments.
            settings: NOTIFY_EMAIL_…, beside those that keep it apart from the machine.

        Raises:
            AssertionError: the service ended.
        """
        self.make_token()
        environment = {
            "TOKENS_FILE": str(self.folder / "tokens.toml"),
            "DATABASE_URL": f"sqlite:///{self.folder}/outbox.db",
            "SENDER": "Jenkins <jenkins@ci.example.com>",
        } | {name.upper(): value for name, value in settings.items()}
        config = self.folder / "settings.toml"
        config.touch()  # an empty one: the machine's own must not count
        variables = {f"NOTIFY_EMAIL_{name}": value for name, value in environment.items()}
        self._service = self.start(
            *(*launcher, "serve", "--config", str(config)),
            log=self.folder / "service.log",
            env=variables | {"PYTHONPATH": str(ROOT)},
        )
        until(self._is_healthy, self.service_log, pause=0.1)

    def _is_healthy(self) -> bool:
        assert self.is_serving(), self.service_log()
        health = self.run("curl", "-sf", "-m", "5", "--noproxy", "*", f"{self.url}/healthz")
        return health.returncode == 0

    def is_serving(self) -> bool:
        """Return whether the service's process is there."""
        return self._service is not None and self._service.poll() is None

    def stop_service(self, *, kill: bool = False) -> int | None:
        """End the service, with `kill` by SIGKILL; the outbox stays.

        Returns:
            Its exit code; None: there is no service.
        """
        service, self._service = self._service, None
        if service is None:
            return None
        if kill:
            service.kill()
        else:
            service.terminate()
        return service.wait(PATIENCE)

    def curl(
        self, container: Namespace, path: str, *arguments: str, body: str | None = None
    ) -> Completed:
        """Send the service a request from within a container, with the token."""
        post = ["-H", "Content-Type: application/json", "--data-binary", "@-"] if body else []
        return container.run(
            *("curl", "-sS", "--fail-with-body", "--noproxy", "*", "-m", f"{PATIENCE:g}"),
            *("-H", f"Authorization: Bearer {self.make_token()}"),
            *post,
            *arguments,
            self.url + path,
            text=body,
        )

    def make_token(self) -> str:
        """Return the token that Jenkins has; it is made at the first call."""
        file = self.folder / "token"
        if not file.exists():
            tokens = str(self.folder / "tokens.toml")
            new = ("token", "new", "--name", "ci", "--file", tokens)
            made = self.run(str(BIN / "notify-email"), *new)
            assert made.returncode == 0, made.stderr
            file.write_text(made.stdout.strip())
        return file.read_text()

    def forget(self) -> None:
        """Remove the outbox of a service that is stopped."""
        for file in self.folder.glob("outbox.db*"):
            file.unlink()

    def service_log(self) -> str:
        """Return the service's log."""
        return (self.folder / "service.log").read_text()

    def maillog(self) -> str:
        """Return Postfix' log so far."""
        return self.postfix.log.read_text() if self.postfix.log.exists() else ""

    def queue(self) -> str:
        """Return Postfix' queue as postqueue -p shows it."""
        return self.postfix.queue()
