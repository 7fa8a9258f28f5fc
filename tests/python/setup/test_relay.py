"""setup/relay and the modules that it uses: what they decide, without a Postfix."""

import json
import os
from dataclasses import fields, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from pyservice.cli import app, relay
from pyservice.cli.relay_options import RelayOptions
from pyservice.errors import SetupError
from pyservice.postfix import mynetworks
from pyservice.postfix.instance import Postfix
from pyservice.postfix.mynetworks import Address, covers, find_exclusions, is_listed, parse_entries
from pyservice.setup.node import detect
from pyservice.setup.relay import boot, open_relay_test, planner
from pyservice.setup.relay.apply import apply_relay
from pyservice.setup.relay.backup import Backup, write_file
from pyservice.setup.relay.changes import Action
from pyservice.setup.relay.faults import refuse_faults
from pyservice.setup.relay.open_relay_test import AccessRules
from tests.builders.relay import ADDRESS, DEFAULTS, DESIRED, IN_SYNC, PUBLIC, SMTP, planned, state


def test_in_sync() -> None:
    """A Postfix that listens at the address and relays for a wider network stays as it is."""
    relay_plan = planned(IN_SYNC)
    assert relay_plan.plan.in_sync
    assert relay_plan.action is Action.NOTHING


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("localhost", "localhost, 172.22.91.1"),
        ("loopback-only", "localhost, [::1], 172.22.91.1"),
        ("127.0.0.1 [::1]", "127.0.0.1 [::1] 172.22.91.1"),
        ("10.0.0.5", "10.0.0.5, 172.22.91.1"),
        ("172.22.91.1", "localhost, [::1], 172.22.91.1"),
        ("all", None),
    ],
)
def test_interfaces(before: str, after: str | None) -> None:
    """The address joins the listed ones, loopback stays or is added, and `all` is enough."""
    relay_plan = planned(state(inet_interfaces=before))
    assert relay_plan.parameters.get("inet_interfaces") == after
    assert relay_plan.action is (Action.RESTART if after else Action.RELOAD)


def test_a_machine_without_ipv6() -> None:
    """127.0.0.1 is set: `localhost` is also ::1 in /etc/hosts, and Postfix would not start."""
    now = replace(state(inet_interfaces="loopback-only"), addresses=(ADDRESS,))
    assert planned(now).parameters["inet_interfaces"] == "127.0.0.1, 172.22.91.1"
    now = replace(
        state(inet_interfaces="loopback-only", inet_protocols="ipv4"), addresses=(ADDRESS,)
    )
    assert planned(now).parameters["inet_interfaces"] == "localhost, 172.22.91.1"


def test_narrow() -> None:
    """`all` gets a note, and becomes loopback and the address with --narrow only."""
    now = state()
    assert any("inet_interfaces = all" in note for note in planned(now).plan.notes)
    narrowed = planned(now, narrow=True)
    assert narrowed.parameters["inet_interfaces"] == "localhost, [::1], 172.22.91.1"
    assert not any("inet_interfaces = all" in note for note in narrowed.plan.notes)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("0.0.0.0/0", "is the whole Internet"),
        ("::/0", "is the whole Internet"),
        ("172.0.0.0/11", "is wider than /12"),
        ("2001:db8::/47", "is wider than /48"),
        ("203.0.113.0/24", "holds this machine's public address 203.0.113.7"),
        ("203.0.113.128/25", "is public"),
        ("198.51.100.66/32", "is public"),
        ("8.8.8.8/32", "is public"),
        ("2001:db8::/48", "is public"),
        ("2001:db8::1/128", "is public"),
    ],
)
def test_too_broad(network: str, why: str) -> None:
    """A network that would make an open relay is refused, unless --allow-broad names it."""
    broad = ip_network(network)
    with pytest.raises(SetupError, match=why):
        planned(IN_SYNC, networks=(broad,))
    assert planned(IN_SYNC, networks=(broad,), allow_broad=(broad,)).parameters
    with pytest.raises(SetupError, match="insist: --allow-broad"):
        planned(IN_SYNC, networks=(broad,), allow_broad=(ip_network("10.0.0.0/8"),))


