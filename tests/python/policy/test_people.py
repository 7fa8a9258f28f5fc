"""people.py and recipients.py: whom the kinds of recipients mean, and who of them gets mail."""

from typing import Any

import pytest

from pyservice import samples
from pyservice.analysis.analysis import Analysis, analyse
from pyservice.config.settings import Settings
from pyservice.errors import PolicyError
from pyservice.policy import people as people_module
from pyservice.policy.people import people, why_nobody
from pyservice.policy.recipients import NOT_KNOWN, Recipients, resolve_recipients
from pyservice.report.schema import RecipientKind, Report

ANY = Settings(sender="jenkins@ci.example.com", default_to="team@example.com")
FAILED = {"number": 7, "started_at": 1, "result": "FAILURE"}
PASSED = FAILED | {"result": "SUCCESS"}


def person(name: str, **members: Any) -> dict[str, Any]:
    return {"id": name, "name": name.title(), "email": f"{name}@x.org", "may_read": True} | members


def change(name: str, **members: Any) -> dict[str, Any]:
    return {
        "message": "m",
        "author": name.title(),
        "author_id": name,
        "author_email": f"{name}@x.org",
        "author_may_read": True,
    } | members


def report(
    *kinds: str,
    build: dict[str, Any] | None = None,
    mail: dict[str, Any] | None = None,
    **members: Any,
) -> Report:
    """Return the report of a build that bo changed, of which ada and bo are the culprits."""
    value = samples.load("2-failure").model_dump(mode="json", exclude_none=True)
    value["build"] |= {
        "culprits": [person("ada"), person("bo")],
        "requestor": person("cy"),
        "upstream_culprits": [person("dee")],
        "contributor": person("eve"),
        "history": {"builds": [PASSED]},
    } | (build or {})
    value |= {"changes": {"total": 1, "items": [change("bo")]}, "tests": None} | members
    value["mail"] = {"recipients": list(kinds)} | (mail or {})
    return Report.model_validate(value)


def names(kind: RecipientKind, shown: Report) -> list[str]:
    return [person.id for person in people(kind, shown)]


def resolved(shown: Report, settings: Settings = ANY) -> Recipients:
    return resolve_recipients(shown, settings)


def failing(*ages: int) -> dict[str, Any]:
    failures = [{"name": f"t{age}", "age": age} for age in ages]
    return {"total": 9, "failed": len(ages), "failures": failures}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("developers", ["bo"]),
        ("culprits", ["ada", "bo"]),
        ("requestor", ["cy"]),
        ("upstreamDevelopers", ["dee"]),
        ("brokenBuildSuspects", ["bo", "cy"]),
        ("brokenTestsSuspects", []),
        ("previous", []),
        ("contributor", ["eve"]),
    ],
)
def test_each_kind(kind: RecipientKind, expected: list[str]) -> None:
    """A build that fails after a success has the people of each kind that email-ext would name."""
    assert names(kind, report()) == expected


def test_a_build_that_is_still_broken() -> None:
    """Who broke it is among the culprits, since a report has the authors of no earlier build."""
    still = report(build={"history": {"builds": [FAILED]}})
    assert names("brokenBuildSuspects", still) == ["ada", "bo", "cy"]
    assert names("previous", still) == ["ada", "bo"]
    assert names("brokenBuildSuspects", report(build={"result": "UNSTABLE"})) == []
    known = report(build={"history": None, "previous_result": "FAILURE"})
    assert names("brokenBuildSuspects", known) == ["ada", "bo", "cy"]


def test_failing_tests() -> None:
    """New failures are this build's authors' and its starter's; older ones all culprits'."""
    assert names("brokenTestsSuspects", report(tests=failing(1, 1))) == ["bo", "cy"]
    assert names("brokenTestsSuspects", report(tests=failing(1, 3))) == ["ada", "bo", "cy"]
    unknown = failing() | {"failed": 2}
    assert names("brokenTestsSuspects", report(tests=unknown)) == ["ada", "bo", "cy"]


def test_the_first_build_of_a_change_request() -> None:
    """Jenkins knows no changes of a first build, so its developer is the request's author."""
    nothing = {"total": 0, "items": []}
    first = report(build={"history": {"builds": []}, "culprits": []}, changes=nothing)
    assert names("developers", first) == ["eve"]
    assert names("culprits", first) == ["eve"]
    later = report(build={"culprits": []}, changes=nothing)
    assert names("developers", later) == []
    assert why_nobody("developers", later) == "the build has no changes"
    assert "first build" in why_nobody("developers", first)


def test_suspects() -> None:
    """They are the authors of changes that touch what the error names; without any, developers."""
    log = ["src/a.c:3:1: error: x undeclared"]
    step = {"function": "sh", "log": "\n".join(log)}
    changes = {
        "total": 2,
        "items": [change("bo", paths=["src/b.c"]), change("ada", paths=["src/a.c"])],
    }
    shown = report(
        "suspects", changes=changes, error={"message": "script returned 1", "step": step}
    )
    assert names("suspects", shown) == ["ada"]
    assert names("suspects", report(changes=changes, error=None)) == ["bo", "ada"]


