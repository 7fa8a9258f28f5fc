"""The relay host's SMTP server: `python -m tests.testbed.sink ADDRESS PORT FOLDER`.

Keeps each mail as NUMBER.eml, its exact bytes, and NUMBER.json, its envelope, which appears last.
While there is a file `reply-mail`, `reply-rcpt` or `reply-data` in the folder, its text is the
reply to every MAIL FROM, RCPT TO or final dot.
"""

import asyncio
import itertools
import json
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

LARGEST = 64 * 1024 * 1024


class Sink:
    """Takes every mail, or refuses it with the reply that a file has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        kept = [int(file.stem) for file in folder.glob("*.json")]
        self._numbers = itertools.count(max(kept, default=0) + 1)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take or refuse a sender."""
        refusal = self._reply("mail")
        if refusal is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return refusal or "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        refusal = self._reply("rcpt")
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep or refuse one mail."""
        refusal = self._reply("data")
        if refusal is not None:
            return refusal
        number = next(self._numbers)
        (self._folder / f"{number}.eml").write_bytes(envelope.original_content or b"")
        mail = {"sender": envelope.mail_from, "recipients": envelope.rcpt_tos}
        unfinished = self._folder / "unfinished"
        unfinished.write_text(json.dumps(mail), encoding="utf-8")
        unfinished.rename(self._folder / f"{number}.json")
        return f"250 2.0.0 Ok: queued as SINK{number}"

    def _reply(self, command: str) -> str | None:
        try:
            return (self._folder / f"reply-{command}").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None


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
