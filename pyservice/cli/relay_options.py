"""What the `relay` commands share: their options, and what the options ask for."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from pyservice.cli.node import missing_address
from pyservice.errors import ConfigurationError, SetupError, os_reason
from pyservice.postfix import mynetworks
from pyservice.postfix.instance import Postfix
from pyservice.setup.node import detect
from pyservice.setup.relay import boot
from pyservice.setup.relay.planner import DesiredRelay

ConfigDir = Annotated[
    Path | None, typer.Option(help="Postfix' configuration.  [default: the main instance's]")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Check = Annotated[
    bool, typer.Option("--check", help="Change nothing, and end with 2 if there are changes.")
]
NoRestart = Annotated[
    bool, typer.Option("--no-restart", help="Write and check only; the running Postfix stays.")
]


@dataclass(frozen=True)
class RelayOptions:
    """The options that `plan`, `apply` and `status` share; docs/node.md explains each."""

    config_dir: ConfigDir = None
    address: Annotated[
        str | None, typer.Option(help="Where containers reach Postfix.  [default: the bridge's]")
    ] = None
    bridge: Annotated[
        str | None,
        typer.Option(help="The bridge whose containers are served.  [default: as `node` finds it]"),
    ] = None
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<network>",
            help="Whose mail Postfix relays; repeatable.  [default: flannel's or the bridge's]",
        ),
    ] = None
    relayhost: Annotated[str | None, typer.Option(help="The host that it sends through.")] = None
    myhostname: Annotated[str | None, typer.Option(help="Postfix' own name.")] = None
    myorigin: Annotated[str | None, typer.Option(help="The domain of bare senders.")] = None
    sasl_password_file: Annotated[
        Path | None, typer.Option(help="Holds user:password for the relay host.")
    ] = None
    tls: Annotated[
        str | None, typer.Option(help="To the relay host: may, encrypt, verify or secure.")
    ] = None
    tls_ca_file: Annotated[
        Path | None, typer.Option(help="Certificates to check the relay host's by.")
    ] = None
    narrow: Annotated[
        bool, typer.Option("--narrow", help="In place of `all`, listen on loopback and there only.")
    ] = False
    harden: Annotated[
        bool, typer.Option("--harden", help="Also refuse what containers have no need for.")
    ] = False
    allow_sender: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<sender>",
            help="An address or a domain; others are refused to containers; repeatable.",
        ),
    ] = None
    boot_safe: Annotated[
        bool, typer.Option("--boot-safe", help="Start even while the bridge has no address.")
    ] = False
    allow_broad: Annotated[
        list[str] | None,
        typer.Option(metavar="<network>", help="A --network that is public or too broad."),
    ] = None
    no_restart: NoRestart = False

    def desired_relay(self, postfix: Postfix) -> DesiredRelay:
        """Return what these options ask for, with this node's own address and networks by default.

        Raises:
            SetupError: an option is wrong, or this is not the node.
        """
        node = self._detect_node()
        if node.address is None:
            raise SetupError(
                f"{missing_address(node)} `notify-email relay revert` takes back what was applied."
            )
        networks = self.network or node.networks
        if not networks:
            raise SetupError(
                f"Which network do the containers behind {node.address} send from? Give --network."
            )
        password, certificates = self.sasl_password_file, self.tls_ca_file
        return DesiredRelay(
            address=ip_address(node.address),
            networks=_parse_networks(networks),
            bridge=node.bridge.interface if node.bridge else None,
            unit=boot.unit() if postfix.is_default else None,
            relayhost=self.relayhost,
            myhostname=self.myhostname,
            myorigin=self.myorigin,
            sasl_password=_read_password(password) if password else None,
            tls=self.tls,
            tls_ca_file=_existing_file(certificates) if certificates else None,
            narrow=self.narrow,
            harden=self.harden,
            senders=tuple(self.allow_sender or ()),
            boot_safe=self.boot_safe,
            restart=not self.no_restart,
            allow_broad=_parse_networks(self.allow_broad or ()),
        )

    def _detect_node(self) -> detect.Node:
        if self.address and self.bridge:
            raise SetupError("--bridge stands for the bridge's address: leave --address out.")
        try:
            node = detect.detect_node(self.address, self.bridge)
        except ConfigurationError as error:
            raise SetupError(str(error)) from None  # 2 would mean that there are changes
        if node.is_container and self.address is None:
            raise SetupError(f"This is a container ({node.why}): run this on its node.")
        return node


def find_instance(config_dir: Path | None) -> Postfix:
    """Return the instance with that configuration; systemd restarts the main one, where it runs."""
    is_default = Postfix(config_dir).is_default
    return Postfix(config_dir, boot.managing_unit(is_default=is_default))


def require_root(command: str) -> None:
    """Refuse an ordinary user, to whom Postfix does not even say whether it runs.

    Raises:
        SetupError: this is not root.
    """
    if os.geteuid() != 0:
        raise SetupError(
            f"Only root may look at Postfix and change it: sudo notify-email relay {command}"
        )


def _parse_networks(texts: Iterable[str]) -> tuple[mynetworks.Network, ...]:
    return tuple(mynetworks.parse_network(text) for text in texts)


def _existing_file(file: Path) -> Path:
    if not file.is_file():
        raise SetupError(f"--tls-ca-file {file}: there is no such file, and no mail would leave.")
    return file.absolute()


def _read_password(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        reason = os_reason(error)
        raise SetupError(f"--sasl-password-file {file} can't be read: {reason}.") from None
    except UnicodeError:
        raise SetupError(f"--sasl-password-file {file} is not in UTF-8.") from None
    password = lines[0].strip()
    if not all(password.partition(":")) or any(line.strip() for line in lines[1:]):
        raise SetupError(f"--sasl-password-file {file}: write one line, user:password.")
    return password
