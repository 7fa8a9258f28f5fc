"""digest.py and the template `digest`: many builds in one mail."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.analysis.digest import Digest, Member
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import HTML_BUDGET, Renderer
from pyservice.policy.recipients import Recipients
from pyservice.report.fields import Result
from pyservice.report.schema import Failure, Report
from pyservice.report.schema import Tests as Counts
from pyservice.samples import storms
from tests.builders import parts

BUILT_IN = Renderer()
PEOPLE = Recipients(to=(Mailbox("Ada", "ada@example.com"),))
REPORT = samples.load("2-failure")


def member(job: str, number: int, result: Result = "FAILURE", message: str = "boom") -> Member:
    link = f"https://ci.example.com/job/{job.replace('/', '/job/')}/{number}/"
    changes = {"job": job, "number": number, "result": result, "url": link}
    build = REPORT.build.model_copy(
        update=changes | {"display_name": None, "full_display_name": None}
    )
    error = Failure(message=message) if result == "FAILURE" else None
    return Member.from_report(f"{job}-{number}", Report(build=build, error=error))


def links(html: str) -> list[str]:
    """The builds that a mail links to."""
    return re.findall(r'href="(https://ci\.example\.com/[^"]+/\d+/)"', html)


def test_what_failed_most_comes_first() -> None:
    """Then what there is most of; within a job the newest."""
    digest = Digest(
        (
            *(member("calm", n, "SUCCESS") for n in range(1, 6)),
            member("twice", 1),
            member("once", 1),
            member("twice", 2),
            member("twice", 3, "SUCCESS"),
        )
    )
    jobs = digest.jobs(100)
    assert [(job.name, job.total, job.failing) for job in jobs] == [
        ("twice", 3, 2),
        ("once", 1, 1),
        ("calm", 5, 0),
    ]
    assert [build.number for run in jobs[0].runs for build in run.builds] == [3, 2, 1]
    assert jobs[0].runs[0].headline.word == "Passed"
    assert digest.counts == {"FAILURE": 3, "SUCCESS": 6}
    assert (digest.total, digest.failing, digest.job) == (9, 3, None)


def test_every_job_has_its_turn() -> None:
    """One with hundreds of builds doesn't hide the others; what is left out is counted."""
    many = [member("storm", n) for n in range(1, 301)]
    digest = Digest((*many, member("a", 1), member("b", 1), member("b", 2)))
    jobs = {job.name: job for job in digest.jobs(10)}
    assert {name: job.left_out for name, job in jobs.items()} == {"storm": 293, "b": 0, "a": 0}
    assert sum(len(run.builds) for job in jobs.values() for run in job.runs) == 10
    assert [job.left_out for job in digest.jobs(1)] == [299, 2, 1]


def test_what_a_member_says() -> None:
    """Why it failed, without the stage: it is the same for jobs that fail for one reason."""
    tests = Counts(total=9, failed=2)
    report = Report(build=REPORT.build, tests=tests)
    assert Member.from_report("x", report).summary == "2 tests failed"
    error = Failure(message="\nfirst\nsecond")
    assert Member.from_report("x", report.model_copy(update={"error": error})).summary == "first"
    assert Member.from_report("x", Report(build=REPORT.build)).summary == ""
    log = "+ curl -f https://nexus.example.com/\ncurl: (22) The requested URL returned error: 503"
    shown = [
        Member.from_report("x", parts.report(error=parts.step(log=log, place=[place])))
        for place in ("Build", "Package")
    ]
    assert shown[0].summary == "The requested URL returned error: 503"
    assert shown[0].summary == shown[1].summary


def test_a_member_is_short() -> None:
    """A digest of thousands of builds holds what it shows of each, and no more."""
    before = parts.history(parts.past(43, "FAILURE"), parts.past(42, "SUCCESS"))
    build = {"history": before, "culprits": [{"name": "Ada"}], "description": "x"}
    member = Member.from_report("x", parts.report(build=build))
    assert (member.build.history, member.build.culprits) == (None, [])
    assert (member.headline.word, member.headline.detail) == ("Still failing", "")


