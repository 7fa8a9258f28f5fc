"""settings.py: a flag beats the environment, which beats the file; errors name the setting."""

import re
from pathlib import Path

import pytest

from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError
from pyservice.web.reloading import check_settings


def test_defaults(tmp_path: Path) -> None:
    """Without any setting the service listens on the documented port, for this machine."""
    settings = Settings.load()
    assert (settings.port, settings.smtp_host, settings.smtp_port) == (8525, "127.0.0.1", 25)
    assert settings.outbox_url == f"sqlite:///{tmp_path}/state/outbox.db"
    assert settings.sender_mailbox.address.startswith("jenkins@")
    assert settings.listen == ()


def test_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag beats the environment, which beats the file."""
    file = tmp_path / "ne.toml"
    file.write_text('port = 1\nsmtp_port = 2\nsmtp_host = "file"\nlisten = ["127.0.0.1", "::1"]\n')
    monkeypatch.setenv("NOTIFY_EMAIL_PORT", "3")
    monkeypatch.setenv("NOTIFY_EMAIL_SMTP_PORT", "4")
    settings = Settings.load(file, port=5)
    assert (settings.port, settings.smtp_port, settings.smtp_host) == (5, 4, "file")
    assert settings.listen == ("127.0.0.1", "::1")


def test_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A size is a number of bytes, or a number with a unit."""
    for value, size in (("1000", 1000), ("512MiB", 512 * 1024**2), ("2 GB", 2 * 10**9)):
        monkeypatch.setenv("NOTIFY_EMAIL_OUTBOX_MAX_BYTES", value)
        assert Settings.load().outbox_max_bytes == size


