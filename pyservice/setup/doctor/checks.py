"""Findings that need no conversation: what Postfix' configuration and Jenkins' settings tell.

Pure functions of plain values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from pyservice.postfix.mynetworks import is_listed, parse_entries
from pyservice.setup.doctor.findings import KNOWN, Finding

_NOBODY = "nobody@nowhere"
"""Jenkins' own: `address not configured yet <nobody@nowhere>`."""


def of_containers(parameters: Mapping[str, str], network: str) -> list[Finding]:
    """Whether Postfix relays for any of a containers' network; no finding where a table decides."""
    mynetworks = parameters.get("mynetworks", "")
    theirs = ip_network(network, strict=False)
    for entry in parse_entries(mynetworks):
        if entry.network is None:
            return []
        if entry.network.overlaps(theirs):
            if not entry.is_excluded:
                return []
            if entry.network.prefixlen <= theirs.prefixlen:
                break  # all of them, whatever comes after
    seen, text = f"the containers' network {network}", f"mynetworks = {mynetworks}"
    return [KNOWN["relay-denied"].found(seen=seen, network=network, text=text)]


def of_strangers(
    parameters: Mapping[str, str], gateway: str, port: int, published: str | None
) -> list[Finding]:
    """Whether strangers may relay who seem to come from the gateway.

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
    return [known.found(how=published, gateway=gateway, port=port, networks=tighter)]


def of_bare_newlines(parameters: Mapping[str, str]) -> list[Finding]:
    """Whether containers may smuggle a second mail in; old versions lack the parameter."""
    forbids = parameters.get("smtpd_forbid_bare_newline", "no") != "no"
    if forbids and not parameters.get("smtpd_forbid_bare_newline_exclusions"):
        return []
    return [KNOWN["bare-newline"].found()]


@dataclass(frozen=True)
class Controller:
    """What a Jenkins controller is set to."""

    smtp_host: str | None
    """Mailer's; None or empty: not set, which Jenkins takes for localhost."""
    smtp_port: int = 25
    has_email_ext: bool = False
    email_ext_host: str | None = None
    email_ext_port: int = 25
    url: str | None = None
    admin_address: str | None = None


def controller_of(settings: Mapping[str, Mapping[str, Any] | None]) -> Controller:
    """A controller by its settings as `jenkins.planning.Found` has them."""
    mailer, email_ext = settings.get("mailer") or {}, settings.get("emailExt")
    location = settings.get("location") or {}
    return Controller(
        smtp_host=mailer.get("smtpHost"),
        smtp_port=int(mailer.get("smtpPort") or 25),
        has_email_ext=email_ext is not None,
        email_ext_host=(email_ext or {}).get("smtpHost"),
        email_ext_port=int((email_ext or {}).get("smtpPort") or 25),
        url=location.get("url"),
        admin_address=location.get("adminAddress"),
    )


def of_jenkins(controller: Controller, address: str, port: int = 25) -> list[Finding]:
    """What keeps a controller's own mails from reaching Postfix.

    Args:
        controller: its settings.
        address: the node's, as the controller reaches it now.
        port: Postfix'.
    """
    mailer = _place(controller.smtp_host, controller.smtp_port)
    email_ext = _place(controller.email_ext_host, controller.email_ext_port)
    here = f"{address}:{port}"
    found: list[Finding] = []
    if mailer != here:
        has_moved = controller.smtp_host != address and _was_a_bridge(controller.smtp_host)
        kind = "address-drifted" if has_moved else "mailer-elsewhere"
        found.append(KNOWN[kind].found(host=mailer, address=address, port=port))
    if controller.has_email_ext and email_ext != here:
        elsewhere = KNOWN["email-ext-elsewhere"]
        found.append(elsewhere.found(host=email_ext, address=address, port=port))
    if not controller.url:
        found.append(KNOWN["jenkins-url-missing"].found())
    if not controller.admin_address or _NOBODY in controller.admin_address:
        found.append(KNOWN["admin-address-missing"].found())
    return found


def _place(host: str | None, port: int) -> str:
    return f"{host or 'localhost'}:{port}"


def _was_a_bridge(host: str | None) -> bool:
    """Whether it looks like one: a private address that is not the controller's own loopback."""
    try:
        found = ip_address(host or "")
    except ValueError:
        return False
    return found.is_private and not found.is_loopback
