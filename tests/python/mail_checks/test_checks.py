"""Each check fires where it should, and not elsewhere."""

import pytest

from pyservice.mail.message import compose
from pyservice.mail.renderer import Renderer
from pyservice.mail_checks.catalogue import CHECKS, check
from pyservice.mail_checks.finding import Finding
from pyservice.samples import stories, storms
from tests.builders.looks import colourful, foreign
from tests.builders.mails import ADDRESSING, mail_of

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>Failed</title>
{head}
</head>
<body style="background-color: #ffffff; color: #222222">
<h1>Failed</h1>
{body}
</body>
</html>
"""
LINK = '<p><a href="https://ci.example.com/1" style="color: #0b5cad">Build</a></p>'
TEXT = "Failed\nBuild: https://ci.example.com/1\n"
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
RENDERER = Renderer()
SHIPPED = (
    {name: stories.load(name) for name in stories.names()}
    | {name: storms.load_digest(name) for name in storms.names()}
    | {"colours": colourful(), "foreign": foreign()}
)


def found(body: str = "", *, head: str = "", text: str = TEXT, page: str = PAGE) -> list[Finding]:
    """Return what the checks find in a page with this body, apart from notes about clients."""
    html = page.replace("{head}", head).replace("{body}", LINK + body)
    return [
        one
        for one in check(mail_of(html, text))
        if not (one.check == "clients" and one.level == "note")
    ]


def test_a_good_page_has_no_finding() -> None:
    """The page that all cases here begin with is fine."""
    assert found() == []


@pytest.mark.parametrize("name", SHIPPED)
def test_the_built_in_mails_have_neither_error_nor_warning(name: str) -> None:
    """Nor have they a note, apart from fallbacks, links to artifacts and a long name."""
    findings = check(compose(SHIPPED[name], ADDRESSING, RENDERER))
    assert [one for one in findings if one.level != "note"] == []
    assert {one.check for one in findings} <= {"clients", "text", "headers"}
    for one in findings:
        if one.check == "clients":
            assert one.cure.startswith("None is needed: readers see instead: ")


BAD = [
    ("contrast", "error", '<p style="color: #dddddd">pale</p>', "#dddddd on #ffffff"),
    ("contrast", "warning", '<p style="color: #808080">greyish</p>', "contrast of 3.9"),
    ("contrast", "error", '<p style="background: #222">dark on dark</p>', "#222222 on #222222"),
    ("contrast", "error", '<p style="color: rgba(0, 0, 0, 0.2)">thin</p>', "#cccccc on #ffffff"),
    ("images", "error", '<img src="cid:x.png" width="20" height="20">', "no alternative text"),
    ("images", "warning", '<img src="cid:x.png" width="9" alt="logo.png">', "a file's name"),
    ("images", "error", '<img src="cid:x.png" width="20" alt="Team">', "no part for the image"),
    ("images", "error", '<img src="logo.png" width="20" alt="Team">', "leads nowhere"),
    ("images", "error", '<img width="20" alt="Team">', "no `src`"),
    ("images", "warning", '<img src="data:image/png;base64,AA" width="2" alt="x">', "`data:`"),
    ("images", "warning", '<img src="https://x.example.com/a.png" width="2" alt="x">', "learns"),
    ("images", "warning", '<img src="https://x.example.com/a.svg" width="2" alt="x">', "SVG"),
    ("width", "warning", '<div style="min-width: 400px">x</div>', "at least 400 pixels"),
    ("width", "warning", '<table role="presentation" width="640"><tr><td>x</table>', "640 pixels"),
    ("width", "warning", f"<p>{'x' * 90}</p>", "wider than a phone"),
    ("width", "warning", f'<p style="white-space: nowrap">{"a b " * 30}</p>', "not wrapped"),
    (
        "width",
        "warning",
        '<table role="presentation"><tr>'
        + f'<td><img src="{DOT}" width="200" height="9" alt="x"></td>' * 2
        + "</tr></table>",
        "400 pixels",
    ),
    ("links", "warning", '<a href="#">top</a>', "leads nowhere"),
    ("links", "warning", '<a href="">empty</a>', "has no address"),
    ("links", "error", '<a href="javascript:alert(1)">run</a>', "No client follows"),
    ("links", "error", '<a href="/job/x">relative</a>', "No client follows"),
    ("links", "error", '<a href="https://ci.example.com/a b">blank</a>', "is no address"),
    ("links", "error", '<a href="https://ci.example.com:99999/">port</a>', "is no address"),
    ("links", "warning", '<a href="http://localhost:8080/1">local</a>', "own machine"),
    ("links", "error", '<a href="https://ci.example.com/1"></a>', "has no text"),
    ("links", "warning", '<a href="https://ci.example.com/1">Click here!</a>', "does not say"),
    ("links", "warning", '<a href="https://a.example.com/">https://b.example.com</a>', "phishing"),
    ("size", "error", f"<p>{'word ' * 21000}</p><p>the end</p>", "before “the end”"),
    ("size", "warning", f"<p>{'word ' * 18500}</p>", "longer build"),
    ("tables", "warning", "<table><tr><td>x</table>", "one with data"),
    ("tables", "warning", "<table><tr><th>x</table>", "no `scope`"),
    ("tables", "warning", '<table role="presentation"><tr><th>x</table>', "says it has data"),
    ("clients", "warning", '<div style="display: grid">x</div>', "CSS' `display-grid`"),
    ("clients", "warning", "<video></video>", "HTML's `video`"),
    ("outlook", "warning", '<div style="padding: 8px">x</div>', "ignores padding on <div>"),
    ("outlook", "warning", '<div style="width: 200px">x</div>', "ignores `width` on <div>"),
    ("outlook", "warning", '<span style="border: 1px solid #000">x</span>', "no border around"),
    ("outlook", "warning", '<p style="margin: 0 auto">x</p>', "no negative margin"),
    ("outlook", "warning", '<p style="margin-top: -4px">x</p>', "no negative margin"),
    ("outlook", "warning", '<p style="float: left">x</p>', "ignores `float`"),
    ("outlook", "warning", '<div style="display: none">x</div>', "`display: none`"),
    ("outlook", "warning", '<p style="background-image: url(cid:a)">x</p>', "no background image"),
    ("outlook", "warning", '<img src="cid:x.png" alt="x">', "without a `width`"),
    ("active", "error", "<script>1</script>", "a script"),
    ("active", "error", '<form action="https://ci.example.com/"></form>', "a form"),
    ("active", "error", '<iframe src="https://ci.example.com/"></iframe>', "a frame"),
    ("active", "error", '<p onclick="x()">x</p>', "`onclick` is a script"),
    ("active", "warning", "<svg></svg>", "do not show <svg>"),
    ("active", "warning", '<p style="background: url(https://x.example/a)">x</p>', "elsewhere"),
    ("document", "note", "<h1>Second</h1>", "more than one <h1>"),
    ("document", "note", "<h3>Third</h3>", "a level is left out"),
]


@pytest.mark.parametrize(("name", "level", "body", "what"), BAD)
def test_a_fault_is_found(name: str, level: str, body: str, what: str) -> None:
    """The check names the fault, its line and a cure."""
    matching = [one for one in found(body) if one.check == name and what in one.what]
    assert len(matching) == 1, found(body)
    [one] = matching
    assert (one.level, one.part) == (level, "html")
    assert one.line is not None
    assert one.cure.endswith((".", "/"))


GOOD = [
    ("contrast", '<p style="color: #dddddd; background-color: #222222">white on dark</p>'),
    ("contrast", '<p style="color: #808080; font-size: 24px">large</p>'),
    ("contrast", '<p style="color: #ffffff; display: none; mso-hide: all">hidden</p>'),
    ("contrast", '<p style="color: #fff; background: url(cid:a) #fff">on an image</p>'),
    (
        "contrast",
        '<table role="presentation"><tr><td bgcolor="#222222"><p>x</table>'.replace(
            "<p>", '<p style="color: #ffffff">'
        ),
    ),
    ("width", '<img src="cid:a" width="600" alt="x" style="width: 100%; max-width: 600px">'),
    ("width", f'<p style="word-break: break-word">{"x" * 90}</p>'),
    ("width", '<p style="white-space: nowrap">a short one</p>'),
    ("width", '<p><img src="cid:a" width="200" alt="x"> <img src="cid:b" width="200" alt="x"></p>'),
    ("links", '<a href="mailto:ada@example.com">Ada</a> <a name="x"></a>'),
    ("links", '<a href="https://ci.example.com/1"><img src="cid:a" alt="Build" width="9"></a>'),
    ("tables", '<table><tr><th scope="row">a</th><td>b</table>'),
    ("tables", '<table role="presentation"><tr><td>b</table>'),
    ("clients", '<p style="color: red">x</p>'),
    ("outlook", '<table role="presentation"><tr><td style="padding: 9px; width: 90px">x</table>'),
    ("outlook", '<div style="display: none; mso-hide: all">x</div><p style="padding: 0">y</p>'),
    ("active", '<p style="background: url(cid:a)">x</p>'),
    ("document", "<h2>Second</h2><h3>Third</h3>"),
    ("size", f"<p>{'word ' * 10000}</p>"),
]


@pytest.mark.parametrize(("name", "body"), GOOD)
def test_what_is_right_is_not_found(name: str, body: str) -> None:
    """The check is silent."""
    assert [one for one in found(body) if one.check == name] == []


def test_colours_of_dark_mode_are_those_of_the_media_query() -> None:
    """A text that can be read in light only is a finding about dark, and the reverse."""
    sheet = "<style>@media (prefers-color-scheme: dark) {{ {} }}</style>"
    bad = sheet.format("body { background-color: #111111 !important }")
    findings = [one for one in found(head=bad) if one.check == "contrast"]
    assert all("in dark mode" in one.what for one in findings)
    assert "#222222 on #111111" in findings[0].what
    good = sheet.format(
        "body { background-color: #111 !important; color: #eee !important } "
        "a { color: #8cc1ff !important }"
    )
    assert [one for one in found(head=good) if one.check == "contrast"] == []


def test_the_cure_of_a_contrast_is_a_colour_that_has_it() -> None:
    """The colour that is named has enough contrast itself."""
    [one] = [one for one in found('<p style="color: #999999">x</p>') if one.check == "contrast"]
    suggested = one.cure.partition("Make the text ")[2].partition(" ")[0]
    assert found(f'<p style="color: {suggested}">x</p>') == []


def test_a_mail_without_dark_colours_gets_a_note() -> None:
    """Clients make their own of the light ones."""
    page = PAGE.replace('<meta name="color-scheme" content="light dark">', "")
    [one] = found(page=page)
    assert (one.check, one.level) == ("contrast", "note")
    assert "no colours for dark mode" in one.what


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("<!DOCTYPE html>\n", "", "no doctype"),
        (' lang="en"', "", "does not name its language"),
        ("<title>Failed</title>", "", "no title"),
        ('<meta charset="utf-8">', "", "character set"),
        ("<h1>Failed</h1>", "<p>Failed</p>", "no <h1>"),
    ],
)
def test_what_a_document_lacks(old: str, new: str, what: str) -> None:
    """Each part that is missing is one finding."""
    findings = [one for one in found(page=PAGE.replace(old, new)) if one.check == "document"]
    assert [what in one.what for one in findings] == [True]


@pytest.mark.parametrize(
    ("text", "level", "what"),
    [
        ("", "error", "empty text part"),
        ("Passed\nhttps://ci.example.com/1", "warning", "does not say “Failed”"),
        ("Failed", "warning", "none of the HTML's 1 links"),
        (f"{TEXT}{'x' * 999}", "warning", "999 characters"),
    ],
)
def test_the_text_says_the_same(text: str, level: str, what: str) -> None:
    """What it lacks is a finding of the text."""
    [one] = found(text=text)
    assert (one.check, one.level, one.part) == ("text", level, "text")
    assert what in one.what


def test_a_link_that_only_the_html_has_is_a_note() -> None:
    """If the text has others."""
    [one] = found('<p><a href="https://ci.example.com/2" style="color: #0b5cad">Log</a></p>')
    assert (one.check, one.level) == ("text", "note")
    assert "https://ci.example.com/2" in one.cure


HEADERS = [
    (b"Message-ID: <1@ci.example.com>\r\n", b"", "error", "There is no Message-ID"),
    (b"<1@ci.example.com>", b"<1>", "error", "Message-ID <1> is not one"),
    (b"From: Jenkins", b"X-From: Jenkins", "error", "There is no From"),
    (b"MIME-Version: 1.0\r\n", b"", "error", "There is no MIME-Version"),
    (b"Auto-Submitted: auto-generated\r\n", b"", "warning", "no Auto-Submitted"),
    (b"List-Id: ", b"X-List: ", "warning", "There is no List-Id"),
    (b"List-Id: <", b"List-Id: jobs ", "warning", "is not one (RFC 2919)"),
    (b"Subject: Failed: shop #1", b"Subject: ", "error", "no subject"),
    (b"Subject: Failed", b"Subject: " + b"long " * 30, "note", "characters; a list"),
    (b"MIME-Version", b"Precedence: list\r\nMIME-Version", "warning", "no List-Unsubscribe"),
    (b"MIME-Version", b"List-Unsubscribe: here\r\nMIME-Version", "warning", "has no address"),
    (
        b"MIME-Version",
        b"List-Unsubscribe: <https://x.example.com/u>\r\nMIME-Version",
        "warning",
        "no List-Unsubscribe-Post",
    ),
    (b"MIME-Version", b"X-Long: " + b"x" * 991 + b"\r\nMIME-Version", "error", "999 octets"),
]


@pytest.mark.parametrize(("old", "new", "level", "what"), HEADERS)
def test_headers(old: bytes, new: bytes, level: str, what: str) -> None:
    """Each header that is missing or wrong is one finding."""
    mail = mail_of(PAGE.format(head="", body=LINK), TEXT)
    assert old in mail
    findings = [one for one in check(mail.replace(old, new, 1)) if one.check == "headers"]
    assert [(one.level, what in one.what) for one in findings] == [(level, True)]


def test_a_button_for_unsubscribing_is_right() -> None:
    """With both headers there is no finding."""
    more = (
        b"Precedence: list\r\nList-Unsubscribe: <https://x.example.com/u>\r\n"
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMIME-Version"
    )
    mail = mail_of(PAGE.format(head="", body=LINK), TEXT).replace(b"MIME-Version", more, 1)
    assert [one for one in check(mail) if one.check == "headers"] == []


def test_places_are_those_of_the_html_as_it_is_sent() -> None:
    """Line and column are where the element begins."""
    body = '\n\n  <p style="color: #dddddd">pale</p>'
    [one] = found(body)
    html = PAGE.replace("{head}", "").replace("{body}", LINK + body)
    line = html.splitlines().index('  <p style="color: #dddddd">pale</p>') + 1
    assert (one.line, one.column) == (line, 3)
    assert one.place == f"html {line}:3"


def test_equal_faults_are_one_finding_with_their_number() -> None:
    """The first place is named."""
    [one] = found('<div style="padding: 8px">x</div>\n' * 3)
    assert one.count == 3


def test_a_finding_names_the_line_of_the_template() -> None:
    """If just one line of its files has what stands there; a rule may be written differently."""
    mail = mail_of(PAGE.format(head="", body=LINK + '<p style="color: #dddddd">pale</p>'), TEXT)
    files = {"release/body.html": "<p class=pale>", "release/style.css": "p {\n  color:#DDDDDD;\n}"}
    [one] = [one for one in check(mail, files) if one.check == "contrast"]
    assert (one.file, one.file_line) == ("release/style.css", 2)
    assert one.place == "release/style.css, line 2"
    twice = files | {"release/body.html": '<p style="color: #dddddd">'}
    [one] = [one for one in check(mail, twice) if one.check == "contrast"]
    assert one.file is None


def test_broken_mails_have_findings_and_no_traceback() -> None:
    """Whatever the bytes are, the checks end with a list."""
    for mail in (
        b"",
        b"\xff\x00",
        b"Subject: x\r\n\r\nonly text",
        b"Content-Type: text/html\r\n\r\n<p",
    ):
        findings = check(mail)
        assert any(one.level == "error" for one in findings)


def test_any_html_is_checked_in_time_and_to_its_end() -> None:
    """Thousands of elements within each other are no trouble, and a megabyte takes no minute."""
    nested = f"{'<b>' * 4000}x{'</b>' * 4000}"
    deep = f'<a href="https://ci.example.com/1" style="color: #0b5cad">{nested}</a>'
    assert [one for one in found(deep) if one.level == "error"] == []
    huge = found("<p>a <b>b</b></p>\n" * 60_000)
    assert [(one.check, one.level) for one in huge] == [("size", "error")]


def test_each_check_has_a_case() -> None:
    """No check of the table is without a test in which it fires."""
    tested = {name for name, *_ in BAD} | {"text", "headers"}
    assert tested == {one.name for one in CHECKS}
