"""`relay`: the node's Postfix as a relay for its containers."""

import functools
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import typer

from pyservice.cli import show
from pyservice.cli.node import nothing_fits
from pyservice.configurator import apply as applying
from pyservice.configurator import boot, networks, proof
from pyservice.configurator import node as nodes
from pyservice.configurator import relay as relays
from pyservice.configurator.backup import Backup
from pyservice.configurator.plan import Plan
from pyservice.configurator.postfix import Postfix
from pyservice.errors import ConfigurationError, SetupError

relay_app = typer.Typer(
    help="Make this node's Postfix a relay for its containers.", no_args_is_help=True
)

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
) -> tuple[Postfix, relays.Wanted]:
    """Postfix and what is wanted of it, from the options that several commands share."""
    postfix = _postfix(config_dir)
    try:
        found = nodes.look(address)
    except ConfigurationError as error:
        raise SetupError(str(error)) from None  # 2 would mean that there are changes
    if found.is_container and address is None:
        raise SetupError(f"This is a container ({found.why}): run this on its node.")
    if found.address is None:
        raise SetupError(nothing_fits(found))
    given = network or ([found.network] if found.network else [])
    if not given:
        raise SetupError(
            f"Which network do the containers behind {found.address} send from? Give --network."
        )
    return postfix, relays.Wanted(
        address=ip_address(found.address),
        networks=tuple(networks.parsed(text) for text in given),
        bridge=found.bridge.interface if found.bridge else None,
        unit=boot.unit() if postfix.is_default else None,
        relayhost=relayhost,
        myhostname=myhostname,
        myorigin=myorigin,
        sasl_password=_password(sasl_password_file) if sasl_password_file else None,
        tls=tls,
        tls_ca_file=tls_ca_file.absolute() if tls_ca_file else None,
        narrow=narrow,
        harden=harden,
        senders=tuple(allow_sender or ()),
        boot_safe=boot_safe,
        restart=not no_restart,
        allow_broad=tuple(networks.parsed(text) for text in allow_broad or ()),
    )


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `gathered`, whose value becomes its first two arguments."""
    own = list(inspect.signature(command).parameters.values())[2:]
    shared = inspect.signature(gathered).parameters

    @functools.wraps(command)
    def wrapped(**options: Any) -> None:
        of_all = {name: options.pop(name) for name in shared}
        command(*gathered(**of_all), **options)

    wrapped.__signature__ = inspect.Signature([*shared.values(), *own])  # type: ignore[attr-defined]
    return wrapped


@relay_app.command()
@with_options
def plan(
    postfix: Postfix, wanted: relays.Wanted, check: Check = False, as_json: AsJson = False
) -> None:
    """Show what `apply` would change, and change nothing.

    \b
    Examples:
      notify-email relay plan
      notify-email relay plan --network 172.22.0.0/16 --relayhost smtp.example.com --check
    """
    draft = relays.draft(applying.look(postfix, wanted), wanted)
    show.plan(draft.plan, as_json=as_json)
    _end(draft.plan, check=check)


@relay_app.command()
@with_options
def apply(
    postfix: Postfix, wanted: relays.Wanted, check: Check = False, as_json: AsJson = False
) -> None:
    """Make Postfix a relay for the containers; where it is one already, change nothing.

    Backs up, writes, lets Postfix check, restarts or reloads it, waits for its greeting and tries
    whether strangers are refused. If any of that fails, all is as it was.

    \b
    Examples:
      notify-email relay apply
      notify-email relay apply --harden --allow-sender ci.example.com
    """
    if check:
        plan_only = relays.draft(applying.look(postfix, wanted), wanted).plan
        show.plan(plan_only, as_json=as_json)
        _end(plan_only, check=True)
        return
    _needs_root("apply")
    with _stoppable():
        outcome = applying.apply(postfix, wanted, _shown(as_json), _say)
    if as_json:
        found = outcome.proof
        answer = outcome.plan.as_json() | {
            "greeting": outcome.greeting,
            "strangers": {"state": found.state, "told": found.sentence} if found else None,
        }
        print(json.dumps(answer, indent=2))
    elif not outcome.plan.in_sync:
        show.facts(
            {
                "Applied": f"`{_again(postfix, 'revert')}` takes it back",
                "Greeting": outcome.greeting,
                "Strangers": _told(outcome.proof) if outcome.proof else None,
                "To do": None if wanted.restart else "restart Postfix; it does not use this yet",
            }
        )


@relay_app.command()
@with_options
def status(
    postfix: Postfix, wanted: relays.Wanted, check: Check = False, as_json: AsJson = False
) -> None:
    """Show whether Postfix runs, greets containers, refuses strangers, and is in sync."""
    state = applying.look(postfix, wanted)
    found = relays.draft(state, wanted).plan
    serves = state.is_running and wanted.address in state.addresses and state.greets
    proved = applying.prove(state.configuration, wanted.address) if serves else None
    backup = Backup(postfix.folder).place / "before"
    facts = {
        "Postfix": f"{state.configuration.version} in {postfix.folder}, "
        + ("running" if state.is_running else "stopped"),
        "Containers": f"{wanted.address}:{proof.PORT} "
        + ("greets" if serves else "does not greet"),
        "Strangers": _told(proved) if proved else None,
        "Settings": "in sync" if found.in_sync else f"not in sync: {_again(postfix, 'plan')}",
        "Backup": str(backup) if backup.exists() else "none: nothing was applied",
    }
    if as_json:
        print(json.dumps({name.lower(): value for name, value in facts.items()}, indent=2))
    else:
        show.facts(facts)
    _end(found, check=check)


@relay_app.command()
def revert(
    config_dir: ConfigDir = None, no_restart: NoRestart = False, as_json: AsJson = False
) -> None:
    """Take back all that `apply` has changed; what others changed since stays."""
    _needs_root("revert")
    with _stoppable():
        outcome = applying.revert(
            _postfix(config_dir), _shown(as_json), _say, restart=not no_restart
        )
    if as_json:
        print(json.dumps(outcome.plan.as_json(), indent=2))
    elif not outcome.plan.in_sync:
        show.facts({"Reverted": "all is as it was before the first apply, but for the notes"})


def _postfix(config_dir: Path | None) -> Postfix:
    is_default = Postfix(config_dir).is_default
    return Postfix(config_dir, boot.manager(is_default=is_default))


def _password(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeError) as error:
        raise SetupError(f"--sasl-password-file {file} can't be read: {error}.") from None
    password = lines[0].strip()
    if not all(password.partition(":")) or any(line.strip() for line in lines[1:]):
        raise SetupError(f"--sasl-password-file {file}: one line is wanted, user:password.")
    return password


def _end(found: Plan, *, check: bool) -> None:
    if check and not found.in_sync:
        raise typer.Exit(2)


def _shown(as_json: bool) -> applying.Show:
    """JSON is printed as a whole, in the end."""
    return lambda found: None if as_json else show.plan(found, as_json=False)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _told(found: proof.Proof) -> str:
    known = "refused (proved)" if found.state == "proved" else found.state
    return f"{known}: {found.sentence}"


def _again(postfix: Postfix, command: str) -> str:
    where = "" if postfix.is_default else f" --config-dir {postfix.folder}"
    return f"notify-email relay {command}{where}"


def _needs_root(command: str) -> None:
    if os.geteuid() != 0:
        raise SetupError(
            f"This changes Postfix, as root only can: sudo notify-email relay {command}"
        )


@contextmanager
def _stoppable() -> Any:
    """A signal undoes what was begun, and no second one cuts that short.

    SIGHUP too: a restart takes a while, and so does a remote shell's end.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number: int, _frame: object) -> None:
        for each in signals:
            signal.signal(each, lambda *_: None)
        sys.exit(128 + number)

    before = {each: signal.signal(each, stop) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
