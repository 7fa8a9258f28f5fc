"""`jenkins`: point Jenkins' mail at the Postfix of its node."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pyservice.cli import show
from pyservice.cli.jenkins_options import (
    Address,
    Admin,
    Charset,
    Check,
    EmailExt,
    Inventory,
    Json,
    LibraryCredentials,
    LibraryOf,
    ReplyTo,
    ServiceToken,
    ServiceUrl,
    SmtpPort,
    Suffix,
    TokenFile,
    Transport,
    Url,
    User,
    Wait,
    connect,
    make_wanted,
)
from pyservice.cli.service import Config
from pyservice.configurator.plan import Plan

# Late elsewhere, since python-jenkins takes a tenth of a second: `--help` does without.
if TYPE_CHECKING:
    from pyservice.configurator.jenkins.connection import Controller
    from pyservice.configurator.jenkins.wanted import Wanted

__all__ = ["connect", "jenkins_app", "make_wanted"]

jenkins_app = typer.Typer(
    help="Point Jenkins' mail at the Postfix of its node.", no_args_is_help=True
)


def _command(*, applies: bool, text: str) -> Callable[..., None]:
    """`plan` and `apply` have the same options."""

    def command(
        config: Config = None,
        jenkins_url: Url = None,
        jenkins_user: User = None,
        jenkins_token_file: TokenFile = None,
        wait: Wait = 60,
        inventory: Inventory = None,
        address: Address = None,
        port: SmtpPort = None,
        charset: Charset = None,
        reply_to: ReplyTo = None,
        default_suffix: Suffix = None,
        admin_address: Admin = None,
        email_ext: EmailExt = None,
        service_url: ServiceUrl = None,
        transport: Transport = None,
        library: LibraryOf = None,
        library_credentials: LibraryCredentials = None,
        service_token_file: ServiceToken = None,
        check: Check = False,
        as_json: Json = False,
    ) -> None:
        asked = {
            "address": address,
            "port": port,
            "charset": charset,
            "reply_to": reply_to,
            "default_suffix": default_suffix,
            "admin_address": admin_address,
            "email_ext": email_ext,
            "service_url": service_url,
            "transport": transport,
            "library": library,
            "library_credentials": library_credentials,
            "service_token_file": service_token_file,
        }
        connection = {
            "jenkins_url": jenkins_url,
            "jenkins_user": jenkins_user,
            "jenkins_token_file": jenkins_token_file,
        }
        if inventory is not None:
            _many(inventory, config, connection, asked, wait, applies, check, as_json)
            return
        done = _one(connect(config, connection, wait), make_wanted(asked), applies, as_json)
        raise typer.Exit(2 if check and not applies and not done.in_sync else 0)

    command.__doc__ = text
    return command


jenkins_app.command("plan")(
    _command(
        applies=False,
        text="""Show what differs between Jenkins and what you ask for; change nothing.

    What you don't ask for stays as it is, but for Mailer's server: its host, its port and no TLS.

    \\b
    Examples:
      notify-email jenkins plan --url https://ci.example.com --user admin
      notify-email jenkins plan --check --inventory controllers.toml
    """,
    )
)
jenkins_app.command("apply")(
    _command(
        applies=True,
        text="""Make Jenkins as you ask for, and read back what was written.

    If anything fails, what was written before is undone.
    """,
    )
)


@jenkins_app.command()
def status(
    config: Config = None,
    jenkins_url: Url = None,
    jenkins_user: User = None,
    jenkins_token_file: TokenFile = None,
    wait: Wait = 60,
    check: Check = False,
    as_json: Json = False,
) -> None:
    """Show how Jenkins' mail is set, and what the controller sees of its node."""
    from pyservice.configurator.jenkins import applying  # noqa: PLC0415

    controller = connect(config, _connection(jenkins_url, jenkins_user, jenkins_token_file), wait)
    found = applying.read(controller, make_wanted({}))
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
                "Mailer": f"{host or 'localhost'}:{found.value('mailer', 'smtpPort') or 25}",
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
    raise typer.Exit(2 if check and host != seen else 0)


