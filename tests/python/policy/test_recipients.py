"""recipients.py and addresses.py: whom a report may reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice import addresses
from pyservice.addresses import Mailbox, mailboxes
from pyservice.config.settings import Settings
from pyservice.errors import InvalidError, PolicyError
from pyservice.policy.recipients import resolve_recipients
from pyservice.report.schema import Mail

ANY = Settings(sender="jenkins@ci.example.com")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada@example.com", [("", "ada@example.com")]),
        (" ada@example.com \n", [("", "ada@example.com")]),
        ("a@x.org, b@x.org;c@x.org", [("", "a@x.org"), ("", "b@x.org"), ("", "c@x.org")]),
        ("a@x.org b@x.org", [("", "a@x.org"), ("", "b@x.org")]),
        ("Ada Éxample <ada@example.com>", [("Ada Éxample", "ada@example.com")]),
        ('"Doe, J \\"Q\\"" <j@x.org>', [('Doe, J "Q"', "j@x.org")]),
        ("bo@exämple.com", [("", "bo@xn--exmple-cua.com")]),
        ("ops@mailhub", [("", "ops@mailhub")]),
        ("ada@corp.local", [("", "ada@corp.local")]),
        ("", []),
        (" , ", []),
    ],
)
def test_addresses_as_people_write_them(text: str, expected: list[tuple[str, str]]) -> None:
    """Names, lists, international domains and a company's internal domains are understood."""
    assert list(mailboxes(text)) == [Mailbox(*pair) for pair in expected]


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "@example.com",
        "ada@",
        "alice@example.org)bob@x",
        "ada@example.com\r\nBcc: evil@example.com",
        "=?utf-8?q?a=0ABcc:_evil@example.com?= <ada@example.com>",
        "=?utf-8?q?evil?=@example.com",
        "ada@example.com\0",
        "Ada <ada@example.com> <bo@example.com>",
        "<<ada@example.com>>",
        '"ada@example.com',
        "ädä@example.com",
        "ada@[127.0.0.1]",
        "ada@-example.com",
        "victim%evil.example@example.com",
        "evil.example!victim@example.com",
        "Ada <victim%evil.example@example.com>",
        f"ada@{'x' * 60}.{'x' * 60}.{'x' * 60}.{'x' * 60}.{'x' * 60}",
    ],
)
def test_what_is_no_address_is_named(text: str) -> None:
    """Line breaks, encoded words, second addresses and relay paths are refused."""
    with pytest.raises(InvalidError) as caught:
        resolve_recipients(Mail(to=["fine@example.com", text]), ANY)
    assert caught.value.errors[0][0] == "/mail/to/1"
    assert "\n" not in caught.value.errors[0][1]


@given(st.text(max_size=60))
def test_no_text_smuggles_an_address(text: str) -> None:
    """An accepted address is one line of ASCII with one at sign outside of quotes."""
    try:
        boxes = list(mailboxes(text))
    except ValueError:
        return
    for box in boxes:
        assert box.address.isascii()
        assert box.address.isprintable()
        assert " " not in box.address
        assert "@" in box.address


def test_each_wrong_address_is_told() -> None:
    """Mistakes in `cc` and `bcc` have their own pointers."""
    with pytest.raises(InvalidError) as caught:
        resolve_recipients(Mail(to=["x"], cc=["ok@x.org", "y"], bcc=["z"], reply_to=["w"]), ANY)
    assert [where for where, _ in caught.value.errors] == [
        "/mail/to/0",
        "/mail/cc/1",
        "/mail/bcc/0",
        "/mail/reply_to/0",
    ]


def test_nobody_is_told_what_to_do() -> None:
    """Without any recipient the error names the three places to give one."""
    with pytest.raises(InvalidError, match="DEFAULT_TO") as caught:
        resolve_recipients(Mail(to=[""]), ANY)
    assert caught.value.errors[0][0] == "/mail/to"


def test_the_default_is_for_reports_without_recipients() -> None:
    """DEFAULT_TO is used only if the report names no recipient."""
    settings = ANY.model_copy(update={"default_to": "team@example.com, lead@example.com"})
    assert resolve_recipients(Mail(), settings).addresses == (
        "team@example.com",
        "lead@example.com",
    )
    assert resolve_recipients(Mail(cc=["a@x.org"]), settings).addresses == ("a@x.org",)


def test_nobody_gets_a_mail_twice() -> None:
    """An address in `to` and `cc` is one recipient."""
    people = resolve_recipients(
        Mail(to=["a@x.org", "A <a@x.org>"], cc=["a@x.org"], bcc=["b@x.org"]), ANY
    )
    assert people.addresses == ("a@x.org", "b@x.org")
    assert people.to == (Mailbox("", "a@x.org"),)


def test_localhost_is_nobody() -> None:
    """The mail server's own mailbox is refused with the reason."""
    with pytest.raises(InvalidError, match="which nobody reads"):
        resolve_recipients(Mail(to=["root@localhost"]), ANY)


