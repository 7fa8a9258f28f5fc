"""The service as on a node: in its own process, with its own outbox."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PORT = 8525


class Service:
    """Starts the service, each time with a new outbox."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pid = 0
        """The process ID of the running one."""

    @contextmanager
    def running(self, templates: Path | None = None) -> Iterator[str]:
        """Start the service, and stop it at the end. Its address may not answer yet.

        Args:
            templates: the folder of an administrator's; None: there are none.
        """
        for left in self._folder.glob("outbox.db*"):
            left.unlink()
        config = self._folder / "settings.toml"
        config.write_text(
            'sender = "Jenkins <jenkins@ci.example.com>"\n'
            f'postfix_log = "{self._folder}/postfix/mail.log"\n'
            + (f'templates_dir = "{templates}"\n' if templates else ""),
            encoding="utf-8",
        )
        command = (
            str(Path(sys.executable).with_name("notify-email")),
            "serve",
            *("--config", str(config)),
            *("--listen", "127.0.0.1", "--port", str(PORT)),
            *("--database-url", f"sqlite:///{self._folder}/outbox.db"),
        )
        with (self._folder / "service.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self.pid = process.pid
        try:
            yield f"http://127.0.0.1:{PORT}"
        finally:
            process.terminate()
            process.wait(30)