def test_lists_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas separate the items of a list."""
    monkeypatch.setenv("NOTIFY_EMAIL_LISTEN", "127.0.0.1, 172.22.91.1")
    monkeypatch.setenv("NOTIFY_EMAIL_ALLOWED_DOMAINS", "example.com,example.org")
    settings = Settings.load()
    assert settings.listen == ("127.0.0.1", "172.22.91.1")
    assert settings.allowed_domains == ("example.com", "example.org")


def test_patterns_of_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment each stands on a line, since it may have commas; a wrong one is named."""
    monkeypatch.setenv("NOTIFY_EMAIL_SECRET_PATTERNS", "acme-[a-z]{2,4}\n pin (\\d+) \n")
    assert Settings.load().secret_patterns == ("acme-[a-z]{2,4}", r"pin (\d+)")
    with pytest.raises(ConfigurationError, match=r"'b\(' is no pattern of RE2: missing \)"):
        Settings.load(secret_patterns=["a", "b("])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN", "eth0"),
        ("PORT", "0"),
        ("PORT", "many"),
        ("SENDER", "jenkins"),
        ("SENDER", "a@x.org\nBcc: b@x.org"),
        ("SENDER", "a@x.org, b@x.org"),
        ("DEFAULT_TO", "team"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///./:memory:"),
        ("DATABASE_URL", "sqlite:////var/lib/outbox?.db"),
        ("DATABASE_URL", "sqlite:////var/lib/outbox%20.db"),
        ("PUBLIC_URL", "mail.example.com"),
        ("PUBLIC_URL", "http://mail.example.com:many"),
        ("JENKINS_URL", "http://ci.example.com:99999"),
        ("JENKINS_URL", "http://[::1"),
        ("JENKINS_URL", "http://ci.example.com:0"),
        ("DATABASE_URL", "postgresql+psycopg://ne@db:many/outbox"),
        ("DATABASE_URL", "postgresql+psycopg://ne@[::1/outbox"),
        ("TEMPLATES_DIR", "/nowhere"),
        ("TEMPLATES_DIR", __file__),
        ("TEMPLATES_DIR", "x" * 300),
        ("ALLOWED_DOMAINS", "example.com,*.example.org"),
        ("ALLOWED_DOMAINS", "ada@example.com"),
        ("ALLOWED_DOMAINS", "@"),
        ("DENIED_RECIPIENTS", "noreply"),
        ("DENIED_RECIPIENTS", "@"),
        ("DENIED_RECIPIENTS", "no reply@"),
        ("DENIED_RECIPIENTS", "*@example.com"),
        ("DENIED_RECIPIENTS", "a@x.org\n@x"),
        ("SECRET_PATTERNS", "acme-(?=x)"),
        ("SECRET_PATTERNS", "acme-[a-z"),
        ("SECRET_PATTERNS", "(a)(b)"),
        ("SECRET_PATTERNS", "a*"),
        ("REROUTE_TO", "ops"),
        ("REROUTE_TO", "a@x.org, b@x.org"),
        ("REROUTE_TO", ","),
        ("DRY_RUN", "perhaps"),
        ("MAX_RECIPIENTS", "0"),
        ("MAX_RECIPIENTS", "1001"),
        ("SMTP_HOST", "mail..example.com"),
        ("SMTP_HOST", "mail.example.com:25"),
        ("SMTP_HOST", "smtp://mail.example.com"),
        ("LOG_LEVEL", "loud"),
        ("OUTBOX_MAX_WAITING", "0"),
        ("OUTBOX_MAX_WAITING", "many"),
        ("OUTBOX_MAX_BYTES", "0"),
        ("OUTBOX_MAX_BYTES", "1 pound"),
        ("OUTBOX_MAX_BYTES", "-1"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_DAYS", "1.5"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The error names the setting and where it comes from."""
    monkeypatch.setenv(f"NOTIFY_EMAIL_{name}", value)
    with pytest.raises(ConfigurationError, match=f"from NOTIFY_EMAIL_{name}") as caught:
        Settings.load()
    assert f"`{name.lower()}`" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("Port ", "cast", "Invalid"))


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An empty variable counts as not set, as a unit file or a Compose file may have it."""
    monkeypatch.setenv(f"NOTIFY_EMAIL_{name.upper()}", "")
    assert Settings.load(port=5).port == 5
    assert Settings.load() == Settings()


def test_allowed_domains_as_people_write_them() -> None:
    """A domain may have an at sign, upper case and any script."""
    written = "@example.com, Example.ORG, exämple.com"
    settings = Settings.load(allowed_domains=written)
    assert settings.allowed_domains == ("example.com", "example.org", "xn--exmple-cua.com")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "mailhub", "mail.example.com.", "mail_relay", "xn--exmple-cua.com"]
)
def test_hosts(host: str) -> None:
    """The host is an IP address, or any name that a resolver may know."""
    assert Settings(smtp_host=host).smtp_host == host


def test_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which setting to set, as in Kubernetes."""

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("os.geteuid", lambda: 12345)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings.load()
    with pytest.raises(ConfigurationError, match="NOTIFY_EMAIL_DATABASE_URL"):
        _ = settings.outbox_url
    assert Settings.load(database_url="sqlite:///x").outbox_url == "sqlite:///x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = ", "can't be read"),
        ("prot = 1", "`prot`"),
        ("port = 'x'", "`port`"),
        (None, "no settings file"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    """The error names a file that is missing, broken, or has an unknown or wrong setting."""
    file = tmp_path / "ne.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        Settings.load(file)
    assert str(file) in str(caught.value)


def test_a_name_for_the_sender() -> None:
    """The sender may have a name."""
    box = Settings(sender="Jenkins of Åland <jenkins@example.com>").sender_mailbox
    assert (box.name, box.address) == ("Jenkins of Åland", "jenkins@example.com")


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("PROT", "Did you mean NOTIFY_EMAIL_PORT?"),
        ("TOKEN_FILE", "Did you mean NOTIFY_EMAIL_TOKENS_FILE?"),
        ("ALLOWED_DOMAIN", "Did you mean NOTIFY_EMAIL_ALLOWED_DOMAINS?"),
        ("port", "Did you mean NOTIFY_EMAIL_PORT?"),
        ("NONSENSE", "docs/settings.md lists the settings."),
        ("", "docs/settings.md lists the settings."),
    ],
)
def test_an_unknown_variable(monkeypatch: pytest.MonkeyPatch, name: str, cure: str) -> None:
    """A misspelt variable is an error that names the one that was meant."""
    monkeypatch.setenv(f"NOTIFY_EMAIL_{name}", "8")
    with pytest.raises(ConfigurationError, match=re.escape(cure)) as caught:
        Settings.load()
    assert f"no setting NOTIFY_EMAIL_{name}." in str(caught.value)


