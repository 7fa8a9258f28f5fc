"""postfix/access and what it is made of: who may send through a Postfix, as its settings say."""

import os
import shlex
import time
from pathlib import Path

import pytest

from pyservice.postfix import access, restrictions
from pyservice.postfix.access import AccessFault
from pyservice.postfix.instance import Configuration
from pyservice.postfix.mynetworks import parse_entries, split_list
from pyservice.postfix.network_tables import read_contents
from pyservice.postfix.open_networks import find_open_entries

ADDRESS = "172.22.91.1"
USUAL = dict.fromkeys(restrictions.LISTS, "") | {
    "mynetworks": "127.0.0.0/8, 172.22.0.0/16",
    "smtpd_relay_restrictions": "permit_mynetworks, defer_unauth_destination",
}
SMTP = "smtp inet n - y - - smtpd"


def faults(services: dict[str, str] | None = None, **written: str) -> list[AccessFault]:
    configuration = Configuration(
        folder=Path("/etc/postfix"),
        version="3.7.11",
        is_default=True,
        written=written,
        effective=USUAL | written,
        services={"smtp/inet": SMTP} if services is None else services,
    )
    return list(access.find_faults(configuration, ADDRESS))


def test_no_fault() -> None:
    """The usual settings have none, and neither have tables, which may let containers in."""
    assert faults() == []
    assert faults(smtpd_client_restrictions="check_client_access hash:/x, reject") == []
    assert faults(smtpd_client_restrictions="permit_mynetworks, reject") == []


@pytest.mark.parametrize(
    ("value", "open_entries"),
    [
        ("127.0.0.0/8, 0.0.0.0/0", ["0.0.0.0/0"]),
        ("!172.17.0.1 0.0.0.0/0 172.22.0.0/16", ["0.0.0.0/0"]),
        ("[::]/0", ["[::]/0"]),
        ("[2000::]/3", ["[2000::]/3"]),
        ("0.0.0.0/1 10.0.0.0/8 128.0.0.0/1", ["0.0.0.0/1", "128.0.0.0/1"]),
        ("64.0.0.0/8, 65.0.0.0/8", ["64.0.0.0/8", "65.0.0.0/8"]),
        ("!172.16.0.0/12, 172.0.0.0/6", ["172.0.0.0/6"]),
        ("!0.0.0.0/0, 0.0.0.0/0", []),
        ("!128.0.0.0/1 !0.0.0.0/1 0.0.0.0/0", []),
        ("0.0.0.0/0 !0.0.0.0/0", ["0.0.0.0/0"]),
        ("10.0.0.0/8, 192.168.0.0/16 [fc00::]/7 127.0.0.0/8 [::ffff:127.0.0.0]/104", []),
        ("64.0.0.0/8, 203.0.113.0/24", []),
        ("", []),
    ],
)
def test_open_networks(value: str, open_entries: list[str]) -> None:
    """Entries that let in the Internet are named, whatever is excluded or beside them."""
    assert [entry.text for entry in find_open_entries(parse_entries(value))] == open_entries


def test_a_table_of_the_whole_internet(tmp_path: Path) -> None:
    """A table or a file with the Internet is as open as an entry; one of containers is not."""
    for name in ("main.cf", "dynamicmaps.cf"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - 60,) * 2)  # Postfix waits for a new one
    file = tmp_path / "networks"
    file.write_text("# all\n172.22.0.0/16,\n  cidr:{{0.0.0.0/0 x}}\n")
    for text, is_open in (
        ("cidr:{{0.0.0.0/0 x}}", True),
        ("static:all", True),
        ("cidr:{{0.0.0.0/1 x}, {128.0.0.0/1 x}}", True),
        (str(file), True),
        ("cidr:{{172.22.0.0/16 x}}", False),
        ("!cidr:{{0.0.0.0/0 x}}", False),
    ):
        contents = read_contents(tmp_path, parse_entries(text))
        opened = find_open_entries(inner for inners in contents.values() for inner in inners)
        assert {entry.text for entry in opened} == ({text} if is_open else set())


def test_an_open_network() -> None:
    """The cure takes away the open entries alone."""
    [fault] = faults(mynetworks="!172.22.91.1 127.0.0.0/8 0.0.0.0/0 172.22.0.0/16")
    assert fault.kind == "open-network"
    assert "lets in the Internet (0.0.0.0/0)" in fault.sentence
    assert "mynetworks=!172.22.91.1, 127.0.0.0/8, 172.22.0.0/16" in shlex.split(fault.command)


