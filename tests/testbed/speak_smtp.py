"""One SMTP conversation by hand: `speak_smtp.py HOST PORT SENDER RECIPIENT... < MAIL`.

It waits for each reply before it goes on, as servers that forbid pipelining require. It prints the
replies as a JSON list; an empty list means that nobody listens.
"""

import json
import socket
import sys


def converse(host: str, port: int, sender: str, recipients: list[str], mail: bytes) -> list[str]:
    """Send one mail; return the replies up to the first refusal."""
    replies: list[str] = []
    try:
        connection = socket.create_connection((host, port), timeout=90)
    except ConnectionRefusedError:
        return replies
    stuffed = b"\r\n".join(
        b"." + line if line.startswith(b".") else line for line in mail.split(b"\r\n")
    )
    with connection, connection.makefile("rb") as incoming:
        commands: list[tuple[bytes, str]] = [
            (b"", "2"),
            (b"EHLO container.example.com", "2"),
            (f"MAIL FROM:<{sender}>".encode(), "2"),
            *((f"RCPT TO:<{recipient}>".encode(), "2") for recipient in recipients),
            (b"DATA", "3"),
            (stuffed.removesuffix(b"\r\n") + b"\r\n.", "2"),
        ]
        for line, expected in commands:
            if line:
                connection.sendall(line + b"\r\n")
            while True:
                reply = incoming.readline().decode("utf-8", "replace").rstrip()
                if reply[3:4] != "-":
                    break
            replies.append(reply)
            if not reply.startswith(expected):
                break
        connection.sendall(b"QUIT\r\n")
    return replies


if __name__ == "__main__":
    _, host, port, sender, *recipients = sys.argv
    replies = converse(host, int(port), sender, recipients, sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(replies))