def test_allowed_domains() -> None:
    """A domain includes its subdomains, in any case, and not other domains that end with it."""
    settings = ANY.model_copy(update={"allowed_domains": ("example.com",)})
    allowed = Mail(to=["a@example.com", "b@EU.Example.com"])
    assert len(resolve_recipients(allowed, settings).addresses) == 2
    with pytest.raises(PolicyError, match=r"example\.com") as caught:
        resolve_recipients(Mail(to=["a@example.com"], bcc=["c@notexample.com"]), settings)
    assert caught.value.errors == (("/mail/bcc", "c@notexample.com is outside of them"),)


def test_too_many() -> None:
    """More recipients than MAX_RECIPIENTS are refused."""
    with pytest.raises(InvalidError, match="mailing list"):
        resolve_recipients(Mail(to=[f"a{n}@x.org" for n in range(ANY.max_recipients + 1)]), ANY)


def test_too_many_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """15 texts of 64 KB of addresses take no longer than a few addresses, even if all are equal."""
    read: list[str] = []

    def mailbox(text: str) -> Mailbox:
        read.append(text)
        return addresses.Mailbox("", text)

    monkeypatch.setattr(addresses, "mailbox", mailbox)
    with pytest.raises(InvalidError) as caught:
        resolve_recipients(Mail(to=["ada@example.com," * 4000] * 15), ANY)
    assert [where for where, _ in caught.value.errors] == ["/mail/to"]
    assert len(read) == ANY.max_recipients + 1


@pytest.mark.parametrize(
    "address",
    [
        "noreply@x.org",
        "No-Reply@X.org",
        "noreply+build-7@x.org",
        "12345+ada@users.noreply.github.com",
        "Ada <ada@USERS.noreply.github.com>",
        "mailer-daemon@mx.example.com",
    ],
)
def test_nobody_reads_these(address: str) -> None:
    """Denied recipients are left out of every field, and named; the others get the mail."""
    for kind in ("to", "cc", "bcc"):
        people = resolve_recipients(
            Mail.model_validate({"to": ["bo@x.org"]} | {kind: [address, "bo@x.org"]}), ANY
        )
        assert people.addresses == ("bo@x.org",)
        [left_out] = people.left_out
        assert people.remark == f"not to {left_out.address}: denied by DENIED_RECIPIENTS"


@pytest.mark.parametrize(
    "address",
    ["ada@x.org", "noreply2@x.org", "x-noreply@x.org", "ada@github.com", "postmaster@x.org"],
)
def test_people_read_these(address: str) -> None:
    """An address that only resembles a pattern isn't denied."""
    assert resolve_recipients(Mail(to=[address]), ANY).left_out == ()


def test_another_deny_list() -> None:
    """Patterns are addresses, local parts and domains, in any case; they replace the default."""
    settings = Settings.model_validate(
        {"sender": "a@x.org", "denied_recipients": "Boss@Example.com, ops@, @exämple.com"}
    )
    assert settings.denied_recipients == ("boss@example.com", "ops@", "@xn--exmple-cua.com")
    everybody = ["BOSS@example.com", "Ops@a.org", "ada@mail.EXÄMPLE.com"]
    spared = ["boss+1@example.com", "boss@example.org", "ops2@a.org", "noreply@a.org"]
    people = resolve_recipients(Mail(to=everybody + spared), settings)
    assert people.addresses == tuple(spared)
    assert len(people.left_out) == 3


def test_nobody_is_left() -> None:
    """Without a recipient left the report is refused by patterns; DEFAULT_TO isn't used."""
    settings = ANY.model_copy(update={"default_to": "team@x.org"})
    with pytest.raises(PolicyError, match="denies all of them") as caught:
        resolve_recipients(
            Mail(to=["noreply@x.org"], bcc=["ada@users.noreply.github.com"]), settings
        )
    assert caught.value.errors == (
        ("/mail/to", "noreply@x.org is denied by noreply@"),
        ("/mail/bcc", "ada@users.noreply.github.com is denied by @noreply.github.com"),
    )


def test_the_denied_need_not_be_allowed() -> None:
    """A denied recipient outside of the allowed domains is no reason to refuse the others."""
    settings = ANY.model_copy(update={"allowed_domains": ("x.org",)})
    assert resolve_recipients(Mail(to=["a@x.org", "noreply@y.org"]), settings).addresses == (
        "a@x.org",
    )


def test_nobody_is_denied() -> None:
    """An empty list denies nobody."""
    settings = ANY.model_copy(update={"denied_recipients": ()})
    assert resolve_recipients(Mail(to=["noreply@x.org"]), settings).addresses == ("noreply@x.org",)


def test_a_limit_of_ones_own() -> None:
    """The refusal names MAX_RECIPIENTS."""
    settings = ANY.model_copy(update={"max_recipients": 1})
    with pytest.raises(InvalidError, match="at most 1 recipients"):
        resolve_recipients(Mail(to=["a@x.org", "b@x.org"]), settings)
