"""How Jenkins should be and what differs, without a controller."""

import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pyservice.cli.jenkins import jenkins_app
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError, SetupError
from pyservice.postfix.log import FileLog
from pyservice.setup.jenkins import planner, test_mail
from pyservice.setup.jenkins.connection import source
from pyservice.setup.jenkins.desired import DesiredJenkins, Library
from pyservice.setup.jenkins.planner import Candidate, JenkinsState


@given(st.dictionaries(st.text(), st.text()))
def test_a_literal_can_not_be_ended(values: dict[str, str]) -> None:
    """Whatever the values are, the quotation marks hold letters, digits, +, / and = only."""
    line = source("read", values).partition("\n")[0]
    assert re.fullmatch(r"input = .*\('[A-Za-z0-9+/=]*'\.decodeBase64\(\), 'UTF-8'\)\)", line)


@pytest.mark.parametrize(
    ("text", "remote", "version"),
    [
        ("https://git.example.com/a.git@v1.0", "https://git.example.com/a.git", "v1.0"),
        ("git@git.example.com:a/b.git@v1", "git@git.example.com:a/b.git", "v1"),
        ("ssh://git@example.com/a.git@feature/x", "ssh://git@example.com/a.git", "feature/x"),
    ],
)
def test_a_library(text: str, remote: str, version: str) -> None:
    """The last at sign is the version's."""
    assert Library.parse(text) == Library(remote, version)


@pytest.mark.parametrize(
    "text",
    ["https://git.example.com/a.git", "git@git.example.com:a.git", "https://me@example.com", "@v1"],
)
def test_a_library_without_a_version(text: str) -> None:
    """It is refused with an example, also where the URL has an at sign of its own."""
    with pytest.raises(ConfigurationError, match=r"such as https://git\.example\.com"):
        Library.parse(text)


@pytest.mark.parametrize("user", ["https://me:s3cret@", "https://s3cret@", "ssh://git:s3cret@"])
def test_a_library_with_a_password(user: str) -> None:
    """It is refused and not repeated; one that Jenkins has already is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        Library.parse(f"{user}example.com/a.git@v1")
    assert "s3cret" not in str(caught.value)
    settings = {"library": {"remote": f"{user}example.com/a.git"}}
    answer = {"settings": settings, "candidates": [], "signsIn": False, "casc": []}
    remote = JenkinsState.parse(answer).value("library", "remote")
    assert remote == f"{user.partition('://')[0]}://…@example.com/a.git"


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"address": "a b"}, "--address"),
        ({"address": "x'; evil()"}, "--address"),
        ({"address": "fe80::1%'; evil()"}, "--address"),
        ({"service_url": "http://x/\ny"}, "--service-url"),
        ({"admin_address": " a@example.com"}, "--admin-address"),
        ({"port": 0}, "--port"),
        ({"charset": "UTF 8"}, "--charset"),
        ({"default_suffix": "example.com"}, "--default-suffix"),
        ({"transport": "pigeon"}, "--transport"),
        ({"admin_address": "nobody"}, "--admin-address"),
        ({"reply_to": "a@example.com, b@example.com"}, "--reply-to"),
        ({"service_url": "ftp://x"}, "--service-url"),
    ],
)
def test_what_is_mistyped(values: dict[str, Any], option: str) -> None:
    """The error names the option and says what it must be."""
    with pytest.raises(ConfigurationError, match=f"^{option} must be "):
        DesiredJenkins(**values)


def test_a_token_is_not_shown() -> None:
    """Not in a repr, and to the script that only reads no more than its digest goes."""
    wanted = DesiredJenkins(token="s3cret-token")
    assert "s3cret-token" not in repr(wanted) + repr(wanted.script_input)


@pytest.mark.parametrize("url", ["ci.example.com", "https://a:b@ci.example.com", "https://ci/?a=b"])
def test_the_url_of_jenkins(url: str) -> None:
    """It is an address without a user, a password or a query."""
    with pytest.raises(ConfigurationError, match="jenkins_url"):
        Settings.load(jenkins_url=url)


def found(*candidates: Candidate) -> JenkinsState:
    nothing: dict[str, Any] = {}
    sections = ("mailer", "location", "emailExt", "variables", "library", "credential")
    return JenkinsState(dict.fromkeys(sections, nothing), candidates, signs_in=False, casc=())


def test_the_first_that_greets_is_the_one() -> None:
    """An address that does not greet is left out; a given one needs no greeting."""
    silent = Candidate("192.0.2.1", "the variable NODE_IP", error="ConnectException")
    greeting = Candidate("172.22.91.1", "the default gateway of eth0", greeting="220 hello")
    assert planner.find_address(DesiredJenkins(), found(silent, greeting)) == "172.22.91.1"
    assert planner.find_address(DesiredJenkins(address="192.0.2.7"), found(silent)) == "192.0.2.7"
    with pytest.raises(SetupError, match=r"It tried 192\.0\.2\.1 \(the variable NODE_IP\)"):
        planner.find_address(DesiredJenkins(), found(silent))
    with pytest.raises(SetupError, match=r"hand status\.hostIP in as NODE_IP"):
        planner.find_address(DesiredJenkins(), found())


def test_what_stays_is_in_a_note() -> None:
    """A login of Mailer's is not taken away, and a branch is no pinned version."""
    greeting = Candidate("172.22.91.1", "given", greeting="220 hello")
    wanted = DesiredJenkins(library=Library("https://git.example.com/a.git", "main"))
    notes = " ".join(
        planner.plan_jenkins(wanted, replace(found(greeting), signs_in=True), "").notes
    )
    assert "Mailer has a user's name and a password; the node's Postfix needs none." in notes
    assert "main is no pinned version" in notes


