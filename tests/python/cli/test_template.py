"""`template`: from a new folder to a checked template, without a service."""

import email
import email.policy
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pyservice import samples
from pyservice.mail_checks.catalogue import CHECKS
from pyservice.samples import stories
from tests.builders.command import run


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """The folder of a new template."""
    done = run("template", "new", "team-a", "--dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    return tmp_path / "team-a"


def change(file: Path, old: str, new: str) -> None:
    """Replace a text in a file, which has it."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_new_template_is_complete_and_clean(team: Path, tmp_path: Path) -> None:
    """Its check finds neither error nor warning, and its mail has its logo, words and data."""
    assert {file.name for file in team.iterdir()} == {
        *("body.html", "body.txt", "subject.txt", "data.json", "logo.png")
    }
    assert "notifyEmail(template: 'team-a'" in (team / "body.html").read_text()
    checked = run("template", "check", str(team), "--json")
    assert checked.returncode == 0, checked.stdout
    [result] = json.loads(checked.stdout)
    assert (result["template"], len(result["samples"])) == ("team-a", len(stories.names()))
    assert {finding["level"] for finding in result["findings"]} == {"note"}
    rendered = run(
        "template", "render", str(team), "--part", "eml", "--output", f"{tmp_path}/m.eml"
    )
    assert rendered.returncode == 0
    mail = email.message_from_bytes((tmp_path / "m.eml").read_bytes(), policy=email.policy.default)
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds[-2:] == ["text/html", "image/png"]
    assert str(mail["Subject"]).startswith("[Team Example] Failed: shop » checkout #2")
    text = run("template", "render", str(team), "--part", "text").stdout
    assert "Team Example is on duty." in text
    assert "Environment: staging" in text
    duty, thanks = "Team Example is on duty.", "Thank you for a green build."
    for sample, words in (("3-unstable", [duty]), ("5-aborted", []), ("1-success", [thanks])):
        text = run("template", "render", str(team), sample, "--part", "text").stdout
        assert [each for each in (duty, thanks) if each in text] == words, sample


def test_new_overwrites_nothing(team: Path, tmp_path: Path) -> None:
    """Neither a template that is there, nor under a name that no report can have."""
    before = (team / "body.html").read_text()
    (team / "body.html").write_text("mine")
    again = run("template", "new", "team-a", "--dir", str(tmp_path))
    assert (again.returncode, again.stderr) == (
        2,
        f"notify-email: {team} is there already, and stays as it is.\n",
    )
    assert (team / "body.html").read_text() == "mine" != before
    for name in ("Team", "../x", "built-in", "digest"):
        refused = run("template", "new", name, "--dir", str(tmp_path))
        assert refused.returncode == 2
        assert refused.stderr.startswith("notify-email: ")
    assert [path.name for path in tmp_path.iterdir()] == ["team-a"]


def test_a_template_for_all_mails(tmp_path: Path) -> None:
    """A new `build` extends the built-in one, which it replaces."""
    assert run("template", "new", "build", "--dir", str(tmp_path)).returncode == 0
    text = run("template", "render", str(tmp_path / "build"), "--part", "text")
    assert (text.returncode, text.stderr) == (0, "")
    assert "Team Example is on duty." in text.stdout


def test_check_names_file_line_and_cure(team: Path) -> None:
    """A fault that all samples have is shown once; the exit code is 1."""
    change(team / "body.html", 'alt="Team Example" ', "")
    done = run("template", "check", str(team))
    assert done.returncode == 1
    assert "team-a: 1 error, 0 warnings," in done.stdout
    assert "at    team-a/body.html, line 11, in 2-compile-error and" in done.stdout
    assert 'cure  Add alt="…"' in done.stdout
    assert "note: " not in done.stdout
    assert "note: " in run("template", "check", str(team), "--notes").stdout


def test_a_template_that_makes_no_mail_is_an_error(team: Path, tmp_path: Path) -> None:
    """With the line, and the name that may be meant; for Jenkins as a failed test."""
    change(team / "body.html", "data.environment |", "data.environmen |")
    junit = tmp_path / "checks.xml"
    done = run("template", "check", str(tmp_path), "--junit", str(junit))
    assert done.returncode == 1
    assert "at    team-a/body.html, line 25," in done.stdout
    assert "Is 'environment' meant?" in done.stdout
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert len(cases) == len(stories.names()) * (len(CHECKS) + 1) == int(suite.attrib["tests"])
    failed = [case for case in cases if case.find("failure") is not None]
    assert len(failed) == len(stories.names()) == int(suite.attrib["failures"])
    assert failed[0].attrib["name"] == "renders: the template makes a mail"
    assert {case.attrib["classname"] for case in failed} == {
        f"team-a.{name}" for name in stories.names()
    }
    skipped = [case for case in cases if case.find("skipped") is not None]
    assert len(skipped) == len(stories.names()) * len(CHECKS) == int(suite.attrib["skipped"])
    rendered = run("template", "render", str(team))
    assert rendered.returncode == 1
    assert "is 'environment' meant?" in rendered.stderr
    assert "This is the built-in template." in rendered.stdout


def test_warnings_do_not_fail(team: Path, tmp_path: Path) -> None:
    """They stand in the output of the test case."""
    change(team / "body.html", "<p>Thank you", '<p style="float: left">Thank you')
    junit = tmp_path / "checks.xml"
    done = run("template", "check", str(team), "--junit", str(junit))
    assert done.returncode == 0
    assert "warning: Outlook ignores `float`" in done.stdout
    outputs = [one.text or "" for one in ElementTree.parse(junit).iter("system-out")]
    assert any("warning: Outlook ignores `float`" in text for text in outputs)


def test_the_built_in_templates_are_clean() -> None:
    """Without a folder of their own, `check` checks both."""
    done = run("template", "check", "--json")
    assert done.returncode == 0
    results = {one["template"]: one for one in json.loads(done.stdout)}
    assert results.keys() == {"build", "digest"}
    assert results["digest"]["samples"] == list(stories.names(digests=True))
    assert {found["level"] for one in results.values() for found in one["findings"]} == {"note"}


def test_list_shows_what_can_not_be_used(team: Path, tmp_path: Path) -> None:
    """With the folder of the settings; the exit code says that one is broken."""
    folder = {"NOTIFY_EMAIL_TEMPLATES_DIR": str(tmp_path)}
    fine = run("template", "list", **folder)
    assert (fine.returncode, fine.stdout.split()[3:5]) == (0, ["team-a", str(team)])
    (team / "body.html").write_text("{% if %}")
    broken = run("template", "list", "--json", **folder)
    assert broken.returncode == 1
    [first, *others] = json.loads(broken.stdout)
    assert first["name"] == "team-a"
    assert "team-a/body.html, line 1" in first["fault"]
    assert [(one["name"], one["is_own"], one["fault"]) for one in others] == [
        ("build", False, None),
        ("digest", False, None),
    ]


def test_render_takes_a_report(team: Path, tmp_path: Path) -> None:
    """Its secrets are masked; a file that is none is explained."""
    body = samples.load("3-tests-fail").model_dump(mode="json", by_alias=True, exclude_none=True)
    body["build"]["description"] = "password=hunter2hunter2"
    report = tmp_path / "my.json"
    report.write_text(json.dumps(body))
    done = run("template", "render", str(team), "--report", str(report), "--part", "text")
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in done.stdout
    assert "Unstable" in done.stdout
    report.write_text('{"build": {"job": "x", "colour": 5}}')
    refused = run("template", "render", str(team), "--report", str(report))
    assert refused.returncode == 2
    assert "/build/colour" in refused.stderr
    report.write_text("[]")
    refused = run("template", "render", str(team), "--report", str(report))
    assert f"{report} is no report: /: it must be an object" in refused.stderr
    missing = run("template", "render", str(team), "--report", str(tmp_path / "no.json"))
    assert "can't be read: no such file" in missing.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "nowhere"), "nowhere is neither a folder with a template, nor the name of one"),
        (("render", "build", "no-sample"), "There is no sample of this name for build"),
        (("render", "build", "report:1"), "There is no outbox here"),
        (("render", "build", "build:a#1"), "This service knows no Jenkins"),
    ],
)
def test_what_is_not_there(words: tuple[str, ...], message: str) -> None:
    """The error names what there is, or what to do."""
    done = run("template", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_picture_without_a_chromium(team: Path, tmp_path: Path) -> None:
    """The error says how to get one, and what to do without."""
    words = ("template", "render", str(team), "--png", str(tmp_path / "mail.png"))
    done = run(*words, PATH=str(tmp_path))
    assert done.returncode == 1
    assert "apt-get install chromium" in done.stderr
    assert "--open" in done.stderr


def test_open_shows_the_mail_and_nothing_else(team: Path, tmp_path: Path) -> None:
    """The browser gets a file with the logo in it, under a policy that lets nothing run or load."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    done = run("template", "render", str(team), "--open", BROWSER=f"{browser} %s")
    assert (done.returncode, done.stdout) == (0, "")
    url = opened.read_text().strip()
    assert done.stderr == f"Opened {url}\n"
    file = Path(url.removeprefix("file://"))
    html = file.read_text()
    file.unlink()
    head = html.partition("<head>")[2]
    assert head.startswith(
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\''
    )
    assert 'src="data:image/png;base64,' in html
