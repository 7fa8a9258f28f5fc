"""Makes a `Report` of Jenkins' REST answers about a build: pure functions.

A Pipeline in the sandbox can't read test results, stages or its own log; Jenkins' REST can. An
answer may have any form: what has another form than Jenkins' is missing in the report.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from pyservice.jenkins.answers import ODD, WRONG, Answers, Json, actions, made, text
from pyservice.jenkins.build_tests import tests_of
from pyservice.jenkins.pipeline import Pipeline
from pyservice.report.facts import (
    Artifact,
    Artifacts,
    Branch,
    ChangedFile,
    Checkout,
    History,
    Interruption,
    Missing,
    PastBuild,
    Person,
    Upstream,
)
from pyservice.report.schema import (
    Build,
    Cause,
    Change,
    Changes,
    Failure,
    Report,
)
from pyservice.urls import without_user

_T = TypeVar("_T")

MAX_CHANGES = 200
MAX_FILES = 100
"""Of one change."""
MAX_PEOPLE = 200
MAX_ARTIFACTS = 100
MAX_HISTORY = 30
"""Builds before this one."""
MAX_TEXT = 4096

_ORIGIN = "refs/remotes/origin/"


def report(answers: Answers) -> Report:
    """Return the report of a build, with all that the answers have.

    Raises:
        ValueError: what should be a build is none.
    """
    missing = [*answers.missing, *answers.files.missing]

    def part(name: str, make: Callable[[], _T]) -> _T | None:
        try:
            return make()
        except WRONG:
            odd = Missing(part=name, reason=ODD)
            missing.extend(() if odd in missing else (odd,))
            return None

    def each(name: str, make: Callable[[Json], _T], items: list[Json]) -> list[_T]:
        return [one for item in items if (one := part(name, partial(make, item))) is not None]

    raw = answers.build
    try:
        build = _build(raw)
    except WRONG as error:
        raise ValueError(ODD) from error
    pipeline = Pipeline(answers.stages, answers.console, build.result)
    failure = part("error", lambda: pipeline.failure(answers.steps, answers.log))
    details = {
        "causes": part("causes", lambda: each("causes", _cause, _causes(raw))) or [],
        "checkouts": part("checkouts", lambda: _checkouts(raw)) or [],
        "requestor": part("requestor", lambda: _requestor(raw)),
        "culprits": part("culprits", lambda: each("culprits", _culprit, _culprits(raw))) or [],
        "upstream": part("upstream", lambda: _upstream(raw)),
        "parameters": part("parameters", lambda: _parameters(raw)) or [],
        "history": part("history", lambda: _history(raw, answers.job)),
        "branch": part("branch", lambda: _branch(build.job, answers.job)),
        "interruption": part("interruption", lambda: _interruption(raw, pipeline, failure)),
    }
    return Report(
        build=build.model_copy(update=details),
        changes=part("changes", lambda: _changes(raw, partial(each, "changes", _change)))
        or Changes(total=0),
        error=failure,
        tests=part("tests", lambda: tests_of(raw, answers.tests)),
        stages=part("stages", pipeline.stages) or [],
        artifacts=part("artifacts", lambda: _artifacts(raw)),
        log=part("log", lambda: pipeline.log(failure)) or [],
        missing=missing,
        attachments=answers.files.attachments,
        not_attached=answers.files.not_attached,
    )


def _build(build: Json) -> Build:
    before = build.get("previousBuild")
    return made(
        Build,
        job=_job(build["url"]),
        number=build["number"],
        result=build["result"] or "SUCCESS",  # null: still running, and nothing failed so far
        started_at=build["timestamp"],
        duration_ms=build.get("duration"),
        display_name=build.get("displayName"),
        full_display_name=build.get("fullDisplayName"),
        url=build["url"],
        previous_result=before.get("result") if isinstance(before, dict) else None,
        description=build.get("description"),
    )


def _cause(cause: Json) -> Cause:
    return made(Cause, type=cause.get("_class"), text=text(cause["shortDescription"], MAX_TEXT))


def _job(url: str) -> str:
    """Return the full name of a build's job: its address has each part of it after a `job`."""
    parts = urlsplit(url).path.rstrip("/").split("/")
    first = parts.index("job")
    return "/".join(map(unquote, parts[first + 1 : -1 : 2]))


def _causes(build: Json) -> list[Json]:
    causes = [cause for action in actions(build) for cause in action.get("causes", [])]
    # InterruptedBuildAction has causes, too: of the build's end, without a text.
    return [cause for cause in causes if "shortDescription" in cause][:100]


def _requestor(build: Json) -> Person | None:
    for cause in _causes(build):
        if cause.get("_class") == "hudson.model.Cause$UserIdCause" and cause.get("userId"):
            return Person(id=text(cause["userId"]), name=text(cause.get("userName")))
    return None


def _upstream(build: Json) -> Upstream | None:
    for cause in _causes(build):
        if text(cause.get("_class")).endswith("UpstreamCause"):
            return Upstream(job=cause["upstreamProject"], number=cause["upstreamBuild"])
    return None


