"""`serve`, `demo` and `token`: the service, and who may use it."""

import signal
import sys
import threading
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated

import structlog
import typer

from pyservice import __version__, logs, tokens
from pyservice.cli import show
from pyservice.configurator import node
from pyservice.errors import ConfigurationError
from pyservice.settings import FILE, Settings

token_app = typer.Typer(help="Who may send.", no_args_is_help=True)

_log = structlog.get_logger()

Config = Annotated[
    Path | None, typer.Option(help=f"Settings file.  [default: {FILE}, where it exists]")
]


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
    database_url: Annotated[
        str | None, typer.Option(help="The outbox: sqlite:///PATH or postgresql+psycopg://….")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.  [default: info]")
    ] = None,
) -> None:
    """Run the service until it is told to stop.

    Every setting can also come from the environment (NOTIFY_EMAIL_PORT=8525) or from the
    settings file (port = 8525); a flag wins. SIGHUP lets it read them anew; what needs a restart
    is named in its log.

    \b
    Examples:
      notify-email serve
      notify-email serve --tokens-file /etc/notify-email.tokens --listen 127.0.0.1,172.22.91.1
    """

    def load() -> Settings:
        found = Settings.load(
            config,
            listen=listen,
            port=port,
            smtp_host=smtp_host,
            smtp_port=smtp_port,
            tokens_file=tokens_file,
            database_url=database_url,
            log_level=log_level,
        )
        return found.model_copy(update={"listen": _addresses(found)})

    hangups: SimpleQueue[None] = SimpleQueue()  # its `put` may interrupt itself
    signal.signal(signal.SIGHUP, lambda *_: hangups.put(None))
    settings = load()
    logs.configure(settings.log_level)
    # Late, since they take a second: a wrong setting is told at once.
    from pyservice import server  # noqa: PLC0415

    sockets = server.bind(settings.listen, settings.port)
    from sqlalchemy import make_url  # noqa: PLC0415

    from pyservice.app import create_app, reload  # noqa: PLC0415

    application = create_app(settings)
    _log.info(
        "service.started",
        version=__version__,
        listen=list(settings.listen),
        port=settings.port,
        postfix=f"{settings.smtp_host}:{settings.smtp_port}",
        outbox=make_url(settings.outbox_url).render_as_string(),
        tokens=str(settings.tokens_file) if settings.tokens_file else "none: loopback only",
    )
    _after_each(hangups, lambda: reload(application, load))
    server.server(application).run(sockets=sockets)


def _after_each(hangups: SimpleQueue[None], do: Callable[[], None]) -> None:
    """In a thread of its own: a signal's handler may interrupt what can't be interrupted."""

    def work() -> None:
        while True:
            hangups.get()
            while not hangups.empty():  # those before are told by the same reading
                hangups.get()
            do()

    threading.Thread(target=work, daemon=True).start()


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
    if settings.listen:
        return settings.listen
    bridge = node.look().bridge
    return ("127.0.0.1", *([bridge.address] if bridge and bridge.address else []))


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

    \b
    Examples:
      notify-email demo
      notify-email demo --to me@example.com
    """
    logs.configure("error")
    try:
        from pyservice import demo as demonstration  # noqa: PLC0415 - needs the extra `demo`
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The demo needs {error.name}: pip install 'jenkins-notify-email[demo]'"
        ) from None
    accepted = demonstration.run(
        to or None, config=config, once=once, say=lambda what, value: show.facts({what: value})
    )
    raise typer.Exit(0 if accepted else 1)


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

    \b
    Examples:
      notify-email token new --name ci --file /etc/notify-email.tokens
    """
    path = file or Settings.load(config).tokens_file
    if path is None:
        raise ConfigurationError("Which file? Give --file, or set TOKENS_FILE.")
    token = tokens.new(path, name)
    print(token)
    print(f"Its digest is in {path}; the token itself is not shown again.", file=sys.stderr)
