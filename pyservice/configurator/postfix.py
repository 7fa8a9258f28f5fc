"""One Postfix instance: read and written with `postconf` only, checked, started and stopped.

Which instance is told by its configuration directory, as Postfix' own commands do with `-c`
(postconf(1), postfix(1)).
"""

import os
import re
import shutil
import subprocess
import tty
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pyservice.errors import SetupError

Say = Callable[[str], None]
"""Gets one sentence about what goes on now."""

_SYSTEM_PATH = os.defpath + ":/usr/local/sbin:/usr/sbin:/sbin"
"""Postfix' commands lie in /usr/sbin, which an ordinary user's PATH lacks."""
_PATIENCE = 120
"""Seconds for one command: a stop waits for deliveries that are on their way."""
_SAID = re.compile(r"^(?:\S*/)?post\S*: (?P<text>(?:fatal|error): .+)$", re.MULTILINE)
_QUEUE_LENGTH = re.compile(r"^-- \S+ Kbytes in (?P<count>\d+) Requests?\.$", re.MULTILINE)
_TWICE = re.compile(r"overriding earlier entry: (?P<name>\w+)=")


@dataclass(frozen=True)
class Configuration:
    """What an instance is set to."""

    folder: Path
    version: str
    is_default: bool
    """The machine's main instance, which the distribution's service starts."""
    written: Mapping[str, str]
    """What main.cf itself says, continued lines joined: name → value."""
    effective: Mapping[str, str]
    """Every parameter that this version knows, with defaults, `$name` replaced."""
    services: Mapping[str, str]
    """master.cf: `smtp/inet` → its whole line."""
    repeated: tuple[str, ...] = ()
    """What main.cf sets more than once; the last one counts."""
    linked: tuple[str, ...] = ()
    """Which of main.cf and master.cf are symbolic links."""

    def is_at_least(self, *version: int) -> bool:
        """Whether this Postfix is that version or newer: `is_at_least(3, 5, 24)`."""
        own = tuple(int(number) for number in re.findall(r"\d+", self.version)[:3])
        return own >= version


