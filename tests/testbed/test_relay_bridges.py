"""notify-email relay on a node whose bridges change, and on one with several."""

import json
from collections.abc import Iterator

import pytest

from tests.testbed.namespaces import Completed, Namespace, ip
from tests.testbed.network import BRIDGE
from tests.testbed.node import BIN, BRIDGE_DEVICE
from tests.testbed.relay_machine import MAIL, RELAY, Machine, aged, as_default, boot

NEW = "172.17.0.1"


@pytest.fixture
def node(machine: Machine) -> Iterator[Machine]:
    """Return the machine, whose bridges and file are as before in the end."""
    blog = machine.blog
    yield machine
    machine.blog = blog
    for device in ("cni0", "br-1a2b3c4d5e6f"):
        if device in ip("-n", machine.node.name, "-brief", "link"):
            ip("-n", machine.node.name, "link", "delete", device)
    ip("-n", machine.node.name, "link", "set", BRIDGE_DEVICE, "up")
    move(machine, BRIDGE_DEVICE, f"{BRIDGE}/24")


def move(machine: Machine, device: str, network: str) -> None:
    """Take docker0's address away, and give a bridge another one."""
    ip("-n", machine.node.name, "address", "flush", "dev", BRIDGE_DEVICE)
    if device == BRIDGE_DEVICE:
        machine.node.address(device, network)
    else:
        machine.node.add_bridge(device, network)


def relay(machine: Machine, command: str, *options: str, setup: str = "") -> Completed:
    """Run notify-email relay with the networks that it finds itself."""
    where = ("--config-dir", str(machine.config))
    done = machine.run(*RELAY, command, *where, *options, setup=setup)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("device", ["docker0", "cni0"])
def test_the_bridges_address_changes(node: Machine, device: str) -> None:
    """After it neither Postfix nor local mail works; one apply makes both right again."""
    style = "" if device == "docker0" else "mynetworks_style = subnet\n"
    if style:  # mynetworks is not set, and its default holds docker0's network
        node.blog = node.blog.replace("mynetworks = ", "nothing = ")
    node.reset(style)
    before = node.main.read_text()
    assert relay(node, "apply").returncode == 0
    assert node.parameter("inet_interfaces") == f"localhost, {BRIDGE}"
    move(node, device, f"{NEW}/16")
    aged(node.main)
    assert node.run("postfix", "-c", str(node.config), "check").returncode == 1

    plan = json.loads(relay(node, "plan", "--json").stdout)
    assert any(
        f"No interface of this machine has {BRIDGE} any more." in c["why"] for c in plan["changes"]
    )
    doctor = (str(BIN / "notify-email"), "doctor", "--config-dir", str(node.config), "--json")
    found = {each["id"]: each for each in json.loads(node.run(*doctor).stdout)["findings"]}
    assert f"inet_interfaces names {BRIDGE}," in found["stale-address"]["sentence"]
    assert found["stale-address"]["cure"].startswith("notify-email relay apply")
    status = relay(node, "status")
    assert status.returncode == 1
    assert f"Stale       {BRIDGE}: no interface has it any more\n" in status.stdout
    done = relay(node, "apply")
    assert done.returncode == 0, done.stdout + done.stderr
    assert node.parameter("inet_interfaces") == f"localhost, {NEW}"
    networks = node.parameter("mynetworks").replace(",", "").split()
    assert "172.17.0.0/16" in networks
    assert "172.22.91.0/24" not in networks
    assert node.last_reply("node").startswith("250")
    assert ": in sync." in relay(node, "apply").stdout

    reverted = relay(node, "revert")
    assert reverted.returncode == 0, reverted.stderr
    assert (node.main.read_text(), node.leftovers()) == (before, [])


def test_an_address_that_changes_at_boot(node: Machine) -> None:
    """With --boot-safe Postfix starts with the old address, and one apply moves its listener."""
    setup, master = as_default(node), node.master.read_bytes()
    assert relay(node, "apply", "--boot-safe", setup=setup).returncode == 0
    assert boot(node, address_first=False).returncode == 0
    node.node.address(BRIDGE_DEVICE, f"{NEW}/16")
    assert node.last_reply("node").startswith("250")

    done = relay(node, "apply", setup=setup)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"- {BRIDGE}:25 inet" in done.stdout
    assert node.parameter("inet_interfaces") == "localhost"
    assert ": in sync." in relay(node, "apply", setup=setup).stdout
    assert boot(node, address_first=False).returncode == 0

    reverted = relay(node, "revert", setup=setup)
    assert reverted.returncode == 0, reverted.stderr
    assert (node.main.read_text(), node.master.read_bytes()) == (node.blog, master)


def test_every_bridge_is_served_or_named(node: Machine) -> None:
    """A Compose network's bridge is named, the named command serves it, and docker0 still is."""
    compose, setup = "br-1a2b3c4d5e6f", as_default(node)
    node.node.add_bridge(compose, "172.18.0.1/16")
    member = Namespace("member")
    try:
        member.join("eth0", "172.18.0.2/16", node.node, "vethmember")
        ip("-n", node.node.name, "link", "set", "vethmember", "master", compose)
        done = node.run(*RELAY, "apply", setup=setup)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"Note: {compose} (172.18.0.1) is up and not served: `" in done.stdout
        [unserved] = json.loads(node.run(*RELAY, "status", "--json", setup=setup).stdout)[
            "unserved"
        ]
        words = unserved["command"].split()
        assert words[:3] == ["notify-email", "relay", "apply"]
        done = node.run(*RELAY, *words[2:], setup=setup)
        assert done.returncode == 0, done.stdout + done.stderr
        assert node.testbed.speak_smtp(member, MAIL, "172.18.0.1")[-1].startswith("250")
        assert node.last_reply("pod").startswith("250")
        status = json.loads(node.run(*RELAY, "status", "--json", setup=setup).stdout)
        assert (status["address"], status["in_sync"], status["unserved"]) == (BRIDGE, True, [])

        node.node.add_bridge("cni0", "10.88.0.1/16")
        ip("-n", node.node.name, "link", "set", "vethmember", "master", "cni0")
        ip("-n", node.node.name, "link", "set", BRIDGE_DEVICE, "down")
        found = node.run(str(BIN / "notify-email"), "node")
        assert "Address     10.88.0.1\n" in found.stdout, found.stdout
        assert node.run(*RELAY, "revert", setup=setup).returncode == 0
    finally:
        member.remove()


@pytest.mark.parametrize("names", ["localhost ip6-localhost", "ip6-localhost"])
def test_loopback_stays_whole(node: Machine, names: str) -> None:
    """Where loopback-only is replaced, ::1 stays, whether /etc/hosts calls it localhost or not."""
    node.blog = node.blog.replace("inet_protocols = ipv4", "inet_protocols = all")
    node.reset("inet_interfaces = loopback-only\n")
    hosts = node.config.parent / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n::1 {names}\n")
    done = relay(node, "apply", setup=f"mount --bind {hosts} /etc/hosts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert node.parameter("inet_interfaces") == f"localhost, [::1], {BRIDGE}"
    sockets = node.run("ss", "-Hltn", "sport = :25").stdout
    assert sorted(line.split()[3] for line in sockets.splitlines()) == [
        "127.0.0.1:25",
        f"{BRIDGE}:25",
        "[::1]:25",
    ]
