"""The client of Jenkins' REST API: a build's description, read and written."""

import json
import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from pyservice.config.settings import Settings, read_secret
from pyservice.errors import SetupError

if TYPE_CHECKING:
    import requests

TIMES = (5.0, 10.0)
"""Seconds that Jenkins has to accept a connection, and to go on with an answer."""
LONGEST = 1024 * 1024
"""Bytes of an answer: a description that is larger is left alone."""


class AwayError(SetupError):
    """Jenkins does not answer, or not yet: it may do so later."""


class BuildPage:
    """A build's description, read and written with the service's own API token."""

    def __init__(self, url: str, settings: Settings) -> None:
        """Ask nothing yet.

        Raises:
            ConfigurationError: the token's file can't be used any more.
        """
        file = settings.jenkins_token_file
        self._url, self._root, self._user = url, settings.jenkins_url, settings.jenkins_user or ""
        self._token = read_secret(file) if file else ""

    def read(self) -> str | None:
        """As it is, in whatever markup.

        Raises:
            SetupError: Jenkins refuses it, or is away; says which.
        """
        answer, body = self._ask("GET", "/api/json?tree=description")
        if answer.status_code != 200:
            raise self._refusal(answer, body)
        try:
            found = json.loads(body)["description"]
        except (ValueError, TypeError, KeyError):
            found = 0
        if found is not None and not isinstance(found, str):
            raise SetupError(f"What answers at {self._url} is no build of Jenkins.")
        return found

    def write(self, text: str) -> None:
        """Replace it.

        Raises:
            SetupError: Jenkins refuses it, or is away; says which.
        """
        answer, body = self._ask("POST", "/submitDescription", {"description": text})
        # Jenkins leads back to the build. Its host and scheme may be a proxy's to correct.
        leads_to = urljoin(f"{self._url}/submitDescription", answer.headers.get("Location", ""))
        is_back = urlsplit(leads_to).path.rstrip("/") == urlsplit(self._url).path
        if answer.status_code != 200 and not (answer.is_redirect and is_back):
            raise self._refusal(answer, body)

    def _ask(
        self, method: str, path: str, form: dict[str, str] | None = None
    ) -> "tuple[requests.Response, bytes]":
        # Late, since it takes a while to import, and most services never ask.
        import requests  # noqa: PLC0415

        body = b""
        ends = time.monotonic() + sum(TIMES)
        try:
            # No redirect is followed: the token is for this controller alone.
            with requests.request(
                method,
                self._url + path,
                data=form,
                auth=(_bytes_of(self._user), _bytes_of(self._token)),
                timeout=TIMES,
                allow_redirects=False,
                stream=True,
            ) as answer:
                for chunk in answer.iter_content(16 * 1024):
                    body += chunk
                    if len(body) > LONGEST:
                        raise SetupError(f"Jenkins answers more than 1 MiB at {self._url}.")
                    if time.monotonic() > ends:
                        raise AwayError(f"Jenkins at {self._root} does not answer in time.")
        except requests.exceptions.SSLError:
            raise SetupError(
                f"The certificate of {self._root} can't be verified: set REQUESTS_CA_BUNDLE to the "
                "file with your authority's."
            ) from None
        except requests.Timeout:
            raise AwayError(f"Jenkins at {self._root} does not answer in time.") from None
        except requests.RequestException as error:
            raise AwayError(
                f"Jenkins at {self._root} can't be reached ({type(error).__name__})."
            ) from None
        return answer, body

    def _refusal(self, answer: "requests.Response", body: bytes) -> SetupError:
        """What an answer says, for a person: whether it may be tried again, and the cure."""
        status = answer.status_code
        if status == 429 or status >= 500:
            return AwayError(f"Jenkins at {self._root} answers {status}.")
        if status == 401:
            told = f"does not know {self._user} with the token in JENKINS_TOKEN_FILE"
        elif status == 403 and b"crumb" in body:
            told = "wants an API token in JENKINS_TOKEN_FILE, not a password"
        elif status == 403:
            told = f"does not let {self._user} do this: it takes Job/Read and Run/Update"
        elif status == 404:
            told = f"has no build {self._url}, or {self._user} may not see it"
        elif answer.is_redirect:
            told = f"leads to {answer.headers['Location'][:200]}, which is not followed"
        else:
            told = f"answers {status} at {self._url}"
        return SetupError(f"Jenkins at {self._root} {told}.")


def _bytes_of(text: str) -> str:
    """A text's UTF-8 as requests takes it, which writes texts in Latin-1 into that header."""
    return text.encode().decode("latin-1")
