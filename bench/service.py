"""The service as a node runs it: its own process, its own outbox."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PORT = 8525


class Service:
    """Starts it as often as it is asked to; each time the outbox is new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pid = 0
        """Of the one that runs."""

    @contextmanager
    def running(self) -> Iterator[str]:
        """From exec to its end; gives its address, which nobody may answer at yet."""
        for left in self._folder.glob("outbox.db*"):
            left.unlink()
        config = self._folder / "settings.toml"
        config.write_text(
            'sender = "Jenkins <jenkins@ci.example.com>"\n'
            f'postfix_log = "{self._folder}/postfix/mail.log"\n',
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
