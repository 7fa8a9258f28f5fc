"""Checks that need no dialogue: of Postfix' configuration and of Jenkins' settings.

Pure functions of plain values.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any

from pyservice.postfix import access
from pyservice.postfix.instance import Configuration
from pyservice.postfix.interfaces import find_missing_addresses
from pyservice.postfix.mynetworks import Address, is_listed, parse_entries
from pyservice.setup.doctor.finding import Finding
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.doctor.service_path import judge
from pyservice.setup.node.detect import Node
from pyservice.setup.service_answer import ServiceAnswer

_NOBODY = "nobody@nowhere"
"""Jenkins' default: `address not configured yet <nobody@nowhere>`."""


def check_containers(parameters: Mapping[str, str], network: str) -> list[Finding]:
    """Check that Postfix relays for the containers' network; a table in mynetworks may do so."""
    mynetworks = parameters.get("mynetworks", "")
    containers = ip_network(network, strict=False)
    for entry in parse_entries(mynetworks):
        if entry.is_opaque:
            return []
        if entry.network and entry.network.overlaps(containers):
            if not entry.is_excluded:
                return []
            if entry.network.prefixlen <= containers.prefixlen:
                break  # all of them are excluded, whatever comes after
    seen, text = f"the containers' network {network}", f"mynetworks = {mynetworks}"
    return [KNOWN["relay-denied"].finding(seen=seen, network=network, text=text)]


def check_access(configuration: Configuration, address: str) -> list[Finding]:
    """Check who may send by mynetworks and the restriction lists, with a cure for each fault.

    Args:
        configuration: Postfix'.
        address: where containers reach it.
    """
    return [
        replace(KNOWN[fault.kind].finding(sentence=fault.sentence), cure=fault.command)
        for fault in access.find_faults(configuration, address)
    ]


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
    tighter = f"!{f'[{gateway}]' if ':' in gateway else gateway} {mynetworks}"
    known = KNOWN["open-relay" if published else "gateway-trusted"]
    return [known.finding(how=published, gateway=gateway, port=port, networks=tighter)]


def check_interfaces(
    parameters: Mapping[str, str], own_addresses: Collection[Address]
) -> list[Finding]:
    """Check that this machine has each address at which Postfix listens, else it does not start."""
    stale = find_missing_addresses(parameters.get("inet_interfaces", ""), own_addresses)
    return [KNOWN["stale-address"].finding(addresses=", ".join(map(str, stale)))] if stale else []


def check_bridges(
    parameters: Mapping[str, str], node: Node, listens: Callable[[str], bool]
) -> list[Finding]:
    """Check that Postfix serves each container bridge that is up, beside the one that was walked.

    Args:
        parameters: Postfix' settings.
        node: this machine.
        listens: whether Postfix listens at an address.
    """
    findings = []
    for bridge in node.bridges:
        address, network = bridge.address, bridge.network
        if not bridge.is_up or not address or not network or address == node.address:
            continue
        if check_containers(parameters, network) or not listens(address):
            known = KNOWN["bridge-not-served"]
            found = known.finding(interface=bridge.interface, address=address)
            more = "" if bridge.is_lasting else " --boot-safe"
            findings.append(replace(found, cure=found.cure + more))
    return findings


def cure_slow_greeting(finding: Finding, parameters: Mapping[str, str]) -> Finding:
    """Return a finding; a slow greeting with the cure that is left where no name is looked up."""
    if finding.id == "greeting-slow" and parameters.get("smtpd_peername_lookup") == "no":
        limits = "postconf default_process_limit smtpd_client_restrictions"
        return replace(finding, cure=f"ss -Htn state established sport = :smtp; {limits}")
    return finding


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


def check_library(settings: Mapping[str, Mapping[str, Any] | None]) -> list[Finding]:
    """Check that Pipelines can load the library, and that it knows the service.

    Where a Jenkins has neither, it may only send its own mails: then these are notes.
    """
    url = (settings.get("variables") or {}).get("NOTIFY_EMAIL_URL")
    library = settings.get("library")
    missing = [
        *([] if library else [KNOWN["library-missing"].finding()]),
        *([] if url else [KNOWN["service-url-missing"].finding()]),
    ]
    return missing if url or library else [finding.as_note() for finding in missing]


def check_service(
    settings: Mapping[str, Mapping[str, Any] | None], answer: ServiceAnswer
) -> list[Finding]:
    """Check what the service answers a controller at Jenkins' NOTIFY_EMAIL_URL."""
    transport = (settings.get("variables") or {}).get("NOTIFY_EMAIL_TRANSPORT")
    has_token = bool(settings.get("credential"))
    whose = (
        "the token of Jenkins' credential notify-email-token"
        if has_token
        else "Jenkins, which has no credential notify-email-token"
    )
    finding = judge(answer, "Jenkins' controller", whose)
    if finding is None:
        return []
    # Then the agents send the reports: the controller need not reach the service.
    return [finding.as_note() if transport in {"httpRequest", "shell"} else finding]


def _server(host: str | None, port: int) -> str:
    return f"{host or 'localhost'}:{port}"


def _may_be_a_bridge(host: str | None) -> bool:
    """Return whether it is a private address, and not the controller's own loopback."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    return address.is_private and not address.is_loopback
