"""own_words.py: an author's words become safe HTML, and text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice import samples
from pyservice.mail.own_words import MAX_BRACKETS, MAX_HTML, own_words
from pyservice.mail.renderer import Renderer
from pyservice.report.schema import MAX_BODY


def html(body: str) -> str:
    words = own_words(body)
    return "" if words is None else str(words.html)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Deployed *v1* to **prod**", "<p>Deployed <em>v1</em> to <strong>prod</strong></p>"),
        (
            "\n        # Notes\n\n        - a\n        - b\n",
            "<h3>Notes</h3>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>",
        ),
        ("[x](https://x.org)", '<p><a href="https://x.org">x</a></p>'),
        ("a < b & c", "<p>a &lt; b &amp; c</p>"),
        ("<h1 class='x' style='y'>Hi</h1><p>there", "<h3>Hi</h3><p>there</p>"),
        ("<ul><li>a<li><b>b</b></ul>", "<ul><li>a</li><li><b>b</b></li></ul>"),
    ],
)
def test_what_is_kept(body: str, expected: str) -> None:
    """Markdown, and HTML where the text begins with `<`, without the Jenkinsfile's indentation."""
    assert html(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        "![logo](https://x.org/a.png)",
        "<img src=https://x.org/a.png>",
        "<p style='position:fixed' onclick=x() background=https://x.org/a>hi</p>",
        "hi <script>alert(1)</script> <style>* {display: none}</style>",
        "<a href='javascript:alert(1)'>x</a>",
        "[x](javascript:alert(1)) [y](data:text/html,x) [z](//x.org) [w](/w)",
        "<svg/onload=alert(1)><iframe src=https://x.org></iframe>",
        "<form action=https://x.org><input name=p></form>",
        "<table background=https://x.org/a><tr><td width=9999 bgcolor=red>x</td></tr></table>",
        "</td></tr></table></body><p>hi",
        "<!--[if mso]><p>x</p><![endif]-->hi",
    ],
)
def test_what_is_left_out(body: str) -> None:
    """Nothing loads, runs, or leaves its section; a link leads to the web or to a mail address."""
    made = html(body).lower()
    for word in ("<img", "<script", "<style", "<svg", "<iframe", "<form", "<input", "</body", "<!"):
        assert word not in made
    for word in ("style=", "onclick", "onload=alert", "background", "width=", "bgcolor"):
        assert word not in made.replace("&lt;svg/onload=alert", "")
    for link in ('href="javascript', 'href="data', 'href="/', "href='"):
        assert link not in made


def test_an_image_becomes_a_link() -> None:
    """A mail loads nothing, so its readers get the image's address."""
    made = html('![a <b>](https://x.org/a.png "t")')
    assert made == '<p><a href="https://x.org/a.png">a &lt;b&gt;</a></p>'


def test_the_text_of_html() -> None:
    """The text part has HTML's words in lines, with the links' addresses."""
    words = own_words(
        "<p>Hi &amp; <a href='https://x.org'>bye</a></p><ul><li>a</li><li>b</li></ul>"
    )
    assert words is not None
    assert words.text.splitlines() == ["Hi & bye (https://x.org)", "", "- a", "", "- b"]
    markdown = own_words("Hi & *bye*")
    assert markdown is not None
    assert markdown.text == "Hi & *bye*"


@pytest.mark.parametrize("body", [None, "", " \n ", "<p> </p>", "<!-- x -->", "<style>x</style>"])
def test_no_words(body: str | None) -> None:
    """What shows nothing has no section."""
    assert own_words(body) is None


@pytest.mark.parametrize("body", ["&" * MAX_BODY, "[" * MAX_BODY, "- \n" * 2000, "<b>&" * 2000])
def test_words_that_would_take_too_much(body: str) -> None:
    """Words that are slow to read, or long as HTML, are shown as they are."""
    assert len(html(body).encode()) <= MAX_HTML
    assert body.count("[") <= MAX_BRACKETS or "<p>" not in html(body)


@given(st.text(alphabet="<>&\"'[]()!*_`#|-\n :/ahrefimgsclt=jp", max_size=200))
def test_any_words(body: str) -> None:
    """Whatever somebody writes becomes HTML with the elements and links that are allowed."""
    made = html(body)
    assert "<img" not in made
    assert "<script" not in made
    assert own_words(made) is None or "<img" not in html(made)


def test_the_mail_has_them() -> None:
    """Both parts show the words below the reason."""
    report = samples.load("2-failure")
    mail = report.mail.model_copy(update={"body": "Call *Ada* <ada@x.org>"})
    body = Renderer().render(report.model_copy(update={"mail": mail}))
    assert "Call <em" in body.html
    assert "Call *Ada* <ada@x.org>" in body.text
