"""How Jenkins' mail should be: the options that somebody gave, checked."""

import re
from dataclasses import dataclass, field, fields
from hashlib import sha256
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pyservice.addresses import mailboxes
from pyservice.config.settings import PORT
from pyservice.errors import ConfigurationError
from pyservice.urls import is_web_address

AUTO = "auto"
CREDENTIAL = "notify-email-token"
LIBRARY = "notify-email"
CACHED_MINUTES = 1440
"""Minutes that a controller uses its copy of the library: a pinned version does not change."""
SERVER = ("smtpHost", "smtpPort", "useSsl", "useTls")
"""Mailer's settings that say which server it uses; email-ext has the same."""
TRANSPORTS = ("auto", "controller", "httpRequest", "shell")

Settings = dict[str, dict[str, Any]]
"""Section → name → value, as scripts/settings.groovy reads them."""

_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_CHARSET = re.compile(r"[A-Za-z0-9][\w.:+-]*", re.ASCII)
_SUFFIX = re.compile(r"@[A-Za-z0-9.\-]+")
_VERSION = re.compile(r"[A-Za-z0-9][\w./+-]*", re.ASCII)


@dataclass(frozen=True)
class Library:
    """Where the Pipeline library comes from."""

    remote: str
    version: str

    @classmethod
    def parse(cls, text: str) -> "Library":
        """Read `URL@version`; a URL may itself have an at sign.

        Raises:
            ConfigurationError: it is something else, or has a password or perhaps a token in it.
        """
        remote, _, version = text.rpartition("@")
        _require(_is_clean(remote), "--library", "a repository's URL, @ and a version")
        parts = urlsplit(remote)
        if not _VERSION.fullmatch(version) or not remote or (parts.scheme and not parts.path):
            raise ConfigurationError(
                "--library is the repository's URL, @ and a version, such as "
                "https://git.example.com/notify-email.git@v0.1.0."
            )
        if parts.password or (parts.username and parts.scheme in {"http", "https"}):
            raise ConfigurationError(
                "Put no user or password into --library: Jenkins' credential is named by "
                "--library-credentials."
            )
        return cls(remote, version)


@dataclass(frozen=True)
class DesiredJenkins:
    """What to set in Jenkins; what is None stays as it is."""

    address: str = AUTO
    """Of the node's Postfix; `auto`: the one at which Postfix greets the controller."""
    port: int = 25
    charset: str | None = None
    reply_to: str | None = None
    default_suffix: str | None = None
    """What makes a user's name an address: `@example.com`."""
    admin_address: str | None = None
    """The sender of Jenkins' own mails."""
    email_ext: bool = True
    """Point the email-ext plugin there, too, where it is installed."""
    service_url: str | None = None
    """Our service, for the library; `auto`: at the same address."""
    transport: str | None = None
    library: Library | None = None
    library_credentials: str | None = None
    token: str | None = field(default=None, repr=False)
    """Our service's token, for the library: a secret."""

    def __post_init__(self) -> None:
        """Check what a person may have mistyped.

        Raises:
            ConfigurationError: names the option and says what it must be.
        """
        for field_ in fields(self):
            value = getattr(self, field_.name)
            if isinstance(value, str):
                option = "--" + field_.name.replace("_", "-")
                _require(_is_clean(value), option, "text of one line, without spaces around it")
        _require(is_host(self.address), "--address", "an IP address, a host's name, or `auto`")
        _require(1 <= self.port <= 65535, "--port", "a TCP port")
        _require(_fits(_CHARSET, self.charset), "--charset", "a name such as UTF-8")
        _require(_fits(_SUFFIX, self.default_suffix), "--default-suffix", "such as @example.com")
        _require(
            self.transport is None or self.transport in TRANSPORTS,
            "--transport",
            f"one of {', '.join(TRANSPORTS)}",
        )
        for name, value in (("--admin-address", self.admin_address), ("--reply-to", self.reply_to)):
            try:
                is_one = value is None or len(list(mailboxes(value))) == 1
            except ValueError:
                is_one = False
            _require(is_one, name, "one mail address")
        if self.service_url not in {None, AUTO}:
            is_url = is_web_address(str(self.service_url))
            _require(is_url, "--service-url", "an http or https address, or `auto`")

    @property
    def script_input(self) -> dict[str, Any]:
        """What the scripts need for reading: nothing secret."""
        return {
            "address": None if self.address == AUTO else self.address,
            "port": self.port,
            "service": self.service_url,
            "servicePort": PORT,
            "library": LIBRARY,
            "credential": CREDENTIAL,
            "digest": self.digest,
        }

    @property
    def digest(self) -> str | None:
        """The token's SHA-256, by which Jenkins says whether it has this one; None: no token."""
        return sha256(self.token.encode()).hexdigest() if self.token else None

    def settings(self, address: str) -> Settings:
        """Return every setting that somebody gave, whether Jenkins has it or not.

        Args:
            address: of the node's Postfix.
        """
        server = {"smtpHost": address, "smtpPort": str(self.port), "useSsl": False, "useTls": False}
        mailer = {
            "charset": self.charset,
            "replyToAddress": self.reply_to,
            "defaultSuffix": self.default_suffix,
        }
        url = self.service_url
        if url == AUTO:
            url = f"http://{f'[{address}]' if ':' in address else address}:{PORT}"
        library: dict[str, Any] = {}
        if self.library is not None:
            library = {
                "remote": self.library.remote,
                "defaultVersion": self.library.version,
                "credentialsId": self.library_credentials,
                "implicit": False,
                "allowVersionOverride": False,
                "includeInChangesets": False,
                "refreshTimeMinutes": CACHED_MINUTES,
            }
        sections: Settings = {
            "mailer": server | mailer,
            "location": {"adminAddress": self.admin_address},
            "emailExt": server if self.email_ext else {},
            "variables": {"NOTIFY_EMAIL_URL": url, "NOTIFY_EMAIL_TRANSPORT": self.transport},
            "library": library,
            "credential": {"isWanted": True} if self.token else {},
        }
        given = {
            section: {name: value for name, value in values.items() if value is not None}
            for section, values in sections.items()
        }
        return {section: values for section, values in given.items() if values}


def is_host(text: str) -> bool:
    """Return whether this is an IP address or a host's name."""
    try:
        ip_address(text)
    except ValueError:
        return bool(_HOST.fullmatch(text))
    return "%" not in text  # what follows may be anything


def _is_clean(text: str) -> bool:
    """Return whether a text has no outer spaces, which Jenkins trims, and nothing invisible."""
    return text == text.strip() and text.isprintable()


def _fits(pattern: re.Pattern[str], text: str | None) -> bool:
    return text is None or bool(pattern.fullmatch(text))


def _require(holds: bool, option: str, requirement: str) -> None:
    if not holds:
        raise ConfigurationError(f"{option} must be {requirement}.")
