"""`doctor`: checks whether mail gets from here to the relay host, and if not, why."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pyservice.addresses import mailboxes
from pyservice.cli.jenkins_options import ConnectionOptions, desired_jenkins
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError, SetupError
from pyservice.setup.doctor import checks, diagnose, pod_script
from pyservice.setup.doctor import workload as workloads
from pyservice.setup.doctor.findings import KNOWN, Finding
from pyservice.setup.doctor.mail_path import Options
from pyservice.setup.doctor.smtp_session import Line
from pyservice.setup.node import detect

JENKINS_WAIT = 10.0
"""Seconds for a Jenkins that is still starting."""


def doctor(
    address: Annotated[
        str | None, typer.Option(help="The node's Postfix.  [default: as `node` finds it]")
    ] = None,
    port: Annotated[int, typer.Option(help="Its port.", min=1, max=65535)] = 25,
    sender: Annotated[
        str | None, typer.Option("--from", help="The sender.  [default: the setting SENDER]")
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
    timeout: Annotated[float, typer.Option(help="Seconds for each answer.", min=0.1)] = 10.0,
    jenkins: Annotated[
        bool, typer.Option("--jenkins", help="Check Jenkins' settings, too: see JENKINS_URL.")
    ] = False,
    workload: Annotated[
        typer.FileText | None,
        typer.Option(help="What `kubectl get statefulset NAME -o json` prints; - for stdin."),
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
    """Walk the path of a mail to the relay host, and name the first thing that is wrong.

    On the node or in a container: route, port 25, greeting, EHLO, MAIL, RCPT; with --send-to
    also DATA, the queue ID and, where Postfix' log is at hand, the relay's answer. Without it
    nothing is sent. Exit code 1: a finding, with its cure; notes are no fault.

    \b
    Examples:
      notify-email doctor
      notify-email doctor --send-to me@example.com
      notify-email doctor --fix
      kubectl get statefulset jenkins -o json | notify-email doctor --workload -
      notify-email doctor --print-script | kubectl exec -i POD -- sh
    """
    if fix and as_json:
        raise ConfigurationError("--fix asks a person, so it can't be used with --json.")
    options = Options(
        sender=_address(sender, "--from") if sender else Settings.load().sender_mailbox.address,
        recipient=_address(send_to or to, "--send-to" if send_to else "--to"),
        is_sent=send_to is not None,
        port=port,
        timeout=timeout,
        config_dir=config_dir,
        postfix_log=postfix_log,
    )
    if print_script:
        detect.detect_node(address)  # refuses what is no address
        print(pod_script.script(options, address, python=python), end="")
        return
    more = workloads.examine(_read(workload)) if workload else []
    diagnosis = _examine(address, options, more, jenkins=jenkins, as_json=as_json)
    if fix and _cure(diagnosis, yes=yes):
        diagnosis = _examine(address, options, more, jenkins=jenkins, as_json=False)
    if not diagnosis.is_well:
        raise typer.Exit(1)


def _examine(
    address: str | None, options: Options, more: list[Finding], *, jenkins: bool, as_json: bool
) -> diagnose.Diagnosis:
    """Examine the path, and print the diagnosis."""
    node = detect.detect_node(address)
    more = [*(_at_jenkins(node.address, options.port) if jenkins else ()), *more]
    if as_json:
        diagnosis = diagnose.examine(node, options, more=more)
        print(json.dumps(diagnosis.as_json(), indent=2))
        return diagnosis
    diagnosis = diagnose.examine(node, options, _show_line, more)
    for finding in diagnosis.findings:
        _show_finding(finding)
    if diagnosis.queue_id:
        print(f"\nPostfix has it as {diagnosis.queue_id}.")
    if diagnosis.relay:
        print(f"The relay took it: {diagnosis.relay}")
    if diagnosis.is_well:
        unsent = "" if options.is_sent else " Nothing was sent: --send-to does."
        so_far = " as far as Postfix" if options.is_sent and not diagnosis.relay else ""
        print(f"\nAll is well{so_far}.{unsent}")
    return diagnosis


def _at_jenkins(address: str | None, port: int) -> list[Finding]:
    """Return what is wrong with Jenkins' settings, by where Postfix greets its controller."""
    from pyservice.setup.jenkins.apply import read_state  # noqa: PLC0415 - late as in cli/jenkins

    try:
        controller = ConnectionOptions(wait=JENKINS_WAIT).connect()
        state = read_state(controller, desired_jenkins({"port": port}))
    except SetupError as error:
        return [KNOWN["jenkins-silent"].finding(text=error)]
    findings: list[Finding] = []
    if state.reached is None:
        tried = "; ".join(f"{each.address}: {each.error}" for each in state.candidates)
        findings.append(KNOWN["controller-cut-off"].finding(tried=tried or "it knows no address"))
    seen = state.reached.address if state.reached else address
    if seen:
        mail = checks.JenkinsMail.parse(state.settings)
        findings += checks.check_jenkins(mail, seen, port)
    return findings


def _show_line(line: Line) -> None:
    print(line, flush=True)


def _show_finding(finding: Finding) -> None:
    where = ", on the node" if finding.place == "node" else ""
    kind = "Finding" if finding.is_error else "Note"
    print(f"\n{kind} {finding.id}: {finding.sentence}\nCure{where}:\n    {finding.cure}")


def _cure(diagnosis: diagnose.Diagnosis, *, yes: bool) -> bool:
    """Run the cures that are commands of ours, each once; return whether one was run."""
    is_container = detect.detect_node().is_container
    cures: set[str] = set()
    was_run = False
    for finding in diagnosis.findings:
        cure, command = finding.cure, finding.command
        if cure in cures or (command is None and not finding.is_error):
            continue
        cures.add(cure)
        if command is None:
            print(f"\nYours to run: {cure}")
        elif is_container and finding.place == "node":
            print(f"\nRun this on the node, since this is a container: {cure}")
        # A note is no fault: nothing is changed because of one that nobody has read.
        elif finding.is_error if yes else _is_wanted(cure, command):
            _run(command)
            was_run = True
    return was_run


def _is_wanted(cure: str, command: list[str]) -> bool:
    """Show what a cure would change, and ask; where it can't be planned, its error is shown."""
    topic, _apply, *options = command
    print()
    if not _run([topic, "plan", *options]):
        return False
    try:
        return typer.confirm(f"\nRun `{cure}`?")
    except typer.Abort:
        return False


def _run(command: list[str]) -> bool:
    """Run a command of ours, and return whether it succeeded."""
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "pyservice.cli", *command], check=False)  # noqa: S603
    return done.returncode == 0


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
