"""infrastructure.py: what goes wrong with machines and networks."""

from typing import Any

import pytest

from pyservice.analysis.infrastructure import infrastructure
from pyservice.analysis.reason import find_reason, log_lines
from tests.builders.parts import report, step

TIMEOUT = "org.jenkinsci.plugins.workflow.steps.TimeoutStepExecution$ExceededTimeout"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (step(log="cp: error writing 'x': No space left on device"), "disk full"),
        (step(log="fatal: unable to access: Could not resolve host: git.example.com"), "network"),
        (step("checkout") | {"message": "Error fetching remote repo"}, "checkout failed"),
        (step("git", log="CONFLICT (content): Merge conflict in a.c"), ""),
        (step("library") | {"message": "No version main found"}, "library failed to load"),
        (step("sh") | {"type": "hudson.remoting.ChannelClosedException"}, "agent lost"),
        (step(log="main.c:2:1: error: 'x' undeclared"), ""),
        (step(log="connect ECONNREFUSED 127.0.0.1:5432"), ""),
        (
            step(log='Get "https://r.invalid/v2/": dial tcp: lookup r.invalid: no such host'),
            "network",
        ),
        (step(log="Error: toomanyrequests: Rate exceeded"), "registry limit"),
        (step(), ""),
        (None, ""),
    ],
)
def test_of_an_error(error: dict[str, Any] | None, kind: str) -> None:
    """Only what no change can have broken; a refused connection may be the code's own fault."""
    found = report(error=error)
    assert find_reason(found, log_lines(found)).infrastructure == kind


@pytest.mark.parametrize(
    ("interruption", "function", "kind"),
    [
        ("a.ExecutorStepExecution$RemovedNodeCause", "sh", "agent lost"),
        (TIMEOUT, "node", "no agent was free"),
        (TIMEOUT, "sh", ""),
        ("jenkins.model.CauseOfInterruption$UserInterruption", "node", ""),
    ],
)
def test_of_a_stopped_build(interruption: str, function: str, kind: str) -> None:
    """A build that waits for an agent in vain does not time out by itself."""
    build = {"result": "ABORTED", "interruption": {"type": interruption}}
    assert infrastructure(report(build=build, error=step(function)), None) == kind
