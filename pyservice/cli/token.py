"""`token`: make, list and remove tokens."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from pyservice.auth import tokens
from pyservice.auth.permissions import Permissions
from pyservice.cli import show
from pyservice.cli.service import Config
from pyservice.config.settings import Settings
from pyservice.config.sources import PREFIX
from pyservice.errors import ConfigurationError

token_app = typer.Typer(help="Make, list and remove tokens.", no_args_is_help=True)

TokensFile = Annotated[
    Path | None, typer.Option(help="The tokens file.  [default: NOTIFY_EMAIL_TOKENS_FILE]")
]


@token_app.command("new")
def new(
    name: Annotated[str | None, typer.Argument(help="Its name, such as the controller's.")] = None,
    name_: Annotated[str | None, typer.Option("--name", help="The same as NAME.")] = None,
    controller: Annotated[
        str | None, typer.Option(help="For builds of this Jenkins only: its root URL.")
    ] = None,
    jobs: Annotated[
        str | None,
        typer.Option(help="For these jobs and folders only: full names, comma-separated."),
    ] = None,
    sender_domains: Annotated[
        str | None, typer.Option(help="From these domains only, comma-separated.")
    ] = None,
    recipient_domains: Annotated[
        str | None, typer.Option(help="To these domains only, comma-separated.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="No more reports than this: 100/hour, say.")
    ] = None,
    may: Annotated[
        str | None,
        typer.Option(
            help="send, see, scrape, operate, comma-separated.  [default: all but operate]"
        ),
    ] = None,
    file: TokensFile = None,
    config: Config = None,
) -> None:
    """Make a token, add its hash to the tokens file, and print the token this one time.

    In Jenkins, store it as the password of a credential of the kind "Username with password"
    with the ID `notify-email-token`; the user name does not matter. docs/tokens.md explains the
    permissions.

    \b
    Examples:
      notify-email token new ci --file /etc/notify-email.tokens
      notify-email token new team-a --jobs team-a --recipient-domains example.com --rate 100/hour
      notify-email token new prometheus --may scrape
      notify-email token new desk --may see,operate
    """
    if bool(name) == bool(name_):
        raise ConfigurationError("A token has one name. Type: notify-email token new NAME.")
    permissions = _permissions(
        controller=controller,
        jobs=_split(jobs),
        sender_domains=_split(sender_domains),
        recipient_domains=_split(recipient_domains),
        rate=rate,
        may=_split(may),
    )
    path = _tokens_file(file, config)
    show.line(tokens.new(path, name or name_ or "", permissions))
    show.say(f"Its hash is in {path}; the token itself is not shown again.")


@token_app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    file: TokensFile = None,
    config: Config = None,
) -> None:
    """List the tokens with their names, the dates when they were made, and their permissions.

    \b
    Examples:
      notify-email token list
      notify-email token list --json
    """
    path = _tokens_file(file, config)
    known = tokens.read(path)
    if as_json:
        objects = [
            {"name": name, "created": str(token.created) if token.created else None}
            | token.permissions_by_name()
            for name, token in known.items()
        ]
        show.json(objects)
        return
    rows = [
        (name, str(token.created or ""), _describe(token.permissions_by_name()))
        for name, token in known.items()
    ]
    show.table(("NAME", "CREATED", "BOUNDS"), rows)
    if not known:
        show.say(f"{path} has no token.")


@token_app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="The token's name.")],
    file: TokensFile = None,
    config: Config = None,
) -> None:
    """Remove a token from the tokens file; its next request is refused, without a restart.

    Reports that it has sent stay, and are mailed.

    \b
    Examples:
      notify-email token remove ci
    """
    path = _tokens_file(file, config)
    tokens.remove(path, name)
    show.say(f"{name} is removed from {path}.")


def _tokens_file(file: Path | None, config: Path | None) -> Path:
    path = file or Settings.load(config).tokens_file
    if path is None:
        raise ConfigurationError(
            f"There is no tokens file. Give --file, or set {PREFIX}TOKENS_FILE."
        )
    return path


def _split(value: str | None) -> list[str] | None:
    """Return the items of a text that commas separate."""
    return None if value is None else [item.strip() for item in value.split(",") if item.strip()]


def _permissions(**options: Any) -> Permissions:
    try:
        return Permissions.model_validate(
            {name: value for name, value in options.items() if value is not None}
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{str(first['loc'][0]).replace('_', '-')}"
        raise ConfigurationError(f"{option}: {tokens.wrong(first)}.") from None


def _describe(permissions: dict[str, Any]) -> str:
    return (
        "; ".join(
            f"{name}: {', '.join(value) if isinstance(value, list) else value}"
            for name, value in permissions.items()
        )
        or "none"
    )
