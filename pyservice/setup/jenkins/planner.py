"""What differs between a Jenkins as it is and as it shall be: pure functions."""

import re
from dataclasses import dataclass
from typing import Any

from pyservice.errors import SetupError
from pyservice.setup.jenkins.desired import AUTO, CREDENTIAL, Settings, Wanted
from pyservice.setup.plan import Change, Plan

_SECRET = re.compile(r"(?<=https://)[^/@]*@|(?<=http://)[^/@]*@|(?<=://)[^/@]*:[^/@]*@")
"""What stands before the host in a URL, but for the mere user of SSH."""


@dataclass(frozen=True)
class Candidate:
    """An address at which the controller looked for Postfix."""

    address: str
    source: str
    greeting: str | None = None
    """What Postfix said, from 220 on."""
    error: str | None = None
    """Or why nothing was said."""


@dataclass(frozen=True)
class Found:
    """A Jenkins as it is."""

    settings: dict[str, dict[str, Any] | None]
    """Section → name → value; None: that section's plugin is not installed."""
    candidates: tuple[Candidate, ...]
    """The likeliest first; the one that was given, or those that the controller knows."""
    signsIn: bool  # noqa: N815 - the answer's own name
    """Whether Mailer has a user's name for the mail server."""
    casc: tuple[str, ...]
    """Files that JCasC configured this Jenkins from."""

    @classmethod
    def parse(cls, answer: dict[str, Any]) -> "Found":
        """From the answer of scripts/read.groovy."""
        candidates = tuple(Candidate(**one) for one in answer["candidates"])
        casc = tuple(answer["casc"])
        if remote := (answer["settings"]["library"] or {}).get("remote"):
            # Somebody may have put a password there, and this is shown.
            answer["settings"]["library"]["remote"] = _SECRET.sub("…@", remote)
        return cls(answer["settings"], candidates, answer["signsIn"], casc)

    def value(self, section: str, name: str) -> Any:
        """A setting; None: it is not set, or its plugin is not installed."""
        return (self.settings[section] or {}).get(name)

    @property
    def greeting(self) -> Candidate | None:
        """The first address that greets as a mail server does."""
        return next((one for one in self.candidates if one.greeting), None)


def address(wanted: Wanted, found: Found) -> str:
    """Where the node's Postfix is: as given, else where it greeted the controller.

    Raises:
        SetupError: it greeted nowhere.
    """
    if wanted.address != AUTO:
        return wanted.address
    if found.greeting is not None:
        return found.greeting.address
    if not found.candidates:
        raise SetupError(
            "Nothing in the controller tells the node's address: hand status.hostIP in as NODE_IP, "
            "or give --address."
        )
    tried = "; ".join(f"{one.address} ({one.source}): {one.error}" for one in found.candidates)
    raise SetupError(
        f"No Postfix greets the controller at port {wanted.port}. It tried {tried}. On the node "
        "run `notify-email relay apply`, or give --address."
    )


def missing(wanted: Wanted, found: Found) -> Settings:
    """The settings that are asked for and differ.

    Raises:
        SetupError: a plugin that they need is not installed, or Postfix greeted nowhere.
    """
    asked = wanted.settings(address(wanted, found))
    if found.settings["emailExt"] is None:
        asked.pop("emailExt", None)
    for section in asked:
        if found.settings[section] is None:
            raise SetupError(f"Jenkins lacks a plugin: install {_PLUGINS[section]}.")
    if found.value("library", "refreshTimeMinutes"):
        asked.get("library", {}).pop("refreshTimeMinutes", None)  # cached it is, for as long as set
    different = {
        section: {
            name: value for name, value in values.items() if found.value(section, name) != value
        }
        for section, values in asked.items()
    }
    return {section: values for section, values in different.items() if values}


