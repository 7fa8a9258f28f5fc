"""Real builds: read of Jenkins for who may see them, and kept for a few minutes."""

import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock

from pyservice.auth.authenticator import Caller
from pyservice.auth.tokens import LOCAL
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.errors import (
    ConfigurationError,
    JenkinsError,
    NotFoundError,
    PolicyError,
    SetupError,
)
from pyservice.jenkins import build_data
from pyservice.jenkins.build_page import build_at, build_url
from pyservice.jenkins.build_reader import BuildReader, ReaderLimits
from pyservice.jenkins.errors import MissingPageError
from pyservice.report.schema import Report
from pyservice.report.secrets import SecretMasker

KEPT = 300.0
"""Seconds for which a build is not read again: a page asks for it once for each of its frames."""
MAX_KEPT = 32

_NO_JENKINS = (
    "This service knows no Jenkins, so it can't read a build. Set NOTIFY_EMAIL_JENKINS_URL, and "
    "NOTIFY_EMAIL_JENKINS_USER with NOTIFY_EMAIL_JENKINS_TOKEN_FILE."
)


@dataclass(frozen=True)
class _Read:
    """A build that is being read, or was read."""

    report: Future[Report] = field(default_factory=Future)
    began: float = field(default_factory=time.monotonic)


class Builds:
    """The builds of the controller at JENKINS_URL. Thread-safe."""

    def __init__(
        self, live: LiveSettings, masker: SecretMasker, limits: ReaderLimits = ReaderLimits()
    ) -> None:
        """Read nothing yet.

        Args:
            live: the settings: where Jenkins is, and whose token the service has.
            masker: masks secrets in what Jenkins answers.
            limits: how much is read of one build.
        """
        self._live, self._masker, self._limits = live, masker, limits
        self._lock = Lock()
        self._reads: OrderedDict[str, _Read] = OrderedDict()
        """By the builds' URLs."""

    def source(self, url: str) -> str:
        """Return the source of the build at a URL: `build:JOB#NUMBER`.

        Raises:
            NotFoundError: it is no build below JENKINS_URL.
        """
        root = self._live.settings.jenkins_url
        if root is None:
            raise NotFoundError(_NO_JENKINS)
        found = build_at(url.strip(), root)
        if found is None:
            raise NotFoundError(
                f"That is no build's address below {root}. Copy it from the build's page: "
                f"{root}/job/NAME/NUMBER/."
            )
        return f"build:{found[0]}#{found[1]}"

    def read(self, name: str, caller: Caller) -> Report:
        """Return the report of a build, masked.

        Args:
            name: the job's full name, a `#` and the build's number.
            caller: who asks. With a token it must be bound to this controller and job: else the
                service's own API token would show any job's log to anybody.

        Raises:
            NotFoundError: no Jenkins is set, it is no build's name, or Jenkins has no such build.
            PolicyError: the caller's token is not bound to it.
            JenkinsError: Jenkins refuses it, or is away.
        """
        settings = self._live.settings
        root = settings.jenkins_url
        if root is None:
            raise NotFoundError(_NO_JENKINS)
        job, _, number = name.rpartition("#")
        url = build_url(job, int(number), root) if _is_number(number) else None
        if url is None:
            raise NotFoundError(f"{name[:200]!a} is no build; write JOB#NUMBER.")
        if caller.name != LOCAL and not caller.permissions.is_bound_to(root, job):
            raise PolicyError(
                f"The service reads builds only for a token that is bound to {root} and to jobs "
                "with this one. Give your token `controller` and `jobs` in the tokens file."
            )
        with self._lock:
            read = self._reads.get(url)
            is_new = read is None or time.monotonic() - read.began > KEPT
            if read is None or is_new:
                read = self._reads[url] = _Read()
                while len(self._reads) > MAX_KEPT:
                    self._reads.popitem(last=False)
        if is_new:
            try:
                read.report.set_result(self._read(url, settings))
            except BaseException as error:
                with self._lock:
                    if self._reads.get(url) is read:
                        del self._reads[url]
                read.report.set_exception(error)
        return read.report.result()

    def _read(self, url: str, settings: Settings) -> Report:
        deadline = time.monotonic() + self._limits.time
        try:
            answers = BuildReader(url, settings, self._limits, deadline).read()
            return self._masker.mask(build_data.report(answers))
        except MissingPageError as error:
            raise NotFoundError(f"{error} Is the build still there?") from error
        except (ConfigurationError, SetupError) as error:
            raise JenkinsError(str(error)) from error
        except ValueError as error:
            raise JenkinsError(f"What answers at {url} is no build of Jenkins.") from error


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) <= 10 and int(text) > 0
