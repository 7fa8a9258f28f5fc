"""Mail addresses, as people write them."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import email_validator
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

# Many a company's own mail domain ends in .local, and a laboratory's in .test: the node's relay
# host may well know them. A node without a name sends as jenkins@localhost.
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = ["arpa", "invalid", "onion"]

MAX_LENGTH = 254
"""Characters of an address (RFC 5321, section 4.5.3.1.3, without the angle brackets)."""

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
    found = _validated(named["address"] if named else text)
    if any(character in "%!" for character in found.local_part):
        # Postfix would take victim%elsewhere@here apart and send to victim@elsewhere.
        raise EmailNotValidError("a % or ! before the @ asks a mail server to relay")
    name = named["name"].strip(" ") if named else ""
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _ESCAPED.sub(r"\1", name[1:-1])
    return Mailbox(name, address=f"{found.local_part}@{found.ascii_domain}")


def mailboxes(text: str) -> Iterator[Mailbox]:
    """All addresses of a text, separated by commas, semicolons or, without names, by spaces.

    Each is read when it is asked for, so that a caller can stop.

    Raises:
        ValueError: says which one is none, and why.
    """
    for piece in _pieces(text.strip()):
        try:
            yield mailbox(piece)
        except EmailNotValidError as error:
            shown = ascii(piece if len(piece) <= 80 else piece[:77] + "...")
            raise ValueError(f"{shown} is no mail address: {str(error).rstrip('.')}") from None


def domain(text: str) -> str:
    """A mail domain in ASCII and lower case, written with or without its at sign.

    Raises:
        ValueError: says why it is none.
    """
    try:
        return _validated(f"anybody@{text.removeprefix('@')}").ascii_domain
    except EmailNotValidError as error:
        raise ValueError(f"{text!r} is no domain: {str(error).rstrip('.')}") from None


def is_within(address: str, domains: tuple[str, ...]) -> bool:
    """Whether an address is of one of these domains, or of a domain below one."""
    domain = address.rpartition("@")[2]
    return any(f".{domain}".endswith(f".{allowed}") for allowed in domains)


def pattern(text: str) -> str:
    """Addresses that are meant alike, in lower case; `is_meant` tells which those are.

    Args:
        text: `ada@example.com`; `noreply@` for this local part anywhere; `@example.com` for all
            addresses of a domain and its subdomains.

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip()
    with suppress(ValueError):
        if text.startswith("@"):
            return f"@{domain(text)}"
        if text.endswith("@"):
            return _validated(f"{text}example.com").local_part.lower() + "@"
        if "*" not in text:  # an address may have one, but nobody means that
            return mailbox(text).address.lower()
    raise ValueError(
        f"{text!a} names no addresses: write ada@example.com, noreply@ or @example.com"
    )


def is_meant(address: str, by: str) -> bool:
    """Whether a mailbox' address is one of those that a pattern means, in any case.

    A local part's extension counts only in a whole address: `noreply@` is `noreply+7@x.org`, too.
    """
    local, _, where = address.lower().rpartition("@")
    wanted, _, wanted_domain = by.rpartition("@")
    if not wanted:
        return is_within(address.lower(), (wanted_domain,))
    if not wanted_domain:
        return wanted in {local, local.partition("+")[0]}
    return f"{local}@{where}" == by


@lru_cache(maxsize=1024)
def _validated(address: str) -> ValidatedEmail:
    if len(address) > MAX_LENGTH:
        raise EmailNotValidError(f"it has more than {MAX_LENGTH} characters")
    return validate_email(
        address, allow_smtputf8=False, check_deliverability=False, globally_deliverable=False
    )


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
