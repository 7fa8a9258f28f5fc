"""`python -m tests.testbed.hurried LIMIT=SECONDS… -- serve --config FILE`: an impatient service.

It is the service with other `Limits`, such as `delivery.retry.first_delay=1`, so that a test
needn't wait as long as a node does.
"""

import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyservice import logs
from pyservice.config.settings import Settings
from pyservice.setup.node.detect import detect_node
from pyservice.web import server
from pyservice.web.app import create_app
from pyservice.web.limits import Limits


def main() -> None:
    """Run the service until SIGTERM."""
    ends = sys.argv.index("--")
    limits = Limits()
    for change in sys.argv[1:ends]:
        name, value = change.split("=")
        limits = _changed(limits, name.split("."), float(value))
    *_, config = sys.argv
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # uvicorn sends it to itself at its end
    settings = Settings.load(Path(config))
    logs.configure(settings.log_level)
    bridge = detect_node().bridge
    assert bridge is not None
    assert bridge.address is not None
    sockets = server.bind(("127.0.0.1", bridge.address), settings.port)
    server.server(create_app(settings, limits)).run(sockets=sockets)


def _changed(limits: Any, path: list[str], value: float) -> Any:
    """Return limits with another value at a path of names."""
    if not path:
        return value
    name, *rest = path
    return replace(limits, **{name: _changed(getattr(limits, name), rest, value)})


if __name__ == "__main__":
    main()