def plan(wanted: Wanted, found: Found, place: str) -> Plan:
    """What would be changed, and what the reader should know.

    Args:
        wanted: as it shall be.
        found: as it is.
        place: `Jenkins 2.516.3 at https://ci.example.com`.

    Raises:
        SetupError: as for `missing`.
    """
    changes = tuple(
        _change(section, name, found.value(section, name), value)
        for section, values in missing(wanted, found).items()
        for name, value in values.items()
    )
    return Plan(place, changes, notes=tuple(_notes(wanted, found)))


def _change(section: str, name: str, before: Any, after: Any) -> Change:
    where = _SECTIONS[section]
    if section == "credential":
        old = None if before is None else "another token"
        return Change(f"{where}: {CREDENTIAL}", old, "the token of the file", _WHY[section, name])
    why = _WHY.get((section, name), f"{name} was asked for.")
    return Change(f"{where}: {name}", _shown(before), _shown(after), why)


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _notes(wanted: Wanted, found: Found) -> list[str]:
    notes = []
    if found.greeting is not None:
        one = found.greeting
        notes.append(f"The controller reaches {one.address} ({one.source}): {one.greeting}")
    else:
        tried = found.candidates[0]
        notes.append(f"The controller does not reach {tried.address}:{wanted.port}: {tried.error}")
    if found.signsIn:
        notes.append("Mailer has a user's name and a password; the node's Postfix asks for none.")
    if not found.value("location", "url"):
        notes.append(
            "Jenkins' own URL is not set, so no mail can link to a build: set it in Manage "
            "Jenkins, System."
        )
    if wanted.library and wanted.library.version in {"main", "master", "HEAD"}:
        notes.append(
            f"{wanted.library.version} is no pinned version: builds change when the library does."
        )
    if found.casc:
        notes.append(
            f"JCasC configures this Jenkins from {', '.join(found.casc)}: its next reload undoes "
            "what is set here, unless it says the same."
        )
    return notes


_PLUGINS = {
    "mailer": "Mailer (mailer)",
    "library": "Pipeline: Groovy Libraries (pipeline-groovy-lib)",
    "credential": "Credentials (credentials)",
}

_SECTIONS = {
    "mailer": "Mailer",
    "location": "Jenkins Location",
    "emailExt": "email-ext",
    "variables": "Global variables",
    "library": "Global library notify-email",
    "credential": "Credentials",
}

_POSTFIX = "The Postfix of the node that the controller runs on."
_PLAIN = "Within one machine there is nobody to hide from, and Postfix has no certificate for it."
_WHY = {
    ("mailer", "smtpHost"): _POSTFIX,
    ("mailer", "smtpPort"): "Its port.",
    ("mailer", "useSsl"): _PLAIN,
    ("mailer", "useTls"): _PLAIN,
    ("mailer", "charset"): "What mails are written in.",
    ("mailer", "replyToAddress"): "Whom an answer reaches.",
    ("mailer", "defaultSuffix"): "It makes a user's name an address.",
    ("location", "adminAddress"): "The sender of Jenkins' own mails.",
    ("emailExt", "smtpHost"): "This plugin has a mail server of its own.",
    ("emailExt", "smtpPort"): "Its port.",
    ("emailExt", "useSsl"): _PLAIN,
    ("emailExt", "useTls"): _PLAIN,
    ("variables", "NOTIFY_EMAIL_URL"): "Where the library posts its reports.",
    ("variables", "NOTIFY_EMAIL_TRANSPORT"): "How the library posts them.",
    ("library", "remote"): "Where the library comes from; a global one is trusted.",
    ("library", "credentialsId"): "What Jenkins reads the repository with.",
    ("library", "defaultVersion"): "Pinned: builds change when you say so.",
    ("library", "implicit"): "Only a Jenkinsfile that names it loads it.",
    ("library", "allowVersionOverride"): "No Jenkinsfile can choose another version.",
    ("library", "includeInChangesets"): "Its commits are no changes of the builds.",
    ("library", "refreshTimeMinutes"): "From its cache it loads while its repository is down, too.",
    ("credential", "isWanted"): "The library shows it to the service; SYSTEM scope: no build can.",
}
