"""The relay host's SMTP server: `sink.py ADDRESS PORT FOLDER`.

Keeps each mail as NUMBER.eml, its exact bytes, and NUMBER.json, its envelope, which appears last.
While FOLDER/answers.json says so it answers otherwise: {"mail": "451 …", "rcpt": …, "data": …}.
"""

import asyncio
import itertools
import json
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

HOSTNAME = "relay.example.com"
LARGEST = 64 * 1024 * 1024


class Sink:
    """Takes every mail, or answers as it was told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take or refuse a sender."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self._answer("mail") or "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take or refuse a recipient."""
        refusal = self._answer("rcpt")
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep or refuse a mail."""
        refusal = self._answer("data")
        if refusal:
            return refusal
        name = f"{next(self._numbers):06}"
        content = envelope.original_content or b""
        (self._folder / f"{name}.eml").write_bytes(content)
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "helo": session.host_name,
            "peer": session.peer[0] if session.peer else None,
        }
        unfinished = self._folder / f"{name}.part"
        unfinished.write_text(json.dumps(told), encoding="utf-8")
        unfinished.rename(self._folder / f"{name}.json")
        return f"250 2.0.0 Ok: queued as SINK{name}"

    def _answer(self, command: str) -> str | None:
        try:
            answers = json.loads((self._folder / "answers.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        answer = answers.get(command)
        return answer if isinstance(answer, str) else None


async def serve(address: str, port: int, folder: Path) -> None:
    """Serve until killed."""

    sink = Sink(folder)

    def session() -> SMTP:
        return SMTP(
            sink, hostname=HOSTNAME, ident="sink", enable_SMTPUTF8=True, data_size_limit=LARGEST
        )

    server = await asyncio.get_running_loop().create_server(session, address, port, backlog=256)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
