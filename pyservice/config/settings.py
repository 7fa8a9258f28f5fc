"""The service's settings: one frozen value, validated at start and passed in.

A flag beats the environment (`NOTIFY_EMAIL_…`), which beats the file (`/etc/notify-email.toml`).
"""

import os
import re
import socket
import tomllib
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pyservice.addresses import Mailbox, mailboxes
from pyservice.config.types import (
    Address,
    Addresses,
    Domains,
    Networks,
    Patterns,
    Port,
    Rates,
    controller,
    ip_text,
)
from pyservice.errors import ConfigurationError

PREFIX = "NOTIFY_EMAIL_"
FILE = Path("/etc/notify-email.toml")
PORT = 8525

_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)


def state_directory() -> Path:
    """Where the outbox lives: systemd's, else the usual place for root or for a user.

    Raises:
        ConfigurationError: there is none, as for a container's user without a name.
    """
    if from_systemd := os.environ.get("STATE_DIRECTORY"):
        return Path(from_systemd.partition(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/notify-email")
    try:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        raise ConfigurationError(
            "This user has no home folder to keep the outbox in: set DATABASE_URL."
        ) from None
    return Path(base) / "notify-email"


def _default_sender() -> str:
    host = socket.gethostname()
    return f"jenkins@{host if '.' in host else socket.getfqdn()}"


class Settings(BaseModel):
    """Everything an admin can set. docs/settings.md describes each with an example."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    listen: Addresses = ()
    """IP addresses to listen on; empty: 127.0.0.1 and, with tokens, the bridge's address."""
    port: Port = PORT
    smtp_host: str = "127.0.0.1"
    """The node's Postfix."""
    smtp_port: Port = 25
    database_url: str | None = None
    """The outbox, `sqlite:///` and a path, or `postgresql+psycopg://…`; without it a file in the
    state directory."""
    outbox_max_waiting: int = Field(100_000, ge=1)
    """Reports that may wait for Postfix; over it callers are told to come later."""
    outbox_max_bytes: ByteSize = Field(ByteSize(1024**3), gt=0)
    """Bytes of these reports and their mails; `512MiB` can be read, too."""
    retention_days: int = Field(90, ge=0, le=36_500)
    """Days that a report is kept after it ended; 0: for ever."""
    rate_limits: Rates = ()
    """Mails a time that are sent one by one, such as `job=10/hour`; more of them become digests."""
    digest_after: int = Field(300, ge=1, le=900)
    """Seconds that a report over a rate waits for others like it."""
    postfix_log: str | None = None
    """The log that tells what became of mails: a path, or `journal`; without it what
    `notify-email share-log` writes, where it does."""
    tokens_file: Path | None = None
    """Who may send; without it only this machine may."""
    trusted_networks: Networks = ()
    """Networks whose callers may send without a token, and do nothing else."""
    tls_cert: Path | None = None
    """The service's certificate and those that signed it, in PEM; without it HTTP is plain."""
    tls_key: Path | None = None
    """Its private key, in PEM and without a passphrase."""
    public_url: str | None = None
    """The service's address as a reader reaches it. Without it mails have no links to it."""
    default_to: str | None = None
    """Recipients of a report that names none, separated by commas."""
    sender: str = Field(default_factory=_default_sender)
    """From and envelope sender of every mail."""
    allowed_domains: Domains = ()
    """Domains that may get mail; empty: any. A domain stands for its subdomains too."""
    denied_recipients: Patterns = (
        *("noreply@", "no-reply@", "donotreply@", "do-not-reply@", "mailer-daemon@"),
        *("@noreply.github.com", "@noreply.gitlab.com"),
    )
    """Addresses that never get mail, and are left out: whole ones, `noreply@`, `@example.com`."""
    max_recipients: int = Field(100, ge=1, le=1000)
    """Recipients of a report, at most; Postfix' own smtpd_recipient_limit is 1000."""
    reroute_to: Address | None = None
    """In an emergency: who gets all mail in its recipients' place."""
    dry_run: bool = False
    """Whether mails are made and kept, and none is sent."""
    templates_dir: Path | None = None
    """Your own templates, a folder each."""
    jenkins_url: str | None = None
    """The controller that `notify-email jenkins` sets up."""
    jenkins_user: str | None = None
    """Whose API token it is."""
    jenkins_token_file: Path | None = None
    """A file with that API token and nothing else."""
    build_description: bool = False
    """Whether a line in the description of each reported build says what became of its mail."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("smtp_host")
    @classmethod
    def _host(cls, value: str) -> str:
        try:
            return ip_text(value)
        except ValueError:
            if not _HOST.fullmatch(value):
                raise ValueError(f"{value!r} is neither an IP address nor a host's name") from None
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if value.startswith("postgresql+psycopg://"):
            if not urlsplit(value).path.strip("/"):
                raise ValueError("it names no database: postgresql+psycopg://USER@HOST/DATABASE")
            return value
        path = value.removeprefix("sqlite:///")
        if path in {"", value} or Path(path) == Path(":memory:"):
            raise ValueError(
                "it is `sqlite:///` and the path of a file, or `postgresql+psycopg://…`"
            )
        # SQLAlchemy would take the path for an address: a query begins at ?, % escapes.
        if any(character in "?%\0" for character in path):
            raise ValueError("a path with ?, % or a null byte can't be used")
        return value

    @field_validator("postfix_log")
    @classmethod
    def _log(cls, value: str | None) -> str | None:
        if value is not None and value != "journal" and not Path(value).is_absolute():
            raise ValueError("it is an absolute path, or `journal`")
        return value

    @field_validator("tls_key")
    @classmethod
    def _pair(cls, value: Path | None, others: ValidationInfo) -> Path | None:
        if (value is None) != (others.data.get("tls_cert") is None):
            raise ValueError("TLS_CERT and TLS_KEY go together: set both, or none")
        return value

    @field_validator("public_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and (
            urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname
        ):
            raise ValueError("it is an http or https address, such as https://mail.example.com")
        return value and value.rstrip("/")

    @field_validator("jenkins_url")
    @classmethod
    def _controller(cls, value: str | None) -> str | None:
        if value is not None and "@" in urlsplit(value).netloc:
            raise ValueError("put no user into it: there are JENKINS_USER and a token's file")
        return value and controller(value)

    @field_validator("build_description")
    @classmethod
    def _callback(cls, value: bool, others: ValidationInfo) -> bool:
        needed = ("jenkins_url", "jenkins_user", "jenkins_token_file")
        if value and (missing := [name for name in needed if not others.data.get(name)]):
            raise ValueError(f"it needs {' and '.join(map(str.upper, missing))}, too")
        return value

    @field_validator("sender", "default_to")
    @classmethod
    def _people(cls, value: str | None) -> str | None:
        if value is not None and not list(mailboxes(value)):
            raise ValueError("it is empty")
        return value

    @field_validator("templates_dir")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        try:
            if value is not None:
                next(value.iterdir(), None)
        except OSError as error:
            raise ValueError(f"{value}: {error.strerror}") from None
        return value

    @property
    def sender_mailbox(self) -> Mailbox:
        """The sender's name and address."""
        return next(mailboxes(self.sender))

    @property
    def outbox_url(self) -> str:
        """The outbox's database.

        Raises:
            ConfigurationError: none is set, and there is no usual place.
        """
        return self.database_url or f"sqlite:///{state_directory() / 'outbox.db'}"

    @classmethod
    def load(cls, config: Path | None = None, **flags: Any) -> Self:
        """Read the settings; a flag that is None was not given, nor is an empty variable.

        Raises:
            ConfigurationError: names the setting, where it came from and what is wrong.
        """
        given = {name: value for name, value in flags.items() if value is not None}
        from_environment = {
            name: value
            for name in cls.model_fields
            if (value := os.environ.get(f"{PREFIX}{name.upper()}"))
        }
        file = config or FILE
        in_file = _read(file, required=config is not None)
        try:
            return cls.model_validate(in_file | from_environment | given)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            if name in given:
                source = f"--{name.replace('_', '-')}"
            elif name in from_environment:
                source = f"{PREFIX}{name.upper()}"
            else:
                source = str(file) if name in in_file else "default"
            message = first["msg"].removeprefix("Value error, ")
            raise ConfigurationError(f"Setting `{name}` (from {source}): {message}.") from None


def read_secret(file: Path) -> str:
    """The token that a file holds.

    Raises:
        ConfigurationError: it can't be read, or holds something else.
    """
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{file} can't be read: {reason}.") from None
    if not text or len(text.split()) != 1:
        raise ConfigurationError(f"{file} is to hold one token and nothing else.")
    return text


def _read(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise ConfigurationError(f"There is no file {file}.") from None
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file} can't be read: {error}.") from None
