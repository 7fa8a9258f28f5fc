"""What the service answers at a URL, to this machine or to a controller, and what is wrong with it.

The answers of scripts/service.groovy and of `doctor/service_path` have the same form.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Kind = Literal["unreachable", "certificate", "foreign", "name", "unready", "token"]

_NO_TLS = r"WRONG_VERSION_NUMBER|Unsupported or unrecognized SSL|record layer failure|plaintext"
_NO_HTTP = r"Unexpected end of file|RemoteDisconnected|without response|Connection reset"
_CERTIFICATES = {
    r"not yet valid|NotBefore": "it is not valid yet",
    r"has expired|NotAfter|validity check failed": "it has expired",
    r"[Mm]ismatch|[Ss]ubject alternative|No name matching": "it is for another name",
    r"CERTIFICATE_VERIFY_FAILED|PKIX|[Cc]ertificat": "no authority that is known there signed it",
}
"""Words of OpenSSL and of Java → what they mean; the first that fits."""


class HttpAnswer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: str

    @property
    def members(self) -> Mapping[str, Any]:
        """The members of its JSON object; none: it is something else."""
        try:
            members = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return members if isinstance(members, dict) else {}


_NONE = HttpAnswer(0, "")


class Fault(NamedTuple):
    """What is wrong, and the end of a sentence about it."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class ServiceAnswer:
    """The answers at one URL."""

    url: str
    """Where they came from, without a slash at its end."""
    error: str = ""
    """Why there is no answer, in the words of Python, OpenSSL or Java; empty: there are answers."""
    health: HttpAnswer = _NONE
    """To `GET /healthz`."""
    ready: HttpAnswer = _NONE
    """To `GET /readyz`."""
    reports: HttpAnswer = _NONE
    """To `GET /v1/reports`, with the token if there is one."""

    @classmethod
    def parse(cls, seen: Mapping[str, Any]) -> "ServiceAnswer":
        """Read the answer of scripts/service.groovy."""
        answers = {
            name: HttpAnswer(seen[name]["status"], seen[name]["body"])
            for name in ("health", "ready", "reports")
            if seen.get(name)
        }
        return cls(seen["url"], seen.get("error") or "", **answers)

    @property
    def is_services(self) -> bool:
        """Whether it is our service that answers: nothing else gets a token."""
        return self.health.status == 200 and self.health.members.get("status") == "ok"

    @property
    def fault(self) -> Fault | None:
        """What keeps reports from being accepted and mailed; None: nothing."""
        if self.error:
            return _fault_of(self.error)
        if self.health.status == 421:
            return Fault("name", str(self.health.members.get("detail", "421")))
        if not self.is_services:
            return Fault("foreign", f"it answers {self.health.status} to /healthz")
        if self.ready.status != 200:
            checks = self.ready.members.get("checks")
            wrong = checks.items() if isinstance(checks, dict) else ()
            texts = [f"{name}: {result}" for name, result in wrong if result != "ok"]
            return Fault("unready", "; ".join(texts) or f"it answers {self.ready.status}")
        detail = str(self.reports.members.get("detail", ""))
        # Another 403 is for a token that may send, and not see.
        if self.reports.status == 401 or "is in none of NOTIFY_EMAIL_TRUSTED_NETWORKS" in detail:
            return Fault("token", detail)
        return None


def _fault_of(error: str) -> Fault:
    if re.search(_NO_TLS, error):
        return Fault("foreign", "it speaks no TLS, so the URL must begin with http://")
    if re.search(_NO_HTTP, error):
        return Fault("foreign", "it hangs up; if it speaks TLS, the URL must begin with https://")
    for words, meaning in _CERTIFICATES.items():
        if re.search(words, error):
            return Fault("certificate", meaning)
    return Fault("unreachable", error)