def test_an_ipv6_address_in_a_url() -> None:
    """It stands in brackets."""
    settings = DesiredJenkins(service_url="auto").settings("fd00::1")
    assert settings["variables"]["NOTIFY_EMAIL_URL"] == "http://[fd00::1]:8525"


@pytest.mark.parametrize(
    ("html", "message"),
    [
        (
            '<div class="error"><p>Failed to send out e-mail</p><pre>java.net.ConnectException: '
            "Connection refused\n\tat java.base/sun.nio.ch.Net.pollConnect(Native Method)\n"
            "Caused: com.sun.mail.util.MailConnectException: Couldn&#039;t connect to host, port: "
            "172.22.91.1, 25</pre></div>",
            "ConnectException: Connection refused. Nothing listens there",
        ),
        (
            '<div class="error"><p>Failed</p><pre>com.sun.mail.smtp.SMTPAddressFailedException: '
            "554 5.7.1 &lt;a@b.org&gt;: Relay access denied\n\tat x</pre></div>",
            "554 5.7.1 <a@b.org>: Relay access denied. Postfix takes no mail from this container",
        ),
        ('<div class="error">Something &amp; else</div>', "Something & else."),
    ],
)
def test_a_failed_test_mail(html: str, message: str) -> None:
    """The error has the reason from Jenkins' page, without a stack trace, and what to do."""
    with pytest.raises(SetupError) as caught:
        test_mail.read_answer(html, "172.22.91.1:25", "a@b.org")
    assert message in str(caught.value)
    assert "\tat" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("jcasc --token-from }${HOME", "--token-from"),
        ("jcasc --read-file relative", "--read-file"),
        ("helm-values --token-from notify-email", "--token-from"),
        ("helm-values --token-from Notify/token", "--token-from"),
        ("helm-values --node {{.Values}}", "--node"),
    ],
)
def test_what_is_mistyped_for_emit(words: str, option: str) -> None:
    """The error names the option, and nothing is written."""
    done = CliRunner().invoke(jenkins_app, ["emit", *words.split()])
    assert isinstance(done.exception, ConfigurationError)
    assert str(done.exception).startswith(f"{option} must be ")
    assert done.stdout == ""


def test_a_mail_is_followed_through_an_alias(tmp_path: Path) -> None:
    """Where Postfix sends it on to another address it is found by the one it was sent to."""
    file = tmp_path / "mail.log"
    file.write_text(
        "Nov 25 12:00:00 node1 postfix/smtp[7]: 57B8298404C: to=<ops@example.com>, "
        "orig_to=<Ada@example.com>, relay=r[192.0.2.5]:25, delay=0.1, dsn=2.0.0, status=sent "
        "(250 2.0.0 Ok)\n"
    )
    followed = test_mail.follow(FileLog(file, {}), "ada@example.com", seconds=0)
    assert followed is not None
    queue_id, delivery = followed
    assert (queue_id, delivery.status, delivery.reply) == ("57B8298404C", "sent", "250 2.0.0 Ok")
    assert test_mail.follow(FileLog(file, {}), "ops@example.com", seconds=0) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("controllers = 5", "`controllers` must be a table: [controllers]."),
        ("[controllers]\nci = 5", "`controllers.ci` must be a table: [controllers.ci]."),
        ("[controllers.ci]\nport = 25", "[controllers.ci] lacks `jenkins_url`."),
        ("[other]", "unknown: other. Write [defaults] and [controllers.NAME] only."),
        ("[defaults]", "has no [controllers.NAME]: write one for each."),
        ("{ci}adress = 'x'", "[controllers.ci]: There is no option `adress`: see"),
        ("{ci}port = '25'", "[controllers.ci]: `port` can't be '25': see `jenkins plan --help`."),
        ("{ci}library = 5", "[controllers.ci]: `library` can't be 5: see `jenkins plan --help`."),
        ("{ci}transport = 'pigeon'", "[controllers.ci]: --transport must be one of auto, "),
        ("{ci", "can't be read as TOML: "),
    ],
)
def test_an_inventory_with_a_slip(tmp_path: Path, text: str, message: str) -> None:
    """The error names it, before any controller is contacted."""
    file = tmp_path / "controllers.toml"
    first = "[controllers.first]\njenkins_url = 'http://127.0.0.1:1'\n"
    ci = f"{first}[controllers.ci]\njenkins_url = 'http://ci.example.com'\n"
    file.write_text(text.replace("{ci}", ci))
    done = CliRunner().invoke(jenkins_app, ["apply", "--inventory", str(file)])
    assert isinstance(done.exception, ConfigurationError)
    assert message in str(done.exception)
    assert done.stdout == ""


def test_every_option_is_documented() -> None:
    """docs/jenkins.md names each option that says how Jenkins should be."""
    page = (Path(__file__).parents[3] / "docs" / "jenkins.md").read_text()
    callback = jenkins_app.registered_commands[0].callback
    assert callback is not None
    options = inspect.signature(callback).parameters.keys() - {"config"}
    for name in options:
        option = {"as_json": "json", "email_ext": "no-email-ext"}.get(name, name.replace("_", "-"))
        is_setting = f"NOTIFY_EMAIL_{name.upper()}" in page
        assert is_setting or f"--{option}" in page, option
