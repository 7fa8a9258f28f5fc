"""`jenkins`: let Jenkins send its mail through the Postfix of its node."""

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
)
from pyservice.cli.jenkins_plans import show_plans
from pyservice.cli.options import expand_options
from pyservice.setup.plan import Plan

# Late elsewhere, since python-jenkins takes a tenth of a second: `--help` does without.
if TYPE_CHECKING:
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
    plans = show_plans(inventory, connection, options, applies=False, as_json=as_json)
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
    plans = show_plans(inventory, connection, options, applies=not check, as_json=as_json)
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


def _exit_on_drift(plans: list[Plan], *, check: bool) -> None:
    if check and not all(each.in_sync for each in plans):
        raise typer.Exit(2)
