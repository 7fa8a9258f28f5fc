"""permissions.py: each bound of a token, on both of its sides."""

from typing import Any

import pytest

from pyservice.addresses import Mailbox
from pyservice.auth.permissions import Permissions
from pyservice.errors import PolicyError
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Report

SENDER = Mailbox("Jenkins", "jenkins@ci.example.com")
BUILD = {"job": "team-a/checkout", "number": 1, "result": "FAILURE", "started_at": 0}


def report(**build: Any) -> Report:
    """A build's report."""
    return Report.model_validate({"build": BUILD | build})


def people(**addresses: str) -> Recipients:
    """Recipients with one address in each field that is named."""
    people = {kind: [{"name": "", "address": address}] for kind, address in addresses.items()}
    return Recipients.from_dict(people)


def refused(rights: dict[str, Any], build: Report, envelope: Recipients) -> PolicyError | None:
    """Return why these permissions forbid a report; None: they allow it."""
    try:
        Permissions.model_validate(rights).check(build, envelope, SENDER)
    except PolicyError as error:
        return error
    return None


def test_no_bounds() -> None:
    """A token without bounds may do all that the settings allow."""
    rights = Permissions()
    for act in ("send", "see", "scrape"):
        rights.require(act)
    assert refused({}, report(), people(to="ada@elsewhere.example", reply_to="x@y.example")) is None


@pytest.mark.parametrize(
    ("job", "allowed"),
    [
        ("team-a", True),
        ("team-a/x", True),
        ("team-a/x/y", True),
        ("lib/one", True),
        ("team-abc", False),
        ("team-abc/x", False),
        ("Team-A/x", False),
        ("lib", False),
        ("lib/onetwo", False),
        ("x/team-a", False),
        ("team-a/../team-b", False),
        ("team-a/./x", False),
        ("team-a//x", False),
        ("/team-a", False),
        ("team-a/", False),
    ],
)
def test_jobs(job: str, allowed: bool) -> None:
    """A folder stands for everything in it, and not for other names that begin with it."""
    error = refused({"jobs": ["team-a", "lib/one/"]}, report(job=job), people())
    assert (error is None) == allowed
    if error:
        assert error.errors == (("/build/job", f"{job} is outside of them"),)
        assert "team-a, lib/one" in error.detail


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://ci.example.com/jenkins/job/x/1/", True),
        ("HTTPS://CI.example.com:443/jenkins/job/x/1/", True),
        ("https://ci.example.com/jenkins", True),
        ("https://ci.example.com/jenkins/job/feature%252Fx/1/", True),
        ("http://ci.example.com/jenkins/job/x/1/", False),
        ("https://ci.example.com:8443/jenkins/job/x/1/", False),
        ("https://ci.example.com/jenkins2/job/x/1/", False),
        ("https://ci.example.com/", False),
        ("https://ci.example.com.evil.example/jenkins/job/x/1/", False),
        ("https://ci.example.com@evil.example/jenkins/", False),
        ("https://me@ci.example.com/jenkins/job/x/1/", False),
        ("https://evil.example\\@ci.example.com/jenkins/job/x/1/", False),
        ("https://ci.example.com/jenkins/../other/", False),
        ("https://ci.example.com/jenkins/%2e%2E/other/", False),
        ("https://ci.example.com/jenkins/..%2fother/", False),
        ("https://ci.example.com/jenkins/..%5cother/", False),
        ("https://ci.example.com:x/jenkins/", False),
        ("https://[ci.example.com/jenkins/", False),
        (None, False),
    ],
)
def test_controller(url: str | None, allowed: bool) -> None:
    """A build's URL must be below the controller's, however it is written."""
    error = refused({"controller": "https://ci.example.com/jenkins/"}, report(url=url), people())
    assert (error is None) == allowed
    if error:
        assert [pointer for pointer, _ in error.errors] == ["/build/url"]
        assert "builds of https://ci.example.com/jenkins only" in error.detail


@pytest.mark.parametrize("kind", ["to", "cc", "bcc"])
def test_recipient_domains(kind: str) -> None:
    """Recipients must be within the domains or their subdomains, in each member."""
    bound = {"recipient_domains": ["Example.com"]}
    for address in ("ada@example.com", "ada@team.example.com"):
        assert refused(bound, report(), people(**{kind: address})) is None
    error = refused(bound, report(), people(**{kind: "eve@notexample.com"}))
    assert error is not None
    assert error.errors == ((f"/mail/{kind}", "eve@notexample.com is outside of them"),)
    assert "example.com" in error.detail


def test_sender_domains() -> None:
    """Reply-To and the service's SENDER must be within the domains."""
    bound = {"sender_domains": ["example.com"]}
    assert refused(bound, report(), people(reply_to="team@example.com")) is None
    error = refused(bound, report(), people(reply_to="team@example.org"))
    assert error is not None
    assert error.errors == (("/mail/reply_to", "team@example.org is outside of them"),)
    outside = refused({"sender_domains": ["example.org"]}, report(), people())
    assert outside is not None
    assert outside.errors == ()
    assert "NOTIFY_EMAIL_SENDER is jenkins@ci.example.com" in outside.detail


def test_bound_to_a_controller_and_a_job() -> None:
    """Only a token with this controller and with jobs that hold the job is bound to both."""
    bound = Permissions(controller="https://ci.example.com/", jobs=("shop",))
    assert bound.is_bound_to("https://ci.example.com", "shop/checkout")
    assert not bound.is_bound_to("https://ci.example.com", "shopping")
    assert not bound.is_bound_to("https://ci.example.com/other", "shop/checkout")
    below = Permissions(controller="https://ci.example.com/ci", jobs=("shop",))
    assert not below.is_bound_to("https://ci.example.com", "shop/checkout")
    for half in (
        Permissions(),
        Permissions(controller="https://ci.example.com"),
        Permissions(jobs=("shop",)),
    ):
        assert not half.is_bound_to("https://ci.example.com", "shop/checkout")


def test_all_that_is_wrong_is_named() -> None:
    """One answer names every bound that the report is outside of."""
    rights = {
        "controller": "https://ci.example.com",
        "jobs": ["team-b"],
        "recipient_domains": ["example.com"],
        "sender_domains": ["example.com"],
    }
    error = refused(rights, report(), people(to="a@x.example", reply_to="b@x.example"))
    assert error is not None
    assert [pointer for pointer, _ in error.errors] == [
        "/build/url",
        "/build/job",
        "/mail/to",
        "/mail/reply_to",
    ]


def test_acts() -> None:
    """The refusal of an act says what the token may do."""
    with pytest.raises(PolicyError, match=r"may read /metrics, and not send reports\."):
        Permissions(may=("scrape",)).require("send")


@pytest.mark.parametrize("rate", ["100/hour", "10 per 5 minutes", "1/second"])
def test_rates(rate: str) -> None:
    """Rates are in the notation of `limits`."""
    assert Permissions(rate=rate).limit is not None
