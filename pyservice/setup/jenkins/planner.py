"""What differs between a Jenkins as it is and as it should be: pure functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyservice.errors import SetupError
from pyservice.setup.jenkins.desired import AUTO, CREDENTIAL, DesiredJenkins, Settings
from pyservice.setup.plan import Change, Plan
from pyservice.setup.service_answer import ServiceAnswer

_SECRET = re.compile(r"(?<=https://)[^/@]*@|(?<=http://)[^/@]*@|(?<=://)[^/@:]*:[^/@]*@")
"""User and password in a URL, except SSH's user without a password."""


@dataclass(frozen=True)
class Candidate:
    """An address at which the controller tried to reach Postfix."""

    address: str
    source: str
    greeting: str | None = None
    """Postfix' greeting, from 220 on."""
    error: str | None = None
    """Or why there is none."""


@dataclass(frozen=True)
class JenkinsState:
    """A Jenkins as it is."""

    settings: dict[str, dict[str, Any] | None]
    """Section → name → value; None: that section's plugin is not installed."""
    candidates: tuple[Candidate, ...]
    """The likeliest first; the one that was given, or those that the controller knows."""
    signs_in: bool
    """Whether Mailer has a user's name for the mail server."""
    casc: tuple[str, ...]
    """Files that JCasC configured this Jenkins from."""
    service: ServiceAnswer | None = None
    """What the service answers the controller at the given URL, else at Jenkins' own; None: there
    is no URL yet."""
    record: dict[str, dict[str, dict[str, Any]]] | None = None
    """What applies have changed: see record.py; None: nothing."""

    @classmethod
    def parse(cls, answer: dict[str, Any]) -> "JenkinsState":
        """Read the answer of scripts/read.groovy."""
        candidates = tuple(Candidate(**values) for values in answer["candidates"])
        casc = tuple(answer["casc"])
        if remote := (answer["settings"]["library"] or {}).get("remote"):
            # It may have a password in it, and it will be shown.
            answer["settings"]["library"]["remote"] = _SECRET.sub("…@", remote)
        service = answer.get("service")
        return cls(
            settings=answer["settings"],
            candidates=candidates,
            signs_in=answer["signsIn"],
            casc=casc,
            service=ServiceAnswer.parse(service) if service else None,
            record=answer.get("record"),
        )

    def value(self, section: str, name: str) -> Any:
        """Return a setting; None: it is not set, or its plugin is not installed."""
        return (self.settings[section] or {}).get(name)

    @property
    def reached(self) -> Candidate | None:
        """The first address at which a mail server greets the controller."""
        return next((each for each in self.candidates if each.greeting), None)


def find_address(desired: DesiredJenkins, state: JenkinsState) -> str:
    """Return the address of the node's Postfix: as given, else where it greets the controller.

    Raises:
        SetupError: it greets nowhere.
    """
    if desired.address != AUTO:
        return desired.address
    if state.reached is not None:
        return state.reached.address
    if not state.candidates:
        raise SetupError(
            "Nothing in the controller has the node's address: hand status.hostIP in as NODE_IP, "
            "or give --address."
        )
    tried = "; ".join(f"{each.address} ({each.source}): {each.error}" for each in state.candidates)
    raise SetupError(
        f"No Postfix greets the controller at port {desired.port}. It tried {tried}. Run "
        f"`notify-email relay apply --address {state.candidates[0].address}` on the node, or give "
        "--address."
    )


def differences(desired: DesiredJenkins, state: JenkinsState) -> Settings:
    """Return the desired settings that Jenkins does not have.

    Raises:
        SetupError: a plugin that they need is not installed, or Postfix greets nowhere.
    """
    settings = desired.settings(find_address(desired, state))
    if state.settings["emailExt"] is None:
        settings.pop("emailExt", None)
    for section in settings:
        if state.settings[section] is None:
            raise SetupError(f"Jenkins lacks a plugin: install {_PLUGINS[section]}.")
    if state.value("library", "refreshTimeMinutes"):
        # The library is cached already, for as long as somebody chose.
        settings.get("library", {}).pop("refreshTimeMinutes", None)
    different = {
        section: {
            name: value for name, value in values.items() if state.value(section, name) != value
        }
        for section, values in settings.items()
    }
    return {section: values for section, values in different.items() if values}


def plan_jenkins(desired: DesiredJenkins, state: JenkinsState, place: str) -> Plan:
    """Return what would be changed, and what the reader should know.

    Args:
        desired: as it should be.
        state: as it is.
        place: `Jenkins 2.516.3 at https://ci.example.com`.

    Raises:
        SetupError: as for `differences`.
    """
    changes = tuple(
        _change(section, name, state.value(section, name), value)
        for section, values in differences(desired, state).items()
        for name, value in values.items()
    )
    return Plan(place, changes, notes=tuple(_notes(desired, state)))


def _change(section: str, name: str, before: Any, after: Any) -> Change:
    place = SECTIONS[section]
    if section == "credential":
        old = None if before is None else "another token"
        return Change(f"{place}: {CREDENTIAL}", old, "the token of the file", _WHY[section, name])
    return Change(f"{place}: {name}", as_text(before), as_text(after), _WHY[section, name])


def as_text(value: Any) -> str | None:
    """Return a setting's value for a plan; None: it is not set."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _notes(desired: DesiredJenkins, state: JenkinsState) -> Iterator[str]:
    reached = state.reached
    if reached is not None:
        yield f"The controller reaches {reached.address} ({reached.source}): {reached.greeting}"
    else:
        tried = state.candidates[0]
        yield f"The controller does not reach {tried.address}:{desired.port}: {tried.error}"
    fault = state.service.fault if state.service and desired.service_url else None
    if state.service and fault and fault.kind != "token":  # the token goes to Jenkins' own URL only
        yield f"The service does not answer the controller at {state.service.url}: {fault.text}"
    if state.signs_in:
        yield "Mailer has a user's name and a password; the node's Postfix needs none."
    if not state.value("location", "url"):
        yield (
            "Jenkins' own URL is not set, so no mail can link to a build: set it in Manage "
            "Jenkins, System."
        )
    if desired.library and desired.library.version in {"main", "master", "HEAD"}:
        yield (
            f"{desired.library.version} is no pinned version: builds change when the library does."
        )
    if state.casc:
        yield (
            f"JCasC configures this Jenkins from {', '.join(state.casc)}: its next reload undoes "
            "what is set here, unless it says the same."
        )


_PLUGINS = {
    "mailer": "Mailer (mailer)",
    "library": "Pipeline: Groovy Libraries (pipeline-groovy-lib)",
    "credential": "Credentials (credentials)",
}

SECTIONS = {
    "mailer": "Mailer",
    "location": "Jenkins Location",
    "emailExt": "email-ext",
    "variables": "Global variables",
    "library": "Global library notify-email",
    "credential": "Credentials",
}

_POSTFIX = "The Postfix of the node that the controller runs on."
_PLAIN = "The mail stays on this machine, and Postfix has no certificate for it."
_WHY = {
    ("mailer", "smtpHost"): _POSTFIX,
    ("mailer", "smtpPort"): "Its port.",
    ("mailer", "useSsl"): _PLAIN,
    ("mailer", "useTls"): _PLAIN,
    ("mailer", "charset"): "The encoding of mails.",
    ("mailer", "replyToAddress"): "The address that replies go to.",
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
    ("library", "refreshTimeMinutes"): "From its cache it loads while the repository is down, too.",
    (
        "credential",
        "isWanted",
    ): "The library sends it to the service; its scope is SYSTEM, so no build can read it.",
}
