"""Mail addresses in the forms in which people write them."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import email_validator
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

# Mail domains of companies may end in .local, and of laboratories in .test: the relay host may know
# them. A node without a name sends as jenkins@localhost.
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = ["arpa", "invalid", "onion"]

MAX_LENGTH = 254
"""Characters of an address without angle brackets (RFC 5321, section 4.5.3.1.3)."""

_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Mailbox:
    """An address, which is valid and ASCII, and a name, which is free text or empty."""

    name: str
    address: str


def mailbox(text: str) -> Mailbox:
    """Return the mailbox in a text: an address, or `Ada Example <ada@example.com>`.

    A domain may have a single label. `alice@example.org)bob@x` is refused, unlike by
    `email.utils.parseaddr` (CVE-2023-27043).

    Raises:
        EmailNotValidError: the text is no address; says why.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise EmailNotValidError("it has a line break or another control character")
    if "=?" in text:
        raise EmailNotValidError("write it as it is, without encoded words")
    named = _NAMED.fullmatch(text)
    validated = _validated(named["address"] if named else text)
    if any(character in "%!" for character in validated.local_part):
        # Postfix would send victim%elsewhere@here to victim@elsewhere.
        raise EmailNotValidError("a % or ! before the @ asks a mail server to relay")
    name = named["name"].strip(" ") if named else ""
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _ESCAPED.sub(r"\1", name[1:-1])
    return Mailbox(name, address=f"{validated.local_part}@{validated.ascii_domain}")


def mailboxes(text: str) -> Iterator[Mailbox]:
    """Yield the mailboxes in a text, separated by commas, semicolons or, without names, by spaces.

    Raises:
        ValueError: one is no address; says which, and why.
    """
    for piece in _pieces(text.strip()):
        try:
            yield mailbox(piece)
        except EmailNotValidError as error:
            shown = ascii(piece if len(piece) <= 80 else piece[:77] + "...")
            raise ValueError(f"{shown} is no mail address: {str(error).rstrip('.')}") from None


def domain(text: str) -> str:
    """Return a mail domain in ASCII and lower case; the text may begin with an at sign.

    Raises:
        ValueError: the text is no domain; says why.
    """
    try:
        return _validated(f"anybody@{text.removeprefix('@')}").ascii_domain
    except EmailNotValidError as error:
        raise ValueError(f"{text!r} is no domain: {str(error).rstrip('.')}") from None


def is_within(address: str, domains: tuple[str, ...]) -> bool:
    """Whether an address is in one of these domains, or in a subdomain."""
    domain = address.rpartition("@")[2]
    return any(f".{domain}".endswith(f".{allowed}") for allowed in domains)


def pattern(text: str) -> str:
    """Return a pattern of addresses in lower case, for `matches`.

    Args:
        text: `ada@example.com`; `noreply@` for this local part anywhere; `@example.com` for all
            addresses of a domain and its subdomains.

    Raises:
        ValueError: the text is none of these.
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


def matches(address: str, pattern: str) -> bool:
    """Whether an address matches a pattern, in upper or lower case.

    `noreply@` matches `noreply+7@x.org`, too; a whole address matches without an extension only.
    """
    local, _, domain = address.lower().rpartition("@")
    wanted, _, wanted_domain = pattern.rpartition("@")
    if not wanted:
        return is_within(address.lower(), (wanted_domain,))
    if not wanted_domain:
        return wanted in {local, local.partition("+")[0]}
    return f"{local}@{domain}" == pattern


@lru_cache(maxsize=1024)
def _validated(address: str) -> ValidatedEmail:
    if len(address) > MAX_LENGTH:
        raise EmailNotValidError(f"it has more than {MAX_LENGTH} characters")
    return validate_email(
        address, allow_smtputf8=False, check_deliverability=False, globally_deliverable=False
    )


def _pieces(text: str) -> Iterator[str]:
    """Split a text at commas and semicolons outside of quotation marks.

    Plain addresses may also be separated by spaces, as in Jenkins' recipient lists.
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
