"""audience.py: the last line of a mail says why its readers get it."""

import pytest

from pyservice import samples
from pyservice.analysis.digest import Digest, Member
from pyservice.mail.renderer import Renderer
from pyservice.report.audience import named_by, why
from pyservice.report.schema import Mail, Report

A = ["a@x.org"]


def report(mail: Mail) -> Report:
    return samples.load("2-failure").model_copy(update={"mail": mail})


@pytest.mark.parametrize(
    ("mail", "who"),
    [
        (Mail(to=A), "its Pipeline names."),
        (Mail(bcc=A), "its Pipeline names."),
        (
            Mail(to=A, to_is_default=True),
            "NOTIFY_EMAIL_TO in Jenkins names, since its Pipeline names none.",
        ),
        (Mail(to=A, to_is_default=True, cc=A), "its Pipeline or NOTIFY_EMAIL_TO in Jenkins names."),
        (
            Mail(),
            "NOTIFY_EMAIL_DEFAULT_TO of the mail service names, since its Pipeline names none.",
        ),
        (
            Mail(to=[" , "], cc=[], bcc=["\n"]),
            "NOTIFY_EMAIL_DEFAULT_TO of the mail service names, since its Pipeline names none.",
        ),
    ],
)
def test_why(mail: Mail, who: str) -> None:
    """Both bodies name who names the recipients, and nobody in Bcc."""
    body = Renderer().render(report(mail))
    for text in (body.html, body.text):
        assert f"You are among the recipients that {who}" in text
        assert "x.org" not in text


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (
            Mail(recipients=["developers"]),
            "You get this mail as an author of the build's changes.",
        ),
        (
            Mail(recipients=["requestor", "culprits"], cc=A),
            "You get this mail as an author of a change since the last success or the person who "
            "started the build, or are among the recipients that its Pipeline names.",
        ),
    ],
)
def test_why_by_kind(mail: Mail, expected: str) -> None:
    """People of a kind learn what they have to do with the build."""
    assert why(named_by(mail)) == expected


def test_why_a_digest() -> None:
    """It names all that name the recipients of its builds."""
    default, named = report(Mail()), report(Mail(to=A))
    for reports, who in (
        ((named, named), "their Pipelines name."),
        (
            (default, default),
            "NOTIFY_EMAIL_DEFAULT_TO of the mail service names, since their Pipelines name none.",
        ),
        (
            (default, named, report(Mail(to=A, to_is_default=True))),
            "their Pipelines, NOTIFY_EMAIL_TO in Jenkins or "
            "NOTIFY_EMAIL_DEFAULT_TO of the mail service name.",
        ),
    ):
        members = tuple(Member.from_report(str(n), one) for n, one in enumerate(reports))
        body = Renderer().render_safely(Digest(members))
        for text in (body.html, body.text):
            assert f"You are among the recipients that {who}" in text
