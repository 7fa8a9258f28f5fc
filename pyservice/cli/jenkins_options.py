"""What the `jenkins` commands have in common: their options, the controller, what is wanted."""

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pyservice.cli.service import Config
from pyservice.config.settings import PREFIX, Settings, read_secret
from pyservice.errors import ConfigurationError

# Late elsewhere, since python-jenkins takes a tenth of a second: `--help` does without.
if TYPE_CHECKING:
    from pyservice.setup.jenkins.connection import Controller
    from pyservice.setup.jenkins.desired import Wanted

TOKEN = f"{PREFIX}JENKINS_TOKEN"
_KINDS: dict[str, type] = {"port": int, "email_ext": bool}
"""Of what is no text in an inventory."""

_Text = str | None
_File = Path | None
Group = dict[str, tuple[Any, Any]]
"""Options of several commands: parameter → what Typer is told of it, default."""

CONNECTION: Group = {
    "config": (Config, None),
    "jenkins_url": (
        Annotated[_Text, typer.Option("--jenkins-url", "--url", help="Jenkins' address.")],
        None,
    ),
    "jenkins_user": (
        Annotated[_Text, typer.Option("--jenkins-user", "--user", help="Whose API token.")],
        None,
    ),
    "jenkins_token_file": (
        Annotated[_File, typer.Option(help=f"A file with the API token; or {TOKEN}.")],
        None,
    ),
    "wait": (Annotated[float, typer.Option(min=0, help="Seconds until Jenkins is to be up.")], 60),
}
"""How a controller is reached: see `connect`."""

SERVER: Group = {
    "address": (Annotated[_Text, typer.Option(help="The node's Postfix.  [default: auto]")], None),
    "port": (Annotated[int | None, typer.Option(help="Its port.  [default: 25]")], None),
    "email_ext": (
        Annotated[
            bool | None,
            typer.Option("--email-ext/--no-email-ext", help="Set the email-ext plugin, too."),
        ],
        None,
    ),
}
"""The mail server: see `make_wanted`."""

SETTINGS: Group = SERVER | {
    "charset": (Annotated[_Text, typer.Option(help="Mailer's charset.")], None),
    "reply_to": (Annotated[_Text, typer.Option(help="Mailer's reply-to address.")], None),
    "default_suffix": (
        Annotated[_Text, typer.Option(help="Mailer's default suffix: @example.com.")],
        None,
    ),
    "admin_address": (
        Annotated[_Text, typer.Option(help="The sender of Jenkins' own mails.")],
        None,
    ),
    "service_url": (
        Annotated[_Text, typer.Option(help="NOTIFY_EMAIL_URL: a URL, or `auto`.")],
        None,
    ),
    "transport": (Annotated[_Text, typer.Option(help="NOTIFY_EMAIL_TRANSPORT.")], None),
    "library": (
        Annotated[_Text, typer.Option(help="Register the library: URL@version.")],
        None,
    ),
    "library_credentials": (
        Annotated[_Text, typer.Option(help="Jenkins' credential for that repository: its ID.")],
        None,
    ),
}
"""All but the token: see `make_wanted`."""

WANTED: Group = SETTINGS | {
    "service_token_file": (
        Annotated[
            _File, typer.Option(help="A file with the service's token, for notify-email-token.")
        ],
        None,
    ),
}
"""How Jenkins shall be: see `make_wanted`."""

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Check = Annotated[bool, typer.Option("--check", help="Exit code 2 where something differs.")]


def takes(**groups: Group) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command groups of options, each as one dict in the parameter of that name."""

    def give(command: Callable[..., None]) -> Callable[..., None]:
        def run(**given: Any) -> None:
            for name, group in groups.items():
                given[name] = {option: given.pop(option) for option in group}
            command(**given)

        kind = inspect.Parameter.KEYWORD_ONLY
        own = inspect.signature(command).parameters.values()
        parameters = [
            *(one.replace(kind=kind) for one in own if one.default is one.empty),
            *(
                inspect.Parameter(name, kind, default=default, annotation=annotation)
                for group in groups.values()
                for name, (annotation, default) in group.items()
            ),
            *(one.replace(kind=kind) for one in own if one.default is not one.empty),
        ]
        parameters = [one for one in parameters if one.name not in groups]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return give


def make_wanted(asked: dict[str, Any]) -> "Wanted":
    """From options or an inventory's values; what is None was not given.

    Raises:
        ConfigurationError: one is wrong, or unknown.
    """
    from pyservice.setup.jenkins.desired import Library, Wanted  # noqa: PLC0415

    given = {name: value for name, value in asked.items() if value is not None}
    for name, value in given.items():
        if name not in WANTED:
            raise ConfigurationError(f"There is no option `{name}`: see `jenkins plan --help`.")
        kind = _KINDS.get(name, (str, Path))
        if not isinstance(value, kind) or (kind is int and value in {True, False}):
            raise ConfigurationError(f"`{name}` is not to be {value!r}.")
    if (file := given.pop("service_token_file", None)) is not None:
        given["token"] = read_secret(Path(file))
    if "library" in given:
        given["library"] = Library.parse(given["library"])
    return Wanted(**given)


def connect(connection: dict[str, Any]) -> "Controller":
    """A controller that is up.

    Args:
        connection: some of CONNECTION's options; what is missing comes from the settings.

    Raises:
        ConfigurationError: a setting is missing or wrong.
        SetupError: it can't be used; says why.
    """
    given = dict(connection)
    wait = given.pop("wait", CONNECTION["wait"][1])
    if type(wait) not in {int, float}:
        raise ConfigurationError(f"`wait` is not to be {wait!r}.")
    settings = Settings.load(given.pop("config", None), **given)
    if settings.jenkins_url is None:
        raise ConfigurationError("Which Jenkins? Give --jenkins-url, or set JENKINS_URL.")
    # A file that is named for this controller goes before a variable that is there for all.
    named = given.get("jenkins_token_file") is not None
    token = None if named else os.environ.get(TOKEN)
    if not token and settings.jenkins_token_file:
        token = read_secret(settings.jenkins_token_file)
    if (settings.jenkins_user is None) != (not token):
        raise ConfigurationError(
            f"JENKINS_USER and its API token go together: JENKINS_TOKEN_FILE or {TOKEN}."
        )
    from pyservice.setup.jenkins.connection import Controller  # noqa: PLC0415

    controller = Controller(settings.jenkins_url, settings.jenkins_user, token or None)
    controller.wait(wait, lambda told: print(told, file=sys.stderr, flush=True))
    return controller
