"""Network namespaces of our own, and what runs in them.

A name tells its owner, `nemail-PID-STARTED-…`, so that what a killed run left behind can be told
from what a living one uses. Links are made between two namespaces directly: the host's own
namespace never sees one.
"""

import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_interface
from pathlib import Path

from tests.testbed.errors import TestbedError
from tests.testbed.waiting import until

PREFIX = "nemail"
Completed = subprocess.CompletedProcess[str]

_OWNED = re.compile(rf"{PREFIX}-(?P<pid>\d+)-(?P<started>\d+)-")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_STARTED = 22
"""The field of /proc/PID/stat that tells when a process began: process IDs come round again."""
_numbers = itertools.count(1)


class Namespace:
    """One machine of the testbed, as far as the network goes; files and users are the host's."""

    def __init__(self, role: str) -> None:
        """Make it, with loopback up.

        Raises:
            TestbedError: this isn't root, or there is no iproute2.
        """
        if os.geteuid() != 0:
            raise TestbedError("The testbed makes network namespaces, so it needs root.")
        self.name = f"{_owner()}-{next(_numbers)}-{role}"
        self._started: list[subprocess.Popen[bytes]] = []
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def address(self, device: str, network: str) -> None:
        """Give a device its address, with the prefix's length, and set it up."""
        ip("-n", self.name, "address", "add", network, "dev", device)
        ip("-n", self.name, "link", "set", device, "up")

    def add_bridge(self, device: str, network: str) -> None:
        """Make a bridge, with an address of this machine's on it."""
        ip("-n", self.name, "link", "add", device, "address", _hardware(network), "type", "bridge")
        self.address(device, network)

    def join(self, device: str, network: str, other: "Namespace", port: str) -> None:
        """Lay a cable (a veth pair) from a new device in here to a new one in another machine."""
        end = ("type", "veth", "peer", "name", port, "netns", other.name)
        ip("link", "add", device, "netns", self.name, "address", _hardware(network), *end)
        ip("-n", other.name, "link", "set", port, "up")
        self.address(device, network)

    def route(self, destination: str, *, via: str) -> None:
        """Send what is for there by way of a neighbour."""
        ip("-n", self.name, "route", "add", destination, "via", via)

    def run(
        self,
        *command: str,
        text: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 30,
    ) -> Completed:
        """Run a command in here to its end.

        Args:
            command: the program and its arguments.
            text: its standard input.
            env: what it gets beside PATH and the like; nothing of ours, such as a proxy.
            timeout: seconds.
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
        """Start a command in here that writes to a log; `remove` ends it at the latest."""
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
        """Wait until something in here listens on a TCP port, or until nothing does any more."""

        def found() -> bool:
            return bool(self.run("ss", "-Hltn", f"sport = :{port}").stdout.strip())

        told = f"port {port} in {self.name} is {'taken' if listening else 'free'}"
        until(lambda: found() is listening, told)

    def pids(self) -> list[int]:
        """The processes in here."""
        return _pids(self.name)

    def remove(self) -> None:
        """End what runs in here, and take it away with its cables."""
        _remove(self.name, self._started)

    def _inside(self, command: tuple[str, ...]) -> list[str]:
        return [_ip(), "netns", "exec", self.name, *command]


def ip(*arguments: str) -> str:
    """What iproute2's `ip` prints, run on the host.

    Raises:
        TestbedError: it failed; says what it said.
    """
    done = subprocess.run([_ip(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestbedError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def folder() -> Path:
    """A new folder for this process' files, which users such as Postfix' can enter."""
    made = Path(tempfile.mkdtemp(prefix=f"{_owner()}-"))
    made.chmod(0o755)
    return made


def existing() -> list[str]:
    """The namespaces on this machine that are a testbed's, whoever made them."""
    listed = [line.split()[0] for line in ip("netns", "list").splitlines() if line.strip()]
    return [name for name in listed if _OWNED.match(name)]


def clear_leftovers() -> None:
    """Remove the namespaces, processes and folders whose owner is dead."""
    for name in existing():
        if not _owner_lives(name):
            _remove(name, [])
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
        if _OWNED.match(left.name) and not _owner_lives(left.name):
            shutil.rmtree(left, ignore_errors=True)


def _hardware(network: str) -> str:
    """The hardware address for one of a network, made of it as Docker does.

    A bridge left alone has its lowest port's, which changes as containers come and go, and a new
    device a random one: whoever remembered the one before can't reach it for half a minute.
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
        # Until nothing is left: a process may start another one meanwhile.
        until(is_empty, f"the processes in {name} end")
        ip("netns", "delete", name)
    except TestbedError:
        if name in existing():  # else another run has removed the leftover just now
            raise
    for process in started:
        process.wait()


def _pids(name: str) -> list[int]:
    return [int(pid) for pid in ip("netns", "pids", name).split()]


def _owner() -> str:
    pid = os.getpid()
    return f"{PREFIX}-{pid}-{_started(pid)}"


def _owner_lives(name: str) -> bool:
    owner = _OWNED.match(name)
    return owner is not None and _started(int(owner["pid"])) == int(owner["started"])


def _started(pid: int) -> int | None:
    """In clock ticks since boot; None: there is no such process, or it only waits to be buried."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    return None if state == "Z" else int(fields[_STARTED - 4])


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    return {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def _ip() -> str:
    found = shutil.which("ip", path=_PATH)
    if found is None:
        raise TestbedError("There is no `ip`: run tests/testbed/install-packages.sh.")
    return found
