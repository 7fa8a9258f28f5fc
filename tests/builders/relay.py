"""A Postfix to plan for, as a value."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

from pyservice.postfix.instance import Configuration
from pyservice.setup.relay import planner
from pyservice.setup.relay.changes import RelayPlan, RelayState

ADDRESS = ip_address("172.22.91.1")
PUBLIC = ip_address("203.0.113.7")
DEFAULTS = {
    "inet_interfaces": "all",
    "inet_protocols": "all",
    "mynetworks": "127.0.0.0/8 [::1]/128",
    "mynetworks_style": "host",
    "relayhost": "",
    "smtp_tls_security_level": "",
    "smtp_tls_CAfile": "",
    "smtp_tls_CApath": "",
    "default_database_type": "hash",
    "smtpd_relay_restrictions": "permit_mynetworks, defer_unauth_destination",
    "smtpd_recipient_restrictions": "",
    "smtpd_sender_restrictions": "",
    "smtpd_forbid_bare_newline": "no",
    "smtpd_forbid_bare_newline_exclusions": "$mynetworks",
    "smtpd_client_event_limit_exceptions": "$mynetworks",
    "smtpd_client_connection_count_limit": "50",
    "message_size_limit": "10240000",
    "disable_vrfy_command": "no",
}
SMTP = "smtp       inet  n       -       y       -       -       smtpd"
DESIRED = planner.DesiredRelay(ADDRESS, (ip_network("172.22.0.0/16"),), bridge="docker0")


def state(
    *, version: str = "3.7.11", services: dict[str, str] | None = None, **written: str
) -> RelayState:
    """Return a running Postfix with these settings, on a machine that has the address."""
    return RelayState(
        Configuration(
            folder=Path("/etc/postfix"),
            version=version,
            is_default=True,
            written=written,
            effective=DEFAULTS | written,
            services={"smtp/inet": SMTP} if services is None else services,
        ),
        is_running=True,
        greets=True,
        addresses=(ip_address("127.0.0.1"), ip_address("::1"), ADDRESS, PUBLIC),
    )


def planned(now: RelayState, **wishes: object) -> RelayPlan:
    """Return the plan that makes it the desired relay, with more wishes."""
    return planner.plan_relay(now, replace(DESIRED, **wishes))  # type: ignore[arg-type]


IN_SYNC = state(inet_interfaces="localhost, 172.22.91.1", mynetworks="127.0.0.0/8, 172.16.0.0/12")
