"""The command `notify-email`: the only module that prints.

Exit codes: 0 done, 1 it was tried and failed, 2 the command or a setting is wrong.
"""

import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import structlog
import typer

from pyservice import __version__, logs, server, tokens
from pyservice.configurator.node import find_bridge
from pyservice.errors import ConfigurationError
from pyservice.settings import FILE, Settings

EXAMPLES = """\b
Examples:
  notify-email demo                          try it, without sending anything
  notify-email token new --name ci           make a token for a Jenkins
  notify-email serve                         run the service on this node
  notify-email serve --smtp-host 10.0.0.5    with another Postfix
"""

app = typer.Typer(
    name="notify-email",
    help="Build reports from Jenkins Pipelines, mailed through this node's Postfix.",
    epilog=EXAMPLES,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
token_app = typer.Typer(help="Who may send.", no_args_is_help=True)
app.add_typer(token_app, name="token")

_log = structlog.get_logger()

Config = Annotated[
    Path | None, typer.Option(help=f"Settings file.  [default: {FILE}, where it exists]")
]


def main() -> None:
    """Run the command."""
    try:
        app()
    except ConfigurationError as error:
        print(f"notify-email: {error}", file=sys.stderr)
        sys.exit(2)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"notify-email {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    config: Config = None,
    listen: Annotated[
        str | None,
        typer.Option(
            help="IP addresses, comma-separated.  "
            "[default: 127.0.0.1, and with tokens the container bridge's too]"
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port.  [default: 8525]")] = None,
    smtp_host: Annotated[
        str | None, typer.Option(help="The node's Postfix.  [default: 127.0.0.1]")
    ] = None,
    smtp_port: Annotated[int | None, typer.Option(help="Its port.  [default: 25]")] = None,
    tokens_file: Annotated[Path | None, typer.Option(help="Who may send.")] = None,
    database_url: Annotated[str | None, typer.Option(help="The outbox: sqlite:///PATH.")] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.  [default: info]")
    ] = None,
) -> None:
    """Run the service until it is told to stop.

    Every setting can also come from the environment (NOTIFY_EMAIL_PORT=8525) or from the
    settings file (port = 8525); a flag wins.
    """
    settings = Settings.load(
        config,
        listen=listen,
        port=port,
        smtp_host=smtp_host,
        smtp_port=smtp_port,
        tokens_file=tokens_file,
        database_url=database_url,
        log_level=log_level,
    )
    logs.configure(settings.log_level)
    settings = settings.model_copy(update={"listen": _addresses(settings)})
    sockets = server.bind(settings.listen, settings.port)
    # Late, since it takes a second: a wrong setting is told at once.
    from pyservice.app import create_app  # noqa: PLC0415

    application = create_app(settings)
    _log.info(
        "service.started",
        version=__version__,
        listen=list(settings.listen),
        port=settings.port,
        postfix=f"{settings.smtp_host}:{settings.smtp_port}",
        outbox=str(settings.outbox_file),
        tokens=str(settings.tokens_file) if settings.tokens_file else "none: loopback only",
    )
    server.server(application).run(sockets=sockets)


def _addresses(settings: Settings) -> tuple[str, ...]:
    """Where to listen: without tokens everybody who can connect may send, so on loopback only."""
    if settings.tokens_file is None:
        foreign = [address for address in settings.listen if not ip_address(address).is_loopback]
        if foreign:
            raise ConfigurationError(
                f"Listening on {', '.join(foreign)} needs tokens: make one with "
                "`notify-email token new --name ci --file TOKENS` and set TOKENS_FILE."
            )
        return settings.listen or ("127.0.0.1",)
    bridge = find_bridge()
    return settings.listen or ("127.0.0.1", *([bridge.address] if bridge else []))


@app.command()
def demo(
    config: Config = None,
    to: Annotated[
        str | None, typer.Option(help="Send to this address, through this node's Postfix.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when the mail is accepted (0) or not (1).")
    ] = False,
) -> None:
    """Send the report of a recorded failing build, and look at the mail in the browser.

    Of the settings it takes SENDER and TEMPLATES_DIR; nothing else of this machine's matters.
    """
    logs.configure("error")
    try:
        from pyservice import demo as demonstration  # noqa: PLC0415 - needs the extra `demo`
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The demo needs {error.name}: pip install 'jenkins-notify-email[demo]'"
        ) from None
    accepted = demonstration.run(to or None, config=config, once=once, say=_say)
    raise typer.Exit(0 if accepted else 1)


def _say(what: str, value: str) -> None:
    print(f"{what:<12}{value}", flush=True)


@token_app.command("new")
def token_new(
    name: Annotated[str, typer.Option(help="Whom it is for, such as the controller's name.")],
    file: Annotated[
        Path | None, typer.Option(help="The tokens file.  [default: the setting TOKENS_FILE]")
    ] = None,
    config: Config = None,
) -> None:
    """Make a token, add its digest to the tokens file and print it, once.

    In Jenkins, store it as the password of a credential of the kind "Username with password"
    with the ID `notify-email-token`; the user name does not matter.
    """
    path = file or Settings.load(config).tokens_file
    if path is None:
        raise ConfigurationError("Which file? Give --file, or set TOKENS_FILE.")
    token = tokens.new(path, name)
    print(token)
    print(f"Its digest is in {path}; the token itself is not shown again.", file=sys.stderr)


if __name__ == "__main__":
    main()
