"""The pages of a build in Jenkins that its mail links to."""

from dataclasses import dataclass
from urllib.parse import quote

from pyservice.report.breakage import FAILING
from pyservice.report.schema import Report


@dataclass(frozen=True)
class Link:
    """A page of Jenkins."""

    name: str
    """For templates: downstream, log, build, console, tests, changes or replay."""
    label: str
    """For people."""
    url: str


def links(report: Report, downstream: str = "") -> tuple[Link, ...]:
    """Return the pages that this build has; none if Jenkins' own URL is not known.

    Args:
        report: as people read it.
        downstream: the build that this one waited for and that failed, such as "shop/deploy #12";
            empty: none. The log of the step that waited says no more than that, so it is no page.
    """
    build, step = report.build, report.error.step if report.error else None
    if build.url is None or any(character in build.url for character in "?#"):
        return ()
    base = build.url.rstrip("/") + "/"
    other = _downstream(base, downstream)
    pages = [
        (
            "log",
            "Log of the failing step",
            f"execution/node/{step.id}/log/"
            if step
            and not other
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
    own = (Link(name, label, base + path) for name, label, path in pages if path is not None)
    return (*((Link("downstream", downstream, other),) if other else ()), *own)


def _downstream(base: str, name: str) -> str:
    """Return the page of another build of the same Jenkins; empty: it can't be said."""
    job, _, number = name.rpartition(" #")
    folders = job.split("/")
    root, found, _ = base.partition("/job/")
    if not found or not (number.isascii() and number.isdecimal()) or {"", ".", ".."} & {*folders}:
        return ""
    return root + "".join(f"/job/{quote(one, safe='')}" for one in folders) + f"/{number}/"