@pytest.mark.parametrize(
    "network", ["172.16.0.0/12", "100.64.0.0/12", "169.254.7.0/24", "fd00::/48", "fe80::/64"]
)
def test_not_too_broad(network: str) -> None:
    """A /12 and an IPv6 /48 are allowed, if the Internet does not route them."""
    assert planned(IN_SYNC, networks=(ip_network(network),))


def test_a_broad_network_that_is_there_already() -> None:
    """A broad network stays in mynetworks, with a note."""
    relay_plan = planned(state(inet_interfaces="all", mynetworks="10.0.0.0/8, 172.22.0.0/16"))
    assert relay_plan.plan.in_sync
    assert any("holds 10.0.0.0/8 already, which is wider" in note for note in relay_plan.plan.notes)


def test_exclusions() -> None:
    """An exclusion within the network stays, with a note; one of the whole network is refused."""
    some = planned(state(inet_interfaces="all", mynetworks="!172.22.91.1, 127.0.0.0/8"))
    assert some.parameters["mynetworks"] == "!172.22.91.1, 127.0.0.0/8, 172.22.0.0/16"
    assert "mynetworks excludes 172.22.91.1, and still will." in some.plan.notes
    with pytest.raises(SetupError, match=r"mynetworks excludes 172\.22\.0\.0/16"):
        planned(state(inet_interfaces="all", mynetworks="!172.16.0.0/12, 127.0.0.0/8"))
    relay_plan = planned(state(inet_interfaces="all", mynetworks="172.22.0.0/16, !172.16.0.0/12"))
    assert relay_plan.plan.in_sync  # the first match decides
    assert not any("excludes" in note for note in relay_plan.plan.notes)


def test_protocols() -> None:
    """An IPv6 address is refused where Postfix speaks IPv4 only."""
    with pytest.raises(SetupError, match="inet_protocols = ipv4, so Postfix can't serve fd00::1"):
        planned(state(inet_protocols="ipv4"), address=ip_address("fd00::1"))


def test_ipv6() -> None:
    """An IPv6 network stands in brackets, as Postfix reads it."""
    now = replace(IN_SYNC, addresses=(ip_address("fd00::1"),))
    relay_plan = planned(now, address=ip_address("fd00::1"), networks=(ip_network("fd00::/64"),))
    assert relay_plan.parameters["inet_interfaces"] == "localhost, 172.22.91.1, fd00::1"
    assert relay_plan.parameters["mynetworks"].endswith(", [fd00::]/64")  # type: ignore[union-attr]
    safe = planned(now, address=ip_address("fd00::1"), boot_safe=True)
    assert safe.services == {"[fd00::1]:25/inet": "[fd00::1]:25 inet n - y - - smtpd"}


def test_an_address_that_is_not_there() -> None:
    """It is refused, as Postfix would not start; not so with --no-restart or --boot-safe."""
    now = replace(IN_SYNC, addresses=())
    with pytest.raises(SetupError, match=r"No interface of this machine has 172\.22\.91\.1"):
        planned(now)
    assert planned(now, restart=False).plan.in_sync
    assert planned(now, boot_safe=True).services
    safe = {"smtp/inet": SMTP, "172.22.91.1:25/inet": SMTP.replace("smtp ", "172.22.91.1:25 ", 1)}
    listening = state(inet_interfaces="loopback-only", mynetworks="172.22.0.0/16", services=safe)
    assert planned(replace(listening, addresses=())).plan.in_sync


def test_boot_safe() -> None:
    """The address moves from inet_interfaces to a listener with the usual one's options."""
    relay_plan = planned(IN_SYNC, boot_safe=True)
    assert relay_plan.parameters == {"inet_interfaces": "loopback-only"}
    assert relay_plan.services == {"172.22.91.1:25/inet": "172.22.91.1:25 inet n - y - - smtpd"}
    assert [str(file.path) for file in relay_plan.files] == [
        "/etc/sysctl.d/60-notify-email.conf",
        "/proc/sys/net/ipv4/ip_nonlocal_bind",
    ]
    others = state(inet_interfaces="localhost, 10.0.0.5, 172.22.91.1")
    assert planned(others, boot_safe=True).parameters["inet_interfaces"] == "localhost, 10.0.0.5"
    screened = state(services={"smtp/inet": "smtp inet n - y - 1 postscreen"})
    [line] = planned(screened, boot_safe=True, narrow=True).services.values()
    assert line == "172.22.91.1:25 inet n - n - - smtpd"


