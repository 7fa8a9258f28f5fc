"""Mail addresses, as people write them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import email_validator
from email_validator import EmailNotValidError, validate_email

# Many a company's own mail domain ends in .local, and a laboratory's in .test: the node's relay
# host may well know them. A node without a name sends as jenkins@localhost.
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = ["arpa", "invalid", "onion"]

_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Mailbox:
    """One person: the address is ASCII and valid, the name is free text or empty."""

    name: str
    address: str


def mailbox(text: str) -> Mailbox:
    """One address, with or without a name: `Ada Example <ada@example.com>`.

    A domain of a single label is as good as any. Unlike
    `email.utils.parseaddr` it refuses `alice@example.org)bob@x` (CVE-2023-27043).

    Raises:
        EmailNotValidError: says why it is none.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise EmailNotValidError("it has a line break or another control character")
    if "=?" in text:
        raise EmailNotValidError("write it as it is, without encoded words")
    named = _NAMED.fullmatch(text)
    found = validate_email(
        named["address"] if named else text,
        allow_smtputf8=False,
        check_deliverability=False,
        globally_deliverable=False,
    )
    name = named["name"].strip(" ") if named else ""
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _ESCAPED.sub(r"\1", name[1:-1])
    return Mailbox(name, address=f"{found.local_part}@{found.ascii_domain}")


def mailboxes(text: str) -> list[Mailbox]:
    """All addresses of a text, separated by commas, semicolons or, without names, by spaces.

    Raises:
        ValueError: says which one is none, and why.
    """
    found = []
    for piece in _pieces(text.strip()):
        try:
            found.append(mailbox(piece))
        except EmailNotValidError as error:
            shown = ascii(piece if len(piece) <= 80 else piece[:77] + "...")
            raise ValueError(f"{shown} is no mail address: {str(error).rstrip('.')}") from None
    return found


def _pieces(text: str) -> Iterator[str]:
    """Split at commas and semicolons outside of quotation marks.

    Plain addresses may also be separated by spaces, as in Jenkins' own recipient lists.
    """
    piece, quoted, escaped = "", False, False
    for character in text:
        if character in ",;" and not quoted:
            yield from _words(piece)
            piece = ""
            continue
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and not escaped
        piece += character
    yield from _words(piece)


def _words(piece: str) -> list[str]:
    words = piece.strip(" ").split(" ")
    if all("@" in word and "<" not in word for word in words):
        return words
    return [piece.strip(" ")] if piece.strip(" ") else []
