"""settings.py: a flag beats the environment, which beats the file; errors name the setting."""

from pathlib import Path

import pytest

from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN", "eth0"),
        ("PORT", "0"),
        ("PORT", "many"),
        ("SENDER", "jenkins"),
        ("SENDER", "a@x.org\nBcc: b@x.org"),
        ("DEFAULT_TO", "team"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///./:memory:"),
        ("DATABASE_URL", "sqlite:////var/lib/outbox?.db"),
        ("DATABASE_URL", "sqlite:////var/lib/outbox%20.db"),
        ("PUBLIC_URL", "mail.example.com"),
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
