"""`doctor`: checks whether mail gets from here to the relay host, and if not, why."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pyservice.addresses import mailboxes
from pyservice.cli import show
from pyservice.cli.doctor_fix import run_cures, show_vain_cures
from pyservice.cli.jenkins_options import ConnectionOptions, desired_jenkins
from pyservice.cli.options import expand_options
from pyservice.cli.service import listen_addresses
from pyservice.config.settings import Settings
from pyservice.config.sources import FILE
from pyservice.config.token_files import read_service_token
from pyservice.errors import ConfigurationError, SetupError
from pyservice.setup.doctor import checks, diagnose, pod_script
from pyservice.setup.doctor import workload as workloads
from pyservice.setup.doctor.finding import Finding
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.doctor.mail_path import Options, listens
from pyservice.setup.doctor.service_path import Service
from pyservice.setup.doctor.smtp_session import Line
from pyservice.setup.node import detect
from pyservice.setup.node.detect import Node
from pyservice.urls import is_web_address, web_url

JENKINS_WAIT = 10.0
"""Seconds for a Jenkins that is still starting."""
_UNIT = Path("/etc/systemd/system/notify-email.service")


@expand_options
def doctor(
    connection: ConnectionOptions,
    address: Annotated[
        str | None, typer.Option(help="The node's Postfix.  [default: as `node` finds it]")
    ] = None,
    port: Annotated[int, typer.Option(metavar="<port>", help="Its port.", min=1, max=65535)] = 25,
    sender: Annotated[
        str | None, typer.Option("--from", help="The sender.  [default: NOTIFY_EMAIL_SENDER]")
    ] = None,
    to: Annotated[
        str, typer.Option(help="The recipient to ask Postfix for; it gets no mail.")
    ] = "postmaster@example.com",
    send_to: Annotated[
        str | None, typer.Option(help="Send a mail to this address, and follow it.")
    ] = None,
    postfix_log: Annotated[
        Path | None, typer.Option(help="Postfix' log.  [default: as Postfix is configured]")
    ] = None,
    config_dir: Annotated[
        Path | None, typer.Option(help="Postfix' configuration, for another instance.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="<seconds>", help="Seconds for each answer.", min=0.1)
    ] = 10.0,
    service_url: Annotated[
        str | None,
        typer.Option(help="The service.  [default: on a node, where its settings let it listen]"),
    ] = None,
    service_token_file: Annotated[
        Path | None, typer.Option(help="A file with the service's token, to check it, too.")
    ] = None,
    jenkins: Annotated[
        bool,
        typer.Option("--jenkins", help="Check the Jenkins of NOTIFY_EMAIL_JENKINS_URL, too."),
    ] = False,
    workload: Annotated[
        typer.FileText | None,
        typer.Option(
            metavar="<path>",
            help="What `kubectl get statefulset NAME -o json` prints; - for stdin.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Run the commands that cure the findings, after asking.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --fix: cure the errors without asking.")
    ] = False,
    print_script: Annotated[
        bool, typer.Option("--print-script", help="Print a script that does it in a bare pod.")
    ] = False,
    python: Annotated[
        bool, typer.Option("--python/--shell", help="The script's language.")
    ] = False,
) -> None:
    """Walk the paths of a report and of a mail, and name the first thing on each that is wrong.

    On the node or in a container: route, port 25, greeting, EHLO, MAIL, RCPT; with --send-to
    also DATA, the queue ID and, where Postfix' log is at hand, the relay's answer. Without it
    nothing is sent. Then the service; and with --jenkins-url Jenkins, with what its controller
    sees of Postfix and of the service. Exit code 1: a finding, with its cure; notes are no fault.

    \b
    Examples:
      notify-email doctor
      notify-email doctor --send-to me@example.com
      notify-email doctor --fix
      notify-email doctor --jenkins-url https://ci.example.com --jenkins-user admin
      kubectl get statefulset jenkins -o json | notify-email doctor --workload -
      notify-email doctor --print-script | kubectl exec -i POD -- sh
    """
    if fix and as_json:
        raise ConfigurationError("--fix asks a person, so it can't be used with --json.")
    options = Options(
        sender=_address(sender, "--from")
        if sender
        else Settings.load(connection.config).sender_mailbox.address,
        recipient=_address(send_to or to, "--send-to" if send_to else "--to"),
        is_sent=send_to is not None,
        port=port,
        timeout=timeout,
        config_dir=config_dir,
        postfix_log=postfix_log,
    )
    if print_script:
        detect.detect_node(address)  # refuses what is no address
        url = _service_url(service_url) if service_url else None
        show.document(pod_script.script(options, address, python=python, service_url=url))
        return
    more = workloads.examine(_read(workload)) if workload else []
    token = read_service_token(service_token_file) if service_token_file else None
    asks_jenkins = jenkins or connection.jenkins_url is not None

    def examine() -> diagnose.Diagnosis:
        node = detect.detect_node(address)
        service = _service(service_url, token, connection.config, node)
        seen, found = _at_jenkins(connection, node.address, port) if asks_jenkins else ((), [])
        watch = (lambda _line: None) if as_json else _show_line
        diagnosis = diagnose.examine(node, options, watch, [*found, *more], service, seen)
        if not asks_jenkins:
            how = "Jenkins: give --jenkins-url URL, --jenkins-user and its API token"
            diagnosis = replace(diagnosis, not_checked=(*diagnosis.not_checked, how))
        if as_json:
            show.json(diagnosis.as_json())
        else:
            _show_diagnosis(diagnosis)
        return diagnosis

    diagnosis = examine()
    if fix and (run := run_cures(diagnosis, yes=yes)):
        diagnosis = examine()
        show_vain_cures(diagnosis, run)
    if not diagnosis.is_well:
        raise typer.Exit(1)


def _service(url: str | None, token: str | None, config: Path | None, node: Node) -> Service:
    """Return where the service should answer: as given, or on a node as its settings say."""
    if url is not None:
        return Service((_service_url(url),), token)
    if node.is_container:
        return Service()
    settings, sources = Settings.load_with_sources(config)
    listen, tls = listen_addresses(settings), settings.tls_cert is not None
    urls = tuple(web_url(address, settings.port, tls=tls) for address in listen)
    # What is set about Jenkins or the sender is for the commands, too.
    own = [name for name in sources.origins if name != "sender" and not name.startswith("jenkins")]
    is_set_up = bool(own) or _UNIT.exists() or FILE.exists() or _has_outbox(settings)
    if is_set_up or any(listens(address, settings.port) for address in listen):
        return Service(urls, token, settings.tls_cert, is_own=True)
    absent = f"the service: none is set up here, and nothing listens at {urls[0]}"
    return Service(not_checked=f"{absent}; give --service-url URL")


def _has_outbox(settings: Settings) -> bool:
    try:
        return Path(settings.outbox_url.removeprefix("sqlite:///")).exists()
    except ConfigurationError:
        return False


def _service_url(text: str) -> str:
    if not is_web_address(text):
        raise ConfigurationError("--service-url must be an http or https address.")
    return text.rstrip("/")


def _show_diagnosis(diagnosis: diagnose.Diagnosis) -> None:
    for finding in diagnosis.findings:
        _show_finding(finding)
    if diagnosis.queue_id:
        show.line(f"\nPostfix has it as {diagnosis.queue_id}.")
    if diagnosis.relay:
        show.line(f"The relay took it: {diagnosis.relay}")
    if diagnosis.is_well:
        show.line(f"\nAll is well with {_enumerated(diagnosis.checked)}.")
    show.line()
    for text in diagnosis.not_checked:
        show.line(f"Not checked: {text}.")


def _enumerated(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _at_jenkins(
    connection: ConnectionOptions, address: str | None, port: int
) -> tuple[list[str], list[Finding]]:
    """Return what was checked of Jenkins, and what is wrong, by what its controller reaches."""
    from pyservice.setup.jenkins.apply import read_state  # noqa: PLC0415 - late as in cli/jenkins

    try:
        controller = connection.connect(JENKINS_WAIT)
        state = read_state(controller, desired_jenkins({"port": port}))
    except SetupError as error:
        return [], [KNOWN["jenkins-silent"].finding(text=error)]
    checked = [f"Jenkins' settings at {controller.url}"]
    findings = checks.check_library(state.settings)
    if state.service:
        findings += checks.check_service(state.settings, state.service)
        checked.append(f"the controller's way to {state.service.url}")
    if state.reached is None:
        tried = "; ".join(f"{each.address}: {each.error}" for each in state.candidates)
        findings.append(KNOWN["controller-cut-off"].finding(tried=tried or "it knows no address"))
    seen = state.reached.address if state.reached else address
    if seen:
        mail = checks.JenkinsMail.parse(state.settings)
        findings += checks.check_jenkins(mail, seen, port)
    words = _connection_words(connection, port)
    return checked, [finding.at_jenkins(words) for finding in findings]


def _connection_words(connection: ConnectionOptions, port: int) -> list[str]:
    """Return what `notify-email jenkins apply` needs to mean the same Jenkins and Postfix."""
    values = {
        "--jenkins-url": connection.jenkins_url,
        "--jenkins-user": connection.jenkins_user,
        "--jenkins-token-file": connection.jenkins_token_file,
        "--config": connection.config,
        "--port": None if port == 25 else port,
    }
    given = {option: str(value) for option, value in values.items() if value is not None}
    return [word for pair in given.items() for word in pair]


def _show_line(line: Line) -> None:
    show.line(str(line))


def _show_finding(finding: Finding) -> None:
    where = ", on the node" if finding.place == "node" else ""
    kind = "Finding" if finding.is_error else "Note"
    show.line(f"\n{kind} {finding.id}: {finding.sentence}\nCure{where}:\n    {finding.cure}")


def _read(file: typer.FileText) -> str:
    try:
        return file.read()
    except ValueError:
        return ""  # no text, so no workload


def _address(text: str, option: str) -> str:
    """Return the one mail address of an option, which can't break out of its line in SMTP."""
    try:
        boxes = list(mailboxes(text))
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}.") from None
    if len(boxes) != 1:
        raise ConfigurationError(f"{option} must be one mail address.")
    return boxes[0].address
