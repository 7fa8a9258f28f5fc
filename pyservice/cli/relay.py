"""`relay`: the node's Postfix as a relay for its containers."""

import json
import signal
import sys
from contextlib import contextmanager
from typing import Any

import typer

from pyservice.cli import show
from pyservice.cli.relay_options import (
    AsJson,
    Check,
    ConfigDir,
    NoRestart,
    instance,
    needs_root,
    with_options,
)
from pyservice.postfix.instance import Postfix
from pyservice.setup.plan import Plan
from pyservice.setup.relay import apply as applying
from pyservice.setup.relay import open_relay_test, planner
from pyservice.setup.relay.backup import Backup

relay_app = typer.Typer(
    help="Make this node's Postfix a relay for its containers.", no_args_is_help=True
)


@relay_app.command()
@with_options
def plan(
    postfix: Postfix, wanted: planner.Wanted, check: Check = False, as_json: AsJson = False
) -> None:
    """Show what `apply` would change, and change nothing.

    \b
    Examples:
      notify-email relay plan
      notify-email relay plan --network 172.22.0.0/16 --relayhost smtp.example.com --check
    """
    draft = planner.draft(applying.look(postfix, wanted), wanted)
    show.plan(draft.plan, as_json=as_json)
    _end(draft.plan, check=check)


@relay_app.command()
@with_options
def apply(
    postfix: Postfix, wanted: planner.Wanted, check: Check = False, as_json: AsJson = False
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
        plan_only = planner.draft(applying.look(postfix, wanted), wanted).plan
        show.plan(plan_only, as_json=as_json)
        _end(plan_only, check=True)
        return
    with _stoppable():
        outcome = applying.apply(postfix, wanted, _shown(as_json), show.say)
    if as_json:
        answer = outcome.plan.as_json() | {
            "greeting": outcome.greeting,
            "strangers": _as_json(outcome.proof),
        }
        print(json.dumps(answer, indent=2))
    elif not outcome.plan.in_sync:
        show.facts(
            {
                "Applied": f"`{_again(postfix, 'revert')}` takes it back",
                "Greeting": outcome.greeting,
                "Strangers": _told(outcome.proof),
                "To do": None if wanted.restart else "restart Postfix; it does not use this yet",
            }
        )


@relay_app.command()
@with_options
def status(
    postfix: Postfix, wanted: planner.Wanted, check: Check = False, as_json: AsJson = False
) -> None:
    """Show whether Postfix runs, greets containers, refuses strangers, and is in sync.

    \b
    Examples:
      notify-email relay status
    """
    state = applying.look(postfix, wanted)
    found = planner.draft(state, wanted).plan
    serves = state.is_running and wanted.address in state.addresses and state.greets
    proved = applying.prove(state.configuration, wanted.address) if serves else None
    backup = Backup(postfix.folder).place / "before"
    configuration = state.configuration
    if as_json:
        answer = {
            "version": configuration.version,
            "folder": str(postfix.folder),
            "running": state.is_running,
            "address": str(wanted.address),
            "greets": serves,
            "strangers": _as_json(proved),
            "in_sync": found.in_sync,
            "backup": str(backup) if backup.exists() else None,
        }
        print(json.dumps(answer, indent=2))
    else:
        running = "running" if state.is_running else "stopped"
        greets = "greets" if serves else "does not greet"
        settings = "in sync" if found.in_sync else f"not in sync: {_again(postfix, 'plan')}"
        show.facts(
            {
                "Postfix": f"{configuration.version} in {postfix.folder}, {running}",
                "Containers": f"{wanted.address}:{open_relay_test.PORT} {greets}",
                "Strangers": _told(proved),
                "Settings": settings,
                "Backup": str(backup) if backup.exists() else "none: nothing was applied",
            }
        )
    _end(found, check=check)


@relay_app.command()
def revert(
    config_dir: ConfigDir = None, no_restart: NoRestart = False, as_json: AsJson = False
) -> None:
    """Take back all that `apply` has changed; what others changed since stays.

    \b
    Examples:
      notify-email relay revert
    """
    needs_root("revert")
    with _stoppable():
        outcome = applying.revert(
            instance(config_dir), _shown(as_json), show.say, restart=not no_restart
        )
    if as_json:
        print(json.dumps(outcome.plan.as_json(), indent=2))
    elif not outcome.plan.in_sync:
        show.facts({"Reverted": "all is as it was before the first apply, but for the notes"})


def _end(found: Plan, *, check: bool) -> None:
    if check and not found.in_sync:
        raise typer.Exit(2)


def _shown(as_json: bool) -> applying.Show:
    """JSON is printed as a whole, in the end."""
    return lambda found: None if as_json else show.plan(found, as_json=False)


def _told(found: open_relay_test.Proof | None) -> str | None:
    if found is None:
        return None
    known = "refused (proved)" if found.state == "proved" else found.state
    return f"{known}: {found.sentence}"


def _as_json(found: open_relay_test.Proof | None) -> dict[str, str] | None:
    return {"state": found.state, "told": found.sentence} if found else None


def _again(postfix: Postfix, command: str) -> str:
    where = "" if postfix.is_default else f" --config-dir {postfix.folder}"
    return f"notify-email relay {command}{where}"


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