@pytest.mark.parametrize(
    ("entry", "why", "correct"),
    [
        ("172.22.91.1/16", "has host bits: write 172.22.0.0/16", "172.22.0.0/16"),
        ("!172.22.91.1/16", "has host bits: write 172.22.0.0/16", "!172.22.0.0/16"),
        ("[fd00::1]/64", "has host bits: write [fd00::]/64", "[fd00::]/64"),
        ("fd00::/64", "lacks brackets: write [fd00::]/64", "[fd00::]/64"),
        ("::/0", "lacks brackets: write [::]/0", "[::]/0"),
        ("[fd00::/64", "lacks the closing bracket", "[fd00::]/64"),
        ("10.0.0.1/33", "has no valid mask: a number from 0 to 32 is one", ""),
        ("1.2.3/24", "has no valid address ('1.2.3')", ""),
        ("010.0.0.0/8", "has no valid address ('010.0.0.0')", ""),
        ("!", "has nothing behind it", ""),
    ],
)
def test_an_entry_that_postfix_does_not_accept(entry: str, why: str, correct: str) -> None:
    """The sentence says what is wrong with it; the cure corrects it, or takes it away."""
    [fault] = faults(mynetworks=f"127.0.0.0/8, {entry}")
    assert (fault.kind, f"entry {entry}, which {why}." in fault.sentence) == (
        "invalid-network",
        True,
    )
    value = ", ".join(filter(None, ("127.0.0.0/8", correct)))
    assert f"mynetworks={value}" in shlex.split(fault.command)


def test_a_file_with_an_entry_that_postfix_does_not_accept(tmp_path: Path) -> None:
    """The cure is to edit the file."""
    file = tmp_path / "networks"
    file.write_text("172.22.91.1/16\n")
    [[entry]] = read_contents(tmp_path, parse_entries(str(file))).values()
    assert entry.fault == "holds 172.22.91.1/16, which has host bits: write 172.22.0.0/16"
    configuration = Configuration(
        *(Path("/etc/postfix"), "3.7.11", True, {}, USUAL | {"mynetworks": str(file)}, {}),
        contents={str(file): (entry,)},
    )
    [fault] = access.find_faults(configuration, ADDRESS)
    assert fault.command == f"${{EDITOR:-vi}} {file} && postfix reload"


def test_restrictions() -> None:
    """Each list that refuses containers is a fault of its own, with its place and its cure."""
    services = {
        "smtp/inet": f"{SMTP} -o smtpd_client_restrictions=permit_sasl_authenticated,reject "
        "-o { smtpd_helo_restrictions = permit_mynetworks, reject } -o smtpd_data_restrictions=$own"
    }
    client, data, recipient = sorted(
        faults(
            services,
            smtpd_recipient_restrictions="reject_unauth_destination",
            smtpd_client_restrictions="permit",
            own="reject",
        ),
        key=lambda fault: fault.sentence,
    )
    assert client.sentence == (
        "smtpd_client_restrictions (master.cf, smtp/inet) refuses containers' mail by reject, "
        "since no permit_mynetworks comes before it."
    )
    assert client.command == (
        "postconf -P smtp/inet/smtpd_client_restrictions=permit_mynetworks,"
        "permit_sasl_authenticated,reject && postfix reload"
    )
    assert "(master.cf, smtp/inet)" in data.sentence
    assert "smtpd_recipient_restrictions (main.cf)" in recipient.sentence
    assert recipient.command.startswith("postconf -e 'smtpd_recipient_restrictions=permit_mynet")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"smtpd_relay_restrictions": ""}, False),
        ({"smtpd_relay_restrictions": "permit_mynetworks"}, False),
        ({"smtpd_relay_restrictions": "warn_if_reject reject"}, False),
        ({"smtpd_recipient_restrictions": "permit_mynetworks, Reject"}, True),
        (
            {
                "smtpd_restriction_classes": "lan",
                "lan": "permit_mynetworks, defer_unauth_destination",
                "smtpd_relay_restrictions": "lan",
            },
            True,
        ),
    ],
)
def test_whether_strangers_are_refused(settings: dict[str, str], expected: bool) -> None:
    """One of two lists must do so, itself or by a class; without that smtpd does not start."""
    assert restrictions.refuses_strangers(settings) is expected


