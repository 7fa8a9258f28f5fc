"""A build's description in Jenkins, read and written with the service's own API token."""

import json
from urllib.parse import urljoin, urlsplit

from pyservice.config.settings import Settings, read_secret
from pyservice.errors import SetupError
from pyservice.jenkins.errors import RedirectError

PERMISSIONS = "Job/Read or Run/Update"


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
        # It takes a tenth of a second to load, and most services never need it.
        from pyservice.jenkins.client import JenkinsClient  # noqa: PLC0415

        file = settings.jenkins_token_file
        self._client = JenkinsClient(
            settings.jenkins_url or "",
            settings.jenkins_user,
            read_secret(file) if file else None,
            permissions=PERMISSIONS,
            timeouts=timeouts,
        )
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
