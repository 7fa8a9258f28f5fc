"""The machine's own commands (Postfix', systemd's): run, waited for, and asked why they failed.

Each has a session of its own, so that a Ctrl-C reaches nobody but us, who answer by undoing.
"""

import os
import re
import select
import shutil
import subprocess
import time
import tty
from contextlib import suppress

from pyservice.errors import SetupError

_SYSTEM_PATH = os.defpath + ":/usr/local/sbin:/usr/sbin:/sbin"
"""Postfix' commands lie in /usr/sbin, which an ordinary user's PATH lacks."""
_PATIENCE = 120
"""Seconds for one command: a stop waits for deliveries that are on their way."""
_SAID = re.compile(r"^(?:\S*/)?post\S*: (?P<text>(?:fatal|error): .+)$", re.MULTILINE)


def demand(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end.

    Raises:
        SetupError: there is no such program, it failed, or it does not end.
    """
    try:
        done = subprocess.run(  # noqa: S603 - Postfix' own commands and systemctl
            [_program(program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=_environment(),
            start_new_session=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SetupError(f"{program} did not end within {_PATIENCE} s.") from None
    if done.returncode:
        raise SetupError(f"{program} failed: {reason(done.stderr)}")
    return done


def on_a_terminal(program: str, *arguments: str) -> tuple[int, str]:
    """Exit code and what it said: only to a terminal does `postfix` tell what it also logs.

    Raises:
        SetupError: there is no such program.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    try:
        process = subprocess.Popen(  # noqa: S603 - postfix
            [_program(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=_environment(),
            start_new_session=True,
        )
        said, ends = b"", time.monotonic() + _PATIENCE
        try:
            while process.poll() is None:
                if time.monotonic() > ends:
                    process.kill()
                    process.wait()
                    return 1, f"fatal: no end within {_PATIENCE} s"
                select.select([ours], [], [], 0.02)
                said += _available(ours)  # a terminal that nobody reads is full soon
        except BaseException:
            process.wait()  # half of it would be in the way of what is done next
            raise
        return process.returncode, (said + _available(ours)).decode("utf-8", "replace")
    finally:
        os.close(ours)
        os.close(theirs)


def reason(said: str) -> str:
    """What a command said of its failure: the first `fatal:` or `error:`, else all of it."""
    if found := _SAID.search(said):
        return found["text"].strip()
    return " ".join(said.split())[:400] or "it did not say why"


def find(program: str) -> str | None:
    """Where it is; None: this machine has none."""
    return shutil.which(program) or shutil.which(program, path=_SYSTEM_PATH)


def _available(terminal: int) -> bytes:
    said = b""
    with suppress(OSError):  # nothing (more) to read
        while chunk := os.read(terminal, 65536):
            said += chunk
    return said


def _program(name: str) -> str:
    found = find(name)
    if found is None:
        cure = "install Postfix (apt install postfix, dnf install postfix)"
        if name == "systemctl":
            cure = "is this systemd's machine?"
        raise SetupError(f"There is no `{name}` on this machine: {cure}.")
    return found


def _environment() -> dict[str, str]:
    """Ours, in English, and without the variable that would choose another instance."""
    kept = {name: value for name, value in os.environ.items() if name != "MAIL_CONFIG"}
    return kept | {"LC_ALL": "C"}
