"""`drain`: before a node goes."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pyservice.cli import show
from pyservice.cli.service import Config
from pyservice.config.settings import Settings
from pyservice.errors import SetupError
from pyservice.postfix.instance import Postfix, is_installed

PAUSE = 0.5
"""Seconds between two looks."""


def drain(
    config: Config = None,
    config_dir: Annotated[
        Path | None,
        typer.Option(help="Postfix' configuration directory.  [default: the main instance's]"),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for both.", min=0)] = 60.0,
) -> None:
    """Wait until this node has no mail left: first the outbox, then Postfix' queue.

    Run it before a node goes; in Kubernetes the pod's preStop does. Postfix is told to try all that
    it has at once. Where there is no Postfix in here, as in a pod, only the outbox is waited for.
    Exit code 1: mail is left. It stays where it is: nothing is lost while the node's disk is not.

    \b
    Examples:
      notify-email drain
      notify-email drain --timeout 300 && shutdown -h now
    """
    # Late, since it takes a while and the other commands don't need it.
    from pyservice.cli.guests import waiting  # noqa: PLC0415

    ends = time.monotonic() + timeout
    url = Settings.load(config).outbox_url
    left = _wait("Outbox", lambda: waiting(url), ends)
    postfix = Postfix(config_dir)
    if config_dir is not None or is_installed():
        postfix.flush()
        left += _wait("Postfix", postfix.queued, ends)
    else:
        show.facts({"Postfix": "not in here: run this on the node, too"})
    if left:
        raise SetupError(
            f"There is mail left after {timeout:g} s, which stays on this node's disk. "
            "`notify-email doctor` tells why it does not get out."
        )


def _wait(what: str, count: Callable[[], int], ends: float) -> int:
    told = -1
    while (left := count()) and time.monotonic() < ends:
        if left != told:
            told = left
            print(f"{what}: {left} to go …", file=sys.stderr, flush=True)
        time.sleep(PAUSE)
    show.facts({what: f"{left} left" if left else "empty"})
    return left
