"""`doctor`: whether mail gets from here to the relay host, and if not, why."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pyservice.addresses import mailboxes
from pyservice.cli.jenkins_options import connect, make_wanted
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError, SetupError
from pyservice.setup.doctor import checks, diagnose, pod_script
from pyservice.setup.doctor import workload as workloads
from pyservice.setup.doctor.findings import KNOWN, Finding
from pyservice.setup.doctor.mail_path import Options
from pyservice.setup.doctor.smtp_session import Line
from pyservice.setup.node import detect

WAIT = 10.0
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
        str, typer.Option(help="The recipient that is asked for and gets nothing.")
    ] = "postmaster@example.com",
    send_to: Annotated[
        str | None, typer.Option(help="Send a mail to this address, and follow it.")
    ] = None,
    postfix_log: Annotated[
        Path | None, typer.Option(help="Postfix' log.  [default: as Postfix is told]")
    ] = None,
    config_dir: Annotated[
        Path | None, typer.Option(help="Postfix' configuration, for another instance.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for each answer.", min=0.1)] = 10.0,
    jenkins: Annotated[
        bool, typer.Option("--jenkins", help="Look at Jenkins' settings, too: see JENKINS_URL.")
    ] = False,
    workload: Annotated[
        typer.FileText | None,
        typer.Option(help="What `kubectl get statefulset NAME -o json` prints; - for stdin."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Run the commands that cure what was found, after asking.")
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
    """Walk the way of a mail to the relay host, and name the first thing that is wrong.

    On the node or in a container: route, port 25, greeting, EHLO, MAIL, RCPT; with --send-to
    also DATA, the queue ID and, where Postfix' log is at hand, the relay's answer. Nothing is sent
    without it. Exit code 1: a finding, with its cure; notes are no fault.

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
        sender=_plain(sender, "--from") if sender else Settings.load().sender_mailbox.address,
        recipient=_plain(send_to or to, "--send-to" if send_to else "--to"),
        is_sent=send_to is not None,
        port=port,
        timeout=timeout,
        config_dir=config_dir,
        postfix_log=postfix_log,
    )
    if print_script:
        detect.detect_node(address)  # whether it can be one
        print(pod_script.script(options, address, python=python), end="")
        return
    more = workloads.examine(_text(workload)) if workload else []
    found = _examine(address, options, more, jenkins=jenkins, as_json=as_json)
    if fix and _cure(found, yes=yes):
        found = _examine(address, options, more, jenkins=jenkins, as_json=False)
    if not found.is_well:
        raise typer.Exit(1)


def _examine(
    address: str | None, options: Options, more: list[Finding], *, jenkins: bool, as_json: bool
) -> diagnose.Diagnosis:
    node = detect.detect_node(address)
    more = [*(_at_jenkins(node.address, options.port) if jenkins else ()), *more]
    if as_json:
        found = diagnose.examine(node, options, more=more)
        print(json.dumps(found.as_json(), indent=2))
        return found
    found = diagnose.examine(node, options, _say, more)
    for finding in found.findings:
        _show(finding)
    if found.queue_id:
        print(f"\nPostfix has it as {found.queue_id}.")
    if found.relay:
        print(f"The relay took it: {found.relay}")
    if found.is_well:
        unsent = "" if options.is_sent else " Nothing was sent: --send-to does."
        so_far = " as far as Postfix" if options.is_sent and not found.relay else ""
        print(f"\nAll is well{so_far}.{unsent}")
    return found


def _at_jenkins(address: str | None, port: int) -> list[Finding]:
    """What is wrong with Jenkins' settings: by where its controller itself meets Postfix."""
    from pyservice.setup.jenkins import apply  # noqa: PLC0415 - late as in cli/jenkins

    try:
        found = apply.read(connect({"wait": WAIT}), make_wanted({"port": port}))
    except SetupError as error:
        return [KNOWN["jenkins-silent"].found(text=error)]
    more: list[Finding] = []
    if found.greeting is None:
        tried = "; ".join(f"{one.address}: {one.error}" for one in found.candidates)
        more.append(KNOWN["controller-cut-off"].found(tried=tried or "it knows no address"))
    seen = found.greeting.address if found.greeting else address
    controller = checks.controller_of(found.settings)
    return more + (checks.of_jenkins(controller, seen, port) if seen else [])


def _say(line: Line) -> None:
    print(line, flush=True)


def _show(finding: Finding) -> None:
    where = ", on the node" if finding.place == "node" else ""
    kind = "Finding" if finding.is_error else "Note"
    print(f"\n{kind} {finding.id}: {finding.sentence}\nCure{where}:\n    {finding.cure}")


def _cure(found: diagnose.Diagnosis, *, yes: bool) -> bool:
    """Run the cures that are commands of ours, each once; whether one was run."""
    is_container, done, was_run = detect.detect_node().is_container, set[str](), False
    for finding in found.findings:
        cure, command = finding.cure, finding.command
        if cure in done or (command is None and not finding.is_error):
            continue
        done.add(cure)
        if command is None:
            print(f"\nYours to run: {cure}")
        elif is_container and finding.place == "node":
            print(f"\nTo be run on the node, and this is a container: {cure}")
        # A note is no fault: nobody has it changed without having read it.
        elif finding.is_error if yes else _is_wanted(cure, command):
            _run(command)
            was_run = True
    return was_run


def _is_wanted(cure: str, command: list[str]) -> bool:
    """Show what a cure would change, and ask; where it can't be planned, that is told."""
    topic, _apply, *options = command
    print()
    if not _run([topic, "plan", *options]):
        return False
    try:
        return typer.confirm(f"\nRun `{cure}`?")
    except typer.Abort:
        return False


def _run(command: list[str]) -> bool:
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "pyservice.cli", *command], check=False)  # noqa: S603
    return done.returncode == 0


def _text(file: typer.FileText) -> str:
    try:
        return file.read()
    except ValueError:
        return ""  # no text, so no workload


def _plain(text: str, option: str) -> str:
    """One address, which can't break out of its line."""
    try:
        [found] = mailboxes(text)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}.") from None
    return found.address
