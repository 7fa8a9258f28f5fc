"""A conversation with one Jenkins controller: python-jenkins, and what its answers mean."""

import re
import time
from base64 import b64encode
from collections.abc import Callable
from importlib.resources import files
from json import dumps, loads
from typing import Any
from urllib.parse import quote, urlsplit

import jenkins
import requests

from pyservice.errors import SetupError

OLDEST = (2, 266)
"""The first Jenkins with all that is used here and by the library (hudson.security.ACL.SYSTEM2)."""
TIMEOUT = 60.0
"""Seconds for one request: the controller itself tries some addresses within it."""
TRIES = 3
"""Attempts at what may be repeated, where Jenkins is away for a moment."""

_NOT_YET = (502, 503, 504)
_PAUSE, _LONGEST_PAUSE = 0.5, 3.0
_SCRIPTS = files("pyservice.setup.jenkins") / "scripts"

Say = Callable[[str], None]


class AwayError(SetupError):
    """Jenkins does not answer, or not yet: it may do so later."""


class Controller:
    """One Jenkins, as a user with an API token, or as nobody where it has no security."""

    def __init__(self, url: str, user: str | None = None, token: str | None = None) -> None:
        """Connects only when it is needed.

        Args:
            url: Jenkins' root.
            user: whose token it is.
            token: an API token; a password serves as well.
        """
        self.url, self.user = url.rstrip("/"), user
        self.version = ""
        """Known after `wait`."""
        self._jenkins = jenkins.Jenkins(self.url, user, token, timeout=TIMEOUT)

    def wait(self, seconds: float, say: Say = lambda _: None) -> None:
        """Wait until it is up, and see that it is one that can be used.

        Args:
            seconds: how long at most.
            say: told what it waits for, whenever that changes.

        Raises:
            SetupError: it is not up in time, is no Jenkins, is too old, or refuses the user.
        """
        ends, pause, told = time.monotonic() + seconds, _PAUSE, ""
        while True:
            try:
                answer = self._send("GET", "/api/json?tree=mode", crumb=False)
                break
            except AwayError as away:
                left = ends - time.monotonic()
                if left <= 0:
                    raise SetupError(f"{away} It was waited for during {seconds:g} s.") from None
                if str(away) != told:
                    told = str(away)
                    say(f"{told} Waiting for up to {left:.0f} s.")
                time.sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_PAUSE)
        self.version = self._version(answer)

    def run(self, script: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Let the controller run scripts of ours and answer by one line of JSON.

        Running one again must do no harm, since it is tried again where Jenkins is away.

        Args:
            script: names in scripts/, joined by spaces: `settings read`.
            asked: what they find in their variable `asked`.

        Raises:
            SetupError: it did not run to its end; says why, and never quotes the script.
        """
        answer = self._answer(source(script, asked))
        if "error" in answer:
            raise SetupError(f"{self.url}: {_failed(answer)}")
        return answer

    def post(self, path: str, form: dict[str, str]) -> str:
        """POST a form, once, and return the answer's HTML.

        Raises:
            SetupError: Jenkins refused it, or can't be reached.
        """
        return self._send("POST", path, data=form).text

    def _answer(self, text: str) -> dict[str, Any]:
        for attempt in range(1, TRIES + 1):
            try:
                return _parsed(self._run(text))
            except AwayError:
                if attempt == TRIES:
                    raise
                time.sleep(_PAUSE * attempt)
        raise AssertionError  # unreachable

    def _run(self, text: str) -> str:
        try:
            return str(self._jenkins.run_script(text))
        except (jenkins.JenkinsException, requests.RequestException) as error:
            if _response(error) is None and type(error) is jenkins.JenkinsException:
                # The script's own failure. Its first line: what follows may quote the script.
                said = str(error).strip().partition("\n")[0][:300]
                raise SetupError(f"{self.url} could not run the script: {said}") from None
            raise self._meaning(error) from None

    def _send(
        self, method: str, path: str, *, data: dict[str, str] | None = None, crumb: bool = True
    ) -> requests.Response:
        request = requests.Request(method, self.url + path, data=data)
        try:
            answer: requests.Response = self._jenkins.jenkins_request(request, add_crumb=crumb)
        except (jenkins.JenkinsException, requests.RequestException) as error:
            raise self._meaning(error) from None
        return answer

    def _version(self, answer: requests.Response) -> str:
        if answer.history:
            raise SetupError(self._elsewhere(answer))
        version: str | None = answer.headers.get("X-Jenkins")
        if version is None:
            raise SetupError(self._no_jenkins(answer.status_code))
        if (found := re.match(r"(\d+)\.(\d+)", version)) and tuple(
            int(part) for part in found.groups()
        ) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise SetupError(
                f"{self.url} is Jenkins {version}; this needs {oldest} or later: update it."
            )
        return version

    def _meaning(self, error: Exception) -> SetupError:
        """What a failed request says, for a person: whether it may be tried again, and the cure."""
        answer = _response(error)
        if answer is None:
            return self._unreachable(error)
        if answer.status_code in _NOT_YET and not answer.history:
            starts = "getting ready" in answer.text
            state = "is getting ready to work" if starts else f"answers {answer.status_code}"
            return AwayError(f"Jenkins at {self.url} {state}.")
        return SetupError(self._refusal(answer))

    def _refusal(self, answer: requests.Response) -> str:
        status = answer.status_code
        if answer.history:
            return self._elsewhere(answer)
        if status == 401:
            page = f"{self.url}/user/{quote(self.user or '')}/security"
            return (
                f"Jenkins at {self.url} does not know the user {self.user} with this API token: "
                f"make a new one at {page}."
            )
        if status == 403:
            return self._forbidden(answer)
        if status == 404 and "X-Jenkins" not in answer.headers and not self.version:
            return self._no_jenkins(status)
        return (
            f"Jenkins at {self.url} answers {status} {answer.reason} to {urlsplit(answer.url).path}"
            ": its log tells more."
        )

    def _forbidden(self, answer: requests.Response) -> str:
        if self.user is None:
            return (
                f"Jenkins at {self.url} wants to know who asks: give JENKINS_USER, and an API "
                "token by JENKINS_TOKEN_FILE or NOTIFY_EMAIL_JENKINS_TOKEN."
            )
        if "crumb" in answer.text:
            return (
                f"Jenkins at {self.url} refuses the crumb that it gave: use an API token, not a "
                "password, or let no proxy drop its cookies."
            )
        permission = answer.headers.get("X-Required-Permission", "").rpartition(".")[2]
        lacks = f"lacks the permission Overall/{permission}" if permission else "may not do this"
        return (
            f"The user {self.user} {lacks} at {self.url}: use an administrator's token, since only "
            "they may set this."
        )

    def _unreachable(self, error: Exception) -> SetupError:
        text, host = str(error), urlsplit(self.url).hostname
        if isinstance(error, requests.exceptions.SSLError):
            return SetupError(
                f"The certificate of {self.url} can't be verified: set REQUESTS_CA_BUNDLE to the "
                "file with your authority's."
            )
        if isinstance(error, requests.exceptions.ProxyError):
            away = (
                f"{self.url} can't be reached by the proxy that the environment names: NO_PROXY="
                f"{host} goes without."
            )
        elif any(sign in text for sign in ("NameResolution", "getaddrinfo", "Name or service")):
            return SetupError(f"There is no host {host}: is the URL right?")
        elif "refused" in text:
            away = f"Nothing listens at {self.url}."
        elif isinstance(error, jenkins.TimeoutException | requests.Timeout) or "timed out" in text:
            away = f"{self.url} does not answer in time."
        elif isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
            away = f"{self.url} can't be reached, or broke the connection off."
        else:
            return SetupError(f"{self.url} can't be asked: {type(error).__name__}.")
        return AwayError(away)

    def _elsewhere(self, answer: requests.Response) -> str:
        where = urlsplit(answer.url)
        return (
            f"{self.url} leads to {where.scheme}://{where.netloc}"
            f"{where.path.removesuffix('/api/json')}: set JENKINS_URL to the address that Jenkins "
            "itself answers at."
        )

    def _no_jenkins(self, status: int) -> str:
        return (
            f"There is no Jenkins at {self.url}: it answers {status}, without the header "
            "X-Jenkins. Is the URL right, with its prefix?"
        )


def source(script: str, asked: dict[str, Any]) -> str:
    """Scripts of ours as one, with a first line that sets their variable `asked`.

    Its alphabet has neither quotation marks nor backslashes, so no value can end the literal; and
    Groovy reads `\\u0027` as a quotation mark wherever it stands.
    """
    literal = b64encode(dumps(asked).encode()).decode()
    parse = "new groovy.json.JsonSlurper().parseText(new String('{}'.decodeBase64(), 'UTF-8'))"
    return "\n".join([f"asked = {parse.format(literal)}", *map(read_script, script.split())])


def read_script(name: str) -> str:
    """The text of a file in scripts/."""
    return (_SCRIPTS / f"{name}.groovy").read_text(encoding="utf-8")


def _parsed(printed: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = loads(printed.rpartition("\n")[2])
    except ValueError:
        raise SetupError("Jenkins ran the script and did not print its answer.") from None
    return answer


def _response(error: BaseException | None) -> requests.Response | None:
    """What Jenkins answered: python-jenkins raises its own exception while it handles requests'."""
    while error is not None:
        found: requests.Response | None = getattr(error, "response", None)
        if found is not None:
            return found
        error = error.__context__
    return None


def _failed(answer: dict[str, Any]) -> str:
    if answer["error"].startswith("Missing"):  # Groovy's exception for a name that is not there
        answer["error"] += " (is one of the plugins too old? update it)"
    answer["error"] = answer["error"].removeprefix("IllegalStateException: ")  # our own
    stuck = answer.get("stuck")
    if stuck is None:
        return f"Jenkins' settings can't be read: {answer['error']}"
    if stuck:
        undone = f"and undoing what was written before failed, too ({'; '.join(stuck)})"
        return f"{answer['error']}, {undone}: look at its mail settings."
    return f"{answer['error']}; what was written before is undone."
