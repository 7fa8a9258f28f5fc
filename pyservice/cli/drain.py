"""`drain`: wait until a node has no mail left."""

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


def drain(
    config: Config = None,
    config_dir: Annotated[
        Path | None,
        typer.Option(help="Postfix' configuration directory.  [default: the main instance's]"),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="<seconds>", help="Seconds to wait for both.", min=0)
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is left as JSON.")] = False,
) -> None:
    """Wait until this node has no mail left: first the outbox, then Postfix' queue.

    Run it before you remove a node; in Kubernetes the pod's preStop does. It lets Postfix try its
    whole queue at once. Where there is no Postfix, as in a pod, it waits for the outbox only. Exit
    code 1: mail is left, or there is no outbox. Mail that is left stays where it is, and is safe as
    long as the node's disk is.

    \b
    Examples:
      notify-email drain
      notify-email drain --timeout 300 && shutdown -h now
    """
    # Late, since it takes a while and the other commands don't need it.
    from pyservice.cli.outbox_access import count_waiting  # noqa: PLC0415

    ends = time.monotonic() + timeout
    url = Settings.load(config).outbox_url
    left: dict[str, int | None] = {}

    def record(name: str, count: int | None) -> None:
        left[name] = count
        if not as_json:
            show.facts({name.capitalize(): _as_text(count)})

    record("outbox", _wait("Outbox", lambda: count_waiting(url), ends))
    postfix = Postfix(config_dir)
    if config_dir is not None or is_installed():
        postfix.flush()
        record("postfix", _wait("Postfix", postfix.queue_length, ends))
    else:
        record("postfix", None)
    if as_json:
        show.json(left)
    if any(left.values()):
        raise SetupError(
            f"There is mail left after {timeout:g} s, which stays on this node's disk. "
            "`notify-email doctor` says why it is not delivered."
        )


def _wait(what: str, count: Callable[[], int], ends: float, *, pause: float = 0.5) -> int:
    """Wait until nothing is left, or until a time; return how much is left."""
    printed = -1
    while (left := count()) and time.monotonic() < ends:
        if left != printed:
            printed = left
            show.say(f"{what}: {left} to go …")
        time.sleep(pause)
    return left


def _as_text(left: int | None) -> str:
    if left is None:
        return "not in here: run this on the node, too"
    return f"{left} left" if left else "empty"
