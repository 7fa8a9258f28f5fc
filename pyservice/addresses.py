"""Mail addresses in the forms in which people write them."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache
from itertools import groupby

import email_validator
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

# Mail domains of companies may end in .local, and of laboratories in .test: the relay host may know
# them. A node without a name sends as jenkins@localhost.
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = ["arpa", "invalid", "onion"]

MAX_LENGTH = 254
"""Characters of an address without angle brackets (RFC 5321, section 4.5.3.1.3)."""

_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_ESCAPED = re.compile(r"\\(.)")
_ENCODED_WORD = r"=\?[^\s?]{1,40}\?[bqBQ]\?[^\s?]{0,1000}\?="
_ENCODED_WORDS = re.compile(rf"{_ENCODED_WORD}(?:\s+{_ENCODED_WORD})*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"(?=[\s,;<@]|$)', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@dataclass(frozen=True)
class Mailbox:
    """An address, which is valid and ASCII, and a name, which is free text or empty."""

    name: str
    address: str


@dataclass(frozen=True)
class NoMailbox:
    """A text among mailboxes that is none."""

    text: str
    """As it is written."""
    reason: str

    @property
    def sentence(self) -> str:
        """Which text it is, and why it is no mailbox."""
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        return f"{shown!a} is no mail address: {self.reason}"


def mailbox(text: str) -> Mailbox:
    """Return the mailbox in a text: an address, or `Ada Example <ada@example.com>`.

    A domain may have a single label. `alice@example.org)bob@x` is refused, unlike by
    `email.utils.parseaddr` (CVE-2023-27043). A name may have encoded words (RFC 2047).

    Raises:
        EmailNotValidError: the text is no address; says why.
    """
    named = _NAMED.fullmatch(text)
    address = named["address"] if named else text
    if "=?" in address:
        raise EmailNotValidError("write the address as it is, without encoded words")
    validated = _validated(address)
    if any(character in "%!" for character in validated.local_part):
        # Postfix would send victim%elsewhere@here to victim@elsewhere.
        raise EmailNotValidError("a % or ! before the @ asks a mail server to relay")
    name = named["name"].strip(" ") if named else ""
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _ESCAPED.sub(r"\1", name[1:-1])
    name = _ENCODED_WORDS.sub(lambda word: _decoded(word[0]), name)
    if _CONTROL.search(name):
        raise EmailNotValidError("its name has a line break or another control character")
    return Mailbox(name, address=f"{validated.local_part}@{validated.ascii_domain}")


def read_mailboxes(text: str) -> Iterator[Mailbox | NoMailbox]:
    """Yield the mailboxes in a text, and what stands among them and is none.

    Commas, semicolons and white space separate mailboxes, as in Jenkins' recipient lists. White
    space within quotation marks separates nothing, and neither does a space within a name.
    """
    for piece in _pieces(text):
        try:
            yield mailbox(piece)
        except EmailNotValidError as error:
            yield NoMailbox(piece, str(error).rstrip("."))


def mailboxes(text: str) -> Iterator[Mailbox]:
    """Yield the mailboxes in a text, separated as `read_mailboxes` says.

    Raises:
        ValueError: one is no address; says which, and why.
    """
    for box in read_mailboxes(text):
        if isinstance(box, Mailbox):
            yield box
        else:
            raise ValueError(box.sentence)  # noqa: TRY004 - the text is wrong, not its type


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
    """Yield what should be a mailbox each."""
    words: list[str] = []
    for word in _words(text):
        if not word:
            yield from _without_names(words)
            words = []
        elif word.endswith(">"):
            # The name begins after the last address, unless that itself is the name.
            name = words[:-1] if word.startswith("<") else words
            begin = max((index for index, part in enumerate(name, 1) if _has_at(part)), default=0)
            yield from _without_names(words[:begin])
            yield " ".join([*words[begin:], word])
            words = []
        else:
            words.append(word)
    yield from _without_names(words)


def _words(text: str) -> Iterator[str]:
    """Yield what white space separates, and an empty text for a comma, semicolon or line break.

    A quotation mark within a word, or one that is never closed, is a character as any other: it
    must not hide the addresses behind it.
    """
    word, unquoted = "", 0
    for place, character in enumerate(text):
        if character == '"' and word[-1:] in {"", "<"} and place >= unquoted:
            quoted = _QUOTED.match(text, place)
            unquoted = quoted.end() if quoted else place
        if place < unquoted or not (character.isspace() or character in ",;"):
            word += character
            continue
        if word:
            yield word
            word = ""
        if character in ",;" or character in _LINE_BREAKS:
            yield ""
    if word:
        yield word


def _without_names(words: list[str]) -> Iterator[str]:
    """Yield each address, and the words between two addresses as one text."""
    for is_address, some in groupby(words, key=_has_at):
        if is_address:
            yield from some
        else:
            yield " ".join(some)


def _has_at(word: str) -> bool:
    """Whether a word has an at sign outside of quotation marks."""
    return "@" in word.rpartition('"')[2]


def _decoded(words: str) -> str:
    """Return the text of encoded words; those that nobody can decode as they are."""
    try:
        return str(make_header(decode_header(words)))
    except (HeaderParseError, LookupError, ValueError):
        return words
