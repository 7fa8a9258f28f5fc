"""One Postfix instance: reads and writes its configuration, checks, starts and stops it.

`postconf` alone reads and writes. The configuration directory names the instance, as `-c` does for
Postfix' own commands (postconf(1), postfix(1)).
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix.commands import (
    failure_reason,
    find_program,
    run_command,
    run_on_terminal,
)
from pyservice.postfix.mynetworks import NetworkEntry, parse_entries
from pyservice.postfix.network_tables import read_contents

Say = Callable[[str], None]
"""Gets a sentence about what is going on, for a person to read."""

_QUEUED = re.compile(r"^(?P<queue_id>[0-9A-Za-z]+)[ *!#]+\d+ ", re.MULTILINE)
"""A mail in the listing of `postqueue -p`: its ID, a mark and its size (showq(8))."""
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
    contents: Mapping[str, tuple[NetworkEntry, ...]] = field(default_factory=dict)
    """What stands for each file and table of mynetworks."""

    @property
    def mynetworks(self) -> tuple[NetworkEntry, ...]:
        """The networks that Postfix relays for."""
        return self.networks(self.effective["mynetworks"])

    def networks(self, value: str) -> tuple[NetworkEntry, ...]:
        """Return the entries of a value of mynetworks, those of files and tables where known."""
        return tuple(
            inner
            for entry in parse_entries(value)
            for inner in self.contents.get(entry.text, (entry,))
        )

    def smtpd_at(self, address: str) -> str | None:
        """Return the service of master.cf that speaks SMTP at an address, port 25; None: none.

        Where postscreen listens, it is the smtpd behind it.
        """
        host = f"[{address}]" if ":" in address else address
        names = (f"{prefix}{port}/inet" for prefix in (f"{host}:", "") for port in ("25", "smtp"))
        name = next((name for name in names if name in self.services), None)
        if name and self.services[name].split()[7:8] == ["postscreen"]:
            return "smtpd/pass" if "smtpd/pass" in self.services else name
        return name

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
        options = self._reading_options()
        written = self._postconf("-n", *options)
        effective = _parse_pairs(self._postconf("-x", *options).stdout)
        return Configuration(
            folder=self.folder,
            version=effective["mail_version"],
            is_default=self.is_default,
            written={
                name: value
                for name, value in _parse_pairs(written.stdout).items()
                if not (options and name == "mynetworks")
            },
            effective=effective,
            services={
                "/".join(line.split()[:2]): line
                for line in self._postconf("-M", *options).stdout.splitlines()
            },
            repeated=tuple(dict.fromkeys(_REPEATED.findall(written.stderr))),
            linked=tuple(
                name for name in ("main.cf", "master.cf") if (self.folder / name).is_symlink()
            ),
            contents=read_contents(self.folder, parse_entries(effective["mynetworks"])),
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

        showq(8) lists one queue after another: incoming, active, deferred. A mail that a delivery
        attempt ends meanwhile, active → deferred, is listed twice. One whose attempt begins is not
        listed at all: only the second of two empty listings says that the queue is empty.

        Raises:
            SetupError: Postfix does not list them, such as while it is stopped.
        """
        return len(self._queue_ids() or self._queue_ids())

    def flush(self) -> None:
        """Let Postfix try every mail of the queue now."""
        run_command("postqueue", "-c", str(self.folder), "-f")

    def renew_units(self) -> None:
        """Let systemd read its units again, if it starts this instance."""
        if self.unit is not None:
            run_command("systemctl", "daemon-reload")

    def _queue_ids(self) -> set[str]:
        listing = run_command("postqueue", "-c", str(self.folder), "-p").stdout
        return {match["queue_id"] for match in _QUEUED.finditer(listing)}

    def _unit_is_active(self) -> bool:
        try:
            run_command("systemctl", "is-active", "--quiet", self.unit or "")
        except SetupError:
            return False
        return True

    @cached_property
    def _default_folder(self) -> Path:
        return Path(run_command("postconf", "-dh", "config_directory").stdout.strip())

    def _reading_options(self) -> tuple[str, ...]:
        """Return the options without which postconf reads nothing at all, usually none.

        Where main.cf does not set mynetworks, its default is made of inet_interfaces' addresses,
        and postconf fails while no interface has one of them.
        """
        try:
            self._postconf("-h", "mail_version")
        except SetupError as error:
            if "no local interface found" not in str(error):
                raise
            without = ("-o", "inet_interfaces=loopback-only")
            default = self._postconf("-xh", *without, "mynetworks").stdout.strip()
            return ("-o", f"mynetworks={default}")
        return ()

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
