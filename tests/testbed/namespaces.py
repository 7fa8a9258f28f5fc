"""Network namespaces, and the processes in them.

A name has its owner (builders/owned.py), so that the next run removes what a killed run left. Links
are made between two namespaces directly: the host's own namespace never has one.
"""

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_interface
from pathlib import Path

from tests.builders import owned
from tests.builders.patience import TIMEOUT
from tests.testbed.errors import TestbedError
from tests.testbed.waiting import until

Completed = subprocess.CompletedProcess[str]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_numbers = itertools.count(1)


class Namespace:
    """A machine of the testbed with a network of its own; files and users are the host's."""

    def __init__(self, role: str) -> None:
        """Make the namespace, with loopback up.

        Raises:
            TestbedError: this isn't root, or there is no iproute2.
        """
        if os.geteuid() != 0:
            raise TestbedError("The testbed makes network namespaces, so it needs root.")
        self.name = f"{owned.owner()}-{next(_numbers)}-{role}"
        self._started: list[subprocess.Popen[bytes]] = []
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def address(self, device: str, network: str) -> None:
        """Give a device its address, with the prefix's length, and set it up."""
        ip("-n", self.name, "address", "add", network, "dev", device)
        ip("-n", self.name, "link", "set", device, "up")

    def add_bridge(self, device: str, network: str) -> None:
        """Make a bridge, and give it an address."""
        ip(
            "-n",
            self.name,
            "link",
            "add",
            device,
            "address",
            _hardware_address(network),
            "type",
            "bridge",
        )
        self.address(device, network)

    def join(self, device: str, network: str, other: "Namespace", port: str) -> None:
        """Lay a cable (a veth pair) from a new device in here to a new one in another machine."""
        end = ("type", "veth", "peer", "name", port, "netns", other.name)
        ip("link", "add", device, "netns", self.name, "address", _hardware_address(network), *end)
        ip("-n", other.name, "link", "set", port, "up")
        self.address(device, network)

    def route(self, destination: str, *, via: str) -> None:
        """Add a route to a destination through a neighbour."""
        ip("-n", self.name, "route", "add", destination, "via", via)

    def run(
        self,
        *command: str,
        text: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> Completed:
        """Run a command in here to its end.

        Args:
            command: the program and its arguments.
            text: its standard input.
            env: variables beside PATH and the like; none of ours is passed on, such as a proxy.
            timeout: seconds; far more than a busy machine needs.
        """
        return subprocess.run(
            self._inside(command),
            input=text or "",
            capture_output=True,
            text=True,
            env=_environment(env),
            timeout=timeout,
            check=False,
        )

    def start(
        self, *command: str, log: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command in here, whose output goes to a log; `remove` ends it at the latest."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                self._inside(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(env),
            )
        self._started.append(process)
        return process

    def wait_for_port(self, port: int, *, listening: bool) -> None:
        """Wait until a process in here listens at a TCP port, or until none does any more."""

        def is_listening() -> bool:
            return bool(self.run("ss", "-Hltn", f"sport = :{port}").stdout.strip())

        event = f"port {port} in {self.name} is {'taken' if listening else 'free'}"
        until(lambda: is_listening() is listening, event)

    def pids(self) -> list[int]:
        """Return the IDs of the processes in here."""
        return _pids(self.name)

    def remove(self) -> None:
        """End the processes in here, and remove the namespace with its cables."""
        _remove(self.name, self._started)

    def _inside(self, command: tuple[str, ...]) -> list[str]:
        return [_ip(), "netns", "exec", self.name, *command]


def ip(*arguments: str) -> str:
    """Run iproute2's `ip` on the host; return its output.

    Raises:
        TestbedError: it failed; the message has its error.
    """
    done = subprocess.run([_ip(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestbedError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def existing() -> list[str]:
    """Return the names of all testbeds' namespaces on this machine."""
    listed = [line.split()[0] for line in ip("netns", "list").splitlines() if line.strip()]
    return [name for name in listed if owned.is_owned(name)]


def clear_leftovers() -> None:
    """Remove the namespaces, processes and folders whose owner is dead."""
    for name in existing():
        if owned.is_left(name):
            _remove(name, [])
    owned.clear_left_folders()


def _hardware_address(network: str) -> str:
    """Return a hardware address made of an IP address, as Docker does.

    Without it a bridge has its lowest port's, which changes as containers come and go, and a new
    device has a random one: a neighbour that knows the old one can't reach it for half a minute.
    """
    return "02:42:" + ip_interface(network).packed[-4:].hex(":")


def _remove(name: str, started: list[subprocess.Popen[bytes]]) -> None:
    def is_empty() -> bool:
        for process in started:
            process.poll()
        left = _pids(name)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    try:
        # Again until none is left: a process may start another one meanwhile.
        until(is_empty, f"the processes in {name} end")
        ip("netns", "delete", name)
    except TestbedError:
        if name in existing():  # else another run has just removed it
            raise
    for process in started:
        process.wait()


def _pids(name: str) -> list[int]:
    return [int(pid) for pid in ip("netns", "pids", name).split()]


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    return {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def _ip() -> str:
    program = shutil.which("ip", path=_PATH)
    if program is None:
        raise TestbedError("There is no `ip`: run tests/testbed/install-packages.sh.")
    return program
