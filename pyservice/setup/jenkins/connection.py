"""A conversation with one Jenkins controller: wait for it, run our scripts in it, post a form."""

import re
import time
from base64 import b64encode
from collections.abc import Callable
from importlib.resources import files
from json import dumps, loads
from typing import Any

from pyservice.errors import SetupError
from pyservice.jenkins.client import JenkinsClient
from pyservice.jenkins.errors import MissingPageError, UnknownHostError, UnreachableError

OLDEST = (2, 266)
"""The first Jenkins with all that is used here and by the library (hudson.security.ACL.SYSTEM2)."""
TIMEOUT = 60.0
"""Seconds for one request: the controller itself tries some addresses within it."""
PERMISSION = "Overall/Administer"

_SCRIPTS = files("pyservice.setup.jenkins") / "scripts"

Report = Callable[[str], None]


class Controller:
    """One Jenkins, as a user with an API token, or as nobody where it has no security."""

    def __init__(self, url: str, user: str | None = None, token: str | None = None) -> None:
        """Connect only when something is sent.

        Args:
            url: Jenkins' root.
            user: whose token it is.
            token: an API token; a password serves as well.
        """
        self._client = JenkinsClient(
            url, user, token, permissions=PERMISSION, timeouts=(TIMEOUT, TIMEOUT)
        )
        self.url = self._client.url
        self.version = ""
        """Known after `wait`."""

    def wait(
        self,
        seconds: float,
        report: Report = lambda _message: None,
        *,
        pause: float = 0.5,
        longest_pause: float = 3.0,
    ) -> None:
        """Wait until it is up, and check that it is one that can be used.

        Args:
            seconds: how long at most.
            report: gets a message about what is waited for, whenever that changes.
            pause: seconds before the second attempt; it doubles with each further one.
            longest_pause: seconds at which it doubles no more.

        Raises:
            SetupError: it is not up in time, is no Jenkins, is too old, or refuses the user.
        """
        deadline, last_message = time.monotonic() + seconds, ""
        while not self.version:
            try:
                self.version = self._read_version()
            except UnknownHostError:
                raise
            except UnreachableError as away:
                message, left = str(away), deadline - time.monotonic()
                if left <= 0:
                    raise SetupError(f"{message} Waited {seconds:g} s.") from None
                if message != last_message:
                    report(f"{message} Waiting for up to {left:.0f} s.")
                    last_message = message
                time.sleep(min(pause, left))
                pause = min(pause * 2, longest_pause)

    def run(self, script: str, values: dict[str, Any]) -> dict[str, Any]:
        """Let the controller run scripts of ours and answer by one line of JSON.

        Running one again must do no harm, since it is tried again where Jenkins is away.

        Args:
            script: names in scripts/, joined by spaces: `settings read`.
            values: the scripts' variable `input`.

        Raises:
            SetupError: it did not run to its end; says why, and never quotes the script.
        """
        answer = self._run(source(script, values))
        if "error" in answer:
            raise SetupError(f"{self.url}: {_failure(answer)}")
        return answer

    def post(self, path: str, form: dict[str, str]) -> str:
        """POST a form, once, and return the answer's HTML.

        Raises:
            SetupError: Jenkins refused it, or can't be reached.
        """
        return self._client.send("POST", path, form, crumb=True).text

    def _run(self, script: str, attempts: int = 3, pause: float = 0.5) -> dict[str, Any]:
        for attempt in range(1, attempts):
            try:
                return _parse(self._client.run_script(script))
            except UnreachableError:
                time.sleep(pause * attempt)
        return _parse(self._client.run_script(script))

    def _read_version(self) -> str:
        try:
            answer = self._client.send("GET", "/api/json?tree=mode")
        except MissingPageError:
            raise self._no_jenkins(404) from None
        version: str | None = answer.headers.get("X-Jenkins")
        if version is None:
            raise self._no_jenkins(answer.status_code)
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if numbers and tuple(map(int, numbers.groups())) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise SetupError(
                f"{self.url} is Jenkins {version}; this needs {oldest} or later: update it."
            )
        return version

    def _no_jenkins(self, status: int) -> SetupError:
        return SetupError(
            f"There is no Jenkins at {self.url}: it answers {status}, without the header "
            "X-Jenkins. Is the URL right, with its prefix?"
        )


def source(script: str, values: dict[str, Any]) -> str:
    """Join scripts of ours, after a first line that sets their variable `input`.

    Its alphabet has neither quotation marks nor backslashes, so no value can end the literal; and
    Groovy reads `\\u0027` as a quotation mark wherever it stands.
    """
    literal = b64encode(dumps(values).encode()).decode()
    parse = "new groovy.json.JsonSlurper().parseText(new String('{}'.decodeBase64(), 'UTF-8'))"
    return "\n".join([f"input = {parse.format(literal)}", *map(read_script, script.split())])


def read_script(name: str) -> str:
    """Return the text of a file in scripts/."""
    return (_SCRIPTS / f"{name}.groovy").read_text(encoding="utf-8")


def _parse(printed: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = loads(printed.rpartition("\n")[2])
    except ValueError:
        raise SetupError("Jenkins ran the script and did not print its answer.") from None
    return answer


def _failure(answer: dict[str, Any]) -> str:
    """Return what a script's error means, and whether what it wrote before is undone."""
    error = answer["error"]
    if error.startswith("Missing"):  # Groovy's exception for a name that is not there
        error += " (is one of the plugins too old? update it)"
    error = error.removeprefix("IllegalStateException: ")  # our own
    stuck = answer.get("stuck")
    if stuck is None:
        return f"Jenkins' settings can't be read: {error}"
    if stuck:
        undone = f"and undoing what was written before failed, too ({'; '.join(stuck)})"
        return f"{error}, {undone}: look at its mail settings."
    return f"{error}; what was written before is undone."