def _parameters(build: Json) -> list[str]:
    lists = [action["parameters"] for action in actions(build) if "parameters" in action]
    return [text(one["name"]) for parameters in lists for one in parameters][:100]


def _checkouts(build: Json) -> list[Checkout]:
    """Return what Git checked out.

    Jenkins does not say which checkouts are those of Pipeline libraries. So in a build with
    libraries only a checkout counts whose revision is one of the build's changes.
    """
    checkouts, all_actions = [], actions(build)
    has_libraries = any(action.get("libraries") for action in all_actions)
    changes = [item for one in build.get("changeSets", []) for item in one["items"]]
    revisions = {item.get("commitId") for item in changes if isinstance(item, dict)}
    for action in all_actions:
        if action.get("_class") == "hudson.plugins.git.util.BuildData":
            revision = action["lastBuiltRevision"] or {}
            if has_libraries and revision.get("SHA1") not in revisions:
                continue
            branches = [branch["name"] for branch in revision.get("branch", []) if branch]
            checkouts.append(
                Checkout(
                    url=text(without_user(action["remoteUrls"][0])),
                    revision=text(revision.get("SHA1")),
                    branch=text(branches[0]).removeprefix(_ORIGIN) if branches else "",
                )
            )
    return checkouts[:20]


def _culprits(build: Json) -> list[Json]:
    culprits: list[Json] = build.get("culprits", [])[:MAX_PEOPLE]
    return culprits


def _culprit(culprit: Json) -> Person:
    properties = culprit.get("property") or []
    addresses = (text(entry["address"]) for entry in properties if entry and "address" in entry)
    return Person(
        id=text(culprit.get("id")),
        name=text(culprit.get("fullName")),
        email=next(addresses, ""),
    )


def _changes(build: Json, each: Callable[[list[Json]], list[Change]]) -> Changes:
    items = [item for changes in build.get("changeSets", []) for item in changes["items"]]
    return Changes(total=len(items), items=each(items[:MAX_CHANGES]))


def _change(item: Json) -> Change:
    """Return a change. Not every kind of repository has an ID, a time or paths."""
    files = [
        made(ChangedFile, path=text(one["file"]), edit=one.get("editType"))
        for one in (item.get("paths") or [])[:MAX_FILES]
    ]
    author = item.get("author") or {}
    _, is_user, user = text(author.get("absoluteUrl")).rpartition("/user/")
    return made(
        Change,
        id=text(item.get("commitId")),
        message=text(item.get("msg"), MAX_TEXT),
        author=text(author.get("fullName")),
        author_id=text(author.get("id") or (is_user and unquote(user))) or None,
        at=item.get("timestamp"),
        author_email=text(item.get("authorEmail")),
        paths=[text(path) for path in (item.get("affectedPaths") or [])[:MAX_FILES]],
        files=files,
    )


def artifact_paths(build: Json) -> list[str]:
    """Return the paths of a build's artifacts."""
    return [one["relativePath"] for one in build.get("artifacts", [])]


def _artifacts(build: Json) -> Artifacts | None:
    paths = artifact_paths(build)
    items = [Artifact(path=text(path)) for path in paths[:MAX_ARTIFACTS]]
    return Artifacts(total=len(paths), items=items) if paths else None


def _history(build: Json, job: Json | None) -> History | None:
    if job is None:
        return None
    estimated = build.get("estimatedDuration")
    past = [_past(one) for one in job["builds"] if one["number"] < build["number"]]
    success = job.get("lastSuccessfulBuild") or {}
    last = next((one for one in past if one.result == "SUCCESS"), None)
    if last is None and "timestamp" in success and success["number"] < build["number"]:
        last = _past(success)
    return History(
        builds=past[:MAX_HISTORY],
        last_success=last,
        estimated_ms=estimated if isinstance(estimated, int) and estimated > 0 else None,
    )


def _past(build: Json) -> PastBuild:
    return made(
        PastBuild,
        number=build["number"],
        result=build["result"],
        started_at=build["timestamp"],
        duration_ms=build.get("duration"),
    )


def _branch(job: str, answer: Json | None) -> Branch | None:
    """Return the branch of a multibranch job, whose name is the branch's, percent-encoded."""
    properties = (answer or {}).get("property", [])
    if any(str(one.get("_class", "")).endswith(".BranchJobProperty") for one in properties):
        return Branch(name=text(unquote(job.rpartition("/")[2])))
    return None


def _interruption(build: Json, pipeline: Pipeline, failure: Failure | None) -> Interruption | None:
    for action in actions(build):
        if action.get("_class") == "jenkins.model.InterruptedBuildAction":
            [cause, *_] = action["causes"]
            by = pipeline.stopped_by()
            return Interruption(
                type=text(cause["_class"]),
                text=text(failure and failure.message, MAX_TEXT),
                user=Person(name=text(by)) if by else None,
            )
    return None
