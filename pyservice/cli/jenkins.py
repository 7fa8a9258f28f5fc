"""`jenkins`: let Jenkins send its mail through the Postfix of its node."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pyservice.cli import show
from pyservice.cli.confirmation import Yes, confirm
from pyservice.cli.jenkins_options import (
    AsJson,
    Check,
    ConnectionOptions,
    DesiredOptions,
    desired_jenkins,
    given,
    split_connection,
)
from pyservice.cli.options import expand_options
from pyservice.errors import ConfigurationError
from pyservice.setup.plan import Plan

# Late elsewhere, since python-jenkins takes a tenth of a second: `--help` does without.
if TYPE_CHECKING:
    from pyservice.setup.jenkins.apply import Proposal
    from pyservice.setup.jenkins.desired import DesiredJenkins
    from pyservice.setup.jenkins.planner import JenkinsState

jenkins_app = typer.Typer(
    help="Point Jenkins' mail at the Postfix of its node.", no_args_is_help=True
)

Inventory = Annotated[Path | None, typer.Option(help="Many controllers: a TOML file.")]


@jenkins_app.command()
@expand_options
def plan(
    connection: ConnectionOptions,
    options: DesiredOptions,
    inventory: Inventory = None,
    check: Check = False,
    as_json: AsJson = False,
) -> None:
    """Show what differs between Jenkins and your options; change nothing.

    What you give no option for stays as it is, except Mailer's server: its host, its port, no TLS.

    \b
    Examples:
      notify-email jenkins plan --jenkins-url https://ci.example.com --jenkins-user admin
      notify-email jenkins plan --check --inventory controllers.toml
    """
    plans = _plan(inventory, connection, options, applies=False, as_json=as_json)
    _exit_on_drift(plans, check=check)


@jenkins_app.command()
@expand_options
def apply(
    connection: ConnectionOptions,
    options: DesiredOptions,
    inventory: Inventory = None,
    check: Check = False,
    as_json: AsJson = False,
) -> None:
    """Set in Jenkins what your options say, and read back what was written.

    If anything fails, what was written before is undone. With --check nothing is set.

    \b
    Examples:
      notify-email jenkins apply --admin-address jenkins@ci.example.com --service-url auto
      notify-email jenkins apply --inventory controllers.toml
    """
    plans = _plan(inventory, connection, options, applies=not check, as_json=as_json)
    _exit_on_drift(plans, check=check)


@jenkins_app.command()
@expand_options
def revert(
    connection: ConnectionOptions,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Show what would be taken back, and change nothing.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take back all that `apply` has changed; what others changed since stays.

    \b
    Examples:
      notify-email jenkins revert --plan
      notify-email jenkins revert --jenkins-url https://ci.example.com --jenkins-user admin
    """
    from pyservice.setup.jenkins.apply import propose_revert  # noqa: PLC0415
    from pyservice.setup.jenkins.apply import revert as revert_jenkins  # noqa: PLC0415

    controller = connection.connect()
    planned, settings = propose_revert(controller)
    if not as_json:
        show.plan(planned, as_json=False)
    reverts = not planned.in_sync and not plan_only
    if reverts:
        confirm(f"Take this back in {planned.place}?", yes=yes)
        revert_jenkins(controller, settings)
    if as_json:
        show.json(planned.as_json() | {"reverted": reverts})
    elif reverts:
        show.line("Reverted: all is as it was before the first apply, except for the notes.")


@jenkins_app.command()
@expand_options
def status(connection: ConnectionOptions, check: Check = False, as_json: AsJson = False) -> None:
    """Show how Jenkins' mail is set, and what the controller sees of its node.

    \b
    Examples:
      notify-email jenkins status --check          2: mail goes elsewhere, or nowhere
    """
    from pyservice.setup.jenkins.apply import read_state  # noqa: PLC0415

    controller = connection.connect()
    state = read_state(controller, desired_jenkins({}))
    host = state.value("mailer", "smtpHost")
    seen = state.reached.address if state.reached else None
    if as_json:
        values = {
            "version": controller.version,
            "settings": state.settings,
            "reaches": seen,
            "service": _service_json(state),
            "casc": list(state.casc),
        }
        show.json(values)
    else:
        library = state.settings["library"] or {}
        port = state.value("mailer", "smtpPort") or 25
        show.facts(
            {
                "Jenkins": f"{controller.version} at {controller.url}",
                "Mailer": f"{host or 'localhost'}:{port}"
                if state.settings["mailer"]
                else "not installed",
                "email-ext": state.value("emailExt", "smtpHost"),
                "Sender": state.value("location", "adminAddress"),
                "Service": _service_text(state),
                "Library": f"{library['remote']}@{library['defaultVersion']}" if library else None,
                "Token": "is there" if state.settings["credential"] else None,
                "JCasC": ", ".join(state.casc) or None,
            }
        )
        for each in state.candidates:
            show.facts({"Sees": f"{each.address} ({each.source}): {each.greeting or each.error}"})
        if seen is not None and host != seen:
            show.facts({"Drifted": f"mail goes to {host or 'localhost'}, the node is {seen}"})
    raise typer.Exit(2 if check and (seen is None or host != seen) else 0)


