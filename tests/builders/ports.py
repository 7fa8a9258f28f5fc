"""TCP ports on loopback for servers that a test starts."""

import itertools
import os
import socket

FIRST, LAST = 10_000, 32_000
"""Below those that the system gives away (net.ipv4.ip_local_port_range), such as to a client."""
EACH = 2_000
"""Ports for each of pytest's workers (gw0, gw1, …): none takes what another is about to use."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_numbers = itertools.count(os.getpid())


def free_port() -> int:
    """Return a port that nobody uses, and another one at each call."""
    first = FIRST + _worker * EACH % (LAST - FIRST)
    for number in itertools.islice(_numbers, EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", first + number % EACH))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("no port is free")
