"""What a node tells beside the conversation: Postfix' configuration, its log, published ports."""

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path

import psutil

from pyservice.errors import SetupError
from pyservice.postfix.instance import Postfix
from pyservice.postfix.log import Log, opened, wait_for
from pyservice.postfix.mynetworks import address_or_none
from pyservice.setup.node.facts import interface_addresses

_REJECTION = r"reject: RCPT from [^\[]*\[(?P<client>[^\]]+)\]: .* to=<{recipient}>"
_NAT = re.compile(r"\b(?:DNAT|REDIRECT|SNAT)\b", re.IGNORECASE)
_RANGE = r"\d+(?:[:-]\d+)?"
_PORTS = re.compile(rf"\bdports? (?:\{{ )?(?P<ports>{_RANGE}(?:, ?{_RANGE})*)")
"""Of iptables-save (`--dport 25`, `--dports 25,500:600`) and nft (`dport { 25, 500-600 }`)."""


def settings(config_dir: Path | None) -> Mapping[str, str]:
    """Postfix' parameters, with defaults; none where no Postfix is configured.

    Raises:
        SetupError: the instance that was asked for can't be read.
    """
    try:
        return Postfix(config_dir).read().effective
    except SetupError:
        if config_dir is not None:
            raise
        return {}


def open_log(given: Path | None, parameters: Mapping[str, str]) -> Log:
    """Postfix' log from now on: as given, as Postfix is told, or where it usually is.

    Raises:
        SetupError: it can't be read.
    """
    told = parameters.get("maillog_file", "")
    return opened(given or (Path(told) if told.startswith("/") else None))


def rejected_client(log: Log, recipient: str, *, seconds: float = 1.0) -> str:
    """The address that Postfix saw when it refused a recipient just now; empty: not told."""
    wanted = re.compile(_REJECTION.format(recipient=re.escape(recipient)))
    found = wait_for(log, lambda line: wanted.match(line.told), seconds)
    return found["client"] if found else ""


def published(port: int, gateway: str) -> str | None:
    """How strangers come to a port of this machine's, perhaps from its own gateway; or None."""
    return published_by(port, gateway, _command_lines(), _nat_rules())


def published_by(
    port: int, gateway: str, command_lines: Iterable[list[str]], nat_rules: str
) -> str | None:
    """The same, of the processes' command lines and what iptables-save or nft prints."""
    for words in command_lines:
        if Path(words[0]).name == "docker-proxy" and _option(words, "-host-port") == str(port):
            host = address_or_none(_option(words, "-host-ip") or "")
            if host is None or not host.is_loopback:
                return f"docker-proxy publishes port {port}"
    for line in nat_rules.splitlines():
        rule = " ".join(line.split())
        if _NAT.search(rule) and _concerns(rule, port, gateway):
            return f"a rule of the firewall rewrites: {rule[:100]}"
    return None


def _concerns(rule: str, port: int, gateway: str) -> bool:
    """Whether a rule of NAT is about a port, or makes any source the gateway."""
    if match := _PORTS.search(rule):
        ranges = [re.split("[:-]", text) for text in match["ports"].split(",")]
        return any(int(ends[0]) <= port <= int(ends[-1]) for ends in ranges)
    return bool(re.search(rf"(?:snat to|--to-source) {re.escape(gateway)}(?!\d)", rule))


def _option(words: list[str], name: str) -> str | None:
    return next((value for word, value in itertools.pairwise(words) if word == name), None)


def _command_lines() -> Iterable[list[str]]:
    for process in psutil.process_iter(["cmdline"]):
        if words := process.info["cmdline"]:
            yield words


def _nat_rules() -> str:
    told = ""
    for name, *arguments in (("iptables-save", "-t", "nat"), ("nft", "list", "ruleset")):
        # A user's PATH on Debian lacks the latter folders.
        program = shutil.which(name, path="/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
        if program:
            done = subprocess.run(  # noqa: S603 - the arguments are ours
                [program, *arguments], capture_output=True, text=True, check=False
            )
            told += done.stdout
    return told


def is_local(address: str) -> bool:
    """Whether one of this machine's interfaces has an address."""
    return any(str(own.ip) == address for own in interface_addresses())


def network_around(client: str) -> str:
    """The network to let in for a client: that of the interface it is at, else itself alone."""
    for own in interface_addresses():
        if ip_address(client) in own.network:
            return str(own.network)
    return str(ip_network(client))
