"""Evidence beside the dialogue: Postfix' configuration, its log, published ports, networks."""

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path

import psutil

from pyservice.errors import SetupError
from pyservice.postfix.instance import Configuration, Postfix
from pyservice.postfix.log import Log, open_log, wait_for
from pyservice.postfix.mynetworks import address_or_none, is_public
from pyservice.setup.node.detect import Node
from pyservice.setup.node.facts import interface_addresses

_REJECTION = r"reject: RCPT from [^\[]*\[(?P<client>[^\]]+)\]: .* to=<{recipient}>"
_NAT = re.compile(r"\b(?:DNAT|REDIRECT|SNAT)\b", re.IGNORECASE)
_RANGE = r"\d+(?:[:-]\d+)?"
_PORTS = re.compile(rf"\bdports? (?:\{{ )?(?P<ports>{_RANGE}(?:, ?{_RANGE})*)")
"""Of iptables-save (`--dport 25`, `--dports 25,500:600`) and nft (`dport { 25, 500-600 }`)."""


def configuration(config_dir: Path | None) -> Configuration | None:
    """Return Postfix' configuration; None where no Postfix is configured.

    Raises:
        SetupError: `config_dir` is no instance that can be read.
    """
    try:
        return Postfix(config_dir).read()
    except SetupError:
        if config_dir is not None:
            raise
        return None


def find_log(given: Path | None, parameters: Mapping[str, str]) -> Log:
    """Open Postfix' log at its end: the given file, Postfix' maillog_file, or the usual one.

    Raises:
        SetupError: it can't be read.
    """
    configured = parameters.get("maillog_file", "")
    return open_log(given or (Path(configured) if configured.startswith("/") else None))


def rejected_client(log: Log, recipient: str, *, seconds: float = 1.0) -> str:
    """Return the address that Postfix saw when it refused a recipient just now; empty: unknown.

    Args:
        log: opened before the recipient was refused.
        recipient: the refused one, which nobody else can know: a stranger's line would mislead.
        seconds: how long to wait for the line.
    """
    pattern = re.compile(_REJECTION.format(recipient=re.escape(recipient)))
    match = wait_for(log, lambda line: pattern.match(line.text), seconds)
    return match["client"] if match else ""


def published(port: int, gateway: str) -> str | None:
    """Return how strangers come to a port of this machine; None: they don't, as far as we see.

    Args:
        port: a TCP port.
        gateway: an address from which they may seem to come.
    """
    return published_by(port, gateway, _command_lines(), _nat_rules())


def published_by(
    port: int, gateway: str, command_lines: Iterable[list[str]], nat_rules: str
) -> str | None:
    """Return the same from processes' command lines and from what iptables-save or nft prints."""
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
    """Return whether a rule of NAT is about a port, or rewrites sources to the gateway."""
    if match := _PORTS.search(rule):
        ranges = [re.split("[:-]", text) for text in match["ports"].split(",")]
        return any(int(ends[0]) <= port <= int(ends[-1]) for ends in ranges)
    return bool(re.search(rf"(?:snat to|--to-source) {re.escape(gateway)}(?!\d)", rule))


def _option(words: list[str], name: str) -> str | None:
    return next((value for word, value in itertools.pairwise(words) if word == name), None)


def _command_lines() -> Iterable[list[str]]:
    """Yield those of processes here: a docker-proxy in another network publishes other ports."""
    here = _network("self")
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"]
        if words and _network(process.pid) in {here, None}:
            yield words


def _network(process: int | str) -> str | None:
    """Return the network namespace of a process; None: it can't be read."""
    try:
        return str(Path(f"/proc/{process}/ns/net").readlink())
    except OSError:
        return None


def _nat_rules() -> str:
    rules = ""
    for name, *arguments in (("iptables-save", "-t", "nat"), ("nft", "list", "ruleset")):
        # A user's PATH on Debian lacks the latter folders.
        program = shutil.which(name, path="/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
        if program:
            done = subprocess.run(  # noqa: S603 - the arguments are ours
                [program, *arguments], capture_output=True, text=True, check=False
            )
            rules += done.stdout
    return rules


def is_local(address: str) -> bool:
    """Return whether one of this machine's interfaces has an address."""
    return any(str(own.ip) == address for own in interface_addresses())


def network_around(client: str, node: Node) -> str | None:
    """Return the network of containers that a client is in, as CIDR.

    Args:
        client: an IP address, from wherever: a stranger's must never be let in.
        node: what this machine is; on a node its bridges and loopback count, in a container its
            own interfaces.

    Returns:
        None: the client is a stranger, or its address is one of the Internet's.
    """
    address = ip_address(client)
    if is_public(address):
        return None
    networks = [own.network for own in interface_addresses()]
    if not node.is_container:
        bridges = [bridge.network for bridge in node.bridges if bridge.network]
        ours = [ip_network(text) for text in (*bridges, *node.networks)]
        networks = [own for own in networks if own.is_loopback or own in ours] + ours
    return next((str(network) for network in networks if address in network), None)
