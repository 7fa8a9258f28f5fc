"""What the `jenkins` commands share: their options, and what the options ask for."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pyservice.cli import show
from pyservice.cli.service import Config
from pyservice.config.settings import Settings
from pyservice.config.sources import PREFIX
from pyservice.config.token_files import check_api_token, read_api_token, read_service_token
from pyservice.errors import ConfigurationError

# Late elsewhere, since python-jenkins takes a tenth of a second: `--help` does without.
if TYPE_CHECKING:
    from pyservice.setup.jenkins.connection import Controller
    from pyservice.setup.jenkins.desired import DesiredJenkins

TOKEN = f"{PREFIX}JENKINS_TOKEN"
WAIT = 60.0
"""Seconds for a Jenkins to start."""

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Check = Annotated[bool, typer.Option("--check", help="Exit code 2 where something differs.")]


@dataclass(frozen=True)
class ConnectionOptions:
    """How a controller is reached; what is None comes from the settings."""

    config: Config = None
    jenkins_url: Annotated[
        str | None, typer.Option("--jenkins-url", "--url", help="Jenkins' address.")
    ] = None
    jenkins_user: Annotated[
        str | None, typer.Option("--jenkins-user", "--user", help="Whose API token.")
    ] = None
    jenkins_token_file: Annotated[
        Path | None, typer.Option(help=f"A file with the API token; or {TOKEN}.")
    ] = None
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="<seconds>",
            min=0,
            help=f"Seconds until Jenkins is to be up.  [default: {WAIT:g}, doctor: 10]",
        ),
    ] = None

    def connect(self, wait: float = WAIT) -> "Controller":
        """Return a controller that is up.

        Args:
            wait: seconds until it is to be up, unless somebody gave others.

        Raises:
            ConfigurationError: a setting is missing or wrong.
            SetupError: the controller can't be used; says why.
        """
        if type(self.wait) not in {int, float, NoneType} or (self.wait or 0) < 0:
            raise ConfigurationError(f"`wait` must be a number of seconds, not {self.wait!r}.")
        if not isinstance(self.config, str | Path | None):
            raise ConfigurationError(f"`config` must be a path, as text, not {self.config!r}.")
        settings = Settings.load(
            None if self.config is None else Path(self.config),  # an inventory has it as text
            jenkins_url=self.jenkins_url,
            jenkins_user=self.jenkins_user,
            jenkins_token_file=self.jenkins_token_file,
        )
        if settings.jenkins_url is None:
            raise ConfigurationError(
                "Which Jenkins? Give --jenkins-url, or set NOTIFY_EMAIL_JENKINS_URL."
            )
        token = self._token(settings)
        if (settings.jenkins_user is None) != (not token):
            raise ConfigurationError(
                "NOTIFY_EMAIL_JENKINS_USER and its API token go together. Set both, the token by "
                f"NOTIFY_EMAIL_JENKINS_TOKEN_FILE or {TOKEN}, or none."
            )
        from pyservice.setup.jenkins.connection import Controller  # noqa: PLC0415

        controller = Controller(settings.jenkins_url, settings.jenkins_user, token or None)
        controller.wait(
            wait if self.wait is None else self.wait,
            show.say,
        )
        return controller

    def _token(self, settings: Settings) -> str | None:
        # A file that is named for this controller goes before a variable that is there for all.
        if self.jenkins_token_file is None and (token := os.environ.get(TOKEN)):
            return check_api_token(token, TOKEN)
        file = settings.jenkins_token_file
        return read_api_token(file) if file else None


@dataclass(frozen=True)
class ServerOptions:
    """The mail server that Jenkins should use."""

    address: Annotated[str | None, typer.Option(help="The node's Postfix.  [default: auto]")] = None
    port: Annotated[int | None, typer.Option(help="Its port.  [default: 25]")] = None
    email_ext: Annotated[
        bool | None,
        typer.Option("--email-ext/--no-email-ext", help="Set the email-ext plugin, too."),
    ] = None


@dataclass(frozen=True)
class SettingsOptions(ServerOptions):
    """How Jenkins' mail should be, without the service's token."""

    charset: Annotated[str | None, typer.Option(help="Mailer's charset.")] = None
    reply_to: Annotated[str | None, typer.Option(help="Mailer's reply-to address.")] = None
    default_suffix: Annotated[
        str | None, typer.Option(help="Mailer's default suffix: @example.com.")
    ] = None
    admin_address: Annotated[str | None, typer.Option(help="The sender of Jenkins' own mails.")] = (
        None
    )
    service_url: Annotated[str | None, typer.Option(help="NOTIFY_EMAIL_URL: a URL, or `auto`.")] = (
        None
    )
    transport: Annotated[str | None, typer.Option(help="NOTIFY_EMAIL_TRANSPORT.")] = None
    library: Annotated[str | None, typer.Option(help="Register the library: URL@version.")] = None
    library_credentials: Annotated[
        str | None, typer.Option(help="Jenkins' credential for that repository: its ID.")
    ] = None


@dataclass(frozen=True)
class DesiredOptions(SettingsOptions):
    """How Jenkins' mail should be."""

    service_token_file: Annotated[
        Path | None,
        typer.Option(help="A file with the service's token, for notify-email-token."),
    ] = None


def given(options: ConnectionOptions | ServerOptions) -> dict[str, Any]:
    """Return the options that have a value, by the names that an inventory has for them."""
    return {name: value for name, value in vars(options).items() if value is not None}


def split_connection(values: dict[str, Any]) -> tuple[ConnectionOptions, dict[str, Any]]:
    """Split an inventory's values for a controller into its connection and the rest."""
    names = {field.name for field in fields(ConnectionOptions)}
    connection = {name: value for name, value in values.items() if name in names}
    rest = {name: value for name, value in values.items() if name not in names}
    return ConnectionOptions(**connection), rest


def desired_jenkins(values: dict[str, Any]) -> "DesiredJenkins":
    """Return what options, or an inventory's values, ask for.

    Raises:
        ConfigurationError: a value is wrong, or there is no such option.
    """
    from pyservice.setup.jenkins.desired import DesiredJenkins, Library  # noqa: PLC0415

    kinds: dict[str, type | tuple[type, ...]] = {"port": int, "email_ext": bool}
    names = {field.name for field in fields(DesiredOptions)}
    for name, value in values.items():
        if name not in names:
            raise ConfigurationError(f"There is no option `{name}`: see `jenkins plan --help`.")
        kind = kinds.get(name, (str, Path))
        if not isinstance(value, kind) or (kind is int and value in {True, False}):
            raise ConfigurationError(f"`{name}` can't be {value!r}: see `jenkins plan --help`.")
    desired = dict(values)
    if (file := desired.pop("service_token_file", None)) is not None:
        desired["token"] = read_service_token(Path(file))
    if "library" in desired:
        desired["library"] = Library.parse(desired["library"])
    return DesiredJenkins(**desired)
