"""`serve` and `demo`: the service."""

import gc
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

from pyservice import __version__, logs
from pyservice.cli import show
from pyservice.config.settings import FILE, Settings
from pyservice.errors import ConfigurationError
from pyservice.setup.node import detect

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
            "[default: 127.0.0.1, and with tokens or trusted networks the container bridge's too]"
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port.  [default: 8525]")] = None,
    smtp_host: Annotated[
        str | None, typer.Option(help="The node's Postfix.  [default: 127.0.0.1]")
    ] = None,
    smtp_port: Annotated[int | None, typer.Option(help="Its port.  [default: 25]")] = None,
    tokens_file: Annotated[Path | None, typer.Option(help="Who may send.")] = None,
    trusted_networks: Annotated[
        str | None,
        typer.Option(help="Who may send without a token: 172.17.0.0/16, say, comma-separated."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Speak TLS: the certificate, PEM.  [default: plain HTTP]")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
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
      notify-email serve --tls-cert /etc/notify-email/tls.crt --tls-key /etc/notify-email/tls.key
    """

    def load() -> Settings:
        found = Settings.load(
            config,
            listen=listen,
            port=port,
            smtp_host=smtp_host,
            smtp_port=smtp_port,
            tokens_file=tokens_file,
            trusted_networks=trusted_networks,
            tls_cert=tls_cert,
            tls_key=tls_key,
            database_url=database_url,
            log_level=log_level,
        )
        return found.model_copy(update={"listen": _addresses(found)})

    hangups: SimpleQueue[None] = SimpleQueue()  # its `put` may interrupt itself
    signal.signal(signal.SIGHUP, lambda *_: hangups.put(None))
    # uvicorn ends the service, and then sends itself the signal again: that must not kill it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    settings = load()
    logs.configure(settings.log_level)
    # Late, since they take a second: a wrong setting is told at once.
    from pyservice.web import server  # noqa: PLC0415

    certificate = None
    if settings.tls_cert and settings.tls_key:
        certificate = server.Certificate(settings.tls_cert, settings.tls_key)
    sockets = server.bind(settings.listen, settings.port)
    from sqlalchemy import make_url  # noqa: PLC0415

    from pyservice.web.app import create_app, reload  # noqa: PLC0415

    application = create_app(settings)
    _log.info(
        "service.started",
        version=__version__,
        listen=list(settings.listen),
        port=settings.port,
        tls=certificate is not None,
        postfix=f"{settings.smtp_host}:{settings.smtp_port}",
        outbox=make_url(settings.outbox_url).render_as_string(),
        **_who(settings),
    )

    def read_anew() -> None:
        logs.configure(reload(application, load).log_level)

    _after_each(hangups, read_anew)
    # What is there now stays: to look through it for garbage kept callers waiting for 50 ms.
    gc.freeze()
    server.server(application, certificate).run(sockets=sockets)


def _after_each(hangups: SimpleQueue[None], do: Callable[[], None]) -> None:
    """In a thread of its own: a signal's handler may interrupt what can't be interrupted."""

    def work() -> None:
        while True:
            hangups.get()
            while not hangups.empty():  # those before are told by the same reading
                hangups.get()
            do()

    threading.Thread(target=work, daemon=True).start()


def _who(settings: Settings) -> dict[str, str]:
    """Who may send, for the log."""
    trusted = ", ".join(map(str, settings.trusted_networks))
    without = "none" if trusted else "none: loopback only"
    told = {"tokens": str(settings.tokens_file) if settings.tokens_file else without}
    return told | ({"trusted": trusted} if trusted else {})


def _addresses(settings: Settings) -> tuple[str, ...]:
    """Where to listen: on loopback only, where everybody who can connect may do everything."""
    if settings.tokens_file is None and not settings.trusted_networks:
        foreign = [address for address in settings.listen if not ip_address(address).is_loopback]
        if foreign:
            raise ConfigurationError(
                f"Listening on {', '.join(foreign)} needs tokens: make one with "
                "`notify-email token new --name ci --file TOKENS` and set TOKENS_FILE, or name in "
                "TRUSTED_NETWORKS who may send without."
            )
        return settings.listen or ("127.0.0.1",)
    if settings.listen:
        return settings.listen
    bridge = detect.detect_node().bridge
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
