"""`python -m tests.testbed.lossy LISTEN TARGET FLAG`: a proxy to Postfix that loses replies.

It passes on what both sides send. While the file FLAG exists, it hangs up on the client after the
final dot of a mail, and Postfix' reply is lost.
"""

import selectors
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Serve until killed."""
    listen, target, flag = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    with socket.create_server(("127.0.0.1", listen)) as listener:
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", target))
            except ConnectionRefusedError:
                client.close()
                continue
            threading.Thread(target=pass_on, args=(client, server, flag), daemon=True).start()


def pass_on(client: socket.socket, server: socket.socket, flag: Path) -> None:
    """Pass data on until one side hangs up, or the reply to a final dot is to be lost."""
    end = b""
    with suppress(OSError), client, server, selectors.DefaultSelector() as either:
        either.register(client, selectors.EVENT_READ, server)
        either.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in either.select():
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(65536)
                if not data:
                    return
                key.data.sendall(data)
                if key.fileobj is client:
                    end = (end + data)[-5:]
                    if end == b"\r\n.\r\n" and flag.exists():
                        server.recv(1024)  # Postfix has it
                        flag.unlink()
                        return


if __name__ == "__main__":
    main()
