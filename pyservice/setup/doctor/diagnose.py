"""Walks the path of a mail, checks what needs no walk, and names what is wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyservice.setup.doctor import checks, evidence
from pyservice.setup.doctor.findings import KNOWN, Finding
from pyservice.setup.doctor.mail_path import Options, Walk
from pyservice.setup.doctor.smtp_session import Line
from pyservice.setup.doctor.smtp_steps import FoundError
from pyservice.setup.node.detect import Node


@dataclass(frozen=True)
class Diagnosis:
    """The dialogue and the findings: the first failure, then what else is worth knowing."""

    address: str | None
    port: int
    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]
    queue_id: str | None = None
    relay: str | None = None
    """Which relay took the mail, and its reply: `198.51.100.1[198.51.100.1]:25: 250 Ok`."""

    @property
    def is_well(self) -> bool:
        """Whether there are notes only."""
        return not any(finding.is_error for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return all of it; `dialogue` is a list of `{who, text, seconds}`."""
        return {
            "address": self.address,
            "port": self.port,
            "is_well": self.is_well,
            "dialogue": [line._asdict() for line in self.lines],
            "queue_id": self.queue_id,
            "relay": self.relay,
            "findings": [finding.as_json() for finding in self.findings],
        }


def examine(
    node: Node,
    options: Options,
    show: Callable[[Line], object] = lambda _line: None,
    more: Iterable[Finding] = (),
) -> Diagnosis:
    """Walk the path to its end or to the first failure, then check what needs no walk.

    Args:
        node: what this machine is.
        options: what to try.
        show: gets each line of the dialogue at once.
        more: findings from elsewhere, as from Jenkins.
    """
    parameters = evidence.settings(options.config_dir)
    walk = Walk(node, options, parameters, show)
    findings: list[Finding] = []
    try:
        walk.to_relay()
    except FoundError as error:
        findings.append(KNOWN[error.id].finding(**error.values))
    walk.session.quit()
    configured = _in_configuration(node, options, parameters)
    first = {finding.id for finding in findings}
    findings += [
        finding for finding in (*walk.notes, *configured, *more) if finding.id not in first
    ]
    findings.sort(key=lambda finding: not finding.is_error)
    return Diagnosis(
        address=node.address,
        port=options.port,
        lines=tuple(walk.session.lines),
        findings=tuple(finding.on_instance(options.config_dir) for finding in findings),
        queue_id=walk.queue_id,
        relay=walk.relay,
    )


def _in_configuration(
    node: Node, options: Options, parameters: Mapping[str, str]
) -> Iterable[Finding]:
    """Yield what is wrong in Postfix' configuration, where it can be read."""
    if not parameters:
        return
    if not node.is_container and node.network:
        yield from checks.check_containers(parameters, node.network)
    if node.address:
        published = None if node.is_container else evidence.published(options.port, node.address)
        yield from checks.check_strangers(parameters, node.address, options.port, published)
    yield from checks.check_bare_newlines(parameters)
