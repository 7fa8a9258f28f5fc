"""Make the testbed and try it by hand: `python -m tests.testbed --help`."""

import argparse
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from tests.testbed.errors import TestbedError
from tests.testbed.network import CONTAINER, RELAY, Testbed

DESCRIPTION = """\
Make a node with a Postfix and the service, a container on its bridge, a relay host that keeps
what it gets, and an outsider; show how to enter each; remove all of it in the end. Needs root.
"""


def main() -> int:
    """Make a testbed, show how to enter it, wait, and remove it."""
    parser = argparse.ArgumentParser(prog="python -m tests.testbed", description=DESCRIPTION)
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="how many (default: 1)")
    parser.add_argument(
        "--shell", action="store_true", help="open a shell in the container; else wait for Ctrl-C"
    )
    options = parser.parse_args()
    # Without this SIGTERM would leave everything to the next run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with suppress(KeyboardInterrupt), Testbed() as made:
            _show(made, more=options.nodes - 1)
            if options.shell:
                _print("A shell in the container; its end removes all of it.")
                subprocess.run(["ip", "netns", "exec", made.container.name, "bash"], check=False)
            else:
                _print("Ctrl-C removes all of it.")
                threading.Event().wait()
    except TestbedError as error:
        sys.stderr.write(f"testbed: {error}\n")
        return 1
    return 0


def _show(made: Testbed, *, more: int) -> None:
    made.start_service()
    _print(f"Relay host  {RELAY}", f"ip netns exec {made.relay.name} bash")
    _print(f"  its mails are the .eml files in {made.folder}/sunk")
    _print("Outsider", f"ip netns exec {made.outsider.name} bash")
    machines = [(made.node, made.container)]
    for _ in range(more):
        node = made.add_node()
        machines.append((node, made.add_container(node, CONTAINER)))
        node.start_service()
    for node, container in machines:
        _print(f"Node        {node.bridge}", f"ip netns exec {node.name} bash")
        _print(f"  service   {node.url}, token {node.make_token()}")
        _print(f"  Postfix   postqueue -c {node.postfix.config} -p, log in {node.postfix.log}")
        _print(f"Container   {CONTAINER}", f"ip netns exec {container.name} bash")


def _print(what: str, how: str = "") -> None:
    sys.stdout.write(f"{what:<26}{how}".rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
