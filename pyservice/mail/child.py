"""Starts processes of ours that answer the first one, and that can be killed at any time."""

import os
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection


def start(module: str, *, niceness: int = 0) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start a module in a process, and return that and the connection to it.

    The process gets the connection's descriptor as its only argument.

    Args:
        module: the module's full name.
        niceness: how far the process stands back behind this one, from 0 to 19.

    Raises:
        OSError: the system refused to start it.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-P", "-m", module, str(theirs.fileno())]
        try:
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: S603 - ours
        except OSError:
            ours.close()
            raise
    if niceness:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, process.pid, min(19, own + niceness))
    return process, Connection(ours.detach())


def connection_to_parent() -> Connection:
    """Return the connection, in the process that was started."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the first process handles them
    return Connection(int(sys.argv[1]))
