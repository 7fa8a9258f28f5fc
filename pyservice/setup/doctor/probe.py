"""Walks the path of a mail from this container to the node's Postfix, and names what is wrong.

The last part of the doctor's script for bare pods, after `smtp_session` and `smtp_steps`: Python
3.6, and nothing but its standard library.
"""

# ruff: noqa: PTH123, T201, UP006, UP035

import ipaddress
import json
import os
import re
import shlex
import socket
import struct
import sys
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Iterator, List
from urllib.parse import urlsplit

from pyservice.setup.doctor.smtp_session import Line, SmtpSession, printable
from pyservice.setup.doctor.smtp_steps import UNKNOWN_NETWORK, FoundError, Steps, own_address

FILLED_IN = "{}"
VALUES = json.loads(FILLED_IN)
ANY = "0.0.0.0"  # noqa: S104 - of a route table
INTERNAL = [
    ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_network("172.16.0.0/12"),
    ipaddress.ip_network("192.168.0.0/16"),
    ipaddress.ip_network("100.64.0.0/10"),
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("fc00::/7"),
]


class PodSteps(Steps):
    """The steps from a pod, which has its kernel's route table and no more."""

    def network_around(self, client: str) -> str:
        """Return the network of the interface that a client is at, if that is this pod's own."""
        own = self.session.local or own_address(self.address)
        if client != own or not is_internal(client):
            return UNKNOWN_NETWORK
        for destination, gateway, mask in routes():
            is_on_link = gateway == ANY and mask not in {ANY, "255.255.255.255"}
            if is_on_link and number(client) & number(mask) == number(destination):
                return f"{destination}/{bin(number(mask)).count('1')}"
        return client if ":" in client else f"{client}/32"


def is_internal(address: str) -> bool:
    """Return whether the Internet does not route an address (RFC 1918, 6598, 4193; loopback)."""
    return any(ipaddress.ip_address(address) in network for network in INTERNAL)


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
        result = "Nothing was sent: --send-to does."
        if VALUES["is_sent"]:
            result = f"Postfix has it as {steps.send_mail().text.split()[-1]}."
    finally:
        session.quit()
    checked = f"Postfix at {address}:{steps.port}"
    if not VALUES["service_url"]:
        return f"{checked}. The service was not checked: --service-url does. {result}"
    ask_service(VALUES["service_url"])
    return f"{checked} and the service at {VALUES['service_url']}. {result}"


def ask_service(url: str) -> None:
    """Ask the service whether it is ready.

    Raises:
        FoundError: it is not, or is not there.
    """
    show(f"* GET {url}/readyz")
    parts = urlsplit(url)
    port = parts.port or {"http": 80}.get(parts.scheme, 443)
    values = {"url": url, "host": parts.hostname, "port": port, "machine": "this pod"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url + "/readyz", timeout=VALUES["timeout"]) as answer:
            text = answer.read(2000).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        id_ = "service-not-ready" if error.code == 503 else "not-the-service"
        text = error.read(2000).decode("utf-8", "replace")
        raise FoundError(id_, text=printable(f"{error.code} {text}"), **values) from error
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        is_certificate = "CERTIFICATE_VERIFY_FAILED" in str(reason)
        id_ = "service-certificate" if is_certificate else "service-unreachable"
        raise FoundError(id_, text=printable(str(reason)), **values) from error
    if '"status":"ok"' not in text.replace(" ", ""):
        raise FoundError("not-the-service", text=printable(text)[:200], **values)


def main() -> int:
    """Walk, and return the exit code: 1 with a finding."""
    try:
        result = walk()
    except FoundError as error:
        show(finding(error))
        return 1
    show(f"\nAll is well with {result}")
    return 0


def finding(error: FoundError) -> str:
    """Return the catalogue's text; in the cure each value is one word to a shell."""
    sentence, cure, where = VALUES["findings"][error.id]
    quoted = {name: shlex.quote(str(value)) for name, value in error.values.items()}
    sentence, cure = sentence.format(**error.values), cure.format(**quoted)
    return f"\nFinding {error.id}: {sentence}\nCure{where}:\n    {cure}"


if __name__ == "__main__":
    sys.exit(main())
