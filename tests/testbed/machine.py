"""A machine to install on: its changes are lost in the end, and systemd runs its services."""

import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.builders.patience import TIMEOUT
from tests.testbed.errors import TestbedError
from tests.testbed.namespaces import Completed, Namespace
from tests.testbed.waiting import until

FOLDER = "/usr/local/src"
"""Where the machine sees the folder that it was made with."""

_HERE = Path(__file__).parent
# What is installed here is there already: the machine reaches no package index.
_ENVIRONMENT = {
    "PATH": "/usr/local/python/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": "/usr/local/packages",
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # zero means that there is none: pip negates it
    "PIP_ROOT_USER_ACTION": "ignore",
}


def throwaway(folder: Path, *command: str) -> list[str]:
    """Return a command that runs another one, whose changes to /etc, /opt and the like are lost."""
    packages = sysconfig.get_path("purelib")
    return [str(_HERE / "throwaway.sh"), str(folder), sys.base_prefix, packages, *command]


def run_throwaway(folder: Path, script: str) -> Completed:
    """Run a shell script to its end; its changes to /etc, /opt and the like are lost."""
    return subprocess.run(
        ["unshare", "--mount", *throwaway(folder, "bash", "-euxc", script)],
        capture_output=True,
        text=True,
        env=_ENVIRONMENT | {"HOME": "/root", "LANG": "C.UTF-8"},
        cwd=folder,
        timeout=TIMEOUT,
        check=False,
    )


class Machine(Namespace):
    """A node with docker0 and a real systemd as its first process, which runs real units."""

    def __init__(self, folder: Path, *, bridge: str) -> None:
        """Boot the machine.

        Args:
            folder: the folder that it sees as FOLDER.
            bridge: docker0's address, in a /24.
        """
        super().__init__("machine")
        self._first: int | None = None
        self._cgroup = _cgroup2() / self.name
        try:
            self.add_bridge("docker0", f"{bridge}/24")
            self._cgroup.mkdir()
            self._boot(folder)
        except BaseException:
            self.remove()
            raise

    def _boot(self, folder: Path) -> None:
        log = folder / "boot.log"
        enter = 'echo $$ >"$0/cgroup.procs"; exec "$@"'
        apart = ("--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup")
        boot = throwaway(folder, str(_HERE / "boot-systemd.sh"))
        # The cgroup first: systemd takes over the one that it is started in.
        process = self.start(
            *("bash", "-c", enter, str(self._cgroup), "unshare", *apart, *boot), log=log
        )

        def is_up() -> bool:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            if process.poll() is not None:
                raise TestbedError(f"systemd did not start: {log.read_text()}")
            self._first = next((int(pid) for pid in children.read_text().split()), None)
            return (
                self._first is not None and self.systemctl("is-active", "basic.target") == "active"
            )

        until(is_up, lambda: f"systemd is up: {log.read_text()}")

    def script(self, text: str, *, folder: str = FOLDER) -> Completed:
        """Run a shell script as root would type it, and stop where it fails."""
        return self.run("bash", "-euc", f"cd {folder}\n{text}", timeout=TIMEOUT)

    def systemctl(self, *arguments: str) -> str:
        """Run `systemctl`; return its output."""
        return self.run("systemctl", *arguments).stdout.strip()

    def run(
        self,
        *command: str,
        text: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> Completed:
        """Run a command in here to its end."""
        return super().run(*command, text=text, env=_ENVIRONMENT | dict(env or {}), timeout=timeout)

    def remove(self) -> None:
        """Switch it off."""
        super().remove()
        for folder in sorted(self._cgroup.glob("**/"), reverse=True):
            until(partial(_removed, folder), f"{folder} is empty")

    def _inside(self, command: tuple[str, ...]) -> list[str]:
        if self._first is None:
            return super()._inside(command)
        return ["nsenter", "--all", "--target", str(self._first), "--", *command]


def _cgroup2() -> Path:
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise TestbedError("This machine has no cgroup2, which systemd needs.")


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
