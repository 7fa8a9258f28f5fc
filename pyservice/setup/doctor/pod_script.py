"""The doctor as one self-contained script, for a container that has only a shell, or only Python.

The script for Python is the doctor's own session and steps with `probe` as its end; probe.sh does
the same in a shell. They get their values as literals that can't be broken out of.
"""

import json
import math
import re
import shlex
from dataclasses import replace
from importlib.resources import files
from string import Formatter

from pyservice.setup.doctor.finding import Known
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.doctor.mail_path import Options

_FOLDER = files("pyservice.setup.doctor")
_PARTS = ("smtp_session.py", "smtp_steps.py", "probe.py")
_OUR_IMPORT = re.compile(r"^from pyservice\S* import .*\n", re.M)
_HEAD = """\
# Walks the path of a mail from this container to the node's Postfix, and names what is wrong.
# Made by `notify-email doctor --print-script --python`: kubectl exec -i POD -- python3 - < this
# Needs Python 3.6 and nothing beside it.
"""
FINDINGS = (
    "no-address",
    "refused",
    "filtered",
    "not-postfix",
    "greeting-slow",
    "sender-refused",
    "relay-denied",
    "client-refused",
    "disk-full",
    "rejected",
    "service-unreachable",
    "not-the-service",
    "service-certificate",
    "service-not-ready",
)
"""What a bare pod can find."""


def script(
    options: Options, address: str | None, *, python: bool, service_url: str | None = None
) -> str:
    """Return the script's text.

    Args:
        options: what to try; what only a node has, such as the log, is left out.
        address: the node's; None: the script looks for it where it runs.
        python: for Python 3.6 or newer, else for a shell.
        service_url: where the service should answer the pod; None: it is not checked.
    """
    known = [_in_ascii(KNOWN[id_]) for id_ in FINDINGS]
    where = {"address": address or "", "service_url": (service_url or "").rstrip("/")}
    return _in_python(options, where, known) if python else _in_shell(options, where, known)


def _in_python(options: Options, where: dict[str, str], known: list[Known]) -> str:
    values = {
        **where,
        "port": options.port,
        "sender": options.sender,
        "recipient": options.recipient,
        "is_sent": options.is_sent,
        "timeout": options.timeout,
        "findings": {entry.id: [entry.sentence, entry.cure, _where(entry)] for entry in known},
    }
    parts = [_OUR_IMPORT.sub("", _read(name)) for name in _PARTS]
    text = "\n".join([_HEAD, *parts])
    return text.replace('FILLED_IN = "{}"', f"FILLED_IN = {json.dumps(values)!r}")


def _in_shell(options: Options, where: dict[str, str], known: list[Known]) -> str:
    values = {
        **where,
        "port": str(options.port),
        "sender": options.sender,
        "recipient": options.recipient,
        "is_sent": "yes" if options.is_sent else "no",
        "timeout": str(math.ceil(options.timeout)),
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    lines += ["catalogue() {", "  case $1 in"]
    for entry in known:
        lines += [
            f"    {entry.id})",
            f"      sentence={_as_word(entry.sentence)}",
            f"      cure={_as_word(entry.cure)}",
            f"      where={shlex.quote(_where(entry))}",
            "      ;;",
        ]
    lines += ["  esac", "}"]
    text = _read("probe.sh")
    return text.replace("# @VALUES@", "\n".join(lines))


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _as_word(template: str) -> str:
    """Return a template as a word of the shell, its fields as variables of the same names."""
    pieces = [
        shlex.quote(literal) * bool(literal) + (f'"${{{field}}}"' if field else "")
        for literal, field, _, _ in Formatter().parse(template)
    ]
    return "".join(pieces)


def _where(known: Known) -> str:
    return ", on the node" if known.place == "node" else ""


def _in_ascii(known: Known) -> Known:
    """Return an entry of the catalogue in ASCII, since a pod's locale may know no more."""
    return replace(known, sentence=known.sentence.replace("…", "..."))
