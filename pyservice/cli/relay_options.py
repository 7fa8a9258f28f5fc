"""What the `relay` commands have in common: their options, the instance, what is wanted of it."""

import functools
import inspect
import os
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import typer

from pyservice.cli.node import nothing_fits
from pyservice.errors import ConfigurationError, SetupError
from pyservice.postfix import mynetworks
from pyservice.postfix.instance import Postfix
from pyservice.setup.node import detect
from pyservice.setup.relay import boot, planner

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


def gathered(
    config_dir: ConfigDir = None,
    address: Annotated[
        str | None, typer.Option(help="Where containers meet it.  [default: the bridge's]")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(help="Whose mail it takes; repeatable.  [default: flannel's or the bridge's]"),
    ] = None,
    relayhost: Annotated[str | None, typer.Option(help="By way of which host it sends.")] = None,
    myhostname: Annotated[str | None, typer.Option(help="Its own name.")] = None,
    myorigin: Annotated[str | None, typer.Option(help="The domain of bare senders.")] = None,
    sasl_password_file: Annotated[
        Path | None, typer.Option(help="Holds user:password for the relay host.")
    ] = None,
    tls: Annotated[
        str | None, typer.Option(help="To the relay host: may, encrypt, verify or secure.")
    ] = None,
    tls_ca_file: Annotated[
        Path | None, typer.Option(help="The certificates that it is checked by.")
    ] = None,
    narrow: Annotated[
        bool, typer.Option("--narrow", help="In place of `all`, listen on loopback and there only.")
    ] = False,
    harden: Annotated[
        bool, typer.Option("--harden", help="Also refuse what containers have no need for.")
    ] = False,
    allow_sender: Annotated[
        list[str] | None,
        typer.Option(help="An address or a domain; others are refused to containers; repeatable."),
    ] = None,
    boot_safe: Annotated[
        bool, typer.Option("--boot-safe", help="Start even while the bridge has no address.")
    ] = False,
    allow_broad: Annotated[
        list[str] | None, typer.Option(help="A --network that would be refused as too broad.")
    ] = None,
    no_restart: NoRestart = False,
) -> tuple[Postfix, planner.Wanted]:
    """Postfix and what is wanted of it, from the options that several commands share."""
    postfix = instance(config_dir)
    try:
        found = detect.look(address)
    except ConfigurationError as error:
        raise SetupError(str(error)) from None  # 2 would mean that there are changes
    if found.is_container and address is None:
        raise SetupError(f"This is a container ({found.why}): run this on its node.")
    if found.address is None:
        raise SetupError(nothing_fits(found))
    given = network or found.networks
    if not given:
        raise SetupError(
            f"Which network do the containers behind {found.address} send from? Give --network."
        )
    return postfix, planner.Wanted(
        address=ip_address(found.address),
        networks=tuple(mynetworks.parsed(text) for text in given),
        bridge=found.bridge.interface if found.bridge else None,
        unit=boot.unit() if postfix.is_default else None,
        relayhost=relayhost,
        myhostname=myhostname,
        myorigin=myorigin,
        sasl_password=_password(sasl_password_file) if sasl_password_file else None,
        tls=tls,
        tls_ca_file=_certificates(tls_ca_file) if tls_ca_file else None,
        narrow=narrow,
        harden=harden,
        senders=tuple(allow_sender or ()),
        boot_safe=boot_safe,
        restart=not no_restart,
        allow_broad=tuple(mynetworks.parsed(text) for text in allow_broad or ()),
    )


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `gathered`, whose value becomes its first two arguments."""
    own = list(inspect.signature(command).parameters.values())[2:]
    shared = inspect.signature(gathered).parameters

    @functools.wraps(command)
    def wrapped(**options: Any) -> None:
        needs_root(command.__name__)
        of_all = {name: options.pop(name) for name in shared}
        command(*gathered(**of_all), **options)

    wrapped.__signature__ = inspect.Signature([*shared.values(), *own])  # type: ignore[attr-defined]
    return wrapped


def instance(config_dir: Path | None) -> Postfix:
    """The one with that configuration; systemd restarts the main one, where it runs."""
    is_default = Postfix(config_dir).is_default
    return Postfix(config_dir, boot.manager(is_default=is_default))


def needs_root(command: str) -> None:
    """To an ordinary user Postfix does not even tell whether it runs.

    Raises:
        SetupError: this is not root.
    """
    if os.geteuid() != 0:
        raise SetupError(
            f"Only root may look at Postfix and change it: sudo notify-email relay {command}"
        )


def _certificates(file: Path) -> Path:
    if not file.is_file():
        raise SetupError(f"--tls-ca-file {file}: there is no such file, and no mail would leave.")
    return file.absolute()


def _password(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeError) as error:
        raise SetupError(f"--sasl-password-file {file} can't be read: {error}.") from None
    password = lines[0].strip()
    if not all(password.partition(":")) or any(line.strip() for line in lines[1:]):
        raise SetupError(f"--sasl-password-file {file}: one line is wanted, user:password.")
    return password
