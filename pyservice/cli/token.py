"""`token`: who may send, and what else."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from pyservice.auth import tokens
from pyservice.auth.permissions import Permissions
from pyservice.cli import show
from pyservice.cli.service import Config
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError

token_app = typer.Typer(help="Who may send.", no_args_is_help=True)

File = Annotated[
    Path | None, typer.Option(help="The tokens file.  [default: the setting TOKENS_FILE]")
]


@token_app.command("new")
def new(
    name: Annotated[
        str | None, typer.Argument(help="Whom it is for, such as the controller's name.")
    ] = None,
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
        typer.Option(help="send, see or scrape, comma-separated.  [default: all of them]"),
    ] = None,
    file: File = None,
    config: Config = None,
) -> None:
    """Make a token, add its digest to the tokens file and print it, once.

    In Jenkins, store it as the password of a credential of the kind "Username with password"
    with the ID `notify-email-token`; the user name does not matter. docs/tokens.md
    says what a token may be restricted to.

    \b
    Examples:
      notify-email token new ci --file /etc/notify-email.tokens
      notify-email token new team-a --jobs team-a --recipient-domains example.com --rate 100/hour
      notify-email token new prometheus --may scrape
    """
    wanted = name or name_
    if wanted is None or (name and name_):
        raise ConfigurationError("Give one name: notify-email token new NAME.")
    rights = _rights(
        controller=controller,
        jobs=_listed(jobs),
        sender_domains=_listed(sender_domains),
        recipient_domains=_listed(recipient_domains),
        rate=rate,
        may=_listed(may),
    )
    path = _path(file, config)
    token = tokens.new(path, wanted, rights)
    print(token)
    print(f"Its digest is in {path}; the token itself is not shown again.", file=sys.stderr)


@token_app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    file: File = None,
    config: Config = None,
) -> None:
    """Show the tokens' names, when they were made and what they are bound to.

    \b
    Examples:
      notify-email token list
      notify-email token list --json
    """
    path = _path(file, config)
    known = tokens.read(path)
    if as_json:
        plain = [
            {"name": name, "created": str(token.created) if token.created else None}
            | token.rights()
            for name, token in known.items()
        ]
        print(json.dumps(plain, indent=2))
        return
    rows = [
        (name, str(token.created or ""), _bounds(token.rights())) for name, token in known.items()
    ]
    show.table(("NAME", "CREATED", "BOUNDS"), rows)
    if not known:
        print(f"{path} has no token.", file=sys.stderr)


@token_app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="The token's name.")],
    file: File = None,
    config: Config = None,
) -> None:
    """Take a token out of the tokens file; its next request is refused, without a restart.

    Its reports stay, and are mailed.

    \b
    Examples:
      notify-email token remove ci
    """
    path = _path(file, config)
    tokens.remove(path, name)
    print(f"{name} is taken out of {path}.", file=sys.stderr)


def _path(file: Path | None, config: Path | None) -> Path:
    path = file or Settings.load(config).tokens_file
    if path is None:
        raise ConfigurationError("Which file? Give --file, or set TOKENS_FILE.")
    return path


def _listed(value: str | None) -> list[str] | None:
    return None if value is None else [one.strip() for one in value.split(",") if one.strip()]


def _rights(**given: Any) -> Permissions:
    try:
        return Permissions.model_validate(
            {name: one for name, one in given.items() if one is not None}
        )
    except ValidationError as error:
        first = error.errors()[0]
        flag = f"--{str(first['loc'][0]).replace('_', '-')}"
        raise ConfigurationError(f"{flag}: {tokens.wrong(first)}.") from None


def _bounds(rights: dict[str, Any]) -> str:
    told = [
        f"{name}: {', '.join(value) if isinstance(value, list) else value}"
        for name, value in rights.items()
    ]
    return "; ".join(told) or "none"