def test_the_address_that_jenkins_knows() -> None:
    """An author gets mail at the address that Jenkins has for them, not at a commit's."""
    forged = change("bo", author_email="bo@evil.example")
    shown = report("developers", changes={"total": 1, "items": [forged]})
    assert resolved(shown).addresses == ("bo@x.org",)


def test_a_name_that_jenkins_knows_with_another_address() -> None:
    """A commit with a known name and an address of its own gets no mail there."""
    forged = change("ada", author_email="ada@evil.example")
    for culprits in ([], [person("ada", email="")]):
        shown = report(
            "developers", build={"culprits": culprits}, changes={"total": 1, "items": [forged]}
        )
        [left_out] = resolved(shown).left_out
        assert (left_out.address, left_out.reason) == ("ada@evil.example", NOT_KNOWN)


def test_an_address_of_a_stranger() -> None:
    """A commit's address gets mail only if Jenkins knows its owner, or its domain is allowed."""
    stranger = change("mal", author_email="mal@y.org")
    both = {"total": 2, "items": [stranger, change("bo")]}
    people = resolved(report("developers", changes=both))
    assert people.addresses == ("bo@x.org",)
    [left_out] = people.left_out
    assert (left_out.address, left_out.reason) == ("mal@y.org", NOT_KNOWN)
    assert left_out.pointer == "/mail/recipients/0"
    allowed = ANY.model_copy(update={"allowed_domains": ("y.org",)})
    people = resolved(report("developers", changes=both), allowed)
    assert people.addresses == ("mal@y.org",)
    assert people.remark == "not to bo@x.org: outside of NOTIFY_EMAIL_ALLOWED_DOMAINS"


def test_a_tokens_domains() -> None:
    """People outside of a token's domains are left out, where a named recipient is refused."""
    shown = report("culprits", build={"culprits": [person("ada", email="ada@y.org")]})
    people = resolve_recipients(shown, ANY, ("y.org",))
    assert people.addresses == ("ada@y.org",)
    assert "the domains to which this token sends: y.org" in people.remark


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("", "Ada is without a mail address"),
        ("noreply@x.org", "noreply@x.org is denied by NOTIFY_EMAIL_DENIED_RECIPIENTS"),
        ("1+ada@users.noreply.github.com", "1+ada@users.noreply.github.com is denied by"),
        ("ada", "ada is no mail address: "),
        ("ada@localhost", "ada@localhost is a mailbox of the mail server itself"),
        ("a@x.org, mal@evil.example", "a@x.org, mal@evil.example is no mail address: "),
        ("Mal <mal@evil.example>\nBcc: x@y.org", "is no mail address: "),
    ],
)
def test_who_is_left_out(email: str, reason: str) -> None:
    """Unusable addresses, and those that nobody reads, are named with the reason."""
    people = resolved(
        report("culprits", build={"culprits": [person("ada", email=email), person("bo")]})
    )
    assert people.addresses == ("bo@x.org",)
    [left_out] = people.left_out
    assert reason in left_out.sentence


def test_nobody() -> None:
    """Kinds that mean nobody are named, and the service's default is not used."""
    shown = report("developers", "requestor", build={"requestor": None}, changes={"total": 0})
    people = resolved(shown)
    assert people.addresses == ()
    assert people.nobody == (
        "nobody gets a mail; developers is nobody, since the build has no changes; "
        "requestor is nobody, since no person started the build"
    )


def test_nobody_is_missed_beside_others() -> None:
    """As long as somebody gets the mail, a kind that means nobody is not mentioned."""
    people = resolved(report("developers", "requestor", build={"requestor": None}))
    assert people.addresses == ("bo@x.org",)
    assert people.left_out == ()
    named = report("requestor", build={"requestor": None}, mail={"to": ["lead@x.org"]})
    assert resolved(named).addresses == ("lead@x.org",)


def test_beside_named_recipients() -> None:
    """People are added in `to`, each address once in the mail."""
    shown = report("culprits", mail={"cc": ["bo@x.org"], "bcc": ["lead@x.org"]})
    people = resolved(shown)
    assert [box.address for box in people.to] == ["ada@x.org"]
    assert people.addresses == ("ada@x.org", "bo@x.org", "lead@x.org")
    assert people.nobody == ""


def test_a_forbidden_name_beside_people() -> None:
    """What the Pipeline names itself is refused as before."""
    settings = ANY.model_copy(update={"allowed_domains": ("x.org",)})
    with pytest.raises(PolicyError):
        resolved(report("culprits", mail={"cc": ["lead@y.org"]}), settings)


def test_too_many_people() -> None:
    """Those over MAX_RECIPIENTS are left out, since the Pipeline can't know how many there are."""
    crowd = [person(f"p{number}") for number in range(150)]
    people = resolved(report("culprits", build={"culprits": crowd}))
    assert len(people.addresses) == ANY.max_recipients
    assert len(people.left_out) == 51


def test_a_kind_that_is_named_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked up once: the suspects of a large report take a while to find."""
    found = []

    def counting(shown: Report) -> Analysis:
        found.append(shown)
        return analyse(shown)

    monkeypatch.setattr(people_module, "analyse", counting)
    assert resolved(report(*["suspects"] * 50)).addresses == ("bo@x.org",)
    assert len(found) == 1