def test_a_postfix_that_is_stopped() -> None:
    """Postfix is started; with --no-restart it stays stopped."""
    now = replace(IN_SYNC, is_running=False, greets=False)
    relay_plan = planned(now)
    assert (relay_plan.action, relay_plan.plan.effects) == (Action.RESTART, ("starts Postfix.",))
    assert planned(now, restart=False).plan.in_sync


def test_what_is_written_and_not_in_force() -> None:
    """Postfix is restarted, even if the other changes need a reload only."""
    now = replace(IN_SYNC, greets=False)
    assert planned(now).action is Action.RESTART
    assert planned(now, relayhost="mx").action is Action.RESTART
    now = replace(state(inet_interfaces="localhost"), greets=False)
    assert planned(now, boot_safe=True).action is Action.RELOAD  # of master.cf's new listener


def test_a_listener_with_networks_of_its_own() -> None:
    """A listener with networks of its own is refused, as it ignores main.cf's mynetworks."""
    line = "25 inet n - y - - smtpd -o mynetworks=127.0.0.0/8"
    with pytest.raises(SetupError, match="postconf -PX 25/inet/mynetworks"):
        planned(state(services={"25/inet": line}))


def test_on_request() -> None:
    """relayhost, myhostname and myorigin are set if they are given, and only then."""
    relay_plan = planned(
        IN_SYNC, relayhost="[mx.example.com]:587", myorigin="example.com", tls="may"
    )
    assert relay_plan.parameters == {
        "relayhost": "[mx.example.com]:587",
        "myorigin": "example.com",
        "smtp_tls_security_level": "may",
    }
    assert relay_plan.action is Action.RELOAD
    for wrong in ({"relayhost": "a b"}, {"myhostname": "a\nb = c"}, {"tls": "none"}):
        with pytest.raises(SetupError):
            planned(IN_SYNC, **wrong)
    with pytest.raises(SetupError, match="give --tls-ca-file"):
        planned(IN_SYNC, tls="verify")
    verified = planned(IN_SYNC, tls="verify", tls_ca_file=Path("/etc/ssl/ca.pem"))
    assert verified.parameters["smtp_tls_CAfile"] == "/etc/ssl/ca.pem"


def test_a_password() -> None:
    """A password needs a relay host, is never shown, and is never sent in the clear."""
    with pytest.raises(SetupError, match="give --relayhost"):
        planned(IN_SYNC, sasl_password="ci:s3cret")
    with pytest.raises(SetupError, match="give --relayhost"):
        planned(state(relayhost="mx1, mx2"), sasl_password="ci:s3cret")
    relay_plan = planned(IN_SYNC, sasl_password="ci:s3cret", relayhost="mx")
    assert relay_plan.parameters["smtp_tls_security_level"] == "encrypt"
    assert "s3cret" not in relay_plan.plan.as_text() + json.dumps(relay_plan.plan.as_json()) + repr(
        relay_plan
    )
    assert "s3cret" not in repr(replace(DESIRED, sasl_password="ci:s3cret"))
    verified = planned(IN_SYNC, sasl_password="ci:s3cret", relayhost="mx", tls="may")
    assert verified.parameters["smtp_tls_security_level"] == "may"


@pytest.mark.parametrize(
    ("version", "value"),
    [
        ("3.7.11", "normalize"),
        ("3.7.9", "yes"),
        ("3.8.5", "normalize"),
        ("3.6.13", "yes"),
        ("3.11.1", "normalize"),
    ],
)
def test_bare_newlines(version: str, value: str) -> None:
    """Bare newlines are normalized where this Postfix can do that, and else forbidden."""
    relay_plan = planned(state(version=version), harden=True)
    assert relay_plan.parameters["smtpd_forbid_bare_newline"] == value
    assert relay_plan.parameters["smtpd_forbid_bare_newline_exclusions"] == ""


