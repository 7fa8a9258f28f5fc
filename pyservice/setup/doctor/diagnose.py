"""Walks the path of a mail, checks what needs no walk, and names what is wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyservice.postfix.instance import Configuration
from pyservice.setup.doctor import checks, evidence
from pyservice.setup.doctor.finding import Finding
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.doctor.mail_path import Options, Walk, listens
from pyservice.setup.doctor.service_path import Service, examine_service
from pyservice.setup.doctor.smtp_session import Line
from pyservice.setup.doctor.smtp_steps import DENIALS, FoundError
from pyservice.setup.node.detect import Node
from pyservice.setup.node.facts import own_addresses


@dataclass(frozen=True)
class Diagnosis:
    """The dialogue and the findings: each path's first failure, then what else is worth knowing."""

    address: str | None
    port: int
    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    """What was checked, each as a noun: `Postfix at 172.22.91.1:25`."""
    not_checked: tuple[str, ...]
    """What was not, with how to: `Jenkins: give --jenkins-url URL`."""
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
            "checked": list(self.checked),
            "not_checked": list(self.not_checked),
        }


def examine(
    node: Node,
    options: Options,
    show: Callable[[Line], object] = lambda _line: None,
    more: Iterable[Finding] = (),
    service: Service = Service(),
    checked: Iterable[str] = (),
) -> Diagnosis:
    """Walk both paths to their ends or to the first failure, then check what needs no walk.

    Args:
        node: what this machine is.
        options: what to try.
        show: gets each line of the dialogue at once.
        more: findings from elsewhere, as from Jenkins.
        service: where the service should answer.
        checked: what `more` comes from.
    """
    configuration = evidence.configuration(options.config_dir)
    parameters = configuration.effective if configuration else {}
    walk = Walk(node, options, parameters, show)
    findings: list[Finding] = []
    try:
        walk.to_relay()
    except FoundError as error:
        findings.append(KNOWN[error.id].finding(**error.values))
    walk.session.quit()
    findings += examine_service(service, options.timeout, walk.session.remark)
    configured = list(_in_configuration(node, options, configuration))
    if any(finding.id == "restriction" for finding in configured):
        # It refuses us, too, whatever mynetworks holds.
        findings = [finding for finding in findings if finding.id not in DENIALS.values()]
    first = {finding.id for finding in findings}
    findings += [finding for finding in (*walk.notes, *configured) if finding.id not in first]
    findings = [checks.cure_slow_greeting(finding, parameters) for finding in (*findings, *more)]
    if any(finding.id == "stale-address" for finding in findings):  # so no start would succeed
        findings = [finding for finding in findings if finding.id != "postfix-down"]
    findings.sort(key=lambda finding: not finding.is_error)
    return Diagnosis(
        address=node.address,
        port=options.port,
        lines=tuple(walk.session.lines),
        findings=tuple(finding.on_instance(options.config_dir) for finding in findings),
        checked=(
            *([f"Postfix at {node.address}:{options.port}"] if node.address else []),
            *(["Postfix' configuration"] if parameters else []),
            *(["the relay host"] if walk.relay else []),
            *(f"the service at {url}" for url in service.urls),
            *checked,
        ),
        not_checked=tuple(_not_checked(options, walk, parameters, service)),
        queue_id=walk.queue_id,
        relay=walk.relay,
    )


def _not_checked(
    options: Options, walk: Walk, parameters: Mapping[str, str], service: Service
) -> Iterable[str]:
    if not parameters:
        yield "Postfix' configuration: run this on the node, as root"
    if not options.is_sent:
        yield "the relay host: give --send-to ADDRESS"
    elif walk.queue_id and walk.relay is None:
        yield "the relay host: Postfix' log does not show its answer"
    if not service.urls:
        yield service.not_checked
    elif service.token is None:
        yield "the service's token: give --service-token-file FILE"


def _in_configuration(
    node: Node, options: Options, configuration: Configuration | None
) -> Iterable[Finding]:
    """Yield what is wrong in Postfix' configuration, where it can be read."""
    if configuration is None:
        return
    parameters = configuration.effective
    if not node.is_container:
        yield from checks.check_interfaces(parameters, own_addresses())
        yield from checks.check_bridges(
            parameters, node, lambda address: listens(address, options.port)
        )
    if not node.is_container and node.network:
        yield from checks.check_containers(parameters, node.network)
    if node.address:
        yield from checks.check_access(configuration, node.address)
        published = None if node.is_container else evidence.published(options.port, node.address)
        yield from checks.check_strangers(parameters, node.address, options.port, published)
    yield from checks.check_bare_newlines(parameters)
