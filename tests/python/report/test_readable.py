"""readable.py: what people read of a report."""

import re

import pytest

from pyservice import samples
from pyservice.analysis.digest import Digest, Member
from pyservice.mail.renderer import Renderer
from pyservice.report.readable import job_name, readable
from pyservice.report.schema import (
    Cause,
    Change,
    Changes,
    FailedTest,
    Failure,
    Mail,
    Report,
    Stage,
)
from pyservice.report.schema import Tests as Counts

SAMPLE = samples.load("2-failure")
SEQUENCES = "\x1b]0;window\x07\x1b[1m50 %\r\x1b[K100 %\x1b(B\x1b[m"
SHOWN = "100 %"


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ("shop/checkout", "shop/checkout"),
        ("wallet/feature%2Flogin-page", "wallet/feature/login-page"),
        ("wallet/gr%C3%BC%c3%9fe", "wallet/grüße"),
        ("wallet/100%2525", "wallet/100%25"),
        ("wallet/line%0Abreak%2Fx", "wallet/line%0Abreak/x"),
        ("wallet/%E2%80%AEgpj.exe", "wallet/%E2%80%AEgpj.exe"),
        ("wallet/%FF%2F%C3", "wallet/%FF/%C3"),
        ("wallet/%ED%A0%80%00%1B%5B31m", "wallet/%ED%A0%80%00%1B[31m"),
        ("wallet/100 %, 5%x", "wallet/100 %, 5%x"),
        ("wallet/\x1b[31mred", "wallet/red"),
    ],
)
def test_the_name_of_a_job(job: str, name: str) -> None:
    """It is decoded once, and to nothing that would change a line."""
    assert job_name(job) == name


def everywhere() -> Report:
    """A report that has the sequences in each text that a mail shows."""
    build = SAMPLE.build.model_copy(
        update={
            "job": f"job {SEQUENCES}",
            "full_display_name": f"full {SEQUENCES}",
            "description": f"about {SEQUENCES}",
            "causes": [Cause(type="x", text=f"cause {SEQUENCES}")],
        }
    )
    changes = SAMPLE.changes.model_copy(
        update={
            "items": [
                change.model_copy(
                    update={
                        "message": f"message {SEQUENCES}",
                        "author": f"author {SEQUENCES}",
                        "paths": [f"path {SEQUENCES}"],
                    }
                )
                for change in SAMPLE.changes.items
            ]
        }
    )
    test = FailedTest(name=f"test {SEQUENCES}", message=f"assert {SEQUENCES}")
    return Report(
        build=build,
        changes=changes,
        error=Failure(message=f"error {SEQUENCES}", stage=f"stage {SEQUENCES}"),
        tests=Counts(total=1, failed=1, failures=[test]),
        stages=[Stage(name=f"stages {SEQUENCES}", status="SUCCESS")],
        log=[f"log {SEQUENCES}"],
        mail=Mail(data={f"key {SEQUENCES}": f"value {SEQUENCES}"}),
    )


def test_no_text_of_a_mail_has_a_sequence() -> None:
    """Each is what a terminal shows in the end, in HTML, text and subject."""
    body = Renderer().render(everywhere())
    for text in (body.html, body.text):
        assert text.count(SHOWN) >= 12
        assert not any(left in text for left in ("50 %", "window", "[1m", "(B", "[m"))
    assert body.subject == "Failed: 100 % in 100 % (1 test failed)"
    digest = Digest((Member.from_report("1", everywhere()),) * 2)
    body = Renderer().render_safely(digest)
    assert SHOWN in body.html
    assert "50 %" not in body.html + body.text + body.subject


