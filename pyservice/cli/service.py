"""`serve` and `demo`: run the service."""

import gc
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated

import structlog
import typer

from pyservice import __version__, logs
from pyservice.cli import show
from pyservice.cli.options import expand_options
from pyservice.config.settings import Settings
from pyservice.config.sources import FILE, PREFIX
from pyservice.errors import ConfigurationError
from pyservice.setup.node.detect import Bridge, detect_node

_log = structlog.get_logger()

Config = Annotated[
    Path | None, typer.Option(help=f"Settings file.  [default: {FILE}, where it exists]")
]


@dataclass(frozen=True)
class ServeOptions:
    """The settings that are options of `serve`, too; without an option None."""

    listen: Annotated[
        str | None,
        typer.Option(
            help="IP addresses, comma-separated.  "
            "[default: 127.0.0.1, and with tokens or trusted networks the container bridge's too]"
        ),
    ] = None
    port: Annotated[int | None, typer.Option(help="TCP port.  [default: 8525]")] = None
    smtp_host: Annotated[
        str | None, typer.Option(help="The node's Postfix.  [default: 127.0.0.1]")
    ] = None
    smtp_port: Annotated[int | None, typer.Option(help="Its port.  [default: 25]")] = None
    tokens_file: Annotated[Path | None, typer.Option(help="The file with the tokens.")] = None
    trusted_networks: Annotated[
        str | None,
        typer.Option(
            help="Networks whose callers may send without a token, comma-separated: 172.17.0.0/16."
        ),
    ] = None
    tls_cert: Annotated[
        Path | None, typer.Option(help="Speak TLS: the certificate, PEM.  [default: plain HTTP]")
    ] = None
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None
    database_url: Annotated[
        str | None, typer.Option(help="The outbox: sqlite:///PATH or postgresql+psycopg://….")
    ] = None
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.  [default: info]")
    ] = None


@expand_options
def serve(*, config: Config = None, options: ServeOptions) -> None:
    """Run the service until it is stopped.

    Every setting can also come from the environment (NOTIFY_EMAIL_PORT=8525) or from the
    settings file (port = 8525); a flag wins. On SIGHUP the service reads them again, and its log
    names those that need a restart.

    \b
    Examples:
      notify-email serve
      notify-email serve --tokens-file /etc/notify-email.tokens --listen 127.0.0.1,172.22.91.1
      notify-email serve --tls-cert /etc/notify-email/tls.crt --tls-key /etc/notify-email/tls.key
    """

    def load() -> Settings:
        loaded = Settings.load(config, **vars(options))
        return loaded.model_copy(update={"listen": listen_addresses(loaded)})

    hangups: SimpleQueue[None] = SimpleQueue()  # a signal may interrupt its `put`
    signal.signal(signal.SIGHUP, lambda *_: hangups.put(None))
    # uvicorn ends the service, and then sends itself the signal again: that must not kill it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    settings = load()
    logs.configure(settings.log_level)
    gc.disable()  # a fifth of the start went into searching new modules for garbage
    # After the settings are checked: then a wrong one is reported without a second's delay.
    from sqlalchemy import make_url

    from pyservice.web import server
    from pyservice.web.app import create_app
    from pyservice.web.reloading import reload

    certificate = None
    if settings.tls_cert and settings.tls_key:
        certificate = server.Certificate(settings.tls_cert, settings.tls_key)
    server.raise_descriptor_limit()
    sockets = server.bind(settings.listen, settings.port)
    application = create_app(settings)
    _log.info(
        "service.started",
        version=__version__,
        listen=list(settings.listen),
        port=settings.port,
        tls=certificate is not None,
        postfix=f"{settings.smtp_host}:{settings.smtp_port}",
        outbox=make_url(settings.outbox_url).render_as_string(),
        **_callers(settings),
    )

    def apply_settings() -> None:
        logs.configure(reload(application, load).log_level)

    _run_after_hangups(hangups, apply_settings)
    # What exists now stays: searching it for garbage made callers wait for 50 ms.
    gc.freeze()
    gc.enable()
    server.server(application, certificate).run(sockets=sockets)


def _run_after_hangups(hangups: SimpleQueue[None], action: Callable[[], None]) -> None:
    """Run an action after each SIGHUP, in a thread: a signal's handler may interrupt anything."""

    def wait_and_run() -> None:
        while True:
            hangups.get()
            while not hangups.empty():  # one run serves all that came before it
                hangups.get()
            action()

    threading.Thread(target=wait_and_run, daemon=True).start()


def _callers(settings: Settings) -> dict[str, str]:
    """Return who may send, as fields of a log event."""
    trusted = ", ".join(map(str, settings.trusted_networks))
    without_file = "none" if trusted else "none: loopback only"
    tokens = str(settings.tokens_file) if settings.tokens_file else without_file
    return {"tokens": tokens} | ({"trusted": trusted} if trusted else {})


def _find_bridge() -> Bridge | None:
    return detect_node().bridge


def listen_addresses(
    settings: Settings, find_bridge: Callable[[], Bridge | None] = _find_bridge
) -> tuple[str, ...]:
    """Return the addresses to listen on.

    Args:
        settings: without tokens and trusted networks every caller may do everything, so the
            addresses must be of loopback.
        find_bridge: finds the containers' bridge, where the service listens, too, by default.

    Raises:
        ConfigurationError: an address is not of loopback, and every caller may do everything.
    """
    if settings.tokens_file or settings.trusted_networks:
        if settings.listen:
            return settings.listen
        bridge = find_bridge()
        return ("127.0.0.1", *([bridge.address] if bridge and bridge.address else []))
    foreign = [address for address in settings.listen if not ip_address(address).is_loopback]
    if foreign:
        raise ConfigurationError(
            f"Without tokens everybody could send through {', '.join(foreign)}. Make a token with "
            f"`notify-email token new ci --file TOKENS` and set {PREFIX}TOKENS_FILE, or "
            f"name the callers' networks in {PREFIX}TRUSTED_NETWORKS."
        )
    return settings.listen or ("127.0.0.1",)


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

    Of the settings it takes NOTIFY_EMAIL_SENDER and NOTIFY_EMAIL_TEMPLATES_DIR only.

    \b
    Examples:
      notify-email demo
      notify-email demo --to me@example.com
    """
    logs.configure("error")
    try:
        from pyservice.demo import run
    except ModuleNotFoundError as error:  # the extra `demo` is not installed
        raise ConfigurationError(
            f"The demo needs {error.name}, which is not installed here: pip install aiosmtpd"
        ) from None
    is_accepted = run(
        to or None, config=config, once=once, say=lambda name, value: show.facts({name: value})
    )
    raise typer.Exit(0 if is_accepted else 1)
