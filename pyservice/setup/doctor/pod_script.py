"""The doctor as one self-contained script, for a container that has only a shell, or only Python.

probe.sh and probe.py are data here: they are never imported, and get their values as literals
that can't be broken out of.
"""

import json
import math
import shlex
from dataclasses import replace
from importlib.resources import files
from string import Formatter

from pyservice.setup.doctor.findings import KNOWN, Known
from pyservice.setup.doctor.mail_path import Order

_FOLDER = files("pyservice.setup.doctor")
FINDINGS = (
    "no-address",
    "refused",
    "filtered",
    "not-postfix",
    "greeting-slow",
    "sender-refused",
    "relay-denied",
    "disk-full",
    "rejected",
)
"""What can be told from inside of a bare pod."""


def script(order: Order, address: str | None, *, python: bool) -> str:
    """The script's text.

    Args:
        order: what to try; what only a node has, such as the log, is left out.
        address: the node's; None: the script looks for it where it runs.
        python: for Python 3.6 or newer, else for a shell.
    """
    known = [_plain(KNOWN[id_]) for id_ in FINDINGS]
    return _in_python(order, address, known) if python else _in_shell(order, address, known)


def _in_python(order: Order, address: str | None, known: list[Known]) -> str:
    values = {
        "address": address or "",
        "port": order.port,
        "sender": order.sender,
        "recipient": order.recipient,
        "is_sent": order.is_sent,
        "timeout": order.timeout,
        "findings": {one.id: [one.sentence, one.cure, _where(one)] for one in known},
    }
    text = (_FOLDER / "probe.py").read_text(encoding="utf-8")
    return text.replace('FILLED_IN = "{}"', f"FILLED_IN = {json.dumps(values)!r}")


def _in_shell(order: Order, address: str | None, known: list[Known]) -> str:
    values = {
        "address": address or "",
        "port": str(order.port),
        "sender": order.sender,
        "recipient": order.recipient,
        "is_sent": "yes" if order.is_sent else "no",
        "timeout": str(math.ceil(order.timeout)),
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    lines += ["catalogue() {", "  case $1 in"]
    for one in known:
        lines += [
            f"    {one.id})",
            f"      sentence={_expanding(one.sentence)}",
            f"      cure={_expanding(one.cure)}",
            f"      where={shlex.quote(_where(one))}",
            "      ;;",
        ]
    lines += ["  esac", "}"]
    text = (_FOLDER / "probe.sh").read_text(encoding="utf-8")
    return text.replace("# @VALUES@", "\n".join(lines))


def _expanding(template: str) -> str:
    """A template as a word of the shell, whose fields are variables of the same names."""
    pieces = [
        shlex.quote(literal) * bool(literal) + (f'"${{{field}}}"' if field else "")
        for literal, field, _, _ in Formatter().parse(template)
    ]
    return "".join(pieces)


def _where(known: Known) -> str:
    return ", on the node" if known.place == "node" else ""


def _plain(known: Known) -> Known:
    """In ASCII, since a pod's locale may know no more."""
    return replace(known, sentence=known.sentence.replace("…", "..."))
