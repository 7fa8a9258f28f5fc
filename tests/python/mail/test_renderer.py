"""renderer.py: the content of a mail, for any build."""

import re
from pathlib import Path
from typing import Any

import pytest

from pyservice import samples
from pyservice.errors import InvalidError, RenderError
from pyservice.mail.renderer import HTML_BUDGET, Renderer
from pyservice.report.headline import headline
from pyservice.report.schema import Build, Cause, Change, Changes, FailedTest, Mail, Report, Stage
from pyservice.report.schema import Tests as Counts
from pyservice.text import duration, moment, shorten

BUILT_IN = Renderer()


def build(**changes: object) -> Build:
    return samples.load("2-failure").build.model_copy(update=changes)


@pytest.mark.parametrize("name", samples.names())
def test_every_recorded_build(name: str) -> None:
    """Both bodies and the subject of each sample name the build and its result."""
    report = samples.load(name)
    body = BUILT_IN.render(report)
    word = headline(report.build, report.error).word
    title = report.build.full_display_name
    assert title is not None
    assert body.subject.startswith(f"{word}: {title}")
    assert body.text.startswith(f"{word}: {title}")
    assert f">{word}</h1>" in body.html
    assert report.build.url is not None
    for text in (body.html, body.text):
        assert report.build.url in text
        for change in report.changes.items:
            assert change.id[:8] in text
    assert "{{" not in body.html


def test_the_failing_build_in_full() -> None:
    """A mail has result, job, cause, duration, changes, tests, the error and links."""
    body = BUILT_IN.render(samples.load("2-failure"))
    for wanted in (
        "shop » checkout #2",
        "Started by user anonymous",
        "2.4 s",
        "2026-11-23 18:19 UTC",
        "error: use of undeclared identifier",
        "Package",
        "40 passed",
        "2 failed",
        "6 skipped",
        "test_refund",
        "test_tax",
        "SHOP-119: total uses cents",
        "8ed0cf87",
        "https://ci.example.com/job/shop/job/checkout/2/console",
    ):
        assert wanted in body.text
        assert wanted in re.sub(r"</?(?:strong|span)[^>]*>", "", body.html)
    assert "expected: <1099> but was: <1100>" in body.text
    assert body.subject == "Failed: shop » checkout #2 in Package (2 tests failed)"


def test_html_is_escaped() -> None:
    """A change's text can't add HTML."""
    html = BUILT_IN.render(samples.load("2-failure")).html
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize(
    ("result", "previous", "word"),
    [
        ("SUCCESS", None, "Passed"),
        ("SUCCESS", "SUCCESS", "Passed"),
        ("SUCCESS", "FAILURE", "Fixed"),
        ("SUCCESS", "UNSTABLE", "Fixed"),
        ("SUCCESS", "ABORTED", "Passed"),
        ("FAILURE", "SUCCESS", "Failed"),
        ("FAILURE", "FAILURE", "Still failing"),
        ("FAILURE", "UNSTABLE", "Failed"),
        ("UNSTABLE", "UNSTABLE", "Still unstable"),
        ("UNSTABLE", "FAILURE", "Unstable"),
        ("ABORTED", "ABORTED", "Aborted"),
        ("NOT_BUILT", None, "Not built"),
    ],
)
def test_the_headline_knows_the_build_before(result: str, previous: str, word: str) -> None:
    """ "Fixed" and "Still failing" follow from the two results."""
    assert headline(build(result=result, previous_result=previous)).word == word


def test_without_a_jenkins_url_there_is_no_link() -> None:
    """A controller without a URL sends a mail without dead links."""
    body = BUILT_IN.render(Report(build=build(url=None)))
    assert "href" not in body.html
    assert "http" not in body.text


def test_the_authors_subject_and_data() -> None:
    """A given subject is used as one line; `data` is shown."""
    mail = Mail(subject="Release\r\nBcc: x@y.z \x00 done", data={"Version": "1.4.2 <b>", "n": 3})
    body = BUILT_IN.render(Report(build=build(), mail=mail))
    assert body.subject == "Release Bcc: x@y.z done"
    assert "1.4.2 &lt;b&gt;" in body.html
    assert "Version: 1.4.2 <b>" in body.text


def test_a_subject_of_control_characters_is_none() -> None:
    """Without a given subject, the template's is used."""
    body = BUILT_IN.render(Report(build=build(), mail=Mail(subject="\x00\r\n\x1b[31m")))
    assert body.subject.startswith("Failed: ")


