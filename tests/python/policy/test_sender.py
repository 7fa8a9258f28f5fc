"""sender.py: who may be From, and what a change request from a fork may not choose."""

from typing import Any

import pytest

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.config.settings import Settings
from pyservice.errors import InvalidError
from pyservice.policy.sender import FORK, resolve_sender, sender_now, without_strangers_wishes
from pyservice.report.schema import Mail, Report

SETTINGS = Settings(sender="Jenkins <jenkins@x.org>", from_addresses="Shop <shop@x.org>, ops@x.org")


def mail(sender: str | None) -> Mail:
    return Mail.model_validate({"from": sender})


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, Mailbox("Jenkins", "jenkins@x.org")),
        (" ", Mailbox("Jenkins", "jenkins@x.org")),
        ("shop@x.org", Mailbox("Shop", "shop@x.org")),
        ("SHOP@X.org", Mailbox("Shop", "shop@x.org")),
        ("The shop <shop@x.org>", Mailbox("The shop", "shop@x.org")),
        ("ops@x.org", Mailbox("", "ops@x.org")),
    ],
)
def test_from(wanted: str | None, expected: Mailbox) -> None:
    """A report may name one of FROM_ADDRESSES, with a name of its own."""
    assert resolve_sender(mail(wanted), SETTINGS) == expected


@pytest.mark.parametrize(
    "wanted", ["boss@x.org", "boss", "shop@x.org, boss@x.org", "a\nBcc: b <shop@x.org>"]
)
def test_a_refused_from(wanted: str) -> None:
    """Any other is refused with its pointer; a mail that waits goes out from the service."""
    with pytest.raises(InvalidError) as caught:
        resolve_sender(mail(wanted), SETTINGS)
    assert caught.value.errors[0][0] == "/mail/from"
    assert sender_now(mail(wanted), SETTINGS) == SETTINGS.sender_mailbox


def test_the_setting_is_named() -> None:
    """Without FROM_ADDRESSES no address may be named, and the answer says where to list it."""
    with pytest.raises(InvalidError, match="NOTIFY_EMAIL_FROM_ADDRESSES"):
        resolve_sender(mail("shop@x.org"), Settings(sender="jenkins@x.org"))


def report(request: dict[str, Any] | None, **members: str) -> Report:
    value = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    if request is not None:
        value["build"]["branch"] = {"name": "PR-1", "change_request": {"id": "1"} | request}
    value["mail"] = {"to": ["ada@x.org"]} | members
    return Report.model_validate(value)


def test_a_fork() -> None:
    """A change request from a fork loses From and words, and both are named."""
    wished = report({"from_fork": True}, **{"from": "shop@x.org", "body": "hi"})
    left = without_strangers_wishes(wished)
    assert (left.mail.sender, left.mail.body) == (None, None)
    assert left.mail.to == ["ada@x.org"]
    assert left.left_out == (("/mail/from", FORK), ("/mail/body", FORK))


@pytest.mark.parametrize("request_", [None, {}, {"from_fork": False}])
def test_no_fork(request_: dict[str, Any] | None) -> None:
    """Other builds keep them."""
    wished = report(request_, body="hi")
    assert without_strangers_wishes(wished) is wished
    plain = report({"from_fork": True})
    assert without_strangers_wishes(plain) is plain
