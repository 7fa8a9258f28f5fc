"""`relay`: the node's Postfix as a relay for its containers."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from pyservice.cli import show
from pyservice.cli.confirmation import Yes, confirm
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
from pyservice.setup.relay.apply import AccessResult, Review, apply_relay, check_access, read_state
from pyservice.setup.relay.backup import Backup
from pyservice.setup.relay.changes import RelayPlan
from pyservice.setup.relay.open_relay_test import PORT
from pyservice.setup.relay.planner import plan_relay
from pyservice.setup.relay.revert import plan_revert, revert_relay

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
def apply(
    options: RelayOptions, check: Check = False, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Make Postfix a relay for the containers; where it is one already, change nothing.

    Backs up, writes, lets Postfix check, restarts or reloads it, waits for its greeting and tries
    whether strangers are refused. If any of that fails, all is as it was. On a terminal it asks
    before it restarts a Postfix that runs.

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
    review = _reviewer(as_json=as_json, yes=yes)
    with _undone_by_signals():
        result = apply_relay(postfix, desired, review, show.say)
    if as_json:
        tried = {"greeting": result.greeting, **_as_json(result.access)}
        show.json(result.plan.as_json() | tried)
    elif not result.plan.in_sync:
        show.facts(
            {
                "Applied": f"`{_command(postfix, 'revert')}` takes it back",
                "Greeting": result.greeting,
                **_as_facts(result.access),
                "To do": None if desired.restart else "restart Postfix; it does not use this yet",
            }
        )


@relay_app.command()
@expand_options
def status(options: RelayOptions, check: Check = False, as_json: AsJson = False) -> None:
    """Show whether Postfix runs, greets containers, refuses strangers, and is in sync.

    Exit code 1: it does not run, does not greet containers, refuses them, or is an open relay. 2,
    with --check: it is not in sync.

    \b
    Examples:
      notify-email relay status
    """
    require_root("status")
    postfix = find_instance(options.config_dir)
    desired = options.desired_relay(postfix)
    state = read_state(postfix, desired)
    configuration = state.configuration
    relay_plan = plan_relay(state, desired)
    planned, stale = relay_plan.plan, [str(address) for address in relay_plan.stale]
    serves = state.is_running and desired.address in state.addresses and state.greets
    access = check_access(configuration, desired) if serves else None
    originals = Backup(postfix.folder).folder / "before"
    backup = str(originals) if originals.exists() else None
    if as_json:
        values = {
            "version": configuration.version,
            "folder": str(postfix.folder),
            "running": state.is_running,
            "address": str(desired.address),
            "greets": serves,
            **_as_json(access),
            "in_sync": planned.in_sync,
            "faults": planned.faults,
            "stale": stale,
            "unserved": [asdict(bridge) for bridge in relay_plan.unserved],
            "backup": backup,
        }
        show.json(values)
    else:
        running = "running" if state.is_running else "stopped"
        greets = "greets" if serves else "does not greet"
        settings = "in sync" if planned.in_sync else f"not in sync: {_command(postfix, 'plan')}"
        show.facts(
            {
                "Postfix": f"{configuration.version} in {postfix.folder}, {running}",
                "Containers": f"{desired.address}:{PORT} {greets}",
                **_as_facts(access),
                "Settings": settings,
                "Stale": f"{', '.join(stale)}: no interface has it any more" if stale else None,
                "Backup": backup or "none: nothing was applied",
            }
        )
        show.entries("Faults", planned.faults)
        show.entries(
            "Not served",
            (f"{each.interface} ({each.address}): {each.command}" for each in relay_plan.unserved),
        )
    if access is None or not access.is_safe:
        raise typer.Exit(1)
    _exit_on_drift(planned, check=check)


@relay_app.command()
def revert(
    config_dir: ConfigDir = None,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Show what would be taken back, and change nothing.")
    ] = False,
    no_restart: NoRestart = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take back all that `apply` has changed; what others changed since stays.

    On a terminal it asks before it restarts a Postfix that runs.

    \b
    Examples:
      notify-email relay revert --plan
      notify-email relay revert
    """
    require_root("revert")
    postfix = find_instance(config_dir)
    if plan_only:
        show.plan(plan_revert(postfix, restart=not no_restart), as_json=as_json)
        return
    review = _reviewer(as_json=as_json, yes=yes)
    with _undone_by_signals():
        reverted = revert_relay(postfix, review, show.say, restart=not no_restart)
    if as_json:
        show.json(reverted.as_json())
    elif not reverted.in_sync:
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


def _reviewer(*, as_json: bool, yes: bool) -> Review:
    """Return what shows a plan before it is carried out, and asks whether to restart Postfix.

    JSON is printed as a whole, in the end.
    """

    def review(planned: RelayPlan) -> None:
        if not as_json:
            show.plan(planned.plan, as_json=False)
        if planned.interrupts:
            confirm("Restart Postfix now?", yes=yes)

    return review


def _as_facts(access: AccessResult | None) -> dict[str, str | None]:
    if access is None:
        return {}
    facts: dict[str, str | None] = {}
    for name, proved, result in (
        ("May send", "yes (proved)", access.containers),
        ("Strangers", "refused (proved)", access.strangers),
    ):
        facts[name] = f"{proved if result.state == 'proved' else result.state}: {result.sentence}"
    return facts


def _as_json(access: AccessResult | None) -> dict[str, dict[str, str] | None]:
    if access is None:
        return {"containers": None, "strangers": None}
    return {
        name: {"state": result.state, "message": result.sentence}
        for name, result in (("containers", access.containers), ("strangers", access.strangers))
    }


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