def test_unprintable_characters_go() -> None:
    """Colours, NUL and characters that change the direction of reading are removed."""
    body = BUILT_IN.render(Report(build=build(full_display_name="a\x1b[31mb\x00c\u202ed\u2066e")))
    assert "abcde" in body.subject
    assert "abcde" in body.html
    assert not re.search("[\x00\x1b\u202e\u2066]", body.html + body.text + body.subject)


def test_the_largest_report_stays_within_the_budget() -> None:
    """A large mail fits into Gmail's limit, and says how much it leaves out."""
    change = Change(id="f" * 40, message="<" * 60_000, author="&" * 1024, paths=['"' * 999] * 50)
    test = FailedTest(name="<" * 1024, class_name="<" * 1024, message="<" * 60_000)
    report = Report(
        build=build(description="<" * 60_000),
        changes=Changes(total=4321, items=[change] * 100),
        tests=Counts(total=9999, failed=1234, failures=[test] * 500),
        log=["<" * 5000] * 2000,
    )
    body = BUILT_IN.render(report)
    assert len(body.html.encode()) <= HTML_BUDGET
    assert "and 1172 more" in body.html or re.search(r"and 12\d\d more", body.html)
    assert re.search(r"and 4[23]\d\d more", body.html)


def test_a_log_of_colours_stays_within_the_budget() -> None:
    """A log whose characters each have a colour of their own is shown without colours."""
    line = "".join(f"\x1b[{31 + number % 6}mx" for number in range(399))
    report = samples.load("2-compile-error")
    assert report.error is not None
    assert report.error.step is not None
    step = report.error.step.model_copy(
        update={
            "log": "\n".join(line.replace("x", letter) for letter in "abcdefghijklmnopqrstuvwxy")
        }
    )
    error = report.error.model_copy(update={"step": step})
    body = BUILT_IN.render(report.model_copy(update={"error": error}))
    assert len(body.html.encode()) <= HTML_BUDGET
    assert "y" * 100 in body.html


def test_long_lists_say_what_is_left_out() -> None:
    """Data, stages and causes as long as a request allows make a mail of ordinary size."""
    report = Report(
        build=build(causes=[Cause(type="x", text="why")] * 100),
        stages=[Stage(name=f"stage {n}", status="SUCCESS") for n in range(1000)],
        mail=Mail(data={f"key{n}": n for n in range(80_000)}),
    )
    body = BUILT_IN.render(report)
    assert len(body.html.encode()) <= HTML_BUDGET
    assert len(body.text) <= HTML_BUDGET
    for left_out in ("and 40 more", "and 940 more", "and 79940 more"):
        assert left_out in body.html
        assert f"... {left_out}\n" in body.text


def test_nothing_is_said_twice() -> None:
    """A message, a command and a cause stand in the text once, if another line has them."""
    test = FailedTest(name="adds", class_name="a.B", message="1 is not 2")
    tests = Counts(total=1, failed=1, failures=[test])
    replayed = build(
        result="UNSTABLE", replayed_from=1, causes=[Cause(type="x.ReplayCause", text="Replayed #1")]
    )
    text = Renderer().render(Report(build=replayed, tests=tests)).text
    assert text.count("1 is not 2") == 1
    assert text.count("#1,") == 1
    assert "Replayed #1" not in text


def test_few_changes_stand_beside_the_reason() -> None:
    """So they are not listed once more below; those with more to say are."""
    short = Change(id="8ed0cf87aa11", author="Cy", message="Round", paths=["a", "b", "c", "d"])
    body = BUILT_IN.render(Report(build=build(), changes=Changes(total=1, items=[short])))
    assert "1 change:\n  8ed0cf87 Round (Cy): a, b, c and 1 more\n" in body.text
    for text in (body.html, body.text):
        assert text.count("8ed0cf87") == 1
    long = short.model_copy(update={"message": "Round\n\nHalf up"})
    body = BUILT_IN.render(Report(build=build(), changes=Changes(total=1, items=[long])))
    for text in (body.html, body.text):
        assert text.count("8ed0cf87") == 1
        assert "Half up" in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1-success", "Started by user anonymous"),
        ("4-fixed-by-a-change", "after 20 s (2 builds) · fixed by a change: Fix rounding (ada)"),
        ("7-downstream", "api: shop/deploy #4 failed · 1 change since #6: Deploy it (bo)"),
        ("8-timeout", "Stopped in Test » integration » api"),
    ],
)
def test_the_line_below_the_subject(name: str, text: str) -> None:
    """An inbox shows why beside the subject, and the change if there is only one."""
    html = BUILT_IN.render(samples.load(name)).html
    assert re.findall(r'class="preheader"[^>]*>([^<]*)<', html) == [text]


