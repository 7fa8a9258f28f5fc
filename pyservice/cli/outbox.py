"""`outbox`: what waits, what became of it, and what to do about it; the service may be running."""

import base64
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pyservice.cli import show
from pyservice.cli.service import Config
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError, RequestError, SetupError
from pyservice.outbox.states import State

if TYPE_CHECKING:
    from pyservice.outbox.admin import OutboxAdmin, Summary
    from pyservice.outbox.database import Database

outbox_app = typer.Typer(
    help="Look into the outbox, and mend it; its service may be running.", no_args_is_help=True
)

BY = "`notify-email outbox`"
SHORT = 8
"""Characters of an ID in a table."""

_STATES = tuple(State)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
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
        str | None, typer.Option(help="Accepted so long ago at least: 90s, 15m, 2h, 7d.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
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
    with _desk(config) as (desk, _):
        from pyservice.outbox.admin import Filter  # noqa: PLC0415

        if state is not None and state not in _STATES:
            raise ConfigurationError(f"--state is one of: {', '.join(_STATES)}.")
        wanted = Filter(state=state, jobs=(job,) if job else (), older_than=_seconds(older_than))
        found = desk.page(wanted, limit + 1)
    if as_json:
        print(json.dumps([_plain(one) for one in found[:limit]], indent=2))
        return
    show.table(
        ("ID", "STATE", "BUILD", "ACCEPTED", "TRIES", "NEXT TRY", "ERROR"),
        [_line(one) for one in found[:limit]],
    )
    if not found:
        print("No such report." if state or job or older_than else "No report.", file=sys.stderr)
    if len(found) > limit:
        print(f"There are more than these {limit}: use --limit.", file=sys.stderr)


@outbox_app.command("show")
def show_(
    report_id: Annotated[str, typer.Argument(metavar="ID", help="Or how the ID begins.")],
    mail: Annotated[bool, typer.Option("--mail", help="The mail's bytes alone.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show all that is known of a report: its history, and what Postfix' log told.

    \b
    Examples:
      notify-email outbox show 3f2a9c1e
      notify-email outbox show 3f2a9c1e --mail > mail.eml
    """
    with _desk(config) as (desk, database):
        from pyservice.outbox.export import dossier  # noqa: PLC0415

        try:
            found = dossier(database, desk.find(report_id))
        except RequestError as error:
            raise SetupError(error.detail) from None
    if mail:
        if found["mail"] is None and found["digest_id"]:
            digest = found["digest_id"]
            raise SetupError(f"The build of {found['id']} is in the mail of {digest}: show that.")
        if found["mail"] is None:
            raise SetupError(f"The mail of {found['id']} is not made yet.")
        sys.stdout.buffer.write(base64.b64decode(found["mail"]))
        sys.stdout.flush()
    elif as_json:
        print(json.dumps(found, indent=2))
    else:
        _tell(found)


@outbox_app.command()
def retry(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID…", help="Or how the ID begins.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that have failed.")] = False,
    config: Config = None,
) -> None:
    """Let mails be tried at once: those that wait, and those that have failed.

    A mail that has failed goes to all its recipients, for it reached none. One that is older than
    five days has one try. One that a dry run has skipped is sent once DRY_RUN is off. The running
    service begins within 5 s.
    Exit code 1: one of them can't be; the others are.

    \b
    Examples:
      notify-email outbox retry 3f2a9c1e 77b0
      notify-email outbox retry --failed
    """
    if bool(ids) == failed:
        raise ConfigurationError("Which? Give IDs, or --failed.")
    with _desk(config) as (desk, _):
        if failed:
            ids = desk.failed()
            if not ids:
                print("No mail has failed.", file=sys.stderr)
        _each(desk, ids or [], desk.retry, "is tried at once")


@outbox_app.command()
def cancel(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Or how the ID begins.")],
    config: Config = None,
) -> None:
    """Let mails that wait never be sent.

    Exit code 1: one of them can't be cancelled, as it is being sent or has ended; the others are.

    \b
    Examples:
      notify-email outbox cancel 3f2a9c1e
    """
    with _desk(config) as (desk, _):
        _each(desk, ids, desk.cancel, "is cancelled")


@outbox_app.command()
def purge(
    ended_before: Annotated[
        float, typer.Option(metavar="DAYS", help="Days since they ended, at least.", min=0)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do it, rather than say how many.")] = False,
    config: Config = None,
) -> None:
    """Remove reports that ended long ago, with their history and their idempotency keys.

    It waits between chunks, so the service goes on taking reports. The service itself removes what
    is older than RETENTION_DAYS.

    \b
    Examples:
      notify-email outbox purge --ended-before 30
      notify-email outbox purge --ended-before 30 --yes
    """
    with _desk(config) as (desk, _):
        if yes:
            show.facts({"Removed": f"{desk.purge(ended_before)} reports"})
            return
        count = desk.ended_before(ended_before)
    show.facts({"To remove": f"{count} reports"})
    print("Nothing was removed: --yes does it.", file=sys.stderr)


@outbox_app.command()
def export(
    to: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Only its owner may read it; - is the standard output."
        ),
    ],
    config: Config = None,
) -> None:
    """Write every report with its history as a line of JSON: a backup, or for another program.

    Mails are in base64, times in UTC. A file is there only once it is complete.

    \b
    Examples:
      notify-email outbox export /var/backups/outbox.jsonl
      notify-email outbox export - | jq -r 'select(.state == "failed") | .error'
    """
    with _desk(config) as (_, database):
        from pyservice.outbox.export import export as dossiers  # noqa: PLC0415

        lines = (json.dumps(one, ensure_ascii=False) for one in dossiers(database))
        if to == "-":
            for line in lines:
                sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace") + b"\n")
            sys.stdout.flush()
            return
        count = _write(Path(to), lines)
    show.facts({"Exported": f"{count} reports to {to}"})


@contextmanager
def _desk(config: Path | None) -> "Iterator[tuple[OutboxAdmin, Database]]":
    url = Settings.load(config).outbox_url
    # Late, since it takes a while and the other commands don't need it.
    from pyservice.cli.guests import name, visiting  # noqa: PLC0415
    from pyservice.outbox.admin import OutboxAdmin  # noqa: PLC0415

    with visiting(url) as database:
        if database is None:
            raise SetupError(
                f"There is no outbox {name(url)} yet: run this with the service's own settings "
                "(DATABASE_URL, or --config), and as its user."
            )
        yield OutboxAdmin(database, BY), database


def _each(
    desk: "OutboxAdmin", prefixes: list[str], do: "Callable[[str], Summary]", told: str
) -> None:
    are_done = True
    for prefix in prefixes:
        try:
            one = do(desk.find(prefix))
        except RequestError as error:
            print(f"notify-email: {prefix}: {error.detail}", file=sys.stderr)
            are_done = False
        else:
            print(f"{one.id[:SHORT]} {told}: {one.job} #{one.number}", flush=True)
    if not are_done:
        raise typer.Exit(1)


def _seconds(age: str | None) -> float | None:
    if age is None:
        return None
    found = _AGE.fullmatch(age)
    if found is None:
        raise ConfigurationError(f"--older-than {age}: give a number and s, m, h or d, as in 2h.")
    return float(int(found[1]) * _UNITS[found[2]])


def _write(file: Path, lines: Iterator[str]) -> int:
    part = None
    try:
        made, part = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
        count = 0
        with os.fdopen(made, "wb") as out:
            for count, line in enumerate(lines, 1):  # noqa: B007 - told at the end
                out.write(line.encode("utf-8", "backslashreplace") + b"\n")
            out.flush()
            os.fsync(out.fileno())
        Path(part).replace(file)
    except OSError as error:
        raise SetupError(f"{file} can't be written: {error.strerror}.") from None
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)
    return count


def _plain(one: "Summary") -> dict[str, Any]:
    from pyservice.outbox.export import when  # noqa: PLC0415

    return {
        **vars(one),
        "created_at": when(one.created_at),
        "next_attempt_at": when(one.next_attempt_at),
    }


def _line(one: "Summary") -> tuple[str, ...]:
    return (
        one.id[:SHORT],
        one.state,
        f"{one.job} #{one.number}",
        _clock(one.created_at),
        str(one.attempts),
        "now" if one.is_locked else _clock(one.next_attempt_at),
        one.error or "",
    )


def _clock(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


def _tell(found: dict[str, Any]) -> None:
    build = found["report"]["build"]
    people = found["recipients"]
    boxes = [box["address"] for kind in ("to", "cc", "bcc") for box in people[kind]]
    left_out = [box["address"] for box in people.get("left_out", ())]
    facts: dict[str, str | None] = {
        "ID": found["id"],
        "State": found["state"],
        "Build": f"{build['job']} #{build['number']}, {build['result']}",
        "Recipients": ", ".join(dict.fromkeys(boxes)),
        "Left out": ", ".join(left_out) or None,
        "Rerouted to": found["rerouted_to"],
        "Left": ", ".join(found["pending_recipients"]) or None,
        "Accepted": f"{found['created_at']}, from token {found['owner']}",
        "Ended": found["ended_at"],
        "Tries": str(found["attempts"]),
        "Next try": found["next_attempt_at"],
        "Held by": found["locked_by"],
        "Message-ID": found["message_id"],
        "Queue ID": found["queue_id"],
        "Digest": found["digest_id"],
        "Error": found["error"],
    }
    show.facts({name: value and show.printable(value) for name, value in facts.items()})
    for title, lines in (("History", found["history"]), ("Receipts", found["receipts"])):
        for number, line in enumerate(lines):
            said = line["note"] if "note" in line else f"{line['recipient']}: {line['reply']}"
            told = f"{line['at']} {line['state']} {said}".rstrip()
            if line.get("next_attempt_after"):
                told += f"; next try between {line['next_after']} and {line['next_before']}"
            show.facts({"" if number else title: show.printable(told)})