@pytest.mark.parametrize(
    ("value", "corrected"),
    [
        ("localhost, 172.22.91.1/24", "localhost, 172.22.91.1"),
        ("loopback-only, 172.22.91.1", "172.22.91.1"),
        ("ALL", "all"),
        ("localhost [::1", "localhost, ::1"),
        ("!", "localhost"),
    ],
)
def test_an_interface_that_postfix_does_not_accept(value: str, corrected: str) -> None:
    """The cure corrects the word, or takes it away, and restarts Postfix."""
    [fault] = faults(inet_interfaces=value)
    setting = shlex.quote(f"inet_interfaces={corrected}")
    assert fault.command == f"postconf -e {setting} && notify-email relay apply"


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ({"smtp/inet": SMTP}, "smtp/inet"),
        ({"smtp/inet": SMTP, "172.22.91.1:25/inet": SMTP}, "172.22.91.1:25/inet"),
        ({"25/inet": SMTP, "172.22.91.1:smtp/inet": SMTP}, "172.22.91.1:smtp/inet"),
        (
            {"smtp/inet": "smtp inet n - y - 1 postscreen", "smtpd/pass": "smtpd pass - - y - -"},
            "smtpd/pass",
        ),
        ({"submission/inet": SMTP}, None),
    ],
)
def test_the_service_that_listens(services: dict[str, str], expected: str | None) -> None:
    """A listener of the address comes before one of all addresses; behind postscreen is smtpd."""
    configuration = Configuration(Path(), "3.7.11", True, {}, USUAL, services)
    assert configuration.smtpd_at(ADDRESS) == expected


RELAY = "permit_mynetworks permit_sasl_authenticated defer_unauth_destination"


@pytest.mark.parametrize(
    ("settings", "by_client", "on_containers_way", "exceptions"),
    [
        ({}, [], [], []),
        (
            {"smtpd_client_restrictions": "check_client_access cidr:/x, reject"},
            *(["check_client_access"], ["check_client_access"], []),
        ),
        (
            {"smtpd_client_restrictions": "reject_unknown_client_hostname, permit_mynetworks"},
            *(["reject_unknown_client_hostname"], ["reject_unknown_client_hostname"], []),
        ),
        (
            {"smtpd_client_restrictions": "permit_mynetworks, cidr:/x, reject"},
            *(["cidr:/x"], [], []),
        ),
        (
            {"smtpd_relay_restrictions": "check_sender_access hash:/x, reject_unauth_destination"},
            *([], [], ["check_sender_access"]),
        ),
        (
            {
                "smtpd_relay_restrictions": "",
                "smtpd_recipient_restrictions": (
                    "permit_mynetworks, check_policy_service unix:x, reject_unauth_destination"
                ),
            },
            *(["check_policy_service"], [], ["check_policy_service"]),
        ),
        (
            {
                "smtpd_relay_restrictions": "check_client_access hash:/x, reject",
                "smtpd_data_restrictions": "permit_mynetworks, reject_unauth_pipelining, reject",
            },
            *(["check_client_access"], ["check_client_access"], []),
        ),
        (
            {
                "smtpd_relay_restrictions": "check_client_access hash:/x, reject",
                "smtpd_recipient_restrictions": "permit, reject",
            },
            *(["check_client_access"], ["check_client_access"], ["check_client_access"]),
        ),
    ],
)
def test_what_decides_about_a_single_client(
    settings: dict[str, str],
    by_client: list[str],
    on_containers_way: list[str],
    exceptions: list[str],
) -> None:
    """Only what comes before the decision counts: for containers in each list, for strangers in
    every list that refuses them."""
    parameters = {"smtpd_relay_restrictions": RELAY} | settings
    assert restrictions.tables(parameters) == by_client
    assert restrictions.container_tables(parameters) == on_containers_way
    assert restrictions.exceptions(parameters) == exceptions


def test_braces_within_braces() -> None:
    """They hold a word together, however deep they are."""
    regex = "check_client_access pcre:{{/^a{3}$/ OK}}"
    assert split_list(f"{regex}, reject") == [
        "check_client_access",
        regex.split(" ", 1)[1],
        "reject",
    ]
    line = f"smtp inet n - y - - smtpd -o {{ smtpd_client_restrictions = {regex}, reject }} -o a=b"
    assert restrictions.overrides(line) == {
        "smtpd_client_restrictions": f"{regex}, reject",
        "a": "b",
    }
