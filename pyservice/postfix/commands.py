"""Runs the machine's own commands, Postfix' and systemd's, and says why one failed.

Each command gets a session of its own, so that Ctrl-C reaches us alone, and we undo what was begun.
"""

import os
import re
import select
import shlex
import shutil
import subprocess
import time
import tty
from contextlib import suppress
from pathlib import Path

from pyservice.errors import SetupError

_SYSTEM_PATH = os.defpath + ":/usr/local/sbin:/usr/sbin:/sbin"
"""Postfix' commands lie in /usr/sbin, which an ordinary user's PATH lacks."""
_FAILURE = re.compile(
    r"^(?:\S{0,200}/)?post\S{0,200}: (?P<text>(?:fatal|error): .+)$", re.MULTILINE
)


def run_command(
    program: str,
    *arguments: str,
    text: str = "",
    timeout: float = 120,
    may_fail: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        program: its name.
        arguments: its arguments.
        text: its standard input.
        timeout: seconds; a stop of Postfix waits for deliveries that are under way.
        may_fail: whether the caller reads the exit code.

    Raises:
        SetupError: there is no such program, it failed, or it did not end in time.
    """
    try:
        done = subprocess.run(  # noqa: S603 - Postfix' own commands and systemctl
            [_require_program(program), *arguments],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=_environment(),
            start_new_session=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SetupError(f"{program} did not end within {timeout:g} s.") from None
    if done.returncode and not may_fail:
        raise SetupError(f"{program} failed: {failure_reason(done.stderr)}")
    return done


def run_on_terminal(program: str, *arguments: str, timeout: float = 120) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit code and output.

    Only to a terminal does `postfix` print what it also logs.

    Args:
        program: its name.
        arguments: its arguments.
        timeout: seconds; then the command is killed, and the exit code is 1.

    Raises:
        SetupError: there is no such program.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    try:
        process = subprocess.Popen(  # noqa: S603 - postfix
            [_require_program(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=_environment(),
            start_new_session=True,
        )
        return _collect_output(process, ours, timeout)
    finally:
        os.close(ours)
        os.close(theirs)


def for_instance(command: str, config_folder: Path) -> str:
    """Return a shell's command line, of Postfix' commands and ours, for another instance."""
    folder = shlex.quote(str(config_folder))
    theirs = re.sub(r"\b(postconf|postfix|postqueue) ", rf"\g<0>-c {folder} ", command)
    return re.sub(r"\bnotify-email relay apply", rf"\g<0> --config-dir {folder}", theirs)


def failure_reason(output: str) -> str:
    """Return why a command failed: its first `fatal:` or `error:`, else all that it printed."""
    if match := _FAILURE.search(output):
        return match["text"].strip()
    return " ".join(output.split())[:400] or "it did not say why"


def find_program(name: str, search_path: str | None = None) -> str | None:
    """Return where a program is; None: this machine has none.

    Args:
        name: the program's name.
        search_path: folders, joined by colons; by default PATH, then the system's folders.
    """
    default = f"{os.environ.get('PATH') or os.defpath}:{_SYSTEM_PATH}"
    return shutil.which(name, path=search_path or default)


def _collect_output(
    process: subprocess.Popen[bytes], terminal: int, timeout: float
) -> tuple[int, str]:
    output, ends = b"", time.monotonic() + timeout
    try:
        while process.poll() is None:
            if time.monotonic() > ends:
                process.kill()
                process.wait()
                return 1, f"fatal: no end within {timeout:g} s"
            select.select([terminal], [], [], 0.02)
            output += _read_available(terminal)  # a terminal that nobody reads is full soon
    except BaseException:
        process.wait()  # a half-finished command would be in the way of the next one
        raise
    return process.returncode, (output + _read_available(terminal)).decode("utf-8", "replace")


def _read_available(terminal: int) -> bytes:
    output = b""
    with suppress(OSError):  # nothing (more) to read
        while chunk := os.read(terminal, 65536):
            output += chunk
    return output


def _require_program(name: str) -> str:
    program = find_program(name)
    if program is not None:
        return program
    cure = "install Postfix (apt install postfix, dnf install postfix)"
    if name == "systemctl":
        cure = "is this systemd's machine?"
    raise SetupError(f"There is no `{name}` on this machine: {cure}.")


def _environment() -> dict[str, str]:
    """Return our environment, in English, without the variable that chooses another instance."""
    kept = {name: value for name, value in os.environ.items() if name != "MAIL_CONFIG"}
    return kept | {"LC_ALL": "C"}
