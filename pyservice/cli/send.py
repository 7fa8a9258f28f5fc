"""`send`: posts a report to the running service, as a Pipeline does."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from pyservice.cli import show
from pyservice.cli.service import Config
from pyservice.config.settings import Settings
from pyservice.config.token_files import read_service_token
from pyservice.errors import ConfigurationError, SetupError, os_reason
from pyservice.urls import web_url

_PAUSE = 0.5
_ARRIVED = {"accepted", "relayed", "skipped", "digested"}
"""States of a mail that went as far as the service can know."""
_ENDED = {"relayed", "bounced", "failed", "cancelled", "skipped", "digested"}


def send(
    report: Annotated[
        str, typer.Argument(help="A recorded build, such as 2-failure; or a JSON file; or -.")
    ],
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<address>", help="A recipient, in place of the report's; can be repeated."
        ),
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="The template.  [default: the report's, or build]")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="The template's data, a JSON object.  [default: the report's]"),
    ] = None,
    service_url: Annotated[
        str | None, typer.Option(help="The service.  [default: this node's]")
    ] = None,
    service_token_file: Annotated[
        Path | None, typer.Option(help="A file with the service's token.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(metavar="<seconds>", help="Follow the mail for up to so many seconds.", min=0),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the service's answer.")] = False,
    config: Config = None,
) -> None:
    """Send a build's report through the running service, as a Pipeline does.

    Each call makes a new mail. Exit code 1: the service does not answer or refuses the report, or,
    with --wait, the mail did not get through in that time.

    \b
    Examples:
      notify-email send 2-failure --to me@example.com --wait 30
      notify-email send report.json --template release --data '{"version": "1.4.2"}'
      notify-email send 2-failure --to me@example.com --service-url http://172.17.0.1:8525
    """
    from pyservice.service_client import ServiceClient  # noqa: PLC0415

    given = None if data is None else _object(data, "--data")
    body = _with_mail(_read(report), {"to": to or None, "template": template, "data": given})
    token = read_service_token(service_token_file) if service_token_file else None
    client = ServiceClient(service_url or _own_url(Settings.load(config)), token)
    answer = client.post(body)
    if not as_json:
        _print_answer(answer)
    if wait:
        answer = _follow(client, answer, time.monotonic() + wait)
    if as_json:
        show.json(answer)
    elif wait:
        _print_status(answer)
    if wait and answer["state"] not in _ARRIVED:
        raise SetupError(
            f"The mail is {answer['state']} after {wait:g} s. `notify-email outbox show "
            f"{answer['id']}` shows its history, and `notify-email doctor` what is wrong."
        )


def _read(source: str) -> dict[str, Any]:
    """Return the report that a sample, a file or standard input has.

    Raises:
        ConfigurationError: there is no such sample or file, or it has no JSON object.
    """
    from pyservice.samples import stories  # noqa: PLC0415

    if source in stories.names():
        return stories.load(source).model_dump(mode="json", by_alias=True, exclude_none=True)
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except FileNotFoundError:
        names = ", ".join(stories.names())
        raise ConfigurationError(
            f"There is no file {source}, and no recorded build of this name: {names}."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{source} can't be read: {os_reason(error)}.") from None
    except ValueError:
        raise ConfigurationError(f"{source} is no text in UTF-8.") from None
    return _object(text, source)


def _object(text: str, source: str) -> dict[str, Any]:
    """Return the JSON object in a text.

    Raises:
        ConfigurationError: it has none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{source} is not JSON.") from None
    if not isinstance(value, dict):
        raise ConfigurationError(f"{source} is not a JSON object.")
    return value


def _with_mail(report: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in changes.items() if value is not None}
    mail = report.get("mail", {})
    # What else may stand there, the service refuses.
    return report | {"mail": mail | given} if isinstance(mail, dict) else report


def _own_url(settings: Settings) -> str:
    """Return the address of this node's service."""
    if settings.tls_cert and settings.public_url:
        return settings.public_url  # the certificate is for this name
    host = settings.listen[0] if settings.listen else "127.0.0.1"
    return web_url(host, settings.port, tls=settings.tls_cert is not None)


def _follow(client: Any, answer: dict[str, Any], ends: float) -> dict[str, Any]:
    """Return the report's status, once its mail has got through or can't, or at the latest then."""
    while True:
        status: dict[str, Any] = client.status(answer["id"])
        if status["state"] in _ENDED or time.monotonic() > ends:
            return status
        time.sleep(_PAUSE)


def _print_answer(answer: dict[str, Any]) -> None:
    show.facts(
        {
            "ID": answer["id"],
            "Recipients": ", ".join(answer["recipients"]),
            "Status": answer["status_url"],
            "Preview": answer["preview_url"],
        }
    )
    show.entries("Missing", (f"{one['pointer']}: {one['detail']}" for one in answer["missing"]))


def _print_status(status: dict[str, Any]) -> None:
    show.facts({"State": status["state"], "Queue ID": status["queue_id"], "Error": status["error"]})
    show.entries(
        "Receipts",
        (f"{one['recipient']} {one['state']}: {one['reply']}" for one in status["receipts"]),
    )
