"""Walks the path of a mail from this container to the node's Postfix, and names what is wrong.

The last part of the doctor's script for bare pods, after `smtp_session` and `smtp_steps`: Python
3.6, and nothing but its standard library.
"""

# ruff: noqa: PTH123, T201, UP006, UP035

import json
import os
import re
import shlex
import socket
import struct
import sys
from typing import Iterator, List

from pyservice.setup.doctor.smtp_session import Line, SmtpSession
from pyservice.setup.doctor.smtp_steps import FoundError, Steps

FILLED_IN = "{}"
VALUES = json.loads(FILLED_IN)
ANY = "0.0.0.0"  # noqa: S104 - of a route table


class PodSteps(Steps):
    """The steps from a pod, which has its kernel's route table and no more."""

    def network_around(self, client: str) -> str:
        """Return the network of the interface that a client is at, else itself alone."""
        for destination, gateway, mask in routes():
            is_on_link = gateway == ANY and mask not in {ANY, "255.255.255.255"}
            if is_on_link and number(client) & number(mask) == number(destination):
                return f"{destination}/{bin(number(mask)).count('1')}"
        return client if ":" in client else f"{client}/32"


def find_address() -> str:
    """Return the node's address: as given, by NODE_IP, the engine's name for it, or the gateway.

    Raises:
        FoundError: none of them has it.
    """
    if VALUES["address"]:
        return str(VALUES["address"])
    if re.match(r"[0-9a-fA-F.:]+$", os.environ.get("NODE_IP", "")):
        return os.environ["NODE_IP"]
    for line in read_lines("/etc/hosts"):
        address, *names = line.split("#")[0].split() or [""]
        if "host.docker.internal" in names or "host.containers.internal" in names:
            return address
    for destination, gateway, mask in routes():
        # 169.254.1.1 is Calico's, and nobody's.
        if destination == mask == ANY and gateway not in {ANY, "169.254.1.1"}:
            return gateway
    raise FoundError("no-address")


def routes() -> Iterator[List[str]]:
    """Yield each route's destination, gateway and mask: the kernel has them in its byte order."""
    for line in read_lines("/proc/net/route")[1:]:
        words = line.split()
        yield [socket.inet_ntoa(struct.pack("=L", int(words[i], 16))) for i in (1, 2, 7)]


def number(address: str) -> int:
    """Return an IPv4 address as a number; 0: it is none."""
    try:
        return int(struct.unpack("!L", socket.inet_aton(address))[0])
    except OSError:
        return 0


def read_lines(path: str) -> List[str]:
    """Return a file's lines; none where it can't be read."""
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []


def show(text: str) -> None:
    """Print in ASCII, since a pod's locale may know no more."""
    print(text.encode("ascii", "replace").decode(), flush=True)


def show_line(line: Line) -> None:
    """Print a line of the dialogue."""
    show(f"{line.who} {line.text}")


def walk() -> str:
    """Take the steps, and return how they ended.

    Raises:
        FoundError: the first thing that is wrong.
    """
    session, address = SmtpSession(VALUES["timeout"], show_line), find_address()
    steps = PodSteps(session, address, VALUES["port"], VALUES["sender"], VALUES["recipient"])
    try:
        steps.to_recipient()
        if not VALUES["is_sent"]:
            return "Nothing was sent: --send-to does."
        return f"Postfix has it as {steps.send_mail().text.split()[-1]}."
    finally:
        session.quit()


def main() -> int:
    """Walk, and return the exit code: 1 with a finding."""
    try:
        result = walk()
    except FoundError as error:
        show(finding(error))
        return 1
    show(f"\nAll is well. {result}")
    return 0


def finding(error: FoundError) -> str:
    """Return the catalogue's text; in the cure each value is one word to a shell."""
    sentence, cure, where = VALUES["findings"][error.id]
    quoted = {name: shlex.quote(str(value)) for name, value in error.values.items()}
    sentence, cure = sentence.format(**error.values), cure.format(**quoted)
    return f"\nFinding {error.id}: {sentence}\nCure{where}:\n    {cure}"


if __name__ == "__main__":
    sys.exit(main())