def test_all_of_a_digest() -> None:
    """Job, number, result, link, time and the error's line of each, in both bodies."""
    digest = Digest(
        (member("a/b", 7, message="one <thing>"), *(member("c", n) for n in range(1, 4)))
    )
    body = BUILT_IN.render_safely(digest)
    assert body.subject == "4 builds, all failing: c and 1 other job"
    assert sorted(links(body.html)) == sorted(one.build.url or "" for one in digest.members)
    for wanted in ("a/b", "#7", "18:19", "boom", "Failed"):
        assert wanted in body.text
        assert wanted in body.html
    assert "one &lt;thing&gt;" in body.html
    assert "one <thing>" in body.text
    assert body.text.count("https://ci.example.com/") == 4


@pytest.mark.parametrize("jobs", [1, 20, 400])
def test_hundreds_fit(jobs: int) -> None:
    """400 builds are all shown within the budget, of however many jobs they are."""
    digest = Digest(tuple(member(f"team/job-{n % jobs}", n) for n in range(1, 401)))
    body = BUILT_IN.render_safely(digest)
    assert len(body.html.encode()) <= HTML_BUDGET
    assert len(set(links(body.html))) == 400
    assert len(set(re.findall(r"https://\S+/\d+/", body.text))) == 400


def test_what_does_not_fit_is_counted() -> None:
    """Of a thousand with long names, each is shown or in a number."""
    digest = Digest(
        tuple(member(f"{'x' * 900}-{n % 30}", n, message="<" * 9999) for n in range(1000))
    )
    body = BUILT_IN.render_safely(digest)
    assert len(body.html.encode()) <= HTML_BUDGET
    more = map(int, re.findall(r"and (\d+) (?:more build|builds of)", body.html))
    assert len(set(links(body.html))) + sum(more) == 1000


def test_without_links() -> None:
    """A controller without a URL sends no dead links."""
    one = member("a", 1)
    build = one.build.model_copy(update={"url": None})
    body = BUILT_IN.render_safely(Digest((replace(one, build=build),) * 2))
    assert "href" not in body.html


@pytest.mark.parametrize("name", storms.names())
def test_the_samples(name: str) -> None:
    """Each can be sent as it is."""
    digest = storms.load_digest(name)
    assert len(links(BUILT_IN.render_safely(digest).html)) == digest.total


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    """A folder `digest` replaces the built-in one; what it leaves out is the built-in one's."""
    (tmp_path / "digest").mkdir()
    (tmp_path / "digest" / "subject.txt").write_text("{{ digest.total }} of {{ jobs[0].name }}")
    renderer = Renderer(tmp_path)
    body = renderer.render_safely(storms.load_digest("one-job"))
    assert body.subject == "35 of shop/checkout"
    assert "35 builds" in body.html
    assert renderer.names() == ["build"]
    assert not renderer.has("digest")


def test_a_slip_in_it_loses_no_mail(tmp_path: Path) -> None:
    """The built-in one is sent, and names the line and the slip."""
    (tmp_path / "digest").mkdir()
    (tmp_path / "digest" / "body.html").write_text("\n{{ jobs[0].nmae }}")
    body = Renderer(tmp_path).render_safely(storms.load_digest("one-job"))
    assert "Template digest/body.html, line 2" in body.html
    assert "Template digest/body.html, line 2" in body.text
    assert len(links(body.html)) == 35


@pytest.mark.parametrize(("name", "is_one_jobs"), [("one-job", True), ("many-jobs", False)])
def test_its_headers(name: str, *, is_one_jobs: bool) -> None:
    """A mail about one job is on its list; one about several is on none."""
    from datetime import UTC, datetime

    digest = storms.load_digest(name)
    sender = PEOPLE.to[0]
    mail = compose(digest, Addressing(sender, PEOPLE, "<x@y>", datetime.now(UTC)), BUILT_IN)
    head = mail.partition(b"\r\n\r\n")[0]
    assert (b"List-Id: <checkout.shop.jenkins.example.com>" in head) == is_one_jobs
    assert (b"X-Jenkins-Job: shop/checkout" in head) == is_one_jobs
    assert (b"X-Jenkins-Result: FAILURE" in head) == (not is_one_jobs)
