"""What the `jenkins` commands have in common: their options, the controller, what is wanted."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pyservice.errors import ConfigurationError
from pyservice.settings import PREFIX, Settings

# Late elsewhere, since python-jenkins takes a tenth of a second: `--help` does without.
if TYPE_CHECKING:
    from pyservice.configurator.jenkins.connection import Controller
    from pyservice.configurator.jenkins.wanted import Wanted

TOKEN = f"{PREFIX}JENKINS_TOKEN"

Url = Annotated[str | None, typer.Option("--jenkins-url", "--url", help="Jenkins' address.")]
User = Annotated[str | None, typer.Option("--jenkins-user", "--user", help="Whose API token.")]
TokenFile = Annotated[Path | None, typer.Option(help=f"The API token; or {TOKEN}.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait until Jenkins is up.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Check = Annotated[bool, typer.Option("--check", help="Exit code 2 where something differs.")]
Inventory = Annotated[Path | None, typer.Option(help="Many controllers: a TOML file.")]
Address = Annotated[
    str | None, typer.Option(help="The node's Postfix.  [default: auto: the controller is asked]")
]
SmtpPort = Annotated[int | None, typer.Option("--port", help="Its port.  [default: 25]")]
Charset = Annotated[str | None, typer.Option(help="Mailer's charset.")]
ReplyTo = Annotated[str | None, typer.Option(help="Mailer's reply-to address.")]
Suffix = Annotated[str | None, typer.Option(help="Mailer's default suffix: @example.com.")]
Admin = Annotated[str | None, typer.Option(help="The sender of Jenkins' own mails.")]
EmailExt = Annotated[
    bool | None, typer.Option("--email-ext/--no-email-ext", help="Set the email-ext plugin, too.")
]
ServiceUrl = Annotated[str | None, typer.Option(help="NOTIFY_EMAIL_URL: a URL, or `auto`.")]
Transport = Annotated[str | None, typer.Option(help="NOTIFY_EMAIL_TRANSPORT.")]
LibraryOf = Annotated[str | None, typer.Option(help="Register the library: URL@version.")]
LibraryCredentials = Annotated[
    str | None, typer.Option(help="The ID of Jenkins' credential for that repository.")
]
ServiceToken = Annotated[
    Path | None, typer.Option(help="A file with the service's token, for notify-email-token.")
]


def make_wanted(asked: dict[str, Any]) -> "Wanted":
    """From options or an inventory's values; what is None was not given.

    Raises:
        ConfigurationError: one is wrong, or unknown.
    """
    from pyservice.configurator.jenkins.wanted import Library, Wanted  # noqa: PLC0415

    given = {name: value for name, value in asked.items() if value is not None}
    if (file := given.pop("service_token_file", None)) is not None:
        given["token"] = _secret(Path(file))
    if "library" in given:
        given["library"] = Library.parse(given["library"])
    try:
        return Wanted(**given)
    except TypeError as error:
        raise ConfigurationError(f"A value is unknown or of the wrong kind: {error}.") from None


def connect(config: Path | None, connection: dict[str, Any], wait: float) -> "Controller":
    """A controller that is up.

    Raises:
        ConfigurationError: a setting is missing or wrong.
        SetupError: it can't be used; says why.
    """
    settings = Settings.load(config, **connection)
    if settings.jenkins_url is None:
        raise ConfigurationError("Which Jenkins? Give --jenkins-url, or set JENKINS_URL.")
    file = settings.jenkins_token_file
    token = os.environ.get(TOKEN) or (_secret(file) if file else None)
    if (settings.jenkins_user is None) != (token is None):
        raise ConfigurationError(
            f"JENKINS_USER and its API token go together: JENKINS_TOKEN_FILE or {TOKEN}."
        )
    from pyservice.configurator.jenkins.connection import Controller  # noqa: PLC0415

    controller = Controller(settings.jenkins_url, settings.jenkins_user, token)
    controller.wait(wait, lambda told: print(told, file=sys.stderr, flush=True))
    return controller


def _secret(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{file} can't be read: {reason}.") from None
    if not text or len(text.split()) != 1:
        raise ConfigurationError(f"{file} is to hold one token and nothing else.")
    return text
