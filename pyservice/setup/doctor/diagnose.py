"""Walks the way of a mail, looks at what needs no walk, and says what is wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyservice.setup.doctor import checks, evidence
from pyservice.setup.doctor.findings import Finding
from pyservice.setup.doctor.mail_path import FoundError, Order, Walk
from pyservice.setup.doctor.smtp_session import Line
from pyservice.setup.node.detect import Node


@dataclass(frozen=True)
class Diagnosis:
    """What was said, and what was found: the first failure, and then what else is worth knowing."""

    address: str | None
    port: int
    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]
    queue_id: str | None = None
    relay: str | None = None
    """Which relay took the mail, and what it said: `198.51.100.1[198.51.100.1]:25: 250 Ok`."""

    @property
    def is_well(self) -> bool:
        """Whether there is nothing but notes."""
        return not any(finding.is_error for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """All of it; `dialogue` is a list of `{who, text, seconds}`."""
        return {
            "address": self.address,
            "port": self.port,
            "is_well": self.is_well,
            "dialogue": [vars(line) for line in self.lines],
            "queue_id": self.queue_id,
            "relay": self.relay,
            "findings": [finding.as_json() for finding in self.findings],
        }


def examine(
    node: Node,
    order: Order,
    tell: Callable[[Line], None] = lambda _line: None,
    more: Iterable[Finding] = (),
) -> Diagnosis:
    """Walk the way to its end or to the first failure, then look at what needs no walk.

    Args:
        node: what this machine is.
        order: what to try.
        tell: gets each line of the conversation at once.
        more: what was found elsewhere, as at Jenkins.
    """
    parameters = evidence.settings(order.config_dir)
    walk = Walk(node, order, parameters, tell)
    findings: list[Finding] = []
    try:
        walk.to_the_relay()
    except FoundError as found:
        findings.append(found.finding)
    walk.dialogue.quit()
    silent = _silent(node, order, parameters)
    first = {finding.id for finding in findings}
    findings += [found for found in (*walk.notes, *silent, *more) if found.id not in first]
    findings.sort(key=lambda finding: not finding.is_error)
    return Diagnosis(
        address=node.address,
        port=order.port,
        lines=tuple(walk.dialogue.lines),
        findings=tuple(finding.on_instance(order.config_dir) for finding in findings),
        queue_id=walk.queue_id,
        relay=walk.relay,
    )


def _silent(node: Node, order: Order, parameters: Mapping[str, str]) -> Iterable[Finding]:
    """What Postfix' configuration tells, where it can be read."""
    if not parameters:
        return
    if not node.is_container and node.network:
        yield from checks.of_containers(parameters, node.network)
    if node.address:
        published = None if node.is_container else evidence.published(order.port, node.address)
        yield from checks.of_strangers(parameters, node.address, order.port, published)
    yield from checks.of_bare_newlines(parameters)
