"""A mail taken apart by rules of our own, without Python's email package: what is odd fails.

It accepts only what the service means to write: RFC 5322's lines, RFC 2047's encoded words in
UTF-8, one multipart/alternative of two texts in quoted-printable, and HTML that runs and loads
nothing.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from html.parser import HTMLParser

MAX_LINE = 998

_HEADER = re.compile(rb"(?P<name>[A-Za-z][A-Za-z0-9-]*): (?P<value>(?:[!-~](?:[ -~]*[!-~])?)?)")
_FOLDED = re.compile(rb"[ \t]+[!-~](?:[ -~]*[!-~])?")
_TYPE = re.compile(r'multipart/alternative;\s+boundary="(?P<boundary>=_[0-9a-f]{32})"')
_PART = re.compile(
    rb'Content-Type: text/(?P<subtype>plain|html); charset="utf-8"\r\n'
    rb"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
)
_QP_LINE = re.compile(rb"(?:[!-<>-~ \t]|=[0-9A-F]{2})*=?")
_QP_OCTET = re.compile(rb"=([0-9A-F]{2})")
_WORD = re.compile(r"=\?utf-8\?(?:b\?(?P<b>[A-Za-z0-9+/]+={0,2})|q\?(?P<q>[!->@-~]+))\?=")
_MAILBOX = re.compile(
    r'(?:"(?P<name>(?:[^"\\]|\\.)*)" <|(?P<atoms>[^",;:<>()@\\\[\]]+) <)?'
    r"(?P<address>[!-;=?-~]+@[a-z0-9.-]+)>?"
)
_ELEMENT = re.compile(
    "html|head|meta|title|style|body|div|table|tbody|tr|td|th|h[12]|p|a|br|span|strong"
)
_ATTRIBUTE = re.compile(
    "lang|charset|name|content|class|style|role|width|cellpadding|cellspacing|border|align|href"
    "|bgcolor|dir|height|scope"
)
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OddMailError(AssertionError):
    """It is not as it must be; the message says where."""


@dataclass(frozen=True)
class Dissected:
    """What a mail says."""

    headers: dict[str, str]
    """Each once, unfolded, as it travels."""
    plain: str
    html: str
    """With plain line feeds."""

    def shown(self, name: str) -> str:
        """A header's free text, as a reader sees it."""
        return decoded(self.headers[name])


def dissect(mail: bytes, *, received: bool = False) -> Dissected:
    """Take a mail apart.

    Args:
        mail: as it travels, without dot-stuffing.
        received: it went through mail servers, which put their Received on top.

    Raises:
        OddMailError: it has a line, a header or a part that was not meant.
    """
    _require(mail.isascii(), "it is not 7 bit")
    _require(b"\0" not in mail, "it has a NUL")
    _require(not re.search(rb"(?<!\r)\n|\r(?!\n)", mail), "it has a bare CR or LF")
    _require(mail.endswith(b"\r\n"), "it does not end with a line end")
    _require(max(map(len, mail.split(b"\r\n"))) <= MAX_LINE, "it has a line over 998 octets")
    head, found, body = mail.partition(b"\r\n\r\n")
    _require(bool(found), "it has no body")
    headers = _headers(head.split(b"\r\n"), received=received)
    found_type = _TYPE.fullmatch(headers["Content-Type"])
    _require(found_type is not None, "its type is not the one that was meant")
    assert found_type is not None
    plain, html = _parts(body, found_type["boundary"].encode())
    _Page().feed(html)
    return Dissected(headers, plain, html)


def decoded(value: str) -> str:
    """Free text of a header: plain, or encoded words alone.

    Raises:
        OddMailError: a word is too long, splits a character, or hides something.
    """
    if "=?" not in value:
        return value
    told = ""
    for word in value.split(" "):
        found = _WORD.fullmatch(word)
        _require(found is not None and len(word) <= 75, f"{word!r} is no encoded word")
        assert found is not None
        if found["b"]:
            octets = base64.b64decode(found["b"], validate=True)
        else:
            octets = binascii.a2b_qp(found["q"].encode(), header=True)
        try:
            told += octets.decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise OddMailError(f"{word!r} splits a character") from None
    _require(not _CONTROL.search(told), f"{told!r} hides a control character")
    _require(not _REORDERING.search(told), f"{told!r} turns the text around")
    return told


