"""`jenkins`: point Jenkins' mail at the Postfix of its node."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pyservice.cli import show
from pyservice.cli.jenkins_options import (
    CONNECTION,
    WANTED,
    Check,
    Json,
    connect,
    make_wanted,
    takes,
)
from pyservice.errors import ConfigurationError
from pyservice.setup.plan import Plan

# Late elsewhere, since python-jenkins takes a tenth of a second: `--help` does without.
if TYPE_CHECKING:
    from pyservice.setup.jenkins.connection import Controller
    from pyservice.setup.jenkins.desired import Wanted

jenkins_app = typer.Typer(
    help="Point Jenkins' mail at the Postfix of its node.", no_args_is_help=True
)

Inventory = Annotated[Path | None, typer.Option(help="Many controllers: a TOML file.")]


def _command(*, applies: bool, text: str) -> Callable[..., None]:
    """`plan` and `apply` have the same options."""

    @takes(connection=CONNECTION, asked=WANTED)
    def command(
        connection: dict[str, Any],
        asked: dict[str, Any],
        inventory: Inventory = None,
        check: Check = False,
        as_json: Json = False,
    ) -> None:
        if inventory is not None:
            _many(inventory, connection, asked, applies, check, as_json)
            return
        done = _one(connect(connection), make_wanted(asked), applies, as_json)
        raise typer.Exit(2 if check and not applies and not done.in_sync else 0)

    command.__doc__ = text
    return command


jenkins_app.command("plan")(
    _command(
        applies=False,
        text="""Show what differs between Jenkins and what you ask for; change nothing.

    What you don't ask for stays as it is, but for Mailer's server: its host, its port and no TLS.

    \b
    Examples:
      notify-email jenkins plan --jenkins-url https://ci.example.com --jenkins-user admin
      notify-email jenkins plan --check --inventory controllers.toml
    """,
    )
)
jenkins_app.command("apply")(
    _command(
        applies=True,
        text="""Make Jenkins as you ask for, and read back what was written.

    If anything fails, what was written before is undone.

    \b
    Examples:
      notify-email jenkins apply --admin-address jenkins@ci.example.com --service-url auto
      notify-email jenkins apply --inventory controllers.toml
    """,
    )
)


@jenkins_app.command()
@takes(connection=CONNECTION)
def status(connection: dict[str, Any], check: Check = False, as_json: Json = False) -> None:
    """Show how Jenkins' mail is set, and what the controller sees of its node.

    \b
    Examples:
      notify-email jenkins status --check          2: mail goes elsewhere, or nowhere
    """
    from pyservice.setup.jenkins import apply  # noqa: PLC0415

    controller = connect(connection)
    found = apply.read(controller, make_wanted({}))
    host = found.value("mailer", "smtpHost")
    seen = found.greeting.address if found.greeting else None
    if as_json:
        told = {"version": controller.version, "settings": found.settings, "reaches": seen}
        print(json.dumps(told | {"casc": list(found.casc)}, indent=2))
    else:
        library = found.settings["library"] or {}
        casc = ", ".join(found.casc)
        show.facts(
            {
                "Jenkins": f"{controller.version} at {controller.url}",
                "Mailer": f"{host or 'localhost'}:{found.value('mailer', 'smtpPort') or 25}"
                if found.settings["mailer"]
                else "not installed",
                "email-ext": found.value("emailExt", "smtpHost"),
                "Sender": found.value("location", "adminAddress"),
                "Service": found.value("variables", "NOTIFY_EMAIL_URL"),
                "Library": f"{library['remote']}@{library['defaultVersion']}" if library else None,
                "Token": "is there" if found.settings["credential"] else None,
                "JCasC": casc or None,
            }
        )
        for one in found.candidates:
            show.facts({"Sees": f"{one.address} ({one.source}): {one.greeting or one.error}"})
        if seen is not None and host != seen:
            show.facts({"Drifted": f"mail goes to {host or 'localhost'}, the node is {seen}"})
    raise typer.Exit(2 if check and (seen is None or host != seen) else 0)


@jenkins_app.command("test-mail")
@takes(connection=CONNECTION)
def send_test_mail(
    to: Annotated[str, typer.Option(help="Whom to send it to.")],
    connection: dict[str, Any],
    postfix_log: Annotated[
        Path | None, typer.Option(help="Postfix' log, to follow the mail to its queue ID.")
    ] = None,
) -> None:
    """Let Jenkins send its own test mail, by the settings that it has.

    \b
    Examples:
      notify-email jenkins test-mail --to me@example.com
      notify-email jenkins test-mail --to me@example.com --postfix-log /var/log/mail.log
    """
    from pyservice.postfix.log import FileLog  # noqa: PLC0415
    from pyservice.setup.jenkins import apply, test_mail  # noqa: PLC0415

    controller = connect(connection)
    found = apply.read(controller, make_wanted({}))
    log = FileLog(postfix_log) if postfix_log else None
    print(test_mail.send(controller, found, to), flush=True)
    if log is not None:
        followed = test_mail.follow(log, to)
        if followed is None:
            print(f"{postfix_log} does not tell of it: does another node's Postfix have it?")
            raise typer.Exit(1)
        queue_id, delivery = followed
        print(f"Postfix: {queue_id}, {delivery.status} ({delivery.reply}).")
        raise typer.Exit(1 if delivery.status == "bounced" else 0)


def _one(controller: "Controller", wanted: "Wanted", applies: bool, as_json: bool) -> Plan:
    from pyservice.setup.jenkins import apply, bootstrap  # noqa: PLC0415

    proposal = apply.propose(controller, wanted)
    done = applies and not proposal.plan.in_sync
    if as_json:
        if done:
            apply.apply(controller, proposal)
        print(json.dumps(proposal.plan.as_json() | {"applied": done}, indent=2))
        return proposal.plan
    show.plan(proposal.plan, as_json=False)
    if done:
        apply.apply(controller, proposal)
        print("Applied, and read back.")
    if proposal.found.casc:
        print("For JCasC, into your own lists:\n")
        print(bootstrap.jcasc(_resolved(proposal)))
    return proposal.plan


def _resolved(proposal: Any) -> "Wanted":
    """With the address that was found, and without a plugin that is not there."""
    from dataclasses import replace  # noqa: PLC0415

    from pyservice.setup.jenkins import planner  # noqa: PLC0415

    found = planner.address(proposal.wanted, proposal.found)
    has_email_ext = proposal.found.settings["emailExt"] is not None
    wanted: Wanted = proposal.wanted
    return replace(wanted, address=found, email_ext=wanted.email_ext and has_email_ext)


def _many(
    inventory: Path,
    connection: dict[str, Any],
    asked: dict[str, Any],
    applies: bool,
    check: bool,
    as_json: bool,
) -> None:
    from pyservice.setup.jenkins import apply  # noqa: PLC0415
    from pyservice.setup.jenkins import inventory as inventories  # noqa: PLC0415

    if connection["jenkins_url"] is not None:
        raise ConfigurationError("--jenkins-url is one controller, and --inventory names many.")
    controllers = inventories.read(inventory)
    flags = {name: value for name, value in (connection | asked).items() if value is not None}

    reached, wanted = {}, {}
    for name, values in controllers.items():
        given = values | flags
        reached[name] = {option: given.pop(option) for option in CONNECTION if option in given}
        try:
            wanted[name] = make_wanted(given)
        except ConfigurationError as error:  # before the first of them is changed
            raise ConfigurationError(f"{inventory}: [controllers.{name}]: {error}") from None

    def one(name: str) -> Plan:
        controller = connect(reached[name])
        proposal = apply.propose(controller, wanted[name])
        if applies:
            apply.apply(controller, proposal)
        return proposal.plan

    results = []
    for result in inventories.over_all(list(controllers), one, stop_after_first=applies):
        results.append(result)
        if not as_json:
            print(result.line(applied=applies), flush=True)
    if as_json:
        print(json.dumps([result.as_json() for result in results], indent=2))
    if any(result.error for result in results):
        raise typer.Exit(1)
    drifted = any(result.plan and not result.plan.in_sync for result in results)
    raise typer.Exit(2 if check and not applies and drifted else 0)