@jenkins_app.command("test-mail")
@expand_options
def send_test_mail(
    to: Annotated[str, typer.Option(help="The recipient.")],
    connection: ConnectionOptions,
    postfix_log: Annotated[
        Path | None, typer.Option(help="Postfix' log, to follow the mail to its queue ID.")
    ] = None,
) -> None:
    """Let Jenkins send its own test mail, with its own settings.

    \b
    Examples:
      notify-email jenkins test-mail --to me@example.com
      notify-email jenkins test-mail --to me@example.com --postfix-log /var/log/mail.log
    """
    from pyservice.postfix.log import FileLog  # noqa: PLC0415
    from pyservice.setup.jenkins import test_mail  # noqa: PLC0415
    from pyservice.setup.jenkins.apply import read_state  # noqa: PLC0415

    controller = connection.connect()
    state = read_state(controller, desired_jenkins({}))
    log = FileLog(postfix_log) if postfix_log else None
    show.line(test_mail.send(controller, state, to))
    if log is not None:
        followed = test_mail.follow(log, to)
        if followed is None:
            show.line(f"The mail is not in {postfix_log}: does another node's Postfix have it?")
            raise typer.Exit(1)
        queue_id, delivery = followed
        show.line(f"Postfix: {queue_id}, {delivery.status} ({delivery.reply}).")
        raise typer.Exit(1 if delivery.status == "bounced" else 0)


def _service_text(state: "JenkinsState") -> str | None:
    """Return the service's URL as Jenkins has it, and what is wrong there; None: it has none."""
    if state.service is None:
        return None
    fault = state.service.fault
    return state.service.url + (f" does not answer the controller: {fault.text}" if fault else "")


def _service_json(state: "JenkinsState") -> dict[str, str | None] | None:
    """Return `{url, fault}`; None: Jenkins has no URL of the service."""
    if state.service is None:
        return None
    fault = state.service.fault
    return {"url": state.service.url, "fault": fault.text if fault else None}


def _plan(
    inventory: Path | None,
    connection: ConnectionOptions,
    options: DesiredOptions,
    *,
    applies: bool,
    as_json: bool,
) -> list[Plan]:
    """Show the plans for one controller or for an inventory's, and perhaps apply them."""
    if inventory is not None:
        return _all(inventory, connection, options, applies=applies, as_json=as_json)
    return [_single(connection, options, applies=applies, as_json=as_json)]


def _exit_on_drift(plans: list[Plan], *, check: bool) -> None:
    if check and not all(each.in_sync for each in plans):
        raise typer.Exit(2)


def _single(
    connection: ConnectionOptions, options: DesiredOptions, *, applies: bool, as_json: bool
) -> Plan:
    """Show the plan for one controller, and perhaps apply it."""
    from pyservice.setup.jenkins import apply, bootstrap  # noqa: PLC0415

    controller = connection.connect()
    proposal = apply.propose(controller, desired_jenkins(given(options)))
    applied = applies and not proposal.plan.in_sync
    if as_json:
        if applied:
            apply.apply(controller, proposal)
        show.json(proposal.plan.as_json() | {"applied": applied})
        return proposal.plan
    show.plan(proposal.plan, as_json=False)
    if applied:
        apply.apply(controller, proposal)
        show.line("Applied, and read back. `notify-email jenkins revert` takes it back.")
    if proposal.state.casc:
        show.line("For JCasC, into your own lists:\n")
        show.line(bootstrap.jcasc(_resolved(proposal)))
    return proposal.plan


def _resolved(proposal: "Proposal") -> "DesiredJenkins":
    """Return what is desired with the address that Postfix has, without an absent plugin."""
    from pyservice.setup.jenkins import planner  # noqa: PLC0415

    desired, state = proposal.desired, proposal.state
    has_email_ext = state.settings["emailExt"] is not None
    return replace(
        desired,
        address=planner.find_address(desired, state),
        email_ext=desired.email_ext and has_email_ext,
    )


def _all(
    inventory: Path,
    connection: ConnectionOptions,
    options: DesiredOptions,
    *,
    applies: bool,
    as_json: bool,
) -> list[Plan]:
    """Show a line for each controller of an inventory, and apply its plan if `applies`.

    Exits with 1 if one of them failed.
    """
    from pyservice.setup.jenkins import apply  # noqa: PLC0415
    from pyservice.setup.jenkins.inventory import for_each, read  # noqa: PLC0415

    if connection.jenkins_url is not None:
        raise ConfigurationError("--jenkins-url is one controller, and --inventory names many.")
    controllers = read(inventory)
    connections, desired = {}, {}
    for name, values in controllers.items():
        connections[name], rest = split_connection(values | given(connection) | given(options))
        try:
            desired[name] = desired_jenkins(rest)
        except ConfigurationError as error:  # before the first of them is changed
            raise ConfigurationError(f"{inventory}: [controllers.{name}]: {error}") from None

    def plan_controller(name: str) -> Plan:
        controller = connections[name].connect()
        proposal = apply.propose(controller, desired[name])
        if applies:
            apply.apply(controller, proposal)
        return proposal.plan

    results = []
    for result in for_each(list(controllers), plan_controller, stop_after_first=applies):
        results.append(result)
        if not as_json:
            show.line(result.line(applied=applies))
    if as_json:
        show.json([result.as_json() for result in results])
    if any(result.error for result in results):
        raise typer.Exit(1)
    return [result.plan for result in results if result.plan]