def test_hardening() -> None:
    """Each parameter has its reason, and one that is strict enough stays as it is."""
    relay_plan = planned(IN_SYNC, harden=True)
    assert set(relay_plan.parameters) == {
        "smtpd_relay_restrictions",
        "smtpd_forbid_bare_newline",
        "smtpd_forbid_bare_newline_exclusions",
        "disable_vrfy_command",
        "smtpd_client_event_limit_exceptions",
        "smtpd_client_connection_count_limit",
    }
    assert all(change.why for change in relay_plan.plan.changes)
    strict = planned(state(smtpd_relay_restrictions="permit_mynetworks, reject"), harden=True)
    assert "smtpd_relay_restrictions" not in strict.parameters
    unlimited = planned(state(message_size_limit="0"), harden=True)
    assert unlimited.parameters["message_size_limit"] == "26214400"
    old = state(version="3.5.6")
    known = {k: v for k, v in DEFAULTS.items() if "bare" not in k}
    old = replace(old, configuration=replace(old.configuration, effective=known))
    assert any(
        "can't forbid bare newlines" in note for note in planned(old, harden=True).plan.notes
    )


def test_nobody_refuses_strangers() -> None:
    """Without a rule against strangers smtpd does not start: a note says so, --harden adds one."""
    now = state(smtpd_relay_restrictions="", mynetworks="172.22.0.0/16")
    assert any("--harden sets the former" in note for note in planned(now).plan.notes)
    hardened = planned(now, harden=True)
    assert hardened.parameters["smtpd_relay_restrictions"] == (
        "permit_mynetworks, reject_unauth_destination"
    )
    assert not any("--harden sets the former" in note for note in hardened.plan.notes)


def test_senders() -> None:
    """An existing rule is not replaced, and a sender must be an address or a domain."""
    with pytest.raises(SetupError, match="smtpd_sender_restrictions is set already"):
        planned(state(smtpd_sender_restrictions="reject_unknown_sender_domain"), senders=("a.org",))
    with pytest.raises(SetupError, match="give an address or a domain"):
        planned(IN_SYNC, senders=("a.org = OK}, {b.org",))


@pytest.mark.parametrize(
    ("own", "listed", "code", "expected"),
    [
        (("127.0.0.1", "172.22.91.1"), "172.22.0.0/16", 554, "not proved"),
        (("fd00::1",), "172.22.0.0/16", 554, "not proved"),
        (("203.0.113.7",), "172.22.0.0/16", 554, "proved"),
        (("203.0.113.7",), "172.22.0.0/16", 454, "proved"),
        (("203.0.113.7",), "172.22.0.0/16", 450, "not proved"),
        (("203.0.113.7",), "172.22.0.0/16", 0, "not proved"),
        (("203.0.113.7",), "172.22.0.0/16", 250, "open relay"),
        (("203.0.113.7",), "cidr:/etc/networks", 250, "not proved"),
        (("203.0.113.7",), "!cidr:/etc/networks", 554, "not proved"),
        (("203.0.113.7",), "!203.0.113.7, 172.22.0.0/16", 554, "not proved"),
        (("203.0.113.7", "198.51.100.9"), "!203.0.113.7, 172.22.0.0/16", 554, "proved"),
        (("203.0.113.7",), "!172.22.91.1, 0.0.0.0/0", 554, "open relay"),
        (("203.0.113.7",), "[::]/0", 554, "open relay"),
        (("203.0.113.7",), "!203.0.113.7 0.0.0.0/1 128.0.0.0/1", 554, "open relay"),
        ((), "172.22.0.0/16", 554, "not proved"),
    ],
)
def test_strangers(
    monkeypatch: pytest.MonkeyPatch, own: tuple[str, ...], listed: str, code: int, expected: str
) -> None:
    """Only a 454 or 554 to an address outside of mynetworks proves that strangers are refused."""
    monkeypatch.setattr(open_relay_test, "_try_recipient", lambda *_: (code, f"{code} reply"))
    rules = AccessRules(parse_entries(listed))
    result = open_relay_test.try_strangers(ADDRESS, map(ip_address, own), rules)
    assert result.state == expected


DENIED = "454 4.7.1 <nobody@open-relay-test.invalid>: Relay access denied"
REJECTED = "554 5.7.1 <unknown[203.0.113.7]>: Client host rejected: Access denied"


