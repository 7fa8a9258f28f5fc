"""Whom the kinds of `mail.recipients` mean: pure functions of a report.

The names and their meaning are email-ext's, except for `suspects`, which is ours. A report has the
authors of its own build and those of all builds since the last success (the culprits), and not
those of each build before. So where a kind means the authors of an earlier build, it gets the
culprits, who include them.
"""

from collections.abc import Callable, Iterable

from pyservice.analysis.analysis import analyse
from pyservice.report.facts import Person
from pyservice.report.schema import Change, RecipientKind, Report

_BROKEN = ("FAILURE", "ABORTED", "NOT_BUILT")
"""The results after which email-ext goes on to look at the build before."""


def people(kind: RecipientKind, report: Report) -> tuple[Person, ...]:
    """Return the people that a kind means, each once; some may have no address."""
    return _each_once(_PEOPLE[kind](report))


def why_nobody(kind: RecipientKind, report: Report) -> str:
    """Return why a kind means nobody in this report, for the middle of a sentence."""
    if kind == "brokenTestsSuspects" and not (report.tests and report.tests.failed):
        return "no test fails"
    if kind == "brokenBuildSuspects" and report.build.result != "FAILURE":
        return "the build did not fail"
    if _is_first(report):
        return _NOBODY.get(kind, "Jenkins knows no changes of a job's or a branch's first build")
    return _NOBODY.get(kind, "the build has no changes")


def _developers(report: Report) -> list[Person]:
    """Return the authors of the build's changes."""
    return _authors(report, report.changes.items) or _first_author(report)


def _named_suspects(report: Report) -> list[Person]:
    """Return the authors of the changes that touch what went wrong; without one the developers."""
    found = analyse(report).suspects
    return _authors(report, [suspect.change for suspect in found]) or _developers(report)


def _authors(report: Report, changes: Iterable[Change]) -> list[Person]:
    known = _known(report)
    return [known.get(change.author_id or "") or _stranger(change) for change in changes]


def _known(report: Report) -> dict[str, Person]:
    """Return the people whose addresses come from Jenkins, by their IDs."""
    return {person.id: person for person in report.build.culprits if person.id and person.email}


def _stranger(change: Change) -> Person:
    """Return a change's author as the commit names them.

    `author_may_read` says nothing of the address: a commit can have anybody's name and an address
    of its own. Only a culprit's address comes from Jenkins.
    """
    return Person(id=change.author_id or "", name=change.author, email=change.author_email)


def _first_author(report: Report) -> list[Person]:
    """Return the change request's author if this is its first build: Jenkins has no changes yet."""
    return _contributor(report) if _is_first(report) else []


def _is_first(report: Report) -> bool:
    history = report.build.history
    return history is not None and not history.builds


def _culprits(report: Report) -> list[Person]:
    return [*report.build.culprits, *_developers(report)]


def _requestor(report: Report) -> list[Person]:
    requestor = report.build.requestor
    if requestor and not requestor.email:  # Jenkins' REST has addresses of culprits only
        requestor = _known(report).get(requestor.id, requestor)
    return [requestor] if requestor else []


def _contributor(report: Report) -> list[Person]:
    contributor = report.build.contributor
    return [contributor] if contributor else []


def _upstream_developers(report: Report) -> list[Person]:
    return report.build.upstream_culprits


def _broken_tests_suspects(report: Report) -> list[Person]:
    """Return who changed or started the builds in which the failing tests began to fail."""
    tests = report.tests
    if tests is None or not tests.failed:
        return []
    is_new = bool(tests.failures) and all(test.age <= 1 for test in tests.failures)
    return _suspects(report, is_new=is_new)


def _broken_build_suspects(report: Report) -> list[Person]:
    """Return who changed or started the build that was broken first."""
    return _suspects(report, is_new=True) if report.build.result == "FAILURE" else []


def _suspects(report: Report, *, is_new: bool) -> list[Person]:
    authors = _developers if is_new and not _is_broken_before(report) else _culprits
    return [*authors(report), *_requestor(report)]


def _previous(report: Report) -> list[Person]:
    """Return the culprits, unless they are of this build only: the one before was successful."""
    history = report.build.history
    before = history.builds[0] if history and history.builds else None
    return _culprits(report) if before and before.result != "SUCCESS" else []


def _is_broken_before(report: Report) -> bool:
    """Return whether the build before this one was broken; as far as the report says."""
    history = report.build.history
    if history is None or not history.builds:
        return report.build.previous_result == "FAILURE"
    return history.builds[0].result in _BROKEN


def _each_once(people: Iterable[Person]) -> tuple[Person, ...]:
    """Return people, each once: by Jenkins' user ID, else by address, else by name."""
    once: dict[str, Person] = {}
    for person in people:
        once.setdefault((person.id or person.email or person.name).lower(), person)
    return tuple(once.values())


_PEOPLE: dict[RecipientKind, Callable[[Report], list[Person]]] = {
    "developers": _developers,
    "culprits": _culprits,
    "requestor": _requestor,
    "upstreamDevelopers": _upstream_developers,
    "brokenTestsSuspects": _broken_tests_suspects,
    "brokenBuildSuspects": _broken_build_suspects,
    "previous": _previous,
    "contributor": _contributor,
    "suspects": _named_suspects,
}

_NOBODY: dict[RecipientKind, str] = {
    "requestor": "no person started the build",
    "contributor": "Jenkins names no author of a change request",
    "upstreamDevelopers": "no build that led to this one has changes",
    "previous": "there is no build before, or it was successful, or nobody changed anything",
}
