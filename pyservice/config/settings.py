"""The service's settings: one frozen object, validated at start and passed in."""

import os
import re
import socket
from functools import lru_cache
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

from pyservice.addresses import Mailbox, mailbox, mailboxes
from pyservice.config.sources import PREFIX, Sources, find
from pyservice.config.types import (
    Address,
    Addresses,
    Domains,
    Live,
    Networks,
    Patterns,
    Port,
    Rate,
    Rates,
    SecretPatterns,
    check_ip_address,
    check_jenkins_url,
)
from pyservice.errors import ConfigurationError, os_reason
from pyservice.urls import is_web_address

PORT = 8525

_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)


def state_directory() -> Path:
    """Return the folder of the outbox: systemd's, else the usual one for root or for a user.

    Raises:
        ConfigurationError: the user has no home folder, as in a container.
    """
    if from_systemd := os.environ.get("STATE_DIRECTORY"):
        return Path(from_systemd.partition(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/notify-email")
    try:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        raise ConfigurationError(
            f"This user has no home folder for the outbox. Set {PREFIX}DATABASE_URL."
        ) from None
    return Path(base) / "notify-email"


@lru_cache(maxsize=1)
def _sender_at(host: str) -> str:
    """Return the sender on this machine; DNS may be slow, or down, if its name has no domain."""
    return f"jenkins@{host if '.' in host else socket.getfqdn(host)}"


class Settings(BaseModel):
    """Everything that an administrator can set; docs/settings.md describes it.

    SIGHUP applies the fields whose type is `Live`; the others need a restart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    listen: Addresses = ()
    """IP addresses to listen on; without them 127.0.0.1 and, with tokens, the bridge's address."""
    port: Port = PORT
    smtp_host: str = "127.0.0.1"
    """The node's Postfix."""
    smtp_port: Port = 25
    database_url: str | None = None
    """The outbox, `sqlite:///` and a path, or `postgresql+psycopg://…`; without it a file in the
    state directory."""
    outbox_max_waiting: Live[int] = Field(100_000, ge=1)
    """How many reports may wait for Postfix; further ones are answered 503."""
    outbox_max_bytes: Live[ByteSize] = Field(ByteSize(1024**3), gt=0)
    """Bytes of these reports and their mails, such as `512MiB`."""
    retention_days: Live[int] = Field(90, ge=0, le=36_500)
    """Days for which a report is kept after it ended; 0: for ever."""
    retention_bytes: Live[ByteSize] = Field(ByteSize(10 * 1024**3), ge=0)
    """Bytes of reports that have ended, and their mails, that are kept; 0: any."""
    rate_limits: Live[Rates] = ()
    """Mails that are sent one by one, such as `job=10/hour`; more of them become digests."""
    digest_after: Live[int] = Field(300, ge=1, le=900)
    """Seconds for which a report over a rate limit waits for others like it."""
    postfix_log: str | None = None
    """Postfix' log, an absolute path or `journal`; without it what `notify-email share-log` writes,
    where it runs."""
    tokens_file: Path | None = None
    """The file with the tokens; without it only this machine may send."""
    trusted_networks: Networks = ()
    """Networks whose callers may send without a token, and do nothing else."""
    trusted_rate: Rate = Field("5000/hour", validate_default=False)  # that would import `limits`
    """New reports that each address of such a network may send without a token."""
    tls_cert: Path | None = None
    """The service's certificate and those that signed it, in PEM; without it there is no HTTPS."""
    tls_key: Path | None = None
    """Its private key, in PEM and without a passphrase."""
    public_url: Live[str | None] = None
    """The service's address for readers; without it mails have no links to it."""
    default_to: Live[str | None] = None
    """Recipients of a report that names none, separated by commas."""
    sender: Live[str | None] = None
    """From and envelope sender of every mail; without it jenkins@ this machine's name."""
    from_addresses: Live[str | None] = None
    """Addresses that a report may name as From, separated by commas; without them none."""
    allowed_domains: Live[Domains] = ()
    """Domains that may get mail, with their subdomains; without them all."""
    denied_recipients: Live[Patterns] = (
        *("noreply@", "no-reply@", "donotreply@", "do-not-reply@", "mailer-daemon@"),
        *("@noreply.github.com", "@noreply.gitlab.com"),
    )
    """Addresses that are left out: whole ones, `noreply@`, `@example.com`."""
    max_recipients: Live[int] = Field(100, ge=1, le=1000)
    """Recipients of a report, at most; Postfix' own smtpd_recipient_limit is 1000."""
    max_attachment_bytes: Live[ByteSize] = Field(ByteSize(3 * 1024**2), ge=0, le=3 * 1024**2)
    """Bytes of all files that go with one mail; 0: none do."""
    reroute_to: Live[Address | None] = None
    """In an emergency: the address that gets all mail instead of its recipients."""
    dry_run: Live[bool] = False
    """Whether mails are made and kept, and not sent."""
    secret_patterns: Live[SecretPatterns] = ()
    """More patterns of secrets that are masked in reports, in RE2's syntax."""
    thread_subject: Live[Literal["state", "stable"]] = "state"
    """Whether a mail's subject begins with its build's state, or is that of its whole thread."""
    templates_dir: Live[Path | None] = None
    """The administrator's own templates, a folder each."""
    samples_dir: Live[Path | None] = None
    """Where callers' own samples are kept; without it beside the outbox."""
    jenkins_url: Live[str | None] = None
    """The controller that `notify-email jenkins` sets up."""
    jenkins_user: Live[str | None] = None
    """The user whose API token is used."""
    jenkins_token_file: Live[Path | None] = None
    """A file with that API token and nothing else."""
    build_description: Live[bool] = False
    """Whether a line in each reported build's description shows the status of its mail."""
    log_level: Live[Literal["debug", "info", "warning", "error"]] = "info"

    @field_validator("smtp_host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        try:
            return check_ip_address(value)
        except ValueError:
            if not _HOST.fullmatch(value):
                raise ValueError(f"{value!r} is neither an IP address nor a host's name") from None
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if value.startswith("postgresql+psycopg://"):
            try:
                parts = urlsplit(value)
                is_usable = bool(parts.path.strip("/")) and parts.port != 0
            except ValueError:  # such as a port that is no number
                is_usable = False
            if not is_usable:
                raise ValueError(
                    "it names no database; write postgresql+psycopg://USER@HOST/DATABASE, "
                    "or HOST:PORT"
                )
            return value
        path = value.removeprefix("sqlite:///")
        if path in {"", value} or Path(path) == Path(":memory:"):
            raise ValueError(
                "it is no outbox; write `sqlite:///` and the path of a file, "
                "or `postgresql+psycopg://…`"
            )
        # SQLAlchemy would take the path for a URL: a query begins at ?, % escapes.
        if any(character in "?%\0" for character in path):
            raise ValueError("its path has a ?, a % or a null byte; use another file")
        return value

    @field_validator("postfix_log")
    @classmethod
    def _check_postfix_log(cls, value: str | None) -> str | None:
        if value is not None and value != "journal" and not Path(value).is_absolute():
            raise ValueError(f"{value!r} is neither an absolute path nor `journal`")
        return value

    @field_validator("tls_key")
    @classmethod
    def _check_tls_pair(cls, value: Path | None, others: ValidationInfo) -> Path | None:
        if (value is None) != (others.data.get("tls_cert") is None):
            raise ValueError(
                f"only one of {PREFIX}TLS_CERT and {PREFIX}TLS_KEY is set; set both, or none"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        if value is not None and not is_web_address(value):
            raise ValueError("it is no http or https address, such as https://mail.example.com")
        return value and value.rstrip("/")

    @field_validator("jenkins_url")
    @classmethod
    def _check_jenkins_url(cls, value: str | None) -> str | None:
        if value is not None and is_web_address(value) and "@" in urlsplit(value).netloc:
            raise ValueError(
                f"it has a user; set {PREFIX}JENKINS_USER and {PREFIX}JENKINS_TOKEN_FILE instead"
            )
        return value and check_jenkins_url(value)

    @field_validator("build_description")
    @classmethod
    def _check_build_description(cls, value: bool, others: ValidationInfo) -> bool:
        needed = ("jenkins_url", "jenkins_user", "jenkins_token_file")
        if value and (missing := [name for name in needed if not others.data.get(name)]):
            names = " and ".join(f"{PREFIX}{name.upper()}" for name in missing)
            raise ValueError(f"the service can't reach Jenkins; set {names}, too")
        return value

    @field_validator("sender", "default_to", "from_addresses")
    @classmethod
    def _check_mailboxes(cls, value: str | None, others: ValidationInfo) -> str | None:
        count = 1 if value is None else len(list(mailboxes(value)))
        if not count:
            raise ValueError("it names no address; write one such as ada@example.com")
        if count > 1 and others.field_name == "sender":
            raise ValueError(f"it names {count} addresses; write one")
        return value

    @field_validator("templates_dir")
    @classmethod
    def _check_templates_dir(cls, value: Path | None) -> Path | None:
        try:
            if value is not None:
                next(value.iterdir(), None)
        except OSError as error:
            raise ValueError(f"the folder {value} can't be read: {os_reason(error)}") from None
        return value

    @property
    def sender_mailbox(self) -> Mailbox:
        """The sender's name and address.

        Raises:
            ConfigurationError: none is set, and this machine's name makes no address.
        """
        if self.sender is not None:
            return next(mailboxes(self.sender))
        try:
            return mailbox(_sender_at(socket.gethostname()))
        except ValueError as error:
            raise ConfigurationError(
                f"This machine's name makes no sender of mails: {str(error).rstrip('.')}. "
                f"Set {PREFIX}SENDER, such as jenkins@example.com."
            ) from None

    @property
    def outbox_url(self) -> str:
        """The URL of the outbox' database.

        Raises:
            ConfigurationError: none is set, and the user has no home folder.
        """
        return self.database_url or f"sqlite:///{state_directory() / 'outbox.db'}"

    @classmethod
    def load(cls, config: Path | None = None, **flags: Any) -> Self:
        """Read the settings from flags, environment and file.

        Args:
            config: the settings file, which must exist; without it the usual one, if it exists.
            flags: values by their settings' names; None and an empty variable count as not set.

        Raises:
            ConfigurationError: names each wrong setting, where it comes from and what is wrong.
        """
        return cls.load_with_sources(config, **flags)[0]

    @classmethod
    def load_with_sources(cls, config: Path | None = None, **flags: Any) -> tuple[Self, Sources]:
        """Read the settings as `load` does, and return where each comes from, too."""
        sources = find(cls.model_fields, config, flags)
        try:
            settings = cls.model_validate(sources.values)
        except ValidationError as error:
            raise sources.complain(error.errors()) from None
        if sources.unknown:
            raise sources.complain([])
        return settings, sources