@pytest.mark.parametrize(
    ("replies", "rules", "expected"),
    [
        ({}, AccessRules(()), "proved"),
        ({"postmaster@example.com": "250 2.1.5 Ok"}, AccessRules(()), "open relay"),
        ({"postmaster@example.org": "250 2.1.5 Ok"}, AccessRules(()), "open relay"),
        (
            {"postmaster@example.com": "250 2.1.5 Ok"},
            AccessRules((), domains=frozenset({"example.com"})),
            "proved",
        ),
        ({"nobody@open-relay-test.invalid": REJECTED}, AccessRules(()), "proved"),
        (
            {"nobody@open-relay-test.invalid": REJECTED},
            AccessRules((), tables=("check_client_access",)),
            "not proved",
        ),
        ({}, AccessRules((), tables=("check_client_access",)), "proved"),
        ({}, AccessRules((), exceptions=("check_sender_access",)), "not proved"),
    ],
)
def test_what_a_stranger_is_answered(
    monkeypatch: pytest.MonkeyPatch, replies: dict[str, str], rules: AccessRules, expected: str
) -> None:
    """He may relay to no foreign domain; that a table refuses him shows nothing about others."""

    def reply(_address: Address, _source: Address, recipient: str) -> tuple[int, str]:
        text = replies.get(recipient, DENIED)
        return int(text[:3]), text

    monkeypatch.setattr(open_relay_test, "_try_recipient", reply)
    assert open_relay_test.try_strangers(ADDRESS, (PUBLIC,), rules).state == expected


@pytest.mark.parametrize(
    ("listed", "reply", "more", "expected"),
    [
        ("172.22.0.0/16", "250 2.1.5 Ok", {}, "proved"),
        ("172.22.0.0/16", DENIED, {}, "refused"),
        ("172.22.0.0/16", REJECTED, {}, "refused"),
        ("172.22.0.0/16", "451 4.3.0 <a>: Temporary lookup failure", {}, "refused"),
        ("172.22.0.0/16", REJECTED, {"tables": ("check_client_access",)}, "refused"),
        ("172.22.0.0/16", REJECTED, {"container_tables": ("check_client_access",)}, "not proved"),
        ("172.22.0.0/16", "250 Ok", {"container_tables": ("check_client_access",)}, "not proved"),
        ("172.22.0.0/16", "450 4.1.2 <a>: Domain not found", {}, "not proved"),
        ("172.22.0.0/16", "0 no reply", {}, "not proved"),
        ("!172.22.91.1, 172.22.0.0/16", "250 2.1.5 Ok", {}, "not proved"),
        ("127.0.0.0/8", "250 2.1.5 Ok", {}, "not proved"),
        ("172.22.0.0/16", "250 2.1.5 Ok", {"refusals": ("smtpd_data_restrictions …",)}, "refused"),
    ],
)
def test_containers(
    monkeypatch: pytest.MonkeyPatch,
    listed: str,
    reply: str,
    more: dict[str, Any],
    expected: str,
) -> None:
    """An address in their network and in mynetworks shows whether they may send, unless a table
    on their way may have decided about it alone."""
    code = int(reply.partition(" ")[0])
    monkeypatch.setattr(open_relay_test, "_try_recipient", lambda *_: (code, reply))
    rules = replace(AccessRules(parse_entries(listed)), **more)
    own = (ip_address("127.0.0.1"), PUBLIC, ADDRESS)
    result = open_relay_test.try_containers(ADDRESS, own, DESIRED.networks, rules)
    assert result.state == expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"mynetworks": "!172.22.91.1, 0.0.0.0/0 172.22.0.0/16"},
            "lets in the Internet (0.0.0.0/0)",
        ),
        ({"mynetworks": "172.22.0.0/16 10.1.0.0/8"}, "has host bits: write 10.0.0.0/8"),
        ({"smtpd_client_restrictions": "reject"}, "smtpd_client_restrictions (main.cf)"),
        ({"smtpd_data_restrictions": "permit_sasl_authenticated,reject"}, "smtpd_data_restrict"),
    ],
)
def test_faults(settings: dict[str, Any], words: str) -> None:
    """A plan with a fault is not in sync, shows the cure and is not carried out."""
    before = {"inet_interfaces": "localhost, 172.22.91.1", "mynetworks": "172.22.0.0/16"}
    relay_plan = planned(state(**before | settings))
    assert not relay_plan.plan.in_sync
    assert relay_plan.action is Action.NOTHING
    [fault] = relay_plan.plan.faults
    assert words in fault
    assert " Cure: postconf -e " in fault
    assert "1 fault to mend by hand.\n" in relay_plan.plan.as_text()
    with pytest.raises(SetupError, match="Nothing was changed"):
        refuse_faults(relay_plan.plan)


