"""The stand-in as a process: tests/groovy/controller, after `mvn test-compile`."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.testbed.waiting import until

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PORT = 8080
TOKEN = "11b5c2d4e6f80a1b2c3d4e5f60718293a4"
"""The administrator's API token."""
READER_TOKEN = "11ffeeddccbbaa99887766554433221100"
PASSWORD = "a password of admin's"

USERS = {
    "admin": {
        "token": TOKEN,
        "password": PASSWORD,
        "permissions": ["Overall/Read", "Overall/Administer", "Job/Read", "Run/Update"],
    },
    "reader": {"token": READER_TOKEN, "password": "", "permissions": ["Overall/Read", "Job/Read"]},
}

_OPENED = ("java.lang", "java.io", "java.util")
"""Jenkins' own manifest opens these, and no others, to Groovy."""

Start = Callable[..., "subprocess.Popen[bytes]"]


class StandIn:
    """One controller; its JENKINS_HOME is a folder, and outlives it."""

    def __init__(
        self, home: Path, start: Start, host: str, port: int = PORT, listen: str = "0.0.0.0"
    ) -> None:
        """Start it, and wait until it answers.

        Args:
            home: its JENKINS_HOME.
            start: starts a command, given as arguments, with `log=` a file.
            host: where it is reached from here or, in a namespace, from within.
            port: its TCP port.
            listen: the address that it listens on.
        """
        home.mkdir(parents=True, exist_ok=True)
        (home / "users.json").write_text(json.dumps(USERS))
        shutil.copy(HERE / "controller.json", home)
        self.home, self.host, self.port = home, host, port
        self._log = home / "standin.log"
        libraries = (ROOT / "target" / "test-classpath.txt").read_text().strip()
        self.process = start(
            "java",
            "-XX:TieredStopAtLevel=1",
            "-Dfile.encoding=UTF-8",
            *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED),
            "-cp",
            f"{ROOT}/target/test-classes{os.pathsep}{libraries}",
            "controller.StandIn",
            str(home),
            str(port),
            str(HERE / "headers.txt"),
            listen,
            log=self._log,
        )

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://{self.host}:{self.port}"

    def log(self) -> str:
        """What it logged so far."""
        return self._log.read_text()

    def control(self, ask: Callable[[str, str], str], **asked: Any) -> dict[str, Any]:
        """Change it, and learn what has happened: see StandIn.groovy.

        Args:
            ask: POSTs a text to a URL.
            asked: what is changed.
        """
        answer: dict[str, Any] = json.loads(ask(f"{self.url}/stand-in", json.dumps(asked)))
        return answer

    def wait(self, ask: Callable[[str, str], str]) -> None:
        """Wait until it has started."""

        def is_up() -> bool:
            assert self.process.poll() is None, self.log()
            try:
                self.control(ask)
            except (OSError, ValueError, AssertionError):
                return False
            return True

        until(is_up, self.log)

    def casc(self, configuration: dict[str, Any] | None) -> None:
        """Give it a JCasC file, or take it away."""
        file = self.home / "jenkins.yaml"
        file.unlink(missing_ok=True)
        if configuration is not None:
            file.write_text(json.dumps(configuration))

    def init_script(self, text: str | None) -> None:
        """Give it a script to run when it starts, or take it away."""
        folder = self.home / "init.groovy.d"
        shutil.rmtree(folder, ignore_errors=True)
        if text is not None:
            folder.mkdir()
            (folder / "notify-email.groovy").write_text(text)

    def renew(self, ask: Callable[[str, str], str]) -> None:
        """Make it as new: no setting, no script, every plugin, and nothing counted."""
        self.casc(None)
        self.init_script(None)
        for file in self.home.glob("*.json"):
            if file.name not in {"users.json", "controller.json"}:
                file.unlink()
        switches = {"security": True, "crumbs": True, "failing": None, "busy": 0}
        self.control(ask, absent=[], version="2.516.3", **switches, builds={}, restart=True)
        self.control(ask)

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
