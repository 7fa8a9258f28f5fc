"""Network namespaces of our own, and what runs in them.

A name tells its owner, `nemail-PID-STARTED-…`, so that the leftovers of a run that was killed can
be told from another run that is under way. Links are made between two namespaces directly: the
host's own never sees one.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.testbed.errors import TestbedError
from tests.testbed.waiting import until

PREFIX = "nemail"
_OWNED = re.compile(rf"{PREFIX}-(?P<pid>\d+)-(?P<started>\d+)(?:-|$)")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_STARTED_AT = 22
"""The field of /proc/PID/stat that tells when a process started; PIDs come round again."""


@dataclass(frozen=True)
class Answer:
    """What an HTTP server answered."""

    status: int
    content: str

    def json(self) -> Any:
        """The content, parsed."""
        return json.loads(self.content)


class Namespace:
    """One machine of the testbed, as far as the network goes; files and users are the host's."""

    def __init__(self, name: str, log_folder: Path) -> None:
        self.name = name
        self._logs = log_folder
        self._started: list[subprocess.Popen[bytes]] = []

    @classmethod
    def make(cls, name: str, log_folder: Path) -> Self:
        """A new one, with loopback up."""
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        return cls(name, log_folder)

    def run(
        self,
        command: Sequence[str | Path],
        *,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 30,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in here to its end, and return it with its output as text."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            self._inside(command),
            input=given,
            capture_output=True,
            env=_environment(env),
            timeout=timeout,
            check=False,
        )
        out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        if check and done.returncode:
            raise TestbedError(
                f"{' '.join(map(str, command))} in {self.name} ended with {done.returncode}: "
                f"{(err or out).strip()}"
            )
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def popen(
        self, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, log: str
    ) -> subprocess.Popen[bytes]:
        """Start a command in here; its output goes to the file `log` of the testbed's folder.

        It is ended with the testbed at the latest.
        """
        with (self._logs / log).open("ab") as output:
            process = subprocess.Popen(
                self._inside(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(env),
            )
        self._started.append(process)
        return process

    def python(
        self, script: Path, *arguments: str, stdin: str | bytes = b"", timeout: float = 30
    ) -> str:
        """Run a Python script in here and return what it printed.

        Raises:
            TestbedError: it failed.
        """
        command = [sys.executable, script, *arguments]
        return self.run(command, stdin=stdin, timeout=timeout, check=True).stdout

    def http(
        self,
        url: str,
        body: object | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 15,
    ) -> Answer:
        """GET, or with a body POST it as JSON, with curl from in here.

        Raises:
            ConnectionError: there was no answer; says what curl said.
        """
        sent = dict(headers or {})
        command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", str(timeout)]
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            command += ["--data-binary", "@-"]
        for name, value in sent.items():
            command += ["--header", f"{name}: {value}"]
        command += ["--write-out", "\n%{http_code}", url]
        content = b"" if body is None else json.dumps(body).encode()
        done = self.run(command, stdin=content, timeout=timeout + 5)
        if done.returncode:
            raise ConnectionError(done.stderr.strip())
        text, _, status = done.stdout.rpartition("\n")
        return Answer(int(status), text)

    def smtp(
        self, host: str, mail: bytes, *, sender: str, recipients: Sequence[str], port: int = 25
    ) -> list[str]:
        """Speak SMTP by hand from in here, in turn and with CRLF: the server's replies in order.

        The first is the greeting; it ends early where the server refuses.

        Raises:
            ConnectionError: nobody listens there.
        """
        script = Path(__file__).with_name("speak_smtp.py")
        replies: list[str] = json.loads(
            self.python(script, host, str(port), sender, *recipients, stdin=mail)
        )
        if not replies:
            raise ConnectionRefusedError(f"{host}:{port} refuses connections from {self.name}")
        return replies

    def listens(self, address: str, port: int) -> bool:
        """Whether a connection from in here to that port is taken."""
        probe = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
        return self.run([sys.executable, "-S", "-c", probe, address, str(port)]).returncode == 0

    def wait_for_port(self, address: str, port: int, *, seconds: float = 15) -> None:
        """Wait until a connection from in here is taken."""
        until(
            lambda: self.listens(address, port),
            f"{address}:{port} listens, seen from {self.name}",
            seconds=seconds,
        )

    def ip(self, *arguments: str) -> str:
        """`ip` in here."""
        return ip("-n", self.name, *arguments)

    def pids(self) -> list[int]:
        """The processes in here."""
        return [int(pid) for pid in ip("netns", "pids", self.name).split()]

    def remove(self) -> None:
        """End what runs in here, and take it away with its links."""
        with suppress(TestbedError):  # another run may have removed a leftover just now
            until(self._killed, f"the processes in {self.name} end", seconds=10)
            ip("netns", "delete", self.name)
        for process in self._started:
            process.wait()

    def _killed(self) -> bool:
        left = self.pids()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            process.poll()
        return not left

    def _inside(self, command: Sequence[str | Path]) -> list[str]:
        return [_ip(), "netns", "exec", self.name, *map(str, command)]


def connect(one: Namespace, one_end: str, other: Namespace, other_end: str) -> None:
    """Join two namespaces with a veth pair, both ends up."""
    peer = ("type", "veth", "peer", "name", other_end, "netns", other.name)
    ip("link", "add", one_end, "netns", one.name, *peer)
    one.ip("link", "set", one_end, "up")
    other.ip("link", "set", other_end, "up")


def bridge(namespace: Namespace, name: str, address: str) -> None:
    """Make a bridge with an address, given with its prefix length."""
    namespace.ip("link", "add", name, "type", "bridge")
    namespace.ip("address", "add", address, "dev", name)
    namespace.ip("link", "set", name, "up")


def ip(*arguments: str) -> str:
    """Run iproute2's `ip` on the host.

    Raises:
        TestbedError: it failed; says what it said.
    """
    done = subprocess.run([_ip(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestbedError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def names() -> list[str]:
    """The namespaces of this machine that are a testbed's."""
    listed = [line.split()[0] for line in ip("netns", "list").splitlines() if line.strip()]
    return [name for name in listed if _OWNED.match(name)]


def owner_tag() -> str:
    """What names of this process begin with."""
    return f"{PREFIX}-{os.getpid()}-{_start_time(os.getpid())}"


def remove_leftovers() -> list[str]:
    """Remove the namespaces and folders whose owner is dead; returns their names."""
    removed = []
    for name in names():
        if not _owner_lives(name):
            Namespace(name, Path(tempfile.gettempdir())).remove()
            removed.append(name)
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
        if _OWNED.match(folder.name) and not _owner_lives(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(str(folder))
    return removed


def _owner_lives(name: str) -> bool:
    owner = _OWNED.match(name)
    return owner is not None and _start_time(int(owner["pid"])) == int(owner["started"])


def _start_time(pid: int) -> int | None:
    """In clock ticks since boot; None: there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(fields[_STARTED_AT - 4])


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """None of the caller's: a proxy, say, or a setting of the service would change the outcome."""
    return {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def _ip() -> str:
    found = shutil.which("ip", path=_PATH)
    if found is None:
        raise TestbedError("There is no `ip`: run tests/testbed/install-packages.sh.")
    return found