def test_each_fault_is_a_line_of_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first one has the name before it, and the others stand below it."""
    listed = "172.22.0.0/16 10.1.0.0/8 0.0.0.0/0"
    now = replace(state(mynetworks=listed), is_running=False, greets=False)
    monkeypatch.setattr(relay, "require_root", lambda _: None)
    monkeypatch.setattr(relay, "find_instance", lambda _: Postfix(now.configuration.folder))
    monkeypatch.setattr(relay, "read_state", lambda *_: now)
    monkeypatch.setattr(RelayOptions, "desired_relay", lambda *_: DESIRED)
    app(["relay", "status"], standalone_mode=False)
    _, faults = capsys.readouterr().out.split("Faults      mynetworks has the entry 10.1.0.0/8, ")
    assert "\n            mynetworks lets in the Internet (0.0.0.0/0): " in faults


def test_an_open_network_that_is_insisted_on() -> None:
    """It is no fault."""
    everything = ip_network("0.0.0.0/0")
    now = state(inet_interfaces="localhost, 172.22.91.1", mynetworks="172.22.0.0/16 0.0.0.0/0")
    assert planned(now, allow_broad=(everything,)).plan.in_sync


def test_lists_of_networks() -> None:
    """Commas or blanks separate entries, except within braces; the first match decides."""
    listed = parse_entries(
        "!10.0.0.1, 10.0.0.0/8 [fd00::]/64 cidr:{{1.2.3.0/24 permit}, {a}} /etc/nets"
    )
    assert [entry.text for entry in listed] == [
        "!10.0.0.1",
        "10.0.0.0/8",
        "[fd00::]/64",
        "cidr:{{1.2.3.0/24 permit}, {a}}",
        "/etc/nets",
    ]
    assert [entry.network is None for entry in listed] == [False, False, False, True, True]
    assert is_listed(listed, ip_address("10.0.0.2"))
    assert not is_listed(listed, ip_address("10.0.0.1"))
    assert covers(listed, ip_network("10.1.0.0/16"))
    assert covers(listed, ip_network("fd00::/80"))
    assert not covers(listed, ip_network("1.2.3.0/24"))
    assert [entry.text for entry in find_exclusions(listed, ip_network("10.0.0.0/24"))] == [
        "!10.0.0.1"
    ]


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("172.22.91.1/16", r"172\.22\.0\.0/16\?"),
        ("docker0", "like 172"),
        ("172.22.0.0", r"Do you mean 172\.22\.0\.0/16\? The host alone is 172\.22\.0\.0/32\."),
        ("172.22.91.0", r"Do you mean 172\.22\.91\.0/24\?"),
        ("172.22.91.5", r"Do you mean 172\.22\.91\.0/24\? .* 172\.22\.91\.5/32\."),
        ("10.0.0.0", r"Do you mean 10\.0\.0\.0/16\?"),
        ("fd00::1", r"Do you mean fd00::/64\? .* fd00::1/128\."),
        ("[fd00::1]", r"Do you mean fd00::/64\?"),
        ("[fd00::1]/64", r"Do you mean fd00::/64\?"),
        ("172.22.0.0/99", "like 172"),
        ("172.22.0.0/16,10.0.0.0/16", "several times"),
        ("mailto:a@b", "is no network"),
    ],
)
def test_no_network(text: str, cure: str) -> None:
    """A text that is no network is refused with the network that may be meant."""
    with pytest.raises(SetupError, match=cure):
        mynetworks.parse_network(text)


SHELL = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
REAL = "[Service]\nType=forking\nExecStart=/usr/sbin/postfix start\n"


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ({"postfix.service": SHELL, "postfix@.service": REAL}, "postfix@-.service"),
        ({"postfix.service": REAL, "postfix@.service": REAL}, "postfix.service"),
        ({"postfix.service": REAL}, "postfix.service"),
        ({}, None),
    ],
)
def test_units(tmp_path: Path, units: dict[str, str], expected: str | None) -> None:
    """Debian 12 starts the main instance by postfix@-.service, others by postfix.service."""
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    assert boot.unit((tmp_path / "none", tmp_path)) == expected


def test_managing_unit(tmp_path: Path) -> None:
    """systemd restarts the main instance where it runs, and nothing else."""
    (tmp_path / "postfix.service").write_text(REAL)
    is_there, is_absent = tmp_path, tmp_path / "none"
    folders = (tmp_path,)

    def managing_unit(*, is_default: bool, systemd_folder: Path) -> str | None:
        return boot.managing_unit(
            is_default=is_default, folders=folders, systemd_folder=systemd_folder
        )

    assert managing_unit(is_default=True, systemd_folder=is_there) == "postfix.service"
    assert managing_unit(is_default=False, systemd_folder=is_there) is None
    assert managing_unit(is_default=True, systemd_folder=is_absent) is None


@pytest.mark.parametrize("bridge", ["docker0", "br-1234", "cni0"])
def test_drop_in(bridge: str) -> None:
    """A drop-in restarts Postfix, and orders it after Docker if the bridge is Docker's."""
    relay_plan = planned(state(inet_interfaces="localhost"), unit="postfix.service", bridge=bridge)
    [file] = relay_plan.files
    assert str(file.path) == "/etc/systemd/system/postfix.service.d/notify-email.conf"
    assert ("After=docker.service\n" in (file.content or "")) is (bridge != "cni0")
    assert "Restart=on-failure\n" in (file.content or "")