def test_people_read_a_branch_decoded() -> None:
    """In a mail and in a digest; the report itself stays as it was sent."""
    upstream = Cause(
        type="org.jenkinsci.plugins.workflow.support.steps.build.BuildUpstreamCause",
        text='Started by upstream project "shop/rc%2F7" build number 4',
    )
    report = SAMPLE.model_copy(
        update={
            "build": SAMPLE.build.model_copy(
                update={
                    "job": "wallet/feature%2Flogin",
                    "full_display_name": None,
                    "url": "https://ci.example.com/job/wallet/job/feature%252Flogin/2/",
                    "causes": [upstream],
                }
            )
        }
    )
    body = Renderer().render(report)
    assert body.subject.startswith("Failed: wallet/feature/login #2")
    digest = Renderer().render_safely(Digest((Member.from_report("1", report),) * 2))
    assert "wallet/feature/login" in digest.subject
    for text in (body.html, body.text, digest.html, digest.text):
        assert "wallet/feature/login" in text
        assert "feature%2Flogin" not in text
        assert "https://ci.example.com/job/wallet/job/feature%252Flogin/2/" in text
    assert "shop/rc/7" in body.html
    assert readable(report).build.job == "wallet/feature/login"
    assert report.build.job == "wallet/feature%2Flogin"


def test_jobs_with_one_readable_name_stay_apart() -> None:
    """A digest counts by the names that Jenkins has."""
    members = [
        Member.from_report(job, Report(build=SAMPLE.build.model_copy(update={"job": job})))
        for job in ("a/b%2Fc", "a/b/c")
    ]
    assert [(job.name, job.total) for job in Digest(tuple(members)).jobs(9)] == [("a/b/c", 1)] * 2


BLANK = ["", " \n\t", "\x1b[0m"]


@pytest.mark.parametrize("blank", BLANK, ids=["empty", "white", "colour"])
def test_what_shows_nothing_has_no_label_and_no_box(blank: str) -> None:
    """A text may also turn out to be blank after its sequences are gone."""
    build = SAMPLE.build.model_copy(
        update={
            "full_display_name": blank,
            "description": blank,
            "causes": [Cause(text=blank), Cause(text="Started by Ada")],
        }
    )
    report = Report(
        build=build,
        log=[blank, blank],
        error=Failure(message=blank),
        changes=Changes(total=1, items=[Change(id="c0ffee", message=blank, author="")]),
        tests=Counts(total=1, failed=1, failures=[FailedTest(name="adds", message=blank)]),
        stages=[Stage(name="Build", status="FAILURE")],
    )
    body = Renderer().render(report)
    assert body.subject == f"Failed: {build.job} #{build.number} in Build (1 test failed)"
    assert 'class="log"' not in body.html
    assert re.findall(r'class="why"[^>]*>([^<]*)<', body.html) == ["adds failed"]
    assert body.html.count("Started by Ada") == body.text.count("Cause:") == 1
    assert "Cause</th>" not in body.html
    assert "About" not in body.html + body.text
    assert "LOG" not in body.text
    assert "  c0ffee no message\n" in body.text
    assert "NEW FAILING TESTS\n  - adds\n\nTests:" in body.text


@pytest.mark.parametrize("blank", BLANK, ids=["empty", "white", "colour"])
@pytest.mark.parametrize(
    ("kind", "stage", "shown"),
    [
        ("java.lang.NullPointerException", "Build", "Build: java.lang.NullPointerException"),
        ("java.lang.NullPointerException", None, "Package: java.lang.NullPointerException"),
        (None, "Build", "Build: no message"),
    ],
)
def test_an_error_without_a_message(
    blank: str, kind: str | None, stage: str | None, shown: str
) -> None:
    """Its class says more than nothing does."""
    error = Failure(message=blank, type=kind, stage=stage)
    body = Renderer().render(SAMPLE.model_copy(update={"error": error}))
    assert f">{shown}</p>" in body.html
    assert f"\n{shown}\n" in body.text


def test_blank_lines_stay_within_a_log() -> None:
    """Those before and after it would only make its box larger."""
    log = ["", "\x1b[0m", "  make", "", "done", " "]
    assert readable(SAMPLE.model_copy(update={"log": log})).log == ["  make", "", "done"]


def test_the_stage_is_no_part_of_a_traceback() -> None:
    """It stands in the sentence above, and a message of several lines follows as it is."""
    error = Failure(message="Traceback:\n  File x\nTypeError: none", stage="Build")
    text = Renderer().render(SAMPLE.model_copy(update={"error": error})).text
    assert "\nBuild: Traceback:\n\nTraceback:\n  File x\nTypeError: none\n" in text
