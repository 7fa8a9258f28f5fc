"""`python -m tests.testbed.judge PORT FILE`: a policy server, which lets Postfix refuse or hang.

Postfix sends it a request at every step of an SMTP conversation (its policy protocol). FILE, where
it exists, holds a step and the action at it, such as `RCPT 450 4.2.0 later`. `RCPT hang 5` happens
once, and removes the file: that conversation gets no answer for so many seconds.
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
"""The steps of a conversation, and Postfix' names for them."""
_lock = threading.Lock()


def main() -> None:
    """Serve until killed."""
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, file), daemon=True).start()


def serve(client: socket.socket, file: Path) -> None:
    """Answer the requests of one of Postfix' processes."""
    request: dict[str, str] = {}
    with suppress(OSError), client, client.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            name, _, value = line.rstrip("\n").partition("=")
            if name:
                request[name] = value
            else:
                action = decide(request["protocol_state"], file)
                client.sendall(f"action={action}\n\n".encode())
                request.clear()


def decide(step: str, file: Path) -> str:
    """Return what Postfix should do at a step."""
    with _lock:
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
