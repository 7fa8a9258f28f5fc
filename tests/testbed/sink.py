"""The relay host's SMTP server: `python -m tests.testbed.sink ADDRESS PORT FOLDER`.

Keeps each mail as NUMBER.eml, its exact bytes, and NUMBER.json, its envelope, which appears last.
While there is a file `reply` in the folder, its text is the answer to every mail's final dot.
"""

import asyncio
import itertools
import json
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

LARGEST = 64 * 1024 * 1024


class Sink:
    """Takes every mail, or answers as it was told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep or refuse one mail."""
        reply = self._folder / "reply"
        if reply.exists():
            return reply.read_text(encoding="utf-8").strip()
        number = next(self._numbers)
        (self._folder / f"{number}.eml").write_bytes(envelope.original_content or b"")
        told = {"sender": envelope.mail_from, "recipients": envelope.rcpt_tos}
        unfinished = self._folder / "unfinished"
        unfinished.write_text(json.dumps(told), encoding="utf-8")
        unfinished.rename(self._folder / f"{number}.json")
        return f"250 2.0.0 Ok: queued as SINK{number}"


async def serve(address: str, port: int, folder: Path) -> None:
    """Serve until killed."""
    sink = Sink(folder)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            sink, hostname="relay.example.com", enable_SMTPUTF8=True, data_size_limit=LARGEST
        ),
        address,
        port,
        backlog=256,
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