class Postfix:
    """An instance, whether it runs or not."""

    def __init__(self, folder: Path | None = None, unit: str | None = None) -> None:
        """Nothing is done yet.

        Args:
            folder: its configuration directory; None: the default instance's.
            unit: the systemd unit that (re)starts it; None: Postfix' own commands do.
        """
        self._folder, self.unit = folder, unit

    @cached_property
    def folder(self) -> Path:
        """The configuration directory."""
        return (self._folder or self._default_folder).absolute()

    @property
    def is_default(self) -> bool:
        """Whether this is the machine's main instance."""
        return self.folder.resolve() == self._default_folder.resolve()

    def read(self) -> Configuration:
        """Read all of it.

        Raises:
            SetupError: there is no Postfix, no such instance, or postconf failed.
        """
        for name in ("main.cf", "master.cf"):
            if not (self.folder / name).exists():
                raise SetupError(
                    f"There is no {self.folder / name}: is Postfix installed and configured? "
                    "Another instance is named by --config-dir."
                )
        written = self._postconf("-n")
        effective = _pairs(self._postconf("-x").stdout)
        return Configuration(
            folder=self.folder,
            version=effective["mail_version"],
            is_default=self.is_default,
            written=_pairs(written.stdout),
            effective=effective,
            services={
                "/".join(line.split()[:2]): line
                for line in self._postconf("-M").stdout.splitlines()
            },
            repeated=tuple(dict.fromkeys(_TWICE.findall(written.stderr))),
            linked=tuple(
                name for name in ("main.cf", "master.cf") if (self.folder / name).is_symlink()
            ),
        )

    def write(
        self, parameters: Mapping[str, str | None], services: Mapping[str, str | None]
    ) -> None:
        """Change main.cf and master.cf, each at once or not at all; None takes an entry away.

        Owner and mode stay, which postconf alone would not keep.

        Raises:
            SetupError: postconf failed, as it does on a full disk; the file is as it was.
        """
        for name, options, entries in (
            ("main.cf", ("-e", "-X"), parameters),
            ("master.cf", ("-M", "-MX"), services),
        ):
            before = (self.folder / name).stat()
            put = [f"{key}={value}" for key, value in entries.items() if value is not None]
            gone = [key for key, value in entries.items() if value is None]
            for option, arguments in zip(options, (put, gone), strict=True):
                if arguments:
                    self._postconf(option, *arguments)
                    os.chmod(self.folder / name, before.st_mode)  # noqa: PTH101
                    os.chown(self.folder / name, before.st_uid, before.st_gid)

    def build_map(self, table: str) -> None:
        """Compile a lookup table, such as `hash:/etc/postfix/sasl_passwd`; its text stays out."""
        self._demand("postmap", "-c", str(self.folder), table)

    def check(self) -> None:
        """Let Postfix look at its configuration.

        Raises:
            SetupError: it found a mistake; says which.
        """
        self._postfix("check")

    def is_running(self) -> bool:
        """Whether its master process is there."""
        return _on_a_terminal([_program("postfix"), "-c", str(self.folder), "status"])[0] == 0

    def reload(self) -> None:
        """Let it read its configuration again; connections go on."""
        self._postfix("reload")

    def restart(self) -> None:
        """Stop it, where it runs, and start it.

        Raises:
            SetupError: it did not come back; says why.
        """
        is_foreign = self.unit is None or not self._unit_is_active()
        if is_foreign and self.is_running():
            self._postfix("stop")  # systemd would try to start it a second time
        if self.unit is not None:
            self._demand("systemctl", "restart", self.unit)
        else:
            self._postfix("start")

    def stop(self) -> None:
        """Stop it, where it runs."""
        if self.unit is not None:
            self._demand("systemctl", "stop", self.unit)
        elif self.is_running():
            self._postfix("stop")

    def queued(self) -> int:
        """How many mails wait in its queue.

        Raises:
            SetupError: it can't be asked, such as while it is stopped.
        """
        told = self._demand("postqueue", "-c", str(self.folder), "-p").stdout
        found = _QUEUE_LENGTH.search(told)
        return int(found["count"]) if found else 0

    def flush(self) -> None:
        """Let it try all of them now."""
        self._demand("postqueue", "-c", str(self.folder), "-f")

    def renew_units(self) -> None:
        """Let systemd read its units again, where it starts this instance."""
        if self.unit is not None:
            self._demand("systemctl", "daemon-reload")

    def _unit_is_active(self) -> bool:
        try:
            self._demand("systemctl", "is-active", "--quiet", self.unit or "")
        except SetupError:
            return False
        return True

    @cached_property
    def _default_folder(self) -> Path:
        return Path(self._demand("postconf", "-dh", "config_directory").stdout.strip())

    def _postconf(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._demand("postconf", "-c", str(self.folder), *arguments)

    def _demand(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            done = subprocess.run(  # noqa: S603 - Postfix' own commands and systemctl
                [_program(program), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                env=_environment(),
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SetupError(f"{program} did not end within {_PATIENCE} s.") from None
        if done.returncode:
            raise SetupError(f"{program} failed: {_reason(done.stderr)}")
        return done

    def _postfix(self, verb: str) -> None:
        status, said = _on_a_terminal([_program("postfix"), "-c", str(self.folder), verb])
        if status:
            raise SetupError(f"`postfix {verb}` failed: {_reason(said)}")


def is_installed() -> bool:
    """Whether this machine has Postfix' commands."""
    return _found("postconf") is not None


def _found(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_SYSTEM_PATH)


def _program(name: str) -> str:
    found = _found(name)
    if found is None:
        cure = "install Postfix (apt install postfix, dnf install postfix)"
        if name == "systemctl":
            cure = "is this systemd's machine?"
        raise SetupError(f"There is no `{name}` on this machine: {cure}.")
    return found


def _on_a_terminal(command: list[str]) -> tuple[int, str]:
    """Exit code and what it said: only to a terminal does `postfix` tell what it also logs."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    try:
        process = subprocess.Popen(  # noqa: S603 - postfix
            command,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=_environment(),
        )
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return 1, f"fatal: no end within {_PATIENCE} s"
        os.set_blocking(ours, False)
        said = b""
        with suppress(OSError):  # nothing (more) to read
            while chunk := os.read(ours, 65536):
                said += chunk
        return process.returncode, said.decode("utf-8", "replace")
    finally:
        os.close(ours)
        os.close(theirs)


def _environment() -> dict[str, str]:
    """Ours, in English, and without the variable that would choose another instance."""
    kept = {name: value for name, value in os.environ.items() if name != "MAIL_CONFIG"}
    return kept | {"LC_ALL": "C"}


def _reason(said: str) -> str:
    """What a command said of its failure: the first `fatal:` or `error:`, else all of it."""
    if found := _SAID.search(said):
        return found["text"].strip()
    return " ".join(said.split())[:400] or "it did not say why"


def _pairs(lines: str) -> dict[str, str]:
    pairs: Iterable[tuple[str, str, str]] = (line.partition(" =") for line in lines.splitlines())
    return {name: value.strip() for name, _, value in pairs}