@jenkins_app.command("test-mail")
def send_test_mail(
    to: Annotated[str, typer.Option(help="Whom to send it to.")],
    config: Config = None,
    jenkins_url: Url = None,
    jenkins_user: User = None,
    jenkins_token_file: TokenFile = None,
    wait: Wait = 60,
    postfix_log: Annotated[
        Path | None, typer.Option(help="Postfix' log, to follow the mail to its queue ID.")
    ] = None,
) -> None:
    """Let Jenkins send its own test mail, by the settings that it has."""
    from pyservice.configurator.jenkins import applying, mailing  # noqa: PLC0415

    controller = connect(config, _connection(jenkins_url, jenkins_user, jenkins_token_file), wait)
    found = applying.read(controller, make_wanted({}))
    offset = mailing.size(postfix_log) if postfix_log else 0
    print(mailing.send(controller, found, to), flush=True)
    if postfix_log:
        delivery = mailing.follow(postfix_log, offset, to)
        if delivery is None:
            print(f"{postfix_log} does not tell of it: does another node's Postfix have it?")
            raise typer.Exit(1)
        print(f"Postfix: {delivery.queue_id}, {delivery.status} ({delivery.told}).")
        raise typer.Exit(1 if delivery.status == "bounced" else 0)


def _connection(url: str | None, user: str | None, file: Path | None) -> dict[str, Any]:
    return {"jenkins_url": url, "jenkins_user": user, "jenkins_token_file": file}


def _one(controller: "Controller", wanted: "Wanted", applies: bool, as_json: bool) -> Plan:
    from pyservice.configurator.jenkins import applying, emitting  # noqa: PLC0415

    proposal = applying.propose(controller, wanted)
    done = applies and not proposal.plan.in_sync
    if as_json:
        if done:
            applying.apply(controller, proposal)
        print(json.dumps(proposal.plan.as_json() | {"applied": done}, indent=2))
        return proposal.plan
    show.plan(proposal.plan, as_json=False)
    if done:
        applying.apply(controller, proposal)
        print("Applied, and read back.")
    if proposal.found.casc:
        print("For JCasC, into your own lists:\n")
        print(emitting.jcasc(_resolved(proposal)))
    return proposal.plan


def _resolved(proposal: Any) -> "Wanted":
    """With the address that was found."""
    from dataclasses import replace  # noqa: PLC0415

    from pyservice.configurator.jenkins import planning  # noqa: PLC0415

    found = planning.address(proposal.wanted, proposal.found)
    wanted: Wanted = replace(proposal.wanted, address=found)
    return wanted


def _many(
    inventory: Path,
    config: Path | None,
    connection: dict[str, Any],
    asked: dict[str, Any],
    wait: float,
    applies: bool,
    check: bool,
    as_json: bool,
) -> None:
    from pyservice.configurator.jenkins import applying  # noqa: PLC0415
    from pyservice.configurator.jenkins import inventory as inventories  # noqa: PLC0415

    controllers = inventories.read(inventory)
    flags = {name: value for name, value in asked.items() if value is not None}
    here = {name: value for name, value in connection.items() if value is not None}

    def one(name: str) -> Plan:
        values = dict(controllers[name])
        own = {key: values.pop(key) for key in connection if key in values}
        controller = connect(config, here | own, wait)
        proposal = applying.propose(controller, make_wanted(values | flags))
        if applies:
            applying.apply(controller, proposal)
        return proposal.plan

    results = inventories.over_all(list(controllers), one, stop_after_first=applies)
    if as_json:
        print(json.dumps([result.as_json() for result in results], indent=2))
    else:
        for result in results:
            print(result.line(applied=applies))
    if any(result.error for result in results):
        raise typer.Exit(1)
    drifted = any(result.plan and not result.plan.in_sync for result in results)
    raise typer.Exit(2 if check and not applies and drifted else 0)
