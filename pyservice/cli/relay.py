"""`relay`: the node's Postfix as a relay for its containers."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from pyservice.cli import show
from pyservice.cli.options import expand_options
from pyservice.cli.relay_options import (
    AsJson,
    Check,
    ConfigDir,
    NoRestart,
    RelayOptions,
    find_instance,
    require_root,
)
from pyservice.postfix.instance import Postfix
from pyservice.setup.plan import Plan
from pyservice.setup.relay.apply import (
    Show,
    apply_relay,
    check_open_relay,
    read_state,
    revert_relay,
)
from pyservice.setup.relay.backup import Backup
from pyservice.setup.relay.open_relay_test import PORT, OpenRelayResult
from pyservice.setup.relay.planner import plan_relay

relay_app = typer.Typer(
    help="Make this node's Postfix a relay for its containers.", no_args_is_help=True
)


@relay_app.command()
@expand_options
def plan(options: RelayOptions, check: Check = False, as_json: AsJson = False) -> None:
    """Show what `apply` would change, and change nothing.

    \b
    Examples:
      notify-email relay plan
      notify-email relay plan --network 172.22.0.0/16 --relayhost smtp.example.com --check
    """
    require_root("plan")
    _show_plan(options, check=check, as_json=as_json)


@relay_app.command()
@expand_options
def apply(options: RelayOptions, check: Check = False, as_json: AsJson = False) -> None:
    """Make Postfix a relay for the containers; where it is one already, change nothing.

    Backs up, writes, lets Postfix check, restarts or reloads it, waits for its greeting and tries
    whether strangers are refused. If any of that fails, all is as it was.

    \b
    Examples:
      notify-email relay apply
      notify-email relay apply --harden --allow-sender ci.example.com
    """
    require_root("apply")
    if check:
        _show_plan(options, check=True, as_json=as_json)
        return
    postfix = find_instance(options.config_dir)
    desired = options.desired_relay(postfix)
    with _undone_by_signals():
        result = apply_relay(postfix, desired, _plan_printer(as_json), show.say)
    if as_json:
        strangers = {"greeting": result.greeting, "strangers": _as_json(result.open_relay)}
        print(json.dumps(result.plan.as_json() | strangers, indent=2))
    elif not result.plan.in_sync:
        show.facts(
            {
                "Applied": f"`{_command(postfix, 'revert')}` takes it back",
                "Greeting": result.greeting,
                "Strangers": _as_text(result.open_relay),
                "To do": None if desired.restart else "restart Postfix; it does not use this yet",
            }
        )


@relay_app.command()
@expand_options
def status(options: RelayOptions, check: Check = False, as_json: AsJson = False) -> None:
    """Show whether Postfix runs, greets containers, refuses strangers, and is in sync.

    \b
    Examples:
      notify-email relay status
    """
    require_root("status")
    postfix = find_instance(options.config_dir)
    desired = options.desired_relay(postfix)
    state = read_state(postfix, desired)
    configuration = state.configuration
    planned = plan_relay(state, desired).plan
    serves = state.is_running and desired.address in state.addresses and state.greets
    result = check_open_relay(configuration, desired.address) if serves else None
    originals = Backup(postfix.folder).folder / "before"
    backup = str(originals) if originals.exists() else None
    if as_json:
        values = {
            "version": configuration.version,
            "folder": str(postfix.folder),
            "running": state.is_running,
            "address": str(desired.address),
            "greets": serves,
            "strangers": _as_json(result),
            "in_sync": planned.in_sync,
            "backup": backup,
        }
        print(json.dumps(values, indent=2))
    else:
        running = "running" if state.is_running else "stopped"
        greets = "greets" if serves else "does not greet"
        settings = "in sync" if planned.in_sync else f"not in sync: {_command(postfix, 'plan')}"
        show.facts(
            {
                "Postfix": f"{configuration.version} in {postfix.folder}, {running}",
                "Containers": f"{desired.address}:{PORT} {greets}",
                "Strangers": _as_text(result),
                "Settings": settings,
                "Backup": backup or "none: nothing was applied",
            }
        )
    _exit_on_drift(planned, check=check)


@relay_app.command()
def revert(
    config_dir: ConfigDir = None, no_restart: NoRestart = False, as_json: AsJson = False
) -> None:
    """Take back all that `apply` has changed; what others changed since stays.

    \b
    Examples:
      notify-email relay revert
    """
    require_root("revert")
    postfix = find_instance(config_dir)
    with _undone_by_signals():
        printer = _plan_printer(as_json)
        result = revert_relay(postfix, printer, show.say, restart=not no_restart)
    if as_json:
        print(json.dumps(result.plan.as_json(), indent=2))
    elif not result.plan.in_sync:
        show.facts({"Reverted": "all is as it was before the first apply, except for the notes"})


def _show_plan(options: RelayOptions, *, check: bool, as_json: bool) -> None:
    postfix = find_instance(options.config_dir)
    desired = options.desired_relay(postfix)
    planned = plan_relay(read_state(postfix, desired), desired).plan
    show.plan(planned, as_json=as_json)
    _exit_on_drift(planned, check=check)


def _exit_on_drift(planned: Plan, *, check: bool) -> None:
    if check and not planned.in_sync:
        raise typer.Exit(2)


def _plan_printer(as_json: bool) -> Show:
    """Return what prints a plan before it is applied; JSON is printed as a whole, in the end."""
    return lambda planned: None if as_json else show.plan(planned, as_json=False)


def _as_text(result: OpenRelayResult | None) -> str | None:
    if result is None:
        return None
    state = "refused (proved)" if result.state == "proved" else result.state
    return f"{state}: {result.sentence}"


def _as_json(result: OpenRelayResult | None) -> dict[str, str] | None:
    return {"state": result.state, "message": result.sentence} if result else None


def _command(postfix: Postfix, command: str) -> str:
    where = "" if postfix.is_default else f" --config-dir {postfix.folder}"
    return f"notify-email relay {command}{where}"


@contextmanager
def _undone_by_signals() -> Iterator[None]:
    """Let a signal undo what was begun, and let no second one interrupt that.

    SIGHUP too: a restart takes a while, and a remote shell may end meanwhile.
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
