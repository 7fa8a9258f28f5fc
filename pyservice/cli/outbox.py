"""`outbox`: list, show, retry, cancel, remove and export reports; the service may be running."""

import base64
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pyservice.cli import show
from pyservice.cli.outbox_report import ID_LENGTH, print_report, summary_json, table_row
from pyservice.cli.service import Config
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError, RequestError, SetupError, os_reason
from pyservice.outbox.states import State

if TYPE_CHECKING:
    from pyservice.outbox.admin import OutboxAdmin
    from pyservice.outbox.database import Database
    from pyservice.outbox.search import Summary

outbox_app = typer.Typer(
    help="Show and repair the outbox, also while its service runs.", no_args_is_help=True
)

CHANGED_BY = "`notify-email outbox`"
"""The author of a change, in the history of a report."""
_STATES = tuple(State)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_AGE = re.compile(r"(\d{1,9})([smhd])")

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@outbox_app.command("list")
def list_(
    state: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(_STATES[:-1])} or {_STATES[-1]}."),
    ] = None,
    job: Annotated[
        str | None, typer.Option(help="A job, or a folder with all that is in it.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Accepted at least so long ago: 90s, 15m, 2h, 7d.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="<number>", help="How many, at most.", min=1)] = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show reports, the newest first.

    \b
    Examples:
      notify-email outbox list
      notify-email outbox list --state failed
      notify-email outbox list --state queued --older-than 1h --json
      notify-email outbox list --job shop/checkout
    """
    if state is not None and state not in _STATES:
        raise ConfigurationError(f"--state is one of: {', '.join(_STATES)}.")
    age = None if older_than is None else _parse_age(older_than)
    with _open_outbox(config) as (admin, _):
        from pyservice.outbox.search import Filter

        states = (state,) if state else ()
        wanted = Filter(states=states, job=job or "", older_than=age)
        reports = admin.page(wanted, limit + 1)
    if as_json:
        show.json([summary_json(report) for report in reports[:limit]])
        return
    show.table(
        ("ID", "STATE", "BUILD", "ACCEPTED", "ATTEMPTS", "NEXT ATTEMPT", "ERROR"),
        [table_row(report) for report in reports[:limit]],
    )
    if not reports:
        show.say("No such report." if state or job or older_than else "No report.")
    if len(reports) > limit:
        show.say(f"There are more than these {limit}: use --limit.")


@outbox_app.command("show")
def show_(
    report_id: Annotated[str, typer.Argument(metavar="ID", help="The ID, or its beginning.")],
    mail: Annotated[bool, typer.Option("--mail", help="Print the mail's bytes only.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show all of one report, with its history and its receipts.

    \b
    Examples:
      notify-email outbox show 3f2a9c1e
      notify-email outbox show 3f2a9c1e --mail > mail.eml
    """
    with _open_outbox(config) as (admin, database):
        from pyservice.outbox.export import export_report

        try:
            report = export_report(database, admin.find(report_id))
        except RequestError as error:
            raise SetupError(error.detail) from None
    if mail:
        if report["mail"] is None and report["digest_id"]:
            digest = report["digest_id"]
            raise SetupError(f"The build of {report['id']} is in the mail of {digest}: show that.")
        if report["mail"] is None:
            raise SetupError(f"The mail of {report['id']} is not made yet. Try again in a moment.")
        show.raw([base64.b64decode(report["mail"])])
    elif as_json:
        show.json(report)
    else:
        print_report(report)


@outbox_app.command()
def retry(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="The IDs, or their beginnings.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All mails that have failed.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Try mails at once that wait, have failed or were skipped.

    A mail that has failed goes to all its recipients, for it reached none. A mail that is older
    than five days gets one attempt. A mail that a dry run has skipped is sent once
    NOTIFY_EMAIL_DRY_RUN is off. The running service begins within 5 s. Exit code 1: some of the
    mails can't be tried again; the others are.

    \b
    Examples:
      notify-email outbox retry 3f2a9c1e 77b0
      notify-email outbox retry --failed
    """
    if bool(ids) == failed:
        raise ConfigurationError("Give IDs, or --failed.")
    with _open_outbox(config) as (admin, _):
        if failed:
            ids = admin.failed()
            if not ids:
                show.say("No mail has failed.")
        _change_each(ids or [], admin, admin.retry, "" if as_json else "is tried at once")


@outbox_app.command()
def cancel(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="The IDs, or their beginnings.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Stop mails that wait, for good.

    Exit code 1: some of the mails are being sent or have ended; the others are cancelled.

    \b
    Examples:
      notify-email outbox cancel 3f2a9c1e
    """
    with _open_outbox(config) as (admin, _):
        _change_each(ids, admin, admin.cancel, "" if as_json else "is cancelled")


@outbox_app.command()
def purge(
    ended_before: Annotated[
        float, typer.Option(metavar="<days>", help="Days since the reports ended, at least.", min=0)
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove them; without it say how many.")
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Remove reports that ended long ago, with their history and their idempotency keys.

    The service goes on meanwhile; it removes by itself what is older than
    NOTIFY_EMAIL_RETENTION_DAYS, or beyond NOTIFY_EMAIL_RETENTION_BYTES.

    \b
    Examples:
      notify-email outbox purge --ended-before 30
      notify-email outbox purge --ended-before 30 --yes
    """
    with _open_outbox(config) as (admin, _):
        count = admin.purge(ended_before) if yes else admin.ended_before(ended_before)
    if as_json:
        show.json({"reports": count, "removed": yes})
        return
    if yes:
        show.facts({"Removed": f"{count} reports"})
        return
    show.facts({"To remove": f"{count} reports"})
    show.say("Nothing was removed. Give --yes to remove them.")


@outbox_app.command()
def export(
    to: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A file for its owner only; - is the standard output."),
    ],
    config: Config = None,
) -> None:
    """Write every report with its history as a line of JSON: for a backup, or for a program.

    Mails are in base64, times in UTC. The file appears when it is complete.

    \b
    Examples:
      notify-email outbox export /var/backups/outbox.jsonl
      notify-email outbox export - | jq -r 'select(.state == "failed") | .error'
    """
    with _open_outbox(config) as (_, database):
        from pyservice.outbox.export import export_reports

        lines = (_as_line(report) for report in export_reports(database))
        if to == "-":
            show.raw(lines)
            return
        count = _write(Path(to), lines)
    show.facts({"Exported": f"{count} reports to {to}"})


@contextmanager
def _open_outbox(config: Path | None) -> "Iterator[tuple[OutboxAdmin, Database]]":
    from pyservice.cli.outbox_access import open_outbox
    from pyservice.outbox.admin import OutboxAdmin

    with open_outbox(Settings.load(config).outbox_url) as database:
        yield OutboxAdmin(database, CHANGED_BY), database


def _change_each(
    prefixes: list[str], admin: "OutboxAdmin", change: "Callable[[str], Summary]", result: str
) -> None:
    """Change reports and print a line for each; exit with 1 if one of them can't be changed.

    Args:
        result: what has become of a report, as the middle of its line; empty: JSON is printed.
    """
    is_complete = True
    changed = []
    for prefix in prefixes:
        try:
            report = change(admin.find(prefix))
        except RequestError as error:
            show.say(f"notify-email: {prefix}: {error.detail}")
            is_complete = False
        else:
            changed.append(summary_json(report))
            if result:
                build = f"{report.job} #{report.number}"
                show.line(f"{report.id[:ID_LENGTH]} {result}: {build}")
    if not result:
        show.json(changed)
    if not is_complete:
        raise typer.Exit(1)


def _parse_age(age: str) -> float:
    """Return the seconds of an age such as 2h."""
    match = _AGE.fullmatch(age)
    if match is None:
        raise ConfigurationError(f"--older-than {age}: give a number and s, m, h or d, as in 2h.")
    return float(int(match[1]) * _SECONDS[match[2]])


def _as_line(report: dict[str, Any]) -> bytes:
    """Return a report as a line of JSON, in ASCII: it may be printed."""
    return json.dumps(report).encode() + b"\n"


def _write(file: Path, lines: Iterable[bytes]) -> int:
    """Replace a file once these lines are on the disk, and return how many there are."""
    part = None
    count = 0
    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
        with os.fdopen(descriptor, "wb") as out:
            for line in lines:
                out.write(line)
                count += 1
            out.flush()
            os.fsync(out.fileno())
        Path(part).replace(file)
    except OSError as error:
        raise SetupError(f"{file} can't be written: {os_reason(error)}.") from None
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)
    return count
