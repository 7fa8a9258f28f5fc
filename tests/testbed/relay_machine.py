"""A node whose Postfix serves the node itself only, for `notify-email relay` to change."""

import os
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.builders.patience import TIMEOUT
from tests.testbed.namespaces import Completed, ip
from tests.testbed.network import BRIDGE, Testbed
from tests.testbed.node import BIN, BRIDGE_DEVICE, Node

RELAY = (str(BIN / "notify-email"), "relay")
POD = "172.22.91.2"
MAIL = "From: jenkins@ci.example.com\r\nTo: ada@example.com\r\nSubject: relay\r\n\r\nHello.\r\n"
BLOG = """\
# As the blog has it.

relayhost = smtprelay-prd.example.com
# Only this machine:
inet_interfaces = localhost
  # (an indented remark)
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128

smtpd_use_tls=yes
"""
CHANGED = {"inet_interfaces", "mynetworks", "relayhost"}


class Machine:
    """A node whose Postfix has the blog's main.cf, and serves the node itself only."""

    def __init__(self, testbed: Testbed, node: Node) -> None:
        self.testbed, self.node = testbed, node
        self.pod = testbed.add_container(node, POD)
        self.outsider = testbed.add_outsider(node)
        self.config = node.postfix.config
        self.main, self.master = self.config / "main.cf", self.config / "master.cf"
        kept = (
            line
            for line in self.main.read_text().splitlines()
            if line.partition(" ")[0] not in CHANGED
        )
        self.blog = BLOG + "".join(f"{line}\n" for line in kept)
        self._master = self.master.read_bytes()
        self._pristine = {file.name for file in self.config.iterdir()}

    def reset(self, more: str = "") -> None:
        """Restore everything, and add lines to main.cf."""
        if BRIDGE not in ip("-n", self.node.name, "address"):
            self.node.address(BRIDGE_DEVICE, f"{BRIDGE}/24")
        self.run("sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=0")
        self.run("rm", "-rf", *(str(f) for f in self.config.iterdir() if self._is_new(f)))
        self.write(self.blog + more)
        self.master.write_bytes(self._master)
        if self.node.postfix.is_running():
            self.node.postfix.stop()
        self.node.postfix.start()

    def write(self, main: str) -> None:
        """Write main.cf."""
        self.main.write_text(main)
        aged(self.main)

    def leftovers(self) -> list[str]:
        """Return the names of the files that were added to its configuration directory."""
        return sorted(file.name for file in self.config.iterdir() if self._is_new(file))

    def _is_new(self, file: Path) -> bool:
        return file.name not in self._pristine

    def run(self, *command: str, setup: str = "") -> Completed:
        """Run a command; `setup` is a script that changes its mounts first."""
        inside = ("unshare", "--mount", "sh", "-ec", f'{setup}\nexec "$@"', "sh")
        return self.node.run(*(inside if setup else ()), *command, timeout=TIMEOUT)

    def keep_aged(self, is_over: threading.Event) -> None:
        """Make each file that a command writes look old at once."""
        while not is_over.wait(0.01):
            for file in (self.main, self.master):
                with suppress(OSError):  # just renamed, or immutable
                    if file.stat().st_mtime > time.time() - 30:
                        aged(file)

    def relay(self, command: str, *options: str, setup: str = "") -> Completed:
        """Run notify-email relay for its instance."""
        network = () if command == "revert" or "--network" in options else self.network
        config = ("--config-dir", str(self.config))
        done = self.run(*RELAY, command, *config, *network, *options, setup=setup)
        assert "Traceback" not in done.stderr
        return done

    def applied(self, *options: str, setup: str = "") -> Completed:
        """Run notify-email relay apply, which must succeed."""
        done = self.relay("apply", *options, setup=setup)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    network = ("--network", "172.22.0.0/16")

    def last_reply(self, sender: str) -> str:
        """Send a mail from a machine; return the last reply; empty: the connection is refused."""
        machine = {"pod": self.pod, "outsider": self.outsider, "node": self.node}[sender]
        host = "127.0.0.1" if sender == "node" else BRIDGE
        return "".join(self.testbed.speak_smtp(machine, MAIL, host)[-1:])

    def master_pid(self) -> str:
        """Return the master's process ID: another one after a restart."""
        return (self.config.parent / "queue" / "pid" / "master.pid").read_text().strip()

    def parameter(self, name: str) -> str:
        """Return a value as main.cf has it."""
        return self.run("postconf", "-c", str(self.config), "-h", name).stdout.strip()


def aged(file: Path) -> None:
    """Make a file look old: Postfix waits for seconds before it reads a new one."""
    os.utime(file, (time.time() - 60,) * 2)


def as_default(machine: Machine) -> str:
    """Return mounts that make it the main instance, with its own units and kernel settings."""
    folders = {
        "/etc/postfix": machine.config,
        "/etc/systemd/system": machine.config.parent / "units",
        "/etc/sysctl.d": machine.config.parent / "sysctl.d",
    }
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    for file in Path("/etc/postfix").glob("post*"):  # Postfix looks for its own list of files there
        if file.is_file():
            shutil.copy(file, machine.config)
    return "\n".join(f"mount --bind {own} {place}" for place, own in folders.items())


def boot(machine: Machine, *, address_first: bool) -> Completed:
    """Start Postfix as at a boot: docker0 has its address already, or gets it later."""
    device = ("address", "flush", "dev", BRIDGE_DEVICE)
    if machine.node.postfix.is_running():
        machine.node.postfix.stop()
    ip("-n", machine.node.name, *device)
    if address_first:
        machine.node.address(BRIDGE_DEVICE, f"{BRIDGE}/24")
    return machine.run("postfix", "-c", str(machine.config), "start")
