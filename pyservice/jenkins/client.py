"""The only HTTP client of Jenkins: python-jenkins, with limits and with errors in plain words."""

import time
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import jenkins
import requests
from requests.exceptions import ChunkedEncodingError, ProxyError, SSLError
from urllib3.exceptions import HTTPError

from pyservice.errors import SetupError
from pyservice.jenkins.adapter import PatientAdapter
from pyservice.jenkins.errors import (
    MissingPageError,
    RedirectError,
    TooLargeError,
    UnknownHostError,
    UnreachableError,
)
from pyservice.urls import speaks_no_tls

_CHUNK_BYTES = 16 * 1024
_UNKNOWN_HOST = ("NameResolution", "getaddrinfo", "Name or service")


@dataclass(frozen=True)
class ReadLimits:
    """The limits of one answer."""

    max_bytes: int
    deadline: float
    """When it must have been read, on the monotonic clock."""
    keep: int | None = None
    """How many of its last bytes are returned; None: all of it."""


class JenkinsClient(jenkins.Jenkins):  # type: ignore[misc] # it has no types
    """One Jenkins, as a user with an API token, or as nobody where it has no security.

    python-jenkins does the authentication and gets the crumb. It sends everything through
    `_request`, so the limits and the meaning of each failure are there. No redirect is followed:
    a token is for one controller alone.
    """

    def __init__(
        self,
        url: str,
        user: str | None = None,
        token: str | None = None,
        *,
        permissions: str,
        timeouts: tuple[float, float] = (5.0, 10.0),
        max_bytes: int = 1024 * 1024,
    ) -> None:
        """Connect only when something is sent.

        Args:
            url: Jenkins' root.
            user: whose token it is.
            token: an API token; a password serves as well.
            permissions: what the user needs, as Jenkins names it: `Overall/Administer`.
            timeouts: seconds to connect, and for each part of an answer; their sum is for all of
                it.
            max_bytes: size of an answer.
        """
        self.url = url.rstrip("/")
        super().__init__(self.url, user, token, timeout=timeouts)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, PatientAdapter())
        self._user, self._permissions, self._max_bytes = user, permissions, max_bytes

    def send(
        self, method: str, path: str, form: dict[str, str] | None = None, *, crumb: bool = False
    ) -> requests.Response:
        """Send one request, and return the answer, whose body has been read.

        Args:
            method: `GET` or `POST`.
            path: below Jenkins' root, with its slash.
            form: what is posted.
            crumb: add a crumb, which a POST with a password needs and one with a token does not.

        Raises:
            SetupError: Jenkins refuses it, or is away; pyservice/jenkins/errors.py has which.
        """
        request = requests.Request(method, self.url + path, data=form)
        answer: requests.Response = self.jenkins_request(request, add_crumb=crumb)
        return answer

    def read(self, path: str, limits: ReadLimits) -> bytes:
        """Return what is at a path below Jenkins' root, which begins with a slash.

        Raises:
            SetupError: as for `send`.
        """
        self._maybe_add_auth()
        request = requests.Request("GET", self.url + path)
        return self._request(request, limits=limits).content

    def run_script(self, script: str, node: str | None = None) -> str:
        """Run Groovy in the controller, and return what it prints.

        Raises:
            SetupError: the script failed, or as for `send`.
        """
        try:
            return str(super().run_script(script, node))
        except jenkins.JenkinsException as error:
            # Its first line: what follows may quote the script.
            reason = str(error).strip().partition("\n")[0][:300]
            raise SetupError(f"{self.url} could not run the script: {reason}") from None

    def maybe_add_crumb(self, req: requests.Request) -> None:
        """Add a crumb, unless this Jenkins has none."""
        try:
            super().maybe_add_crumb(req)
        except MissingPageError:
            self.crumb = False

    def _request(
        self,
        req: requests.Request,
        stream: bool | None = None,
        limits: ReadLimits | None = None,
    ) -> requests.Response:
        now = time.monotonic()
        limits = limits or ReadLimits(self._max_bytes, now + sum(self.timeout))
        timeouts = tuple(min(seconds, limits.deadline - now) for seconds in self.timeout)
        if min(timeouts) <= 0:
            raise self._unreachable(requests.Timeout())
        prepared = self._session.prepare_request(req)
        settings = self._session.merge_environment_settings(
            prepared.url, {}, True, self._session.verify, None
        )
        settings |= {"timeout": timeouts, "allow_redirects": False}
        answer: requests.Response
        try:
            with self._session.send(prepared, **settings) as answer:
                answer._content = self._read_body(answer, limits)
        except HTTPError as error:
            raise self._unreachable(ChunkedEncodingError(error)) from None  # as requests calls it
        except requests.RequestException as error:
            raise self._unreachable(error) from None
        if answer.is_redirect or not answer.ok:
            raise self._refusal(answer)
        return answer

    def _read_body(self, answer: requests.Response, limits: ReadLimits) -> bytes:
        body, size, keep = bytearray(), 0, limits.keep or limits.max_bytes
        # `read1` returns what has come so far. All else waits for a whole chunk.
        while chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            size += len(chunk)
            if len(body) > 2 * keep:
                del body[:-keep]
            if size > limits.max_bytes:
                most = f"{limits.max_bytes / 1024**2:g} MiB"
                raise TooLargeError(f"Jenkins answers more than {most} at {answer.url}.")
            if time.monotonic() > limits.deadline:
                raise requests.Timeout
        return bytes(body[-keep:])

    def _unreachable(self, error: requests.RequestException) -> SetupError:
        """Return what a failed connection means, with its cure."""
        host = urlsplit(self.url).hostname
        if isinstance(error, SSLError) and speaks_no_tls(error):
            return SetupError(f"{self.url} speaks no TLS: its address begins with http://.")
        if isinstance(error, SSLError):
            return SetupError(
                f"The certificate of {self.url} can't be verified: set REQUESTS_CA_BUNDLE to the "
                "file with your authority's."
            )
        if isinstance(error, ProxyError):
            return UnreachableError(
                f"{self.url} can't be reached by the proxy that the environment names: NO_PROXY="
                f"{host} goes without."
            )
        if any(sign in str(error) for sign in _UNKNOWN_HOST):
            return UnknownHostError(f"There is no host {host}: is the URL right?")
        if isinstance(error, requests.ConnectionError | requests.Timeout | ChunkedEncodingError):
            return UnreachableError(self._silence(error))
        return SetupError(f"Jenkins at {self.url} can't be reached: {type(error).__name__}.")

    def _silence(self, error: requests.RequestException) -> str:
        if "refused" in str(error):
            return f"Nothing listens at {self.url}: is Jenkins running, and is the URL right?"
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            return f"Jenkins at {self.url} does not answer in time."
        return f"Jenkins at {self.url} can't be reached, or broke the connection off."

    def _refusal(self, answer: requests.Response) -> SetupError:
        """Return what an answer that is no success means, with its cure."""
        status = answer.status_code
        path = answer.request.path_url.removeprefix(urlsplit(self.url).path)
        if answer.is_redirect:
            location = answer.headers["Location"]
            return RedirectError(
                f"{self.url} leads to {location.removesuffix(path)[:200]}, which is not followed: "
                "set NOTIFY_EMAIL_JENKINS_URL to the address that Jenkins itself answers at.",
                location,
            )
        if status == 401:
            return SetupError(
                f"Jenkins at {self.url} does not know the user {self._user} with this API token: "
                f"make a new one at {self.url}/user/{quote(self._user or '')}/security."
            )
        if status == 403:
            return self._forbidden(answer)
        if status == 404:
            return MissingPageError(
                f"Jenkins at {self.url} has no page {path}, or {self._user or 'an anonymous user'} "
                "may not see it."
            )
        if status == 503 and b"getting ready" in answer.content:
            return UnreachableError(f"Jenkins at {self.url} is getting ready to work.")
        may_pass = status == 429 or status >= 500
        return (UnreachableError if may_pass else SetupError)(
            f"Jenkins at {self.url} answers {status} to {path}: its log tells more."
        )

    def _forbidden(self, answer: requests.Response) -> SetupError:
        if self._user is None:
            return SetupError(
                f"Jenkins at {self.url} wants to know the user: give "
                "NOTIFY_EMAIL_JENKINS_USER, and an API token by "
                "NOTIFY_EMAIL_JENKINS_TOKEN_FILE or NOTIFY_EMAIL_JENKINS_TOKEN."
            )
        if b"crumb" in answer.content:
            return SetupError(
                f"Jenkins at {self.url} refuses a request without its crumb: use an API token, not "
                "a password, or let no proxy drop Jenkins' cookies."
            )
        return SetupError(
            f"The user {self._user} lacks the permission {self._permissions} at {self.url}: use "
            "the token of a user who has it."
        )
