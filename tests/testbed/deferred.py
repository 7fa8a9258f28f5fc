"""A mail by hand, and one that waits."""

from tests.testbed.network import Testbed
from tests.testbed.waiting import until

MAIL = (
    "From: jenkins@ci.example.com\r\nTo: ada@example.com\r\nSubject: by hand\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    "\r\nHello, Müller.\r\n.a dot begins this line\r\n..\r\na space ends it \r\n"
)


def wait_until_deferred(testbed: Testbed, reason: str) -> None:
    """Wait until the node's queue holds a mail for that reason."""
    until(lambda: reason in testbed.node.queue(), lambda: f"{reason}: {testbed.node.queue()}")