def mailbox(value: str) -> tuple[str, str]:
    """The name and the address of a header that has one of them.

    Raises:
        OddMailError: it has none, or several.
    """
    found = _MAILBOX.fullmatch(value)
    _require(found is not None, f"{value!r} is not one address")
    assert found is not None
    name = found["name"] or found["atoms"] or ""
    return (decoded(name) if found["atoms"] else re.sub(r"\\(.)", r"\1", name)), found["address"]


def _headers(lines: list[bytes], *, received: bool) -> dict[str, str]:
    found: list[tuple[str, str]] = []
    for line in lines:
        if (header := _HEADER.fullmatch(line)) is not None:
            found.append((header["name"].decode(), header["value"].decode()))
        else:
            # Servers fold their Received with a tab.
            _require(bool(found) and _FOLDED.fullmatch(line) is not None, f"{line!r} is no header")
            name, value = found[-1]
            found[-1] = (name, f"{value} {line.strip().decode()}".strip())
    while received and found and found[0][0] == "Received":
        del found[0]
    _require(all(value for _, value in found), f"a header has no value: {found}")
    names = [name for name, _ in found]
    _require(len(set(map(str.lower, names))) == len(names), f"a header is there twice: {names}")
    return dict(found)


def _parts(body: bytes, boundary: bytes) -> tuple[str, str]:
    delimiter = b"--" + boundary
    _require(body.count(delimiter) == 3, "its boundary is not there three times")
    _require(body.startswith(delimiter + b"\r\n"), "there is something before the first part")
    _require(body.endswith(b"\r\n" + delimiter + b"--\r\n"), "there is something after the parts")
    inner = body[len(delimiter) + 2 : -len(delimiter) - 6]
    pieces = inner.split(b"\r\n" + delimiter + b"\r\n")
    _require(len(pieces) == 2, f"it has {len(pieces)} parts")
    texts = []
    for piece, subtype in zip(pieces, (b"plain", b"html"), strict=True):
        head = _PART.match(piece)
        _require(head is not None and head["subtype"] == subtype, f"{piece[:100]!r} is no part")
        assert head is not None
        texts.append(_from_quoted_printable(piece[head.end() :]))
    return texts[0], texts[1]


def _from_quoted_printable(encoded: bytes) -> str:
    octets = b""
    pieces = []
    for line in encoded.split(b"\r\n"):
        _require(_QP_LINE.fullmatch(line) is not None, f"{line!r} is not quoted-printable")
        _require(len(line) <= 76, f"{line!r} is too long for quoted-printable")
        _require(line[-1:] not in (b" ", b"\t"), f"{line!r} ends in a space")
        is_soft = line.endswith(b"=")
        plain = line[:-1] if is_soft else line + b"\n"
        pieces.append(_QP_OCTET.sub(lambda octet: bytes([int(octet[1], 16)]), plain))
    octets = b"".join(pieces)
    return octets[:-1].decode("utf-8", "strict")


class _Page(HTMLParser):
    """Reads a page; an element or attribute that no template of ours has is odd."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        _require(_ELEMENT.fullmatch(tag) is not None, f"its HTML has <{tag}>")
        for name, value in attrs:
            _require(_ATTRIBUTE.fullmatch(name) is not None, f"its HTML has the attribute {name!r}")
            if name == "href":
                _require((value or "").startswith(("http://", "https://")), f"it links to {value}")
            if name == "style":
                _require(not re.search(r"url|position|expression|@", value or ""), f"{value!r}")


def _require(condition: bool, told: str) -> None:
    if not condition:
        raise OddMailError(told)
