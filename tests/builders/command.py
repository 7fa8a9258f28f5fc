"""The command `notify-email` as a process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import requests

from tests.builders.patience import PATIENCE, TIMEOUT

COMMAND = str(Path(sys.executable).parent / "notify-email")


def command(*arguments: str) -> list[str]:
    """Return a call of the command; without --config it has an empty settings file."""
    words = list(takewhile(lambda word: word[0] != "-", arguments))
    config = ["--config", os.devnull] if words else []
    return [COMMAND, *words, *config, *arguments[len(words) :]]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=os.environ | environment,
    )


@contextmanager
def serving(log: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service as a process; its log goes to a file."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command("serve", *arguments), stderr=out, env=os.environ | environment
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def http() -> requests.Session:
    """Return a session that uses no proxy."""
    session = requests.Session()
    session.trust_env = False
    return session


def is_up(base: str) -> bool:
    """Whether the service answers."""
    try:
        return http().get(f"{base}/healthz", timeout=PATIENCE).status_code == 200
    except (requests.ConnectionError, requests.Timeout):  # it listens before it serves
        return False
