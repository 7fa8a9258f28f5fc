"""A machine to measure on: one network namespace with a real Postfix and the relay host's sink."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.builders.owned import make_folder
from tests.testbed import namespaces
from tests.testbed.namespaces import Namespace
from tests.testbed.postfix import Postfix

ROOT = Path(__file__).parents[1]
SINK = "127.0.0.2:2525"


@dataclass(frozen=True)
class BenchNode:
    """A namespace, and a folder for the files of all that runs there."""

    namespace: Namespace
    folder: Path

    def run(self, module: str, *arguments: str, timeout: float) -> str:
        """Run a module here to its end, and return its output. Its progress is shown.

        Raises:
            CalledProcessError: it failed, and printed the reason on standard error.
            TimeoutExpired: it took longer than `timeout` seconds.
        """
        inside = ("ip", "netns", "exec", self.namespace.name)
        env = {
            "PATH": os.defpath + ":/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "MAIL_CONFIG": str(self.folder / "postfix" / "etc"),
        }
        done = subprocess.run(
            [*inside, sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            env=env,
            timeout=timeout,
            text=True,
            check=True,
        )
        return done.stdout


@contextmanager
def made() -> Iterator[BenchNode]:
    """Make a node; at the end, end all that runs there, and remove it."""
    namespaces.clear_leftovers()
    folder = make_folder()
    namespace = Namespace("bench")
    try:
        postfix = Postfix(
            namespace,
            folder / "postfix",
            {
                "myhostname": "node1.ci.example.com",
                "mydestination": "",
                "inet_interfaces": "loopback-only",
                "mynetworks": "127.0.0.0/8",
                "relayhost": f"[{SINK.partition(':')[0]}]:{SINK.partition(':')[2]}",
            },
        )
        # Postfix' own sink: one in Python would be what is measured.
        namespace.start(
            *("smtp-sink", "-c", "-u", "postfix", SINK, "1000"),
            log=folder / "sink.log",
            env={"MAIL_CONFIG": str(postfix.config)},
        )
        postfix.start()
        yield BenchNode(namespace, folder)
    finally:
        namespace.remove()
        shutil.rmtree(folder, ignore_errors=True)
