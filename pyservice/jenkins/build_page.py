"""A build's page in Jenkins: its address, and its description, by the service's API token."""

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit

from pyservice.config.settings import Settings
from pyservice.config.token_files import read_api_token
from pyservice.errors import SetupError
from pyservice.jenkins.errors import RedirectError
from pyservice.report.schema import Build
from pyservice.urls import is_below, job_names

if TYPE_CHECKING:  # see `new_client`
    from pyservice.jenkins.client import JenkinsClient

PERMISSIONS = "Job/Read or Run/Update"


def page(build: Build, root: str) -> str | None:
    """Return the address of a report's build, if the service may use its Jenkins token for it.

    A report's author writes `build.url`, and tokens are restricted to jobs by `build.job`. So the
    address must be on this controller, with the same job and number. The result is made of these.

    Args:
        build: the report's.
        root: the controller's URL, without a slash at its end.

    Returns:
        The build's page, without a slash at its end; None: `build.url` is on another controller,
        or another build's.
    """
    if not build.url or not is_below(build.url, root):
        return None
    parsed = urlsplit(build.url)
    is_whole = not parsed.query and not parsed.fragment
    if not is_whole or _path(build.url, root) != _parts(build.job, build.number):
        return None
    return build_url(build.job, build.number, root)


def build_url(job: str, number: int, root: str) -> str | None:
    """Return the address of a build's page, without a slash at its end; None: no job's name."""
    parts = _parts(job, number)
    return "/".join([root, *(quote(part, safe="") for part in parts)]) if parts else None


def build_at(url: str, root: str) -> tuple[str, int] | None:
    """Return the job and the number of the build at an address, or at that of a page below it.

    Args:
        url: what a person has copied, such as `https://ci.example.com/job/shop/7/console`.
        root: the controller's URL, without a slash at its end.

    Returns:
        The job's full name and the number; None: it is no build on this controller.
    """
    if not is_below(url, root):
        return None
    path, names = _path(url, root), []
    while path[:1] == ["job"] and len(path) > 1:
        names.append(path[1])
        path = path[2:]
    number = path[0] if path else ""
    if not (number.isascii() and number.isdigit() and 0 < len(number) <= 10):
        return None
    job = "/".join(names)
    return (job, int(number)) if int(number) and job_names(job) == names else None


def _path(url: str, root: str) -> list[str]:
    """Return the parts of a path below the controller, decoded."""
    path = urlsplit(url).path.removeprefix(urlsplit(root).path).removeprefix("/").removesuffix("/")
    return [unquote(part) for part in path.split("/")]


def _parts(job: str, number: int) -> list[str]:
    """Return the parts of a build's path below the controller; empty: it is no job's name."""
    names = job_names(job)
    return [*(part for name in names for part in ("job", name)), str(number)] if names else []


def new_client(
    settings: Settings, permissions: str, timeouts: tuple[float, float]
) -> "JenkinsClient":
    """Return a client of the settings' controller, with the service's API token.

    Args:
        settings: who Jenkins is, and whose token the service has.
        permissions: those that a refusal is about, for its message.
        timeouts: seconds to connect, and for each part of an answer.

    Raises:
        ConfigurationError: the token's file can't be used any more.
    """
    # It takes a tenth of a second to load, and most services never need it.
    from pyservice.jenkins.client import JenkinsClient  # noqa: PLC0415

    file = settings.jenkins_token_file
    return JenkinsClient(
        settings.jenkins_url or "",
        settings.jenkins_user,
        read_api_token(file) if file else None,
        permissions=permissions,
        timeouts=timeouts,
    )


class BuildPage:
    """One build's page."""

    def __init__(
        self, url: str, settings: Settings, timeouts: tuple[float, float] = (5.0, 10.0)
    ) -> None:
        """Send nothing yet.

        Args:
            url: the build's address, below JENKINS_URL.
            settings: who Jenkins is, and whose token the service has.
            timeouts: seconds to connect, and for each part of an answer; their sum is for all of
                it.

        Raises:
            ConfigurationError: the token's file can't be used any more.
        """
        self._client = new_client(settings, PERMISSIONS, timeouts)
        self._url, self._path = url, url.removeprefix(self._client.url)

    def read(self) -> str | None:
        """Return the description as it is, in whatever markup.

        Raises:
            SetupError: Jenkins refuses it, or is away; says which.
        """
        answer = self._client.send("GET", f"{self._path}/api/json?tree=description")
        try:
            description = json.loads(answer.content)["description"]
        except (ValueError, TypeError, KeyError):
            description = 0
        if description is not None and not isinstance(description, str):
            raise SetupError(f"What answers at {self._url} is no build of Jenkins.")
        return description

    def write(self, text: str) -> None:
        """Replace the description.

        Raises:
            SetupError: Jenkins refuses it, or is away; says which.
        """
        path = f"{self._path}/submitDescription"
        try:
            self._client.send("POST", path, {"description": text})
        except RedirectError as redirect:
            # Jenkins leads back to the build. Its host and scheme may be a proxy's to correct.
            target = urljoin(self._client.url + path, redirect.location)
            if urlsplit(target).path.rstrip("/") != urlsplit(self._url).path:
                raise
