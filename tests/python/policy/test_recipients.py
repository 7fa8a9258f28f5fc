"""recipients.py and addresses.py: whom a report may reach."""

import pytest
from email_validator import EmailNotValidError
from hypothesis import given
from hypothesis import strategies as st

from pyservice import addresses, samples
from pyservice.addresses import Mailbox, mailbox, mailboxes
from pyservice.config.settings import Settings
from pyservice.errors import InvalidError, PolicyError
from pyservice.policy.recipients import Recipients, resolve_recipients
from pyservice.report.schema import Mail
from pyservice.text import shorten

ANY = Settings(sender="jenkins@ci.example.com")


def resolve(mail: Mail, settings: Settings) -> Recipients:
    report = samples.load("2-failure").model_copy(update={"mail": mail})
    return resolve_recipients(report, settings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada@example.com", [("", "ada@example.com")]),
        (" ada@example.com \n", [("", "ada@example.com")]),
        ("a@x.org, b@x.org;c@x.org", [("", "a@x.org"), ("", "b@x.org"), ("", "c@x.org")]),
        ("a@x.org b@x.org", [("", "a@x.org"), ("", "b@x.org")]),
        ("\n    a@x.org,\n    b@x.org\n", [("", "a@x.org"), ("", "b@x.org")]),
        ("a@x.org\nb@x.org\r\n\tc@x.org", [("", "a@x.org"), ("", "b@x.org"), ("", "c@x.org")]),
        ("a@x.org\t\u2028b@x.org\xa0c@x.org", [("", "a@x.org"), ("", "b@x.org"), ("", "c@x.org")]),
        ("Ada\tExample <a@x.org>\nBo <b@x.org>", [("Ada Example", "a@x.org"), ("Bo", "b@x.org")]),
        ("Ada <a@x.org> <b@x.org>", [("Ada", "a@x.org"), ("", "b@x.org")]),
        ("Ada<a@x.org>", [("Ada", "a@x.org")]),
        ("Ada Éxample <ada@example.com>", [("Ada Éxample", "ada@example.com")]),
        ('"Doe, J \\"Q\\"" <j@x.org>', [('Doe, J "Q"', "j@x.org")]),
        ("a@x.org <a@x.org>", [("a@x.org", "a@x.org")]),
        (
            # What email-ext's step emailextrecipients returns.
            'c@x.org "Doe, J" <j@x.org> =?UTF-8?Q?Ada_=C3=89x?= =?utf-8?b?YW1wbGU=?= <a@x.org>',
            [("", "c@x.org"), ("Doe, J", "j@x.org"), ("Ada Éxample", "a@x.org")],
        ),
        ("=?latin-1?q?B=F6?= B. <b@x.org>", [("Bö B.", "b@x.org")]),
        ("=?utf-9?q?=C3?= <b@x.org>", [("=?utf-9?q?=C3?=", "b@x.org")]),
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
        "=?utf-8?q?a=0ABcc:_evil@example.com?= <ada@example.com>",
        "=?utf-8?q?evil?=@example.com",
        "ada@example.com\0",
        '"Ada\nBcc: evil@example.com" <ada@example.com>',
        '"Ada\0" <ada@example.com>',
        "Ada\0 <ada@example.com>",
        "=?utf-8?b?YQ1CY2M6IGV2aWw=?= <ada@example.com>",
        "=?utf-8?q?a?= =?utf-8?q?=0D=0ABcc:_evil?= <ada@example.com>",
        '"=?utf-8?q?a=00?=" <ada@example.com>',
        "4711+shop-deps[bot]@users.example.com",
        "Cy <cy[bot]@example.com>",
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
def test_what_is_no_address_is_left_out(text: str) -> None:
    """Control characters, encoded words and relay paths cost their own recipient a mail, and no
    other; a report that has no other is refused."""
    people = resolve(Mail(to=["fine@example.com", text], reply_to=[text]), ANY)
    assert people.addresses == ("fine@example.com",)
    assert people.reply_to == ()
    [left_out] = people.left_out
    assert left_out.pointer == "/mail/to/1"
    assert left_out.address == shorten(" ".join(text.replace("\0", "").split()), 254)
    assert people.remark == f"not to {left_out.address}: {left_out.reason}"
    assert left_out.reason.startswith("no mail address: ")
    with pytest.raises(InvalidError) as caught:
        resolve(Mail(to=["", text]), ANY)
    assert caught.value.errors[0][0] == "/mail/to/1"
    assert "\n" not in caught.value.errors[0][1]


@pytest.mark.parametrize(
    "text",
    [
        "a@x.org, cy[bot]@x.org b@x.org",
        "a@x.org\ncy b@x.org",
        "cy a@x.org Bo <b@x.org>",
        "a@x.org Cy <cy[bot]@x.org> Bo <b@x.org>",
        "a@x.org\r\nBcc: b@x.org",
        "a@x.org\u2028X-Header: yes\x85b@x.org",
        'cy"@x.org a@x.org, b@x.org',
        'cy"@x.org a@x.org, "Bo" <b@x.org>',
        'a@x.org; "cy, b@x.org',
    ],
)
def test_one_bad_address_among_good_ones(text: str) -> None:
    """What is no address within a text leaves the addresses around it as they are."""
    people = resolve(Mail(to=[text]), ANY)
    assert people.addresses == ("a@x.org", "b@x.org")
    [left_out] = people.left_out
    assert left_out.address in {
        "cy",
        "cy[bot]@x.org",
        "Cy <cy[bot]@x.org>",
        'cy"@x.org',
        '"cy',
        "Bcc:",
        "X-Header: yes",
    }


def test_one_address_alone() -> None:
    """Where one address is expected, two are refused."""
    with pytest.raises(EmailNotValidError):
        mailbox("Ada <ada@example.com> <bo@example.com>")


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
    """Mistakes in `cc` and `bcc` have their own pointers, whether somebody is left or not."""
    mail = Mail(to=["x"], cc=["ok@x.org", "y"], bcc=["z"], reply_to=["w"])
    people = resolve(mail, ANY)
    assert people.addresses == ("ok@x.org",)
    assert [(entry.pointer, entry.address) for entry in people.left_out] == [
        ("/mail/to/0", "x"),
        ("/mail/cc/1", "y"),
        ("/mail/bcc/0", "z"),
        ("/mail/reply_to/0", "w"),
    ]
    with pytest.raises(InvalidError) as caught:
        resolve(mail.model_copy(update={"cc": ["", "y"]}), ANY)
    assert [where for where, _ in caught.value.errors] == [
        "/mail/to/0",
        "/mail/cc/1",
        "/mail/bcc/0",
        "/mail/reply_to/0",
    ]


def test_nobody_is_told_what_to_do() -> None:
    """Without any recipient the error names the three places to give one."""
    with pytest.raises(InvalidError, match="DEFAULT_TO") as caught:
        resolve(Mail(to=[""]), ANY)
    assert caught.value.errors[0][0] == "/mail/to"


def test_the_default_is_for_reports_without_recipients() -> None:
    """DEFAULT_TO is used only if the report names no recipient."""
    settings = ANY.model_copy(update={"default_to": "team@example.com, lead@example.com"})
    assert resolve(Mail(), settings).addresses == (
        "team@example.com",
        "lead@example.com",
    )
    assert resolve(Mail(cc=["a@x.org"]), settings).addresses == ("a@x.org",)


def test_nobody_gets_a_mail_twice() -> None:
    """An address in `to` and `cc` is one recipient."""
    people = resolve(Mail(to=["a@x.org", "A <a@x.org>"], cc=["a@x.org"], bcc=["b@x.org"]), ANY)
    assert people.addresses == ("a@x.org", "b@x.org")
    assert people.to == (Mailbox("", "a@x.org"),)


def test_localhost_is_nobody() -> None:
    """The mail server's own mailbox is refused with the reason."""
    with pytest.raises(InvalidError, match="which nobody reads"):
        resolve(Mail(to=["root@localhost"]), ANY)


def test_allowed_domains() -> None:
    """A domain includes its subdomains, in any case, and not other domains that end with it."""
    settings = ANY.model_copy(update={"allowed_domains": ("example.com",)})
    allowed = Mail(to=["a@example.com", "b@EU.Example.com"])
    assert len(resolve(allowed, settings).addresses) == 2
    with pytest.raises(PolicyError, match=r"example\.com") as caught:
        resolve(Mail(to=["a@example.com"], bcc=["c@notexample.com"]), settings)
    assert caught.value.errors == (("/mail/bcc", "c@notexample.com is outside of them"),)


def test_too_many() -> None:
    """More recipients than MAX_RECIPIENTS are refused."""
    with pytest.raises(InvalidError, match="mailing list"):
        resolve(Mail(to=[f"a{n}@x.org" for n in range(ANY.max_recipients + 1)]), ANY)


def test_too_many_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """15 texts of 64 KB of addresses take no longer than a few addresses, even if all are equal."""
    read: list[str] = []

    def mailbox(text: str) -> Mailbox:
        read.append(text)
        return addresses.Mailbox("", text)

    monkeypatch.setattr(addresses, "mailbox", mailbox)
    with pytest.raises(InvalidError) as caught:
        resolve(Mail(to=["ada@example.com," * 4000] * 15), ANY)
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
        people = resolve(
            Mail.model_validate({"to": ["bo@x.org"]} | {kind: [address, "bo@x.org"]}), ANY
        )
        assert people.addresses == ("bo@x.org",)
        [left_out] = people.left_out
        assert (
            people.remark == f"not to {left_out.address}: denied by NOTIFY_EMAIL_DENIED_RECIPIENTS"
        )


@pytest.mark.parametrize(
    "address",
    ["ada@x.org", "noreply2@x.org", "x-noreply@x.org", "ada@github.com", "postmaster@x.org"],
)
def test_people_read_these(address: str) -> None:
    """An address that only resembles a pattern isn't denied."""
    assert resolve(Mail(to=[address]), ANY).left_out == ()


@pytest.mark.parametrize(
    "text",
    [
        "4711+shop-deps[bot]@users.noreply.github.com",
        "Cy <4711+cy[bot]@Users.NoReply.GitHub.com>",
        "noreply@[127.0.0.1]",
        '"Cy\nBcc: x" <noreply@example.com>',
    ],
)
def test_the_denied_need_not_be_addresses(text: str) -> None:
    """A text that is no address is denied as it is written; alone, it is answered as denied."""
    people = resolve(Mail(to=["bo@x.org", text]), ANY)
    shown = " ".join(text.split())
    assert people.remark == f"not to {shown}: denied by NOTIFY_EMAIL_DENIED_RECIPIENTS"
    with pytest.raises(PolicyError, match="denies all of them") as denied:
        resolve(Mail(to=[text]), ANY)
    [(_, sentence)] = denied.value.errors
    assert sentence.startswith(f"{shown} is denied by ")
    with pytest.raises(InvalidError) as caught:
        resolve(Mail(to=[text, "cy"]), ANY)
    assert [where for where, _ in caught.value.errors] == ["/mail/to/1", "/mail/to"]


def test_another_deny_list() -> None:
    """Patterns are addresses, local parts and domains, in any case; they replace the default."""
    settings = Settings.model_validate(
        {"sender": "a@x.org", "denied_recipients": "Boss@Example.com, ops@, @exämple.com"}
    )
    assert settings.denied_recipients == ("boss@example.com", "ops@", "@xn--exmple-cua.com")
    everybody = ["BOSS@example.com", "Ops@a.org", "ada@mail.EXÄMPLE.com"]
    spared = ["boss+1@example.com", "boss@example.org", "ops2@a.org", "noreply@a.org"]
    people = resolve(Mail(to=everybody + spared), settings)
    assert people.addresses == tuple(spared)
    assert len(people.left_out) == 3


def test_nobody_is_left() -> None:
    """Without a recipient left the report is refused by patterns; DEFAULT_TO isn't used."""
    settings = ANY.model_copy(update={"default_to": "team@x.org"})
    with pytest.raises(PolicyError, match="denies all of them") as caught:
        resolve(Mail(to=["noreply@x.org"], bcc=["ada@users.noreply.github.com"]), settings)
    assert caught.value.errors == (
        ("/mail/to", "noreply@x.org is denied by noreply@"),
        ("/mail/bcc", "ada@users.noreply.github.com is denied by @noreply.github.com"),
    )


def test_the_denied_need_not_be_allowed() -> None:
    """A denied recipient outside of the allowed domains is no reason to refuse the others."""
    settings = ANY.model_copy(update={"allowed_domains": ("x.org",)})
    assert resolve(Mail(to=["a@x.org", "noreply@y.org"]), settings).addresses == ("a@x.org",)


def test_nobody_is_denied() -> None:
    """An empty list denies nobody."""
    settings = ANY.model_copy(update={"denied_recipients": ()})
    assert resolve(Mail(to=["noreply@x.org"]), settings).addresses == ("noreply@x.org",)


def test_a_limit_of_ones_own() -> None:
    """The refusal names MAX_RECIPIENTS."""
    settings = ANY.model_copy(update={"max_recipients": 1})
    with pytest.raises(InvalidError, match="at most 1 recipients"):
        resolve(Mail(to=["a@x.org", "b@x.org"]), settings)
