"""`config`: what is set, from where it comes, and whether the service can use it."""

from contextlib import suppress
from typing import Annotated

import typer
from pydantic_core import to_jsonable_python

from pyservice.cli import show
from pyservice.cli.service import Config, listen_addresses
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError

config_app = typer.Typer(help="Show and check the settings.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@config_app.command("show")
def show_(config: Config = None, as_json: AsJson = False) -> None:
    """Show every setting that `serve` would use if it started now, and where it comes from.

    A running service keeps its old settings until it is reloaded or restarted. A password in
    the outbox' URL is not shown.

    \b
    Examples:
      notify-email config show
      notify-email config show --json
    """
    from sqlalchemy import make_url  # noqa: PLC0415 - late as in cli/outbox

    settings, sources = Settings.load_with_sources(config)
    values = to_jsonable_python(settings) | {
        "database_url": make_url(settings.outbox_url).render_as_string(hide_password=True),
        "sender": _sender(settings),
    }
    if as_json:
        shown = {
            name: {"value": value, "from": sources.origin(name)} for name, value in values.items()
        }
        show.json(shown)
        return
    rows = [(name, sources.origin(name), _as_text(value)) for name, value in values.items()]
    show.table(("SETTING", "FROM", "VALUE"), rows)


@config_app.command("check")
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Check the settings and the files they name, as `serve` does before it starts.

    The service can be running meanwhile. Exit code 2: a setting can't be used; each that is wrong
    is named. `systemctl reload notify-email` runs this first.

    \b
    Examples:
      notify-email config check
      notify-email config check --config new.toml && systemctl reload notify-email
    """
    errors = []
    try:
        _check(Settings.load(config))
    except ConfigurationError as error:
        errors = str(error).splitlines()
    if as_json:
        show.json({"valid": not errors, "errors": errors})
    elif not errors:
        show.line("The settings are valid.")
    for line in [] if as_json else errors:
        show.say(f"notify-email: {line}")
    raise typer.Exit(2 if errors else 0)


def _check(settings: Settings) -> None:
    """Check all that `serve` checks, except what only one process can have: ports and the outbox.

    Raises:
        ConfigurationError: the service would not start.
    """
    from pyservice.auth import tokens  # noqa: PLC0415
    from pyservice.web.reloading import check_settings  # noqa: PLC0415
    from pyservice.web.tls import Certificate  # noqa: PLC0415

    listen_addresses(settings)
    check_settings(settings)
    if settings.tokens_file:
        tokens.read(settings.tokens_file)
    if settings.tls_cert and settings.tls_key:
        Certificate(settings.tls_cert, settings.tls_key)


def _sender(settings: Settings) -> str | None:
    """Return the sender that is set or the machine's; None: the machine's name makes none."""
    with suppress(ConfigurationError):
        return settings.sender or settings.sender_mailbox.address
    return None


def _as_text(value: object) -> str:
    """Return a setting's value as one writes it in the environment."""
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(map(str, value)) or "-"
        case _:
            return str(value)
