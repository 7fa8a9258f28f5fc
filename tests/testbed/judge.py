"""`python -m tests.testbed.judge PORT FILE`: lets Postfix refuse, or think, when a test wants it.

Postfix asks it at every step of an SMTP conversation (its policy protocol). FILE, where there is
one, holds a step and what is done at it, such as `RCPT 450 4.2.0 later`. `RCPT hang 5` is done
once, and then the file is gone: that conversation gets no answer for so many seconds.
"""

import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

STEPS = {
    "greeting": "CONNECT",
    "EHLO": "EHLO",
    "MAIL": "MAIL",
    "RCPT": "RCPT",
    "DATA": "DATA",
    "dot": "END-OF-MESSAGE",
}
"""Postfix' names for them."""
_taking = threading.Lock()


def main() -> None:
    """Serve until killed."""
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            asker, _ = listener.accept()
            threading.Thread(target=answer, args=(asker, file), daemon=True).start()


def answer(asker: socket.socket, file: Path) -> None:
    """One of Postfix' processes, which asks again and again."""
    told: dict[str, str] = {}
    with suppress(OSError), asker, asker.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            name, _, value = line.rstrip("\n").partition("=")
            if name:
                told[name] = value
            else:
                action = judged(told["protocol_state"], file)
                asker.sendall(f"action={action}\n\n".encode())
                told.clear()


def judged(step: str, file: Path) -> str:
    """What Postfix is to do."""
    with _taking:
        try:
            at, action = file.read_text(encoding="utf-8").split(maxsplit=1)
        except FileNotFoundError:
            return "DUNNO"
        if at != step:
            return "DUNNO"
        if not action.startswith("hang "):
            return action
        file.unlink()
    time.sleep(float(action.removeprefix("hang ")))
    return "DUNNO"


if __name__ == "__main__":
    main()
