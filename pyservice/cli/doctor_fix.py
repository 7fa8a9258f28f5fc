"""`doctor --fix`: runs the cures that are commands of ours."""

import subprocess
import sys

from pyservice.cli import show
from pyservice.cli.confirmation import ask
from pyservice.setup.doctor.diagnose import Diagnosis
from pyservice.setup.node import detect


def run_cures(diagnosis: Diagnosis, *, yes: bool) -> set[str]:
    """Run the cures that are commands of ours, each once, and return those that were run."""
    is_container = detect.detect_node().is_container
    cures: set[str] = set()
    run: set[str] = set()
    for finding in diagnosis.findings:
        cure, command = finding.cure, finding.command
        if cure in cures or (command is None and not finding.is_error):
            continue
        cures.add(cure)
        if command is None:
            show.line(f"\nYours to run: {cure}")
        elif is_container and finding.place == "node":
            show.line(f"\nRun this on the node, since this is a container: {cure}")
        # A note is no fault: nothing is changed because of one that nobody has read.
        elif finding.is_error if yes else _is_wanted(cure, command):
            _run(command)
            run.add(cure)
    return run


def show_vain_cures(diagnosis: Diagnosis, run: set[str]) -> None:
    """Say which findings are still there, though their cures were run."""
    for finding in diagnosis.findings:
        if finding.cure in run:
            show.line(
                f"\n{finding.id} is still there after its cure. Run `{finding.cure}` yourself, and "
                "read what it prints."
            )


def _is_wanted(cure: str, command: list[str]) -> bool:
    """Show what a cure would change, and ask; where it can't be planned, its error is shown."""
    topic, _apply, *options = command
    show.line()
    if not _run([topic, "plan", *options]):
        return False
    return ask(f"\nRun `{cure}`?")


def _run(command: list[str]) -> bool:
    """Run a command of ours, which asks nothing, and return whether it succeeded."""
    sys.stdout.flush()
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pyservice.cli", *command], stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0
