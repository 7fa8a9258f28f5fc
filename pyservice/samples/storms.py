"""Sample digests: one recorded build, many times."""

from functools import cache

from pyservice.analysis.digest import Digest, Member
from pyservice.report.fields import Result
from pyservice.report.schema import Failure, Report
from pyservice.samples import load

_OUT_OF_REACH = Failure(
    type="org.eclipse.aether.transfer.ArtifactTransferException",
    message="Could not transfer artifact org.example:parent:pom:1.4 from/to nexus "
    "(https://nexus.example.com/repository/releases/): status code: 503, Service Unavailable",
    stage="Package",
)
_RESULTS: dict[Result, int] = {"UNSTABLE": 12, "ABORTED": 2, "FAILURE": 20, "SUCCESS": 1}
_JOBS = {
    "shop/checkout": 17,
    "shop/catalogue": 9,
    "billing/invoices/main": 6,
    "infra/images": 3,
    "billing/dunning": 1,
    "docs/site": 1,
    "mobile/android/release-2.7": 1,
    "shop/search/faceted-navigation-for-the-new-catalogue": 1,
}


@cache
def names() -> tuple[str, ...]:
    """Return the names of the sample digests."""
    return ("many-jobs", "one-job")


@cache
def load_digest(name: str) -> Digest:
    """Return the digest `name`.

    Raises:
        KeyError: there is no such digest.
    """
    if name == "many-jobs":
        reports = [_report(job, n, "FAILURE") for job, most in _JOBS.items() for n in range(most)]
    elif name == "one-job":
        results = [result for result, most in _RESULTS.items() for _ in range(most)]
        reports = [_report("shop/checkout", n, result) for n, result in enumerate(results)]
    else:
        raise KeyError(name)
    reports.sort(key=lambda report: report.build.started_at)
    return Digest(tuple(Member.from_report(str(n), report) for n, report in enumerate(reports)))


def _report(job: str, count: int, result: Result) -> Report:
    """Return the recorded build again, `count` minutes later."""
    recorded, number = load("2-failure"), 100 + count
    changes = {
        "job": job,
        "display_name": f"#{number}",
        "full_display_name": f"{job.replace('/', ' » ')} #{number}",
        "number": number,
        "url": f"https://ci.example.com/job/{'/job/'.join(job.split('/'))}/{number}/",
        "result": result,
        "previous_result": "FAILURE" if count else "SUCCESS",
        "started_at": recorded.build.started_at + 60_000 * count,
    }
    build = recorded.build.model_copy(update=changes)
    error = _OUT_OF_REACH if result == "FAILURE" else None
    return recorded.model_copy(update={"build": build, "error": error, "tests": None})
