"""setup/relay/stale.py: a bridge whose address changed, and what was added for the old one."""

import json
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from pyservice.postfix.instance import Postfix
from pyservice.setup.relay.backup import Record, ValueChange
from pyservice.setup.relay.changes import Action, RelayState
from pyservice.setup.relay.revert import plan_revert
from tests.builders.relay import PUBLIC, SMTP, planned, state

OLD_LISTENER = {"172.17.0.1:25/inet": "172.17.0.1:25 inet n - y - - smtpd"}


def moved(
    interfaces: str = "localhost, 172.17.0.1",
    networks: str = "127.0.0.0/8, 172.17.0.0/16",
    *,
    added_interfaces: tuple[str, ...] = ("172.17.0.1",),
    added_networks: tuple[str, ...] = ("172.17.0.0/16",),
) -> RelayState:
    """Return a Postfix that was set up for 172.17.0.1, on a machine that has 172.22.91.1 now."""
    return replace(
        state(inet_interfaces=interfaces, mynetworks=networks),
        added_entries={"inet_interfaces": added_interfaces, "mynetworks": added_networks},
    )


def test_the_old_address_goes_with_its_network() -> None:
    """One plan takes out what was added for the old address, and adds the new one."""
    relay_plan = planned(moved())
    assert relay_plan.parameters == {
        "inet_interfaces": "localhost, 172.22.91.1",
        "mynetworks": "127.0.0.0/8, 172.22.0.0/16",
    }
    assert relay_plan.action is Action.RESTART
    [interfaces, networks] = relay_plan.plan.changes
    assert interfaces.before == "localhost, 172.17.0.1"
    assert "No interface of this machine has 172.17.0.1 any more." in interfaces.why
    assert "It was the network of 172.17.0.1" in networks.why


@pytest.mark.parametrize(
    ("now", "interfaces", "networks"),
    [
        (
            moved(added_interfaces=(), added_networks=()),
            "localhost, 172.17.0.1, 172.22.91.1",
            "127.0.0.0/8, 172.17.0.0/16, 172.22.0.0/16",
        ),
        (
            moved(added_networks=()),
            "localhost, 172.22.91.1",
            "127.0.0.0/8, 172.17.0.0/16, 172.22.0.0/16",
        ),
        (
            moved("localhost, 10.0.0.5, 172.17.0.1", "10.9.8.0/24 172.17.0.0/16 10.9.9.0/24"),
            "localhost, 10.0.0.5, 172.22.91.1",
            "10.9.8.0/24 10.9.9.0/24 172.22.0.0/16",
        ),
        (moved("172.17.0.1"), "localhost, [::1], 172.22.91.1", "127.0.0.0/8, 172.22.0.0/16"),
        (
            moved("$own 172.17.0.1", "$lan 172.17.0.0/16"),
            "$own, 172.22.91.1",
            "$lan, 172.22.0.0/16",
        ),
    ],
    ids=["an administrator's", "his network", "between others", "alone", "references"],
)
def test_what_others_wrote_stays(now: RelayState, interfaces: str, networks: str) -> None:
    """Only entries that an apply added go; the others keep their place and their separators."""
    assert planned(now).parameters == {"inet_interfaces": interfaces, "mynetworks": networks}


def test_an_administrators_own_address_is_named() -> None:
    """An address that no interface has and that no apply added stays, and a note says so."""
    notes = planned(moved(added_interfaces=())).plan.notes
    assert any("inet_interfaces names 172.17.0.1, which no interface" in note for note in notes)
    assert not any("inet_interfaces names" in note for note in planned(moved()).plan.notes)


@pytest.mark.parametrize("network", ["172.16.0.0/12", "10.9.8.0/24"])
def test_a_network_that_is_no_bridges(network: str) -> None:
    """An added network stays if an interface is in it, or if the old address was not."""
    now = moved(networks=f"127.0.0.0/8, {network}", added_networks=(network,))
    value = planned(now, networks=(ip_network("172.22.91.0/24"),)).parameters.get("mynetworks")
    assert value is None or network in value


def test_a_network_that_is_wanted_again() -> None:
    """A network that is given stays, though its old bridge is gone."""
    relay_plan = planned(moved(), networks=(ip_network("172.17.0.0/16"),))
    assert relay_plan.parameters == {"inet_interfaces": "localhost, 172.22.91.1"}


