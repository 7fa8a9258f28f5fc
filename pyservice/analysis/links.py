"""The pages of a build in Jenkins that its mail links to."""

from dataclasses import dataclass

from pyservice.report.breakage import FAILING
from pyservice.report.schema import Report


@dataclass(frozen=True)
class Link:
    """A page of Jenkins."""

    name: str
    """For templates: log, build, console, tests, changes or replay."""
    label: str
    """For people."""
    url: str


def links(report: Report) -> tuple[Link, ...]:
    """Return the pages that this build has; none if Jenkins' own URL is not known."""
    build, step = report.build, report.error.step if report.error else None
    if build.url is None or any(character in build.url for character in "?#"):
        return ()
    base = build.url.rstrip("/") + "/"
    pages = [
        (
            "log",
            "Log of the failing step",
            f"execution/node/{step.id}/log/"
            if step
            and step.function not in {"", "error"}
            and step.id.isascii()
            and step.id.isdecimal()
            else None,
        ),
        ("build", "Build", ""),
        ("console", "Console", "console"),
        ("tests", "Tests", "testReport/" if report.tests else None),
        ("changes", "Changes", "changes" if report.changes.total else None),
        ("replay", "Replay", "replay/" if build.result in FAILING else None),
    ]
    return tuple(Link(name, label, base + path) for name, label, path in pages if path is not None)
