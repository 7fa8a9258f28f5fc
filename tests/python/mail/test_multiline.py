"""multiline.py: line breaks and blanks survive in a mail, in any mail program."""

import html
import re
from pathlib import Path

import pytest
from markupsafe import Markup

from pyservice import samples
from pyservice.mail.multiline import blanks, multiline
from pyservice.mail.renderer import HTML_BUDGET, Renderer
from pyservice.report.schema import Cause, Change, Changes, FailedTest, Failure, Mail, Report
from pyservice.report.schema import Tests as Counts
from tests.builders.growth import cpu_seconds, is_at_most

TRACEBACK = 'Traceback:\n  File "till.py", line 12\n    return sum(a, b)\n           ^^^^^'
AS_HTML = (
    "Traceback:<br>&nbsp;&nbsp;File &#34;till.py&#34;, line 12<br>&nbsp;&nbsp;&nbsp;&nbsp;return "
    "sum(a, b)<br>" + "&nbsp;" * 11 + "^^^^^"
)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("one line", "one line"),
        ("a <b> & c", "a &lt;b&gt; &amp; c"),
        ("two\nlines <\n", "two<br>lines &lt;"),
        ("\n\nfirst\n\nlast\n\n", "first<br><br>last"),
        (" one\n  two", "&nbsp;one<br>&nbsp;&nbsp;two"),
        ("till    12  1", "till&nbsp;&nbsp;&nbsp; 12&nbsp; 1"),
        ("\tgo\n1\t2", "&nbsp;&nbsp;&nbsp;&nbsp;go<br>1&nbsp;&nbsp; 2"),
        ("blanks at the end    \nof a line  ", "blanks at the end<br>of a line"),
        (" " * 500 + "x", "&nbsp;" * 40 + "x"),
        (TRACEBACK, AS_HTML),
        (3, "3"),
        (Markup("<b>own</b>\n<i>HTML</i>"), "<b>own</b><br><i>HTML</i>"),
    ],
)
def test_markup(text: object, marked: str) -> None:
    """HTML is escaped, and shows a text as it was written."""
    assert multiline(text) == marked


@pytest.mark.parametrize(
    ("piece", "marked"),
    [(" <b>", "&nbsp;&lt;b&gt;"), ("a  ", "a&nbsp; "), ("   ", "&nbsp;" * 3), ("a b", "a b")],
)
def test_a_piece_of_a_line_keeps_its_blanks(piece: str, marked: str) -> None:
    """Also those at its end, behind which another piece stands."""
    assert blanks(piece) == marked


def shown_without_css(body: str) -> str:
    """White space is one blank there, and `<br>` ends a line."""
    text = re.sub(r"[ \t\n]+", " ", re.sub(r"(?s)<style.*?</style>", "", body))
    text = re.sub(r"<[^>]+>", "", re.sub(r"<br ?/?>", "\n", text))
    return html.unescape(text).replace("\xa0", " ")


def test_every_free_text_of_a_mail(tmp_path: Path) -> None:
    """Without CSS, too, as in Outlook; and in the text part, under its label."""
    texts = {name: f"{name}:\n  - first\n    second" for name in ("about", "data", "test", "why")}
    change = Change(id="f00", message="Pay\n\n- cents\n    only", author="Ada")
    report = Report(
        build=samples.load("2-failure").build.model_copy(
            update={"description": texts["about"], "causes": [Cause(type="x", text="by\n   Ada")]}
        ),
        changes=Changes(total=1, items=[change]),
        error=Failure(message=texts["why"], stage="Build"),
        tests=Counts(total=1, failed=1, failures=[FailedTest(name="x", message=texts["test"])]),
        log=["name      passed", "   |      ^"],
        mail=Mail(data={"Notes": texts["data"]}),
    )
    body = Renderer(tmp_path).render(report)
    shown = shown_without_css(body.html)
    for text in (*texts.values(), "by\n   Ada", "- cents\n    only"):
        assert text in shown
        assert re.search(r"\n *".join(map(re.escape, text.split("\n"))), body.text)
    assert "name      passed\n   |      ^" in shown
    assert "white-space: pre" not in body.html


def test_texts_that_grow_as_html_stay_within_the_budget() -> None:
    """What takes the most markup for a character still fits into Gmail's limit."""
    for text in ("\n\t" * 30_000, "\t<" * 30_000, "<  " * 20_000):
        change = Change(id="f", message=f"x\n{text}", author=text[:1024], paths=[text] * 9)
        test = FailedTest(name="<" * 1024, class_name="<" * 1024, message=text)
        report = Report(
            build=samples.load("2-failure").build.model_copy(
                update={"description": text, "causes": [Cause(type="x", text=text)] * 50}
            ),
            changes=Changes(total=4321, items=[change] * 100),
            error=Failure(message=text),
            tests=Counts(total=9999, failed=1234, failures=[test] * 500),
            log=[text] * 12,
            mail=Mail(data={f"{n}": text for n in range(9)}),
        )
        assert len(Renderer().render(report).html.encode()) <= HTML_BUDGET


@pytest.mark.parametrize("unit", [" ", "x ", "  x", "\n", "\t", " \n", "<"])
def test_the_time_grows_with_the_text_only(unit: str) -> None:
    """Eight times the text takes about eight times as long, and not sixty-four times."""

    def show(text: str) -> None:
        multiline(text)
        blanks(text)

    most = 24 * max(cpu_seconds(lambda: show(unit * 10_000 + "x")), 0.0005)
    assert is_at_most(most, lambda: show(unit * 80_000 + "x"))