@pytest.mark.parametrize(
    ("active", "running", "done"),
    [
        (True, True, ["is-active --quiet u", "restart u"]),
        (False, True, ["is-active --quiet u", "-c DIR status", "-c DIR stop", "restart u"]),
        (False, False, ["is-active --quiet u", "-c DIR status", "restart u"]),
    ],
)
def test_restart_by_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, active: bool, running: bool, done: list[str]
) -> None:
    """A Postfix that systemd did not start is stopped first, or it would be started twice."""
    log = tmp_path / "log"
    for name, fails in (("systemctl", not active), ("postfix", not running)):
        word = "is-active" if name == "systemctl" else "status"
        status = f'case "$*" in *{word}*) exit {int(fails)};; esac'
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\necho "$*" >>{log}\n{status}\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    Postfix(tmp_path, "u").restart()
    assert log.read_text().replace(str(tmp_path), "DIR").splitlines() == done


def test_no_instance(tmp_path: Path) -> None:
    """Without a main.cf the error asks for the right directory."""
    with pytest.raises(SetupError, match="Another instance is named by --config-dir"):
        Postfix(tmp_path).read()


def backed_up(folder: Path) -> Backup:
    """Return the backup after an apply that set inet_interfaces."""
    for name in ("main.cf", "master.cf"):
        (folder / name).write_text(f"# {name}\n")
    backup = Backup(folder)
    before = state(inet_interfaces="localhost", mynetworks="172.22.0.0/16")
    backup.take(planned(before), before.configuration)
    (folder / "main.cf").write_text("inet_interfaces = localhost, 172.22.91.1\n")
    backup.record_success()
    backup.discard_previous()
    return backup


def test_backups(tmp_path: Path) -> None:
    """The files before the first apply are kept, for root only, and can be restored exactly."""
    backup = backed_up(tmp_path)
    assert backup.folder.stat().st_mode & 0o777 == 0o700
    assert not (backup.folder / "previous").exists()
    record = backup.record()
    assert record is not None
    assert record.parameters["inet_interfaces"].before == "localhost"
    assert backup.is_exact()
    backup.restore_originals()
    assert (tmp_path / "main.cf").read_text() == "# main.cf\n"


def test_a_file_that_others_changed(tmp_path: Path) -> None:
    """A file that others changed is never restored as a whole, even after another apply."""
    backup = backed_up(tmp_path)
    with (tmp_path / "main.cf").open("a") as file:
        file.write("# mine\n")
    assert not backup.is_exact()
    backup.take(planned(IN_SYNC, relayhost="mx"), IN_SYNC.configuration)
    backup.record_success()
    assert not Backup(tmp_path).is_exact()


