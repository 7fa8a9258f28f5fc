"""Looks into the files and tables that a list of networks names, such as mynetworks."""

import re
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from pyservice.errors import SetupError, os_reason
from pyservice.postfix.commands import failure_reason, run_command
from pyservice.postfix.mynetworks import NetworkEntry, parse_entries

_SAMPLES = {
    "0.0.0.0/0": tuple(f"{first}.32.16.8" for first in range(1, 224, 14)),
    "::/0": ("2003::8", "2407:1::8", "2604:1::8", "2a02:1::8"),
}
"""Addresses from everywhere on the Internet: a table that has most of them has them all."""
_UNUSABLE = re.compile("open |unsupported dictionary type")
"""What postmap says of a table that nobody can open; other errors are about something else."""
_TIMEOUT = 10.0
"""Seconds for a table, which may be on another machine."""
_DEEPEST = 5
"""How many files may lead from one to the next."""


def read_contents(
    config_folder: Path, listed: Iterable[NetworkEntry]
) -> dict[str, tuple[NetworkEntry, ...]]:
    """Return what stands for each file and table of a list, by the entry's text.

    A file's entries stand for the file. A table is asked for some addresses of the Internet: if it
    has most of them, the whole Internet stands before the table.

    Args:
        config_folder: the instance's configuration directory.
        listed: the list's entries.
    """
    return {
        entry.text: tuple(_look_into(config_folder, entry, entry.text.lstrip("!"), 0))
        for entry in listed
        if entry.is_opaque
    }


def _look_into(
    config_folder: Path, entry: NetworkEntry, name: str, depth: int
) -> Iterable[NetworkEntry]:
    """Yield what stands for a file or table; the entry's text is that of the list's own entry."""
    if name.startswith("/"):
        yield from _read_file(config_folder, entry, Path(name), depth)
        return
    keys = [key for keys in _SAMPLES.values() for key in keys]
    try:
        found = _query(config_folder, name, keys)
    except SetupError as error:
        yield replace(entry, is_opaque=False, fault=f"can't be looked up: {error}")
        return
    for network, samples in _SAMPLES.items():
        if 2 * len(found & set(samples)) >= len(samples):
            yield NetworkEntry(entry.text, ip_network(network), entry.is_excluded)
    yield entry


def _read_file(
    config_folder: Path, entry: NetworkEntry, file: Path, depth: int
) -> Iterable[NetworkEntry]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        if isinstance(error, PermissionError):
            yield entry
        else:
            yield replace(entry, is_opaque=False, fault=f"can't be read: {os_reason(error)}")
        return
    if depth == _DEEPEST:
        yield entry
        return
    for inner in parse_entries("\n".join(line for line in lines if line.strip()[:1] != "#")):
        inside = replace(
            inner,
            text=entry.text,
            is_excluded=inner.is_excluded != entry.is_excluded,
            fault=inner.fault and f"holds {inner.text}, which {inner.fault}",
        )
        if inner.is_opaque:
            yield from _look_into(config_folder, inside, inner.text.lstrip("!"), depth + 1)
        else:
            yield inside


def _query(config_folder: Path, table: str, keys: list[str]) -> set[str]:
    """Return which keys a table has.

    Raises:
        SetupError: Postfix can't open it; the message says why. A table that we may not read, or
            that does not answer in time, has none of them.
    """
    try:
        done = run_command(
            *("postmap", "-c", str(config_folder), "-q", "-", table),
            text="\n".join(keys) + "\n",
            timeout=_TIMEOUT,
            may_fail=True,
        )
    except SetupError:
        return set()
    if done.returncode and done.stderr.strip():  # without a word: no key was found
        reason = failure_reason(done.stderr).removeprefix("fatal: ")
        if _UNUSABLE.match(reason) and "Permission denied" not in reason:
            raise SetupError(reason)
    return {line.partition("\t")[0] for line in done.stdout.splitlines()}