def test_an_address_that_comes_later() -> None:
    """The address that is asked for is not stale, even if no interface has it yet."""
    now = replace(moved("localhost, 172.22.91.1", added_interfaces=("172.22.91.1",)), addresses=())
    assert "inet_interfaces" not in planned(now, restart=False).parameters


def test_boot_safe_stays_boot_safe() -> None:
    """The old address' listener is replaced by one for the new address, without --boot-safe."""
    now = replace(
        moved("loopback-only", added_interfaces=()),
        added_services=OLD_LISTENER,
        configuration=state(
            inet_interfaces="loopback-only",
            mynetworks="127.0.0.0/8, 172.17.0.0/16",
            services={"smtp/inet": SMTP} | OLD_LISTENER,
        ).configuration,
    )
    relay_plan = planned(now)
    assert relay_plan.services == {
        "172.17.0.1:25/inet": None,
        "172.22.91.1:25/inet": "172.22.91.1:25 inet n - y - - smtpd",
    }
    assert relay_plan.parameters == {"mynetworks": "127.0.0.0/8, 172.22.0.0/16"}
    edited = {"172.17.0.1:25/inet": OLD_LISTENER["172.17.0.1:25/inet"] + " -o x=y"}
    assert planned(replace(now, added_services=edited)).services.keys() == {"172.22.91.1:25/inet"}


def test_boot_safe_holds_for_all_that_was_added() -> None:
    """With --boot-safe no address that an apply added is left in inet_interfaces."""
    now = moved("localhost, 172.22.91.1, 203.0.113.7", added_interfaces=("172.22.91.1",))
    relay_plan = planned(now, address=PUBLIC, boot_safe=True)
    assert relay_plan.parameters["inet_interfaces"] == "loopback-only"
    assert relay_plan.services.keys() == {"172.22.91.1:25/inet", "203.0.113.7:25/inet"}


def test_the_record_knows_what_was_added() -> None:
    """What an apply adds is recorded, and what somebody else adds later is not."""
    record, now = Record(), state(inet_interfaces="localhost", mynetworks="127.0.0.0/8")
    record.add(planned(now), now.configuration)
    expected = {"inet_interfaces": ["172.22.91.1"], "mynetworks": ["172.22.0.0/16"]}
    assert record.added == expected
    extended = state(
        inet_interfaces="localhost, 172.22.91.1, 10.0.0.5",
        mynetworks="127.0.0.0/8, 172.22.0.0/16, 10.9.8.0/24",
    )
    record.add(planned(extended, relayhost="mx"), extended.configuration)
    assert record.added == expected
    record.add(planned(moved()), moved().configuration)
    assert record.added == expected
    record.add(planned(state(), narrow=True, boot_safe=True), state().configuration)
    assert record.added_services == {"172.22.91.1:25/inet": "172.22.91.1:25 inet n - y - - smtpd"}


def test_a_record_of_an_early_version() -> None:
    """What was added follows from the values before the first and after the last apply."""
    record = Record(
        parameters={
            "inet_interfaces": ValueChange("loopback-only", "localhost, 172.17.0.1"),
            "mynetworks": ValueChange("127.0.0.0/8", "127.0.0.0/8 172.17.0.0/16"),
        }
    )
    values = json.loads(record.as_text())
    del values["added"]
    assert Record.parse(json.dumps(values)).added == {
        "inet_interfaces": ["172.17.0.1"],
        "mynetworks": ["172.17.0.0/16"],
    }


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("localhost, 172.17.0.1, 10.0.0.5", "localhost, 10.0.0.5"),
        ("127.0.0.1,172.17.0.1", "127.0.0.1"),
        ("localhost,10.0.0.5", None),
    ],
)
def test_revert_takes_what_was_added_from_a_list_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: str, expected: str | None
) -> None:
    """Where an administrator has changed the list since, only the added address goes."""
    change = ValueChange("localhost", "localhost, 172.17.0.1")
    record = Record(
        parameters={"inet_interfaces": change}, added={"inet_interfaces": ["172.17.0.1"]}
    )
    (tmp_path / "notify-email").mkdir()
    (tmp_path / "notify-email" / "record.json").write_text(record.as_text())
    monkeypatch.setattr(Postfix, "read", lambda _: state(inet_interfaces=now).configuration)
    monkeypatch.setattr(Postfix, "is_running", lambda _: True)
    plan = plan_revert(Postfix(tmp_path))
    assert [change.after for change in plan.changes] == ([expected] if expected else [])
    assert any("was changed since the last apply" in note for note in plan.notes)
