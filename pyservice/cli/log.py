"""`share-log`: the part of Postfix' log that the service may read."""

import time
from pathlib import Path
from typing import Annotated

import typer

from pyservice.cli import show
from pyservice.errors import SetupError
from pyservice.postfix.log_relay import FILE, LogRelay

PAUSE = 0.5
"""Seconds until the log is read again."""


def share_log(
    log: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Postfix' log.  [default: /var/log/mail.log or maillog, else the journal]",
        ),
    ] = None,
    to: Annotated[Path, typer.Option(help="The file that the service reads.")] = FILE,
    once: Annotated[bool, typer.Option("--once", help="Pass on what is there, and end.")] = False,
) -> None:
    """Pass on the lines of Postfix' log that are about the service's own mails.

    Postfix' log names everybody who gets mail from this node, so the service may not read it. This
    passes on the lines about the service's mails, which have its Message-IDs. It goes on where it
    was stopped, and through rotations.

    \b
    Examples:
      notify-email share-log                       until it is stopped; a unit does this
      notify-email share-log --log /var/log/mail.log --to /tmp/ours.log --once
    """
    if once:
        show.facts({"Passed on": f"{LogRelay(log, to).step()} lines to {to}"})
        return
    relay, trouble = None, ""
    while True:
        try:
            if relay is None:
                relay = LogRelay(log, to)
                show.facts({"Sharing": f"Postfix' log of our own mails, in {to}"})
            relay.step()
            trouble = ""
        except SetupError as error:
            # No log yet, or a full disk: nothing is lost, so try again, and report it once.
            if str(error) != trouble:
                trouble = str(error)
                show.say(f"notify-email: {error} Trying again.")
        time.sleep(PAUSE)