@pytest.mark.parametrize("name", ["prot", "PORT", "notify_email_port", "NOTIFY_EMAIL_PORT"])
def test_a_misspelt_key(tmp_path: Path, name: str) -> None:
    """A misspelt key is an error that names the one that was meant."""
    file = tmp_path / "ne.toml"
    file.write_text(f"{name} = 1\n")
    with pytest.raises(ConfigurationError, match=r"Did you mean `port`\?") as caught:
        Settings.load(file)
    assert f"`{name}` (in {file})" in str(caught.value)


def test_variables_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's variables, and those that Kubernetes makes of a Service, are no error."""
    for name in ("URL", "TO", "TRANSPORT", "CREDENTIALS_ID", "JENKINS_TOKEN"):
        monkeypatch.setenv(f"NOTIFY_EMAIL_{name}", "x")
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8525_TCP_ADDR"):
        monkeypatch.setenv(f"NOTIFY_EMAIL_{name}", "x")
    assert Settings.load() == Settings()
    monkeypatch.setenv("NOTIFY_EMAIL_PORT", "tcp://10.0.0.1:8525")
    with pytest.raises(ConfigurationError, match="enableServiceLinks: false"):
        Settings.load()


def test_all_mistakes_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator who made three mistakes need not start the service four times."""
    wrong = (("PORT", "many"), ("LOG_LEVEL", "loud"), ("LISTEN", "eth0"), ("SMTP_PROT", "25"))
    for name, value in wrong:
        monkeypatch.setenv(f"NOTIFY_EMAIL_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert str(caught.value).splitlines() == [
        "There is no setting NOTIFY_EMAIL_SMTP_PROT. Did you mean NOTIFY_EMAIL_SMTP_PORT?",
        "Setting `listen` (from NOTIFY_EMAIL_LISTEN): 'eth0' is not an IP address.",
        "Setting `port` (from NOTIFY_EMAIL_PORT): it must be a whole number.",
        "Setting `log_level` (from NOTIFY_EMAIL_LOG_LEVEL): "
        "it must be 'debug', 'info', 'warning' or 'error'.",
    ]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """The error names the line, and has no word of Python's decoder."""
    file = tmp_path / "ne.toml"
    file.write_bytes(b"port = 1\nsender = '\xff'\n")
    with pytest.raises(ConfigurationError, match="line 2 is not in UTF-8") as caught:
        Settings.load(file)
    assert "codec" not in str(caught.value)


@pytest.mark.parametrize("host", ["ci_node.example.com", "node_7", "", "-x.example.com", "a b.org"])
def test_a_machine_whose_name_makes_no_sender(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Only what needs a sender fails, and names the setting; DNS isn't asked before."""
    monkeypatch.setattr("socket.gethostname", lambda: host)
    monkeypatch.delattr("socket.getfqdn")
    settings = Settings.load()
    assert settings.outbox_url
    monkeypatch.setattr("socket.getfqdn", lambda name: name, raising=False)
    with pytest.raises(ConfigurationError, match="Set NOTIFY_EMAIL_SENDER"):
        _ = settings.sender_mailbox
    with pytest.raises(ConfigurationError, match="Set NOTIFY_EMAIL_SENDER"):
        check_settings(settings)
    assert Settings.load(sender="a@x.org").sender_mailbox.address == "a@x.org"


def test_the_senders_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is at this machine's name, with its domain."""
    for host, address in (("ci.example.com", "ci.example.com"), ("node7", "node7.example.org")):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        monkeypatch.setattr("socket.getfqdn", lambda name: f"{name}.example.org")
        assert Settings.load().sender_mailbox.address == f"jenkins@{address}"