def test_a_failed_apply(tmp_path: Path) -> None:
    """After a failed apply files and record are as they were before."""
    backup = backed_up(tmp_path)
    main, record = (tmp_path / "main.cf").read_text(), (backup.folder / "record.json").read_text()
    backup.take(planned(IN_SYNC, relayhost="mx"), IN_SYNC.configuration)
    (tmp_path / "main.cf").write_text("relayhost = mx\n")
    backup.restore()
    assert (tmp_path / "main.cf").read_text() == main
    assert (backup.folder / "record.json").read_text() == record


def test_a_failed_change_of_the_password(tmp_path: Path) -> None:
    """The old password is restored, and still readable by root only."""
    now = replace(IN_SYNC, configuration=replace(IN_SYNC.configuration, folder=tmp_path))
    backup = backed_up(tmp_path)
    table = planner.sasl_file(tmp_path)
    write_file(table, "mx ci:old\n", mode=0o600)
    backup.take(planned(now, relayhost="mx", sasl_password="ci:new"), IN_SYNC.configuration)
    write_file(table, "mx ci:new\n", mode=0o600)
    backup.restore()
    assert table.read_text() == "mx ci:old\n"
    assert table.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("step", ["_write_record", "record_success"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SystemExit(143)])
def test_a_record_that_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    """A full disk or a signal, before or after the change, leaves everything as it was."""
    for name in ("main.cf", "master.cf"):
        (tmp_path / name).write_text(f"# {name}\n")
    now = replace(state(inet_interfaces="localhost").configuration, folder=tmp_path)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Backup, step, fail)
    monkeypatch.setattr(Postfix, "read", lambda _: now)
    monkeypatch.setattr(Postfix, "is_running", lambda _: False)
    monkeypatch.setattr(Postfix, "check", lambda _: None)
    monkeypatch.setattr(Postfix, "write", lambda *_: (tmp_path / "main.cf").write_text("new"))
    postfix, desired = Postfix(tmp_path), replace(DESIRED, restart=False)
    with pytest.raises((SetupError, SystemExit)):
        apply_relay(postfix, desired, lambda _: None, lambda _: None)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["main.cf", "master.cf"]
    assert (tmp_path / "main.cf").read_text() == "# main.cf\n"


def test_a_drop_in_goes_with_its_folder(tmp_path: Path) -> None:
    """An empty folder of drop-ins is removed; one with drop-ins of others stays."""
    own, shared = tmp_path / "a.service.d", tmp_path / "b.service.d"
    for folder in (own, shared):
        write_file(folder / "notify-email.conf", "[Service]\n")
    write_file(shared / "mine.conf", "[Service]\n")
    for folder in (own, shared):
        write_file(folder / "notify-email.conf", None)
    assert [file.relative_to(tmp_path) for file in tmp_path.glob("*/*")] == [
        Path("b.service.d/mine.conf")
    ]
    assert not own.exists()


def test_a_damaged_record(tmp_path: Path) -> None:
    """The error says what to do by hand."""
    backup = backed_up(tmp_path)
    write_file(backup.folder / "record.json", "{")
    with pytest.raises(SetupError, match=r"record\.json is damaged: compare"):
        backup.record()


@pytest.mark.parametrize("command", ["plan", "apply", "status", "revert"])
def test_an_ordinary_user(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Each command says that it needs root: to others a running Postfix looks stopped."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=f"sudo notify-email relay {command}"):
        app(["relay", command], standalone_mode=False)


def test_files_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file that an option names is refused before anything is planned."""
    node = detect.Node(False, "", "172.22.91.1", "172.22.91.0/24", (), ())
    monkeypatch.setattr(detect, "detect_node", lambda *_: node)
    monkeypatch.setattr(Postfix, "is_default", False)
    with pytest.raises(SetupError, match="--tls-ca-file /nope/ca: there is no such file"):
        RelayOptions(tls_ca_file=Path("/nope/ca")).desired_relay(Postfix())
    with pytest.raises(SetupError, match="can't be read: no such file or directory"):
        RelayOptions(sasl_password_file=Path("/nope/password")).desired_relay(Postfix())


@pytest.mark.parametrize("name", [field.name for field in fields(RelayOptions)])
def test_every_option_is_documented(name: str) -> None:
    """docs/node.md explains each option."""
    page = Path(__file__).parents[3] / "docs" / "node.md"
    assert f"`--{name.replace('_', '-')}`" in page.read_text().partition("| option |")[2]
