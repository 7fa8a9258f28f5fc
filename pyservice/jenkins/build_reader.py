"""Reads by REST what Jenkins knows of one build, within bounds of time, bytes and requests."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pyservice.config.settings import Settings
from pyservice.errors import SetupError
from pyservice.jenkins.answers import ODD, WRONG, Answers, Json
from pyservice.jenkins.build_data import MAX_HISTORY, artifact_paths
from pyservice.jenkins.build_files import MAX_LOG, BuildFiles
from pyservice.jenkins.build_page import new_client
from pyservice.jenkins.build_tests import has_tests
from pyservice.jenkins.errors import (
    MissingPageError,
    TooLargeError,
    UnreachableError,
)
from pyservice.jenkins.pipeline import Pipeline
from pyservice.report.breakage import ENDED_BADLY
from pyservice.report.facts import Missing
from pyservice.report.fields import Result

PERMISSIONS = "Job/Read"

_BUILD = (
    "number,url,result,timestamp,duration,estimatedDuration,displayName,fullDisplayName,"
    "description,previousBuild[result],artifacts[relativePath]{0,1000},"
    "culprits[id,fullName,property[address]]{0,200},"
    "changeSets[items[commitId,msg,timestamp,authorEmail,author[absoluteUrl,fullName],"
    "affectedPaths,paths[editType,file]{0,100}]{0,200}],"
    "actions[causes[shortDescription,userId,userName,upstreamProject,upstreamBuild],"
    "parameters[name],libraries[name],lastBuiltRevision[SHA1,branch[name]],remoteUrls,"
    "failCount,skipCount,totalCount]"
)
_TESTS = (
    "passCount,failCount,skipCount,suites[name,enclosingBlockNames,cases[className,name,status,age,"
    "failedSince,duration,errorDetails,errorStackTrace]]"
)
_PAST = "number,result,timestamp,duration"
_JOB = f"property[_class],lastSuccessfulBuild[{_PAST}],builds[{_PAST}]{{0,{MAX_HISTORY + 10}}}"


@dataclass(frozen=True)
class ReaderLimits:
    """How much is read of one build. Sizes are bytes, times seconds."""

    time: float = 10.0
    """For everything."""
    timeouts: tuple[float, float] = (3.0, 5.0)
    """To connect, and for each part of an answer."""
    max_answer: int = 4 * 1024 * 1024
    max_tests: int = 8 * 1024 * 1024
    """Of the answer about tests, which has those that pass, too."""
    max_console: int = 32 * 1024 * 1024
    """Of the log, of which only the end is kept."""
    kept_console: int = 64 * 1024
    """Of the log's end."""


