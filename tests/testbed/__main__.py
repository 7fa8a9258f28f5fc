"""`python -m tests.testbed`: make the testbed, start the service, and wait for Ctrl-C."""

import argparse
import threading
from contextlib import suppress

from tests.testbed.network import SERVICE, Testbed


def main() -> None:
    """Make it, say how to enter it, and remove it in the end."""
    argparse.ArgumentParser(prog="python -m tests.testbed", description=__doc__).parse_args()
    with Testbed() as made:
        made.start_service()
        for namespace in (made.node, made.container, made.relay, made.outsider):
            print(f"ip netns exec {namespace.name} bash")  # noqa: T201
        print(f"Service    {SERVICE}, token {made.token}")  # noqa: T201
        print(f"Files      {made.folder}")  # noqa: T201
        print("Ctrl-C removes all of it.", flush=True)  # noqa: T201
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
