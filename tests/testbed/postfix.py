"""A real Postfix within a namespace, with a configuration, queue, data and log of its own."""

import os
import shutil
import time
from pathlib import Path

from tests.testbed.errors import TestbedError
from tests.testbed.namespaces import Completed, Namespace

_MASTER = Path("/usr/share/postfix/master.cf.dist")


class Postfix:
    """A send-only Postfix with a relay host, open to containers, as a node of our users has."""

    def __init__(self, namespace: Namespace, folder: Path, settings: dict[str, str]) -> None:
        """Write its configuration by postconf; `start` starts it.

        Args:
            namespace: where it runs.
            folder: the folder for all its files.
            settings: of main.cf, beside those that keep it apart from the machine's own.
        """
        if not _MASTER.exists():
            raise TestbedError("There is no Postfix: run tests/testbed/install-packages.sh.")
        self.namespace = namespace
        self.config = folder / "etc"
        self.log = folder / "mail.log"
        queue, data = folder / "queue", folder / "data"
        for path in (self.config, queue, data):
            path.mkdir(parents=True)
        shutil.chown(data, "postfix")
        (self.config / "main.cf").touch()
        shutil.copy(_MASTER, self.config / "master.cf")
        (self.config / "dynamicmaps.cf").touch()
        self.set(
            compatibility_level="3.6",
            queue_directory=str(queue),
            data_directory=str(data),
            maillog_file=str(self.log),
            maillog_file_prefixes=str(folder),
            inet_protocols="ipv4",
            # No name server in here: addresses and /etc/hosts only.
            smtp_dns_support_level="disabled",
            smtp_host_lookup="native",
            alias_maps="",
            alias_database="",
            minimal_backoff_time="1s",
            maximal_backoff_time="2s",
            queue_run_delay="1s",
            **settings,
        )
        self._run("postconf", "-c", str(self.config), "-F", "*/*/chroot = n")

    def set(self, **settings: str) -> None:
        """Change main.cf; a reload or restart is the caller's."""
        pairs = [f"{name} = {value}" for name, value in settings.items()]
        self._run("postconf", "-c", str(self.config), "-e", *pairs)
        # Postfix' programs wait until it is some seconds old: it may still be being written.
        os.utime(self.config / "main.cf", (time.time() - 60,) * 2)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._run("postfix", "-c", str(self.config), "start")
        self.namespace.wait_for_port(25, listening=True)

    def stop(self) -> None:
        """Stop it, and wait until nothing listens."""
        self._run("postfix", "-c", str(self.config), "stop")
        self.namespace.wait_for_port(25, listening=False)

    def is_running(self) -> bool:
        """Return whether the master process is there."""
        return self.namespace.run("postfix", "-c", str(self.config), "status").returncode == 0

    def flush(self) -> None:
        """Let it try all deferred mail now."""
        self._run("postqueue", "-c", str(self.config), "-f")

    def reload(self) -> None:
        """Let it read its settings again."""
        self._run("postfix", "-c", str(self.config), "reload")

    def empty(self) -> None:
        """Drop all mail in its queue."""
        self._run("postsuper", "-c", str(self.config), "-d", "ALL")

    def queue(self) -> str:
        """Return the queue as postqueue -p shows it."""
        return self._run("postqueue", "-c", str(self.config), "-p").stdout

    def _run(self, *command: str) -> Completed:
        done = self.namespace.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done