class BuildReader:
    """Reads one build in at most seven requests, and one for each file that goes with the mail."""

    def __init__(self, url: str, settings: Settings, limits: ReaderLimits, deadline: float) -> None:
        """Send nothing yet.

        Args:
            url: the build's address, below JENKINS_URL.
            settings: who Jenkins is, and whose token the service has.
            limits: how much is read.
            deadline: when it must have been read, on the monotonic clock.

        Raises:
            ConfigurationError: the token's file can't be used any more.
        """
        self._client = new_client(settings, PERMISSIONS, limits.timeouts)
        self._path = url.removeprefix(self._client.url)
        self._limits = limits
        self._deadline = min(deadline, time.monotonic() + limits.time)
        self._missing: list[Missing] = []
        self._is_away = False

    def read(
        self, result: Result | None = None, attach: Sequence[str] = (), *, attach_log: bool = False
    ) -> Answers:
        """Return what Jenkins answers; what it does not is missing.

        Args:
            result: the build's, as its report has it; None: as Jenkins has it. A log is read of a
                build that ended badly.
            attach: Ant patterns of the artifacts that go with the mail.
            attach_log: whether the log does.

        Raises:
            SetupError: Jenkins doesn't show the build itself.
        """
        build = self._json(f"{self._path}/api/json?tree={_BUILD}", self._limits.max_answer)
        if not isinstance(build, dict):
            raise SetupError(f"What answers at {self._client.url}{self._path} is no build.")
        result = result or build.get("result") or "SUCCESS"  # null: nothing failed so far
        job = self._path.rpartition("/")[0]
        answers: dict[str, Any] = {"stages": self._part("stages", "wfapi/describe")}
        kept = self._limits.kept_console
        log = None
        if result in ENDED_BADLY or attach_log:
            log = self._console(MAX_LOG if attach_log else kept)
        if result in ENDED_BADLY:
            answers["console"] = log and log[-kept:]
            pipeline = Pipeline(answers["stages"], answers["console"], result)
            if stage := _known(pipeline.failed_stage_id):
                steps = self._part("error", f"execution/node/{stage}/wfapi/describe")
                answers["steps"] = steps
                if steps and (step := _known(lambda: pipeline.failed_step_id(steps))):
                    answers["log"] = self._part("error", f"execution/node/{step}/wfapi/log")
        if _known(lambda: has_tests(build)):
            answers["tests"] = self._part(
                "tests", f"testReport/api/json?tree={_TESTS}", self._limits.max_tests
            )
        answers["job"] = self._part("history", f"/api/json?tree={_JOB}", root=job)
        answers["files"] = files = BuildFiles()
        if attach_log:
            files.add_log(log)
        if attach:
            files.add_artifacts(
                attach, _known(lambda: artifact_paths(build)) or (), self._artifact, why
            )
        return Answers(build=build, **answers, missing=tuple(self._missing))

    def _part(
        self, part: str, page: str, max_bytes: int | None = None, root: str | None = None
    ) -> Json | None:
        """Return the answer at a page below the build's; None: there is none, and it is noted."""
        path = f"{self._path}/{page}" if root is None else root + page
        try:
            self._require_presence()
            answer = self._json(path, max_bytes or self._limits.max_answer)
        except SetupError as error:
            self._note(part, error)
            return None
        if not isinstance(answer, dict):
            self._missing.append(Missing(part=part, reason=ODD))
            return None
        return answer

    def _artifact(self, path: str, max_bytes: int) -> bytes:
        """Return an artifact.

        Raises:
            SetupError: it is larger, or Jenkins does not show it.
        """
        self._require_presence()
        try:
            return self._read(f"{self._path}/artifact/{quote(path)}", max_bytes)
        except UnreachableError:
            self._is_away = True
            raise

    def _console(self, kept: int) -> str | None:
        """Return the end of the build's log; None: it can't be read, and it is noted.

        Args:
            kept: how many bytes.
        """
        now = time.monotonic()
        # It may be long, and other answers matter more.
        ends = now + (self._deadline - now) / 2
        try:
            self._require_presence()
            content = self._read(
                f"{self._path}/consoleText",
                self._limits.max_console,
                deadline=ends,
                keep=kept,
            )
        except SetupError as error:
            self._note("log", error, is_away=time.monotonic() >= self._deadline)
            return None
        return content.decode(errors="replace")

    def _json(self, path: str, max_bytes: int) -> Any:
        content = self._read(path, max_bytes)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise SetupError(f"What answers at {self._client.url}{path} is not JSON.") from None

    def _read(
        self, path: str, max_bytes: int, deadline: float | None = None, keep: int | None = None
    ) -> bytes:
        from pyservice.jenkins.client import ReadLimits  # noqa: PLC0415

        limits = ReadLimits(max_bytes, deadline or self._deadline, keep)
        return self._client.read(path, limits)

    def _require_presence(self) -> None:
        """Don't wait again for a Jenkins that did not answer."""
        if self._is_away:
            raise UnreachableError(f"Jenkins at {self._client.url} is away.")

    def _note(self, part: str, error: SetupError, *, is_away: bool = True) -> None:
        self._is_away |= isinstance(error, UnreachableError) and is_away
        self._missing.append(Missing(part=part, reason=why(error)))


def why(error: Exception) -> str:
    """Return why something is missing, in words for a reader of the mail."""
    if isinstance(error, MissingPageError):
        return "Jenkins does not show it"
    if isinstance(error, TooLargeError):
        return "it is too large"
    if isinstance(error, UnreachableError):
        return "Jenkins did not answer in time"
    return "Jenkins refused it"


def _known(find: Callable[[], Any]) -> Any:
    """Return what is found in an answer; None if the answer has another form than expected."""
    with suppress(*WRONG):
        return find()
    return None