@pytest.mark.parametrize("text", ["Started by timer", "x" * 121, "Started by\nAda"])
def test_the_cause_stands_once(text: str) -> None:
    """It stands in the head if it is short, else in a row of its own."""
    html = BUILT_IN.render(Report(build=build(causes=[Cause(type="x", text=text)]))).html
    assert html.partition("</h1>")[2].count(text.splitlines()[-1]) == 1
    assert (">Cause</th>" in html) is (text != "Started by timer")


@pytest.mark.parametrize(
    ("members", "primary"),
    [
        ({}, "Build"),
        ({"tests": Counts(total=1, failed=1)}, "Tests"),
        ({"tests": Counts(total=1, failed=0)}, "Build"),
    ],
)
def test_the_first_button(members: dict[str, Any], primary: str) -> None:
    """It leads to the failing tests, unless a step failed that has a log."""
    html = BUILT_IN.render(Report(build=build(result="UNSTABLE"), **members)).html
    assert re.findall(r'class="button primary"[^>]*><a [^>]*>([^<]*)<', html) == [primary]


def test_templates_of_ones_own(tmp_path: Path) -> None:
    """A folder is a template; the built-in one has the parts that it lacks."""
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "body.html").write_text("<p>{{ build.job }} {{ data.version }}</p>")
    renderer = Renderer(tmp_path)
    assert renderer.names() == ["build", "release"]
    mail = Mail(template="release", data={"version": "<2>"})
    body = renderer.render(Report(build=build(), mail=mail))
    assert "<p>shop/checkout &lt;2&gt;</p>" in body.html
    assert body.text.startswith("Failed: shop")
    assert body.subject.startswith("Failed: ")


@pytest.mark.parametrize(
    "source",
    [
        "ok\n{{ data.missing }}",
        "ok\n{{ build.job.upper( }}",
        "ok\n{{ 1 / 0 }}",
        "ok\n{% include 'nowhere.html' %}",
        "ok\n{{ ''.__class__.__mro__ }}",
        "ok\n{{ data.clear() }}",
    ],
)
def test_a_slip_in_a_template_loses_no_mail(tmp_path: Path, source: str) -> None:
    """The built-in template is sent instead, and names the template, the line and the mistake."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "body.html").write_text(source)
    renderer = Renderer(tmp_path)
    report = samples.load("2-failure").model_copy(update={"mail": Mail(template="mine")})
    with pytest.raises(RenderError, match=r"mine/body\.html, line 2"):
        renderer.render(report)
    body = renderer.render_safely(report)
    assert "mine/body.html, line 2" in body.html
    assert "mine/body.html, line 2" in body.text
    assert "error: use of undeclared identifier" in body.html


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "loop"),
        ("{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}", "characters"),
        ("<div>" * 20_000, "20000 elements stand within each other"),
        ('<style>p{color:red}</style><p style="width:10px;;:">', "End of input"),
    ],
)
def test_a_template_that_would_take_the_service_down(
    tmp_path: Path, source: str, reason: str
) -> None:
    """A template that doesn't end, makes too much or breaks css_inline is replaced."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "body.html").write_text(source)
    body = Renderer(tmp_path, timeout=0.3).render_safely(samples.load("2-failure"))
    assert re.search(rf"Template build/body\.html.*{reason}", body.html)
    assert "error: use of undeclared identifier" in body.html


def test_elements_that_close_count_once(tmp_path: Path) -> None:
    """A long mail is allowed, if its elements are not nested deep."""
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "body.html").write_text("<p>x<br></p>" * 6000)
    report = Report(build=build(), mail=Mail(template="flat"))
    assert Renderer(tmp_path).render(report).html.count("<p>") == 6000


@pytest.mark.parametrize(
    "name", ["", "../build", "build/", "BUILD", "x" * 99, "build\n", "none", "."]
)
def test_unknown_templates_are_refused(name: str) -> None:
    """No name leaves the templates' folders; the error lists the existing templates."""
    assert not BUILT_IN.has(name)
    with pytest.raises(InvalidError, match="there are: build") as caught:
        BUILT_IN.require(name)
    assert caught.value.errors[0][0] == "/mail/template"


def test_words_for_numbers() -> None:
    """Durations and times are written as people say them."""
    texts = [duration(ms) for ms in (0, 2358, 59_999, 60_000, 200_000, 3_900_000, 183_600_000)]
    assert texts == ["0 ms", "2.4 s", "60.0 s", "1 min 0 s", "3 min 20 s", "1 h 5 min", "2 d 3 h"]
    assert moment(1795457957022) == "2026-11-23 18:19 UTC"
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
