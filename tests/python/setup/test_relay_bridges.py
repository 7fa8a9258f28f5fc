"""setup/relay on a node with several bridges: which are named, and whose engine is awaited."""

from dataclasses import replace

import pytest

from pyservice.setup.node.detect import Bridge
from tests.builders.relay import IN_SYNC, SMTP, planned, state

DOCKER = Bridge("docker0", "172.22.91.1", "172.22.91.0/24", is_up=True)
COMPOSE = Bridge("br-1a2b3c", "172.18.0.1", "172.18.0.0/16", is_up=True)
CNI = Bridge("cni0", "10.88.0.1", "10.88.0.0/16", is_up=True)


@pytest.mark.parametrize(
    ("bridge", "command"),
    [
        (COMPOSE, "notify-email relay apply --bridge br-1a2b3c --boot-safe"),
        (CNI, "notify-email relay apply --bridge cni0"),
        (
            replace(CNI, interface="docker_gwbridge"),
            "notify-email relay apply --bridge docker_gwbridge",
        ),
        (
            replace(COMPOSE, interface="podman1"),
            "notify-email relay apply --bridge podman1 --boot-safe",
        ),
    ],
)
def test_a_bridge_that_is_up_is_named(bridge: Bridge, command: str) -> None:
    """Its containers can't send: the plan names the command that serves them."""
    relay_plan = planned(replace(IN_SYNC, bridges=(DOCKER, bridge)))
    assert [each.command for each in relay_plan.unserved] == [command]
    assert any(f"is up and not served: `{command}`" in note for note in relay_plan.plan.notes)
    other = replace(IN_SYNC.configuration, is_default=False)
    [unserved] = planned(replace(IN_SYNC, configuration=other, bridges=(bridge,))).unserved
    assert "relay apply --config-dir /etc/postfix --bridge" in unserved.command


@pytest.mark.parametrize(
    "now",
    [
        replace(IN_SYNC, bridges=(DOCKER, replace(COMPOSE, is_up=False))),
        replace(IN_SYNC, bridges=(DOCKER, replace(COMPOSE, address=None, network=None))),
        replace(
            state(inet_interfaces="localhost, 172.22.91.1, 172.18.0.1", mynetworks="172.16.0.0/12"),
            bridges=(DOCKER, COMPOSE),
        ),
        replace(
            state(
                inet_interfaces="localhost, 172.22.91.1",
                mynetworks="172.16.0.0/12",
                services={
                    "smtp/inet": SMTP,
                    "172.18.0.1:25/inet": "172.18.0.1:25 inet n - y - - smtpd",
                },
            ),
            bridges=(DOCKER, COMPOSE),
        ),
        replace(state(mynetworks="172.16.0.0/12"), bridges=(DOCKER, COMPOSE)),
    ],
    ids=["down", "no address", "listed", "own listener", "all"],
)
def test_a_bridge_that_is_not_named(now: object) -> None:
    """Nothing is said of a bridge that is down or served."""
    assert planned(now).unserved == ()  # type: ignore[arg-type]


def test_a_bridge_whose_network_is_missing() -> None:
    """With `inet_interfaces = all` Postfix listens there, and refuses its containers' mail."""
    now = replace(state(mynetworks="127.0.0.0/8"), bridges=(DOCKER, COMPOSE))
    assert [bridge.interface for bridge in planned(now).unserved] == ["br-1a2b3c"]


@pytest.mark.parametrize("bridge", ["cni0", "podman0", "cni-podman0", None])
def test_no_docker_is_assumed(bridge: str | None) -> None:
    """Where the bridge is not Docker's, no plan names Docker."""
    relay_plan = planned(state(inet_interfaces="localhost"), unit="postfix.service", bridge=bridge)
    assert len(relay_plan.files) == 1
    assert "docker.service" not in relay_plan.plan.as_text()
