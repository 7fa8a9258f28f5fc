"""Checks that need no dialogue: of Postfix' configuration and of Jenkins' settings.

Pure functions of plain values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from pyservice.postfix.mynetworks import is_listed, parse_entries
from pyservice.setup.doctor.findings import KNOWN, Finding

_NOBODY = "nobody@nowhere"
"""Jenkins' default: `address not configured yet <nobody@nowhere>`."""


def check_containers(parameters: Mapping[str, str], network: str) -> list[Finding]:
    """Check that Postfix relays for the containers' network; a table in mynetworks may do so."""
    mynetworks = parameters.get("mynetworks", "")
    containers = ip_network(network, strict=False)
    for entry in parse_entries(mynetworks):
        if entry.network is None:
            return []
        if entry.network.overlaps(containers):
            if not entry.is_excluded:
                return []
            if entry.network.prefixlen <= containers.prefixlen:
                break  # all of them are excluded, whatever comes after
    seen, text = f"the containers' network {network}", f"mynetworks = {mynetworks}"
    return [KNOWN["relay-denied"].finding(seen=seen, network=network, text=text)]


def check_strangers(
    parameters: Mapping[str, str], gateway: str, port: int, published: str | None
) -> list[Finding]:
    """Check that strangers who seem to come from the gateway may not relay.

    Args:
        parameters: Postfix' settings.
        gateway: the bridge's address on a node, the default gateway of a Postfix in a container.
        port: Postfix' port.
        published: how strangers come to that port; None: they don't, as far as can be seen.
    """
    mynetworks = parameters.get("mynetworks", "")
    if not is_listed(parse_entries(mynetworks), ip_address(gateway)):
        return []
    tighter = f"!{gateway} {mynetworks}"
    known = KNOWN["open-relay" if published else "gateway-trusted"]
    return [known.finding(how=published, gateway=gateway, port=port, networks=tighter)]


def check_bare_newlines(parameters: Mapping[str, str]) -> list[Finding]:
    """Check that containers can't smuggle a second mail in; old versions lack the parameter."""
    forbids = parameters.get("smtpd_forbid_bare_newline", "no") != "no"
    if forbids and not parameters.get("smtpd_forbid_bare_newline_exclusions"):
        return []
    return [KNOWN["bare-newline"].finding()]


@dataclass(frozen=True)
class JenkinsMail:
    """A Jenkins' settings that its own mails depend on."""

    smtp_host: str | None
    """Mailer's; None or empty: not set, so Jenkins uses localhost."""
    smtp_port: int = 25
    has_email_ext: bool = False
    email_ext_host: str | None = None
    email_ext_port: int = 25
    url: str | None = None
    admin_address: str | None = None

    @classmethod
    def parse(cls, settings: Mapping[str, Mapping[str, Any] | None]) -> "JenkinsMail":
        """Read the settings as `jenkins.planner.JenkinsState` has them."""
        mailer, email_ext = settings.get("mailer") or {}, settings.get("emailExt")
        location = settings.get("location") or {}
        return cls(
            smtp_host=mailer.get("smtpHost"),
            smtp_port=int(mailer.get("smtpPort") or 25),
            has_email_ext=email_ext is not None,
            email_ext_host=(email_ext or {}).get("smtpHost"),
            email_ext_port=int((email_ext or {}).get("smtpPort") or 25),
            url=location.get("url"),
            admin_address=location.get("adminAddress"),
        )


def check_jenkins(mail: JenkinsMail, address: str, port: int = 25) -> list[Finding]:
    """Check that a controller's own mails reach Postfix.

    Args:
        mail: its settings.
        address: the node's, as the controller reaches it now.
        port: Postfix'.
    """
    mailer = _server(mail.smtp_host, mail.smtp_port)
    email_ext = _server(mail.email_ext_host, mail.email_ext_port)
    postfix = f"{address}:{port}"
    findings: list[Finding] = []
    if mailer != postfix:
        has_moved = mail.smtp_host != address and _may_be_a_bridge(mail.smtp_host)
        known = KNOWN["address-drifted" if has_moved else "mailer-elsewhere"]
        findings.append(known.finding(host=mailer, address=address, port=port))
    if mail.has_email_ext and email_ext != postfix:
        known = KNOWN["email-ext-elsewhere"]
        findings.append(known.finding(host=email_ext, address=address, port=port))
    if not mail.url:
        findings.append(KNOWN["jenkins-url-missing"].finding())
    if not mail.admin_address or _NOBODY in mail.admin_address:
        findings.append(KNOWN["admin-address-missing"].finding())
    return findings


def _server(host: str | None, port: int) -> str:
    return f"{host or 'localhost'}:{port}"


def _may_be_a_bridge(host: str | None) -> bool:
    """Return whether it is a private address, and not the controller's own loopback."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    return address.is_private and not address.is_loopback
