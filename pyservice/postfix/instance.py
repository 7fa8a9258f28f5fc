"""One Postfix instance: reads and writes its configuration, checks, starts and stops it.

`postconf` alone reads and writes. The configuration directory names the instance, as `-c` does for
Postfix' own commands (postconf(1), postfix(1)).
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix.commands import (
    failure_reason,
    find_program,
    run_command,
    run_on_terminal,
)

Say = Callable[[str], None]
"""Gets a sentence about what is going on, for a person to read."""

_QUEUE_LENGTH = re.compile(r"^-- \S+ Kbytes in (?P<count>\d+) Requests?\.$", re.MULTILINE)
_REPEATED = re.compile(r"overriding earlier entry: (?P<name>\w+)=")


@dataclass(frozen=True)
class Configuration:
    """The settings of an instance, as they were read."""

    folder: Path
    """The configuration directory."""
    version: str
    is_default: bool
    """The machine's main instance, which the distribution's service starts."""
    written: Mapping[str, str]
    """The parameters that main.cf sets, continued lines joined: name → value."""
    effective: Mapping[str, str]
    """Every parameter that this version knows, with its default, and `$name` replaced."""
    services: Mapping[str, str]
    """master.cf: `smtp/inet` → its whole line."""
    repeated: tuple[str, ...] = ()
    """The parameters that main.cf sets more than once; the last value counts."""
    linked: tuple[str, ...] = ()
    """Which of main.cf and master.cf are symbolic links."""

    def is_at_least(self, *version: int) -> bool:
        """Return whether this Postfix is that version or newer: `is_at_least(3, 5, 24)`."""
        own = tuple(int(number) for number in re.findall(r"\d+", self.version)[:3])
        return own >= version


class Postfix:
    """An instance, whether it runs or not."""

    def __init__(self, folder: Path | None = None, unit: str | None = None) -> None:
        """Name the instance; nothing is read yet.

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
        """Read the whole configuration.

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
        effective = _parse_pairs(self._postconf("-x").stdout)
        return Configuration(
            folder=self.folder,
            version=effective["mail_version"],
            is_default=self.is_default,
            written=_parse_pairs(written.stdout),
            effective=effective,
            services={
                "/".join(line.split()[:2]): line
                for line in self._postconf("-M").stdout.splitlines()
            },
            repeated=tuple(dict.fromkeys(_REPEATED.findall(written.stderr))),
            linked=tuple(
                name for name in ("main.cf", "master.cf") if (self.folder / name).is_symlink()
            ),
        )

    def write(
        self, parameters: Mapping[str, str | None], services: Mapping[str, str | None]
    ) -> None:
        """Change main.cf and master.cf, each at once or not at all; None removes an entry.

        Owner and mode stay, which postconf alone would not keep.

        Raises:
            SetupError: postconf failed, as it does on a full disk; that file is as it was.
        """
        for name, options, entries in (
            ("main.cf", ("-e", "-X"), parameters),
            ("master.cf", ("-M", "-MX"), services),
        ):
            file = self.folder / name
            before = file.stat()
            put = [f"{key}={value}" for key, value in entries.items() if value is not None]
            gone = [key for key, value in entries.items() if value is None]
            for option, arguments in zip(options, (put, gone), strict=True):
                if arguments:
                    self._postconf(option, *arguments)
                    file.chmod(before.st_mode)
                    os.chown(file, before.st_uid, before.st_gid)

    def build_map(self, table: str) -> None:
        """Compile a lookup table, such as `hash:/etc/postfix/sasl_passwd`."""
        run_command("postmap", "-c", str(self.folder), table)

    def check(self) -> None:
        """Let Postfix check its configuration.

        Raises:
            SetupError: Postfix found a mistake; the message names it.
        """
        self._postfix("check")

    def is_running(self) -> bool:
        """Return whether its master process is there."""
        return run_on_terminal("postfix", "-c", str(self.folder), "status")[0] == 0

    def reload(self) -> None:
        """Let Postfix read its configuration again; connections go on."""
        self._postfix("reload")

    def restart(self) -> None:
        """Stop Postfix, where it runs, and start it.

        Raises:
            SetupError: it did not start; the message says why.
        """
        is_foreign = self.unit is None or not self._unit_is_active()
        if is_foreign and self.is_running():
            self._postfix("stop")  # systemd would try to start it a second time
        if self.unit is not None:
            run_command("systemctl", "restart", self.unit)
        else:
            self._postfix("start")

    def stop(self) -> None:
        """Stop Postfix, where it runs."""
        if self.unit is not None:
            run_command("systemctl", "stop", self.unit)
        elif self.is_running():
            self._postfix("stop")

    def queue_length(self) -> int:
        """Return how many mails wait in the queue.

        Raises:
            SetupError: Postfix does not list them, such as while it is stopped.
        """
        listing = run_command("postqueue", "-c", str(self.folder), "-p").stdout
        match = _QUEUE_LENGTH.search(listing)
        return int(match["count"]) if match else 0

    def flush(self) -> None:
        """Let Postfix try every mail of the queue now."""
        run_command("postqueue", "-c", str(self.folder), "-f")

    def renew_units(self) -> None:
        """Let systemd read its units again, if it starts this instance."""
        if self.unit is not None:
            run_command("systemctl", "daemon-reload")

    def _unit_is_active(self) -> bool:
        try:
            run_command("systemctl", "is-active", "--quiet", self.unit or "")
        except SetupError:
            return False
        return True

    @cached_property
    def _default_folder(self) -> Path:
        return Path(run_command("postconf", "-dh", "config_directory").stdout.strip())

    def _postconf(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_command("postconf", "-c", str(self.folder), *arguments)

    def _postfix(self, verb: str) -> None:
        status, output = run_on_terminal("postfix", "-c", str(self.folder), verb)
        if status:
            raise SetupError(f"`postfix {verb}` failed: {failure_reason(output)}")


def is_installed() -> bool:
    """Return whether this machine has Postfix' commands."""
    return find_program("postconf") is not None


def _parse_pairs(lines: str) -> dict[str, str]:
    pairs: Iterable[tuple[str, str, str]] = (line.partition(" =") for line in lines.splitlines())
    return {name: value.strip() for name, _, value in pairs}
