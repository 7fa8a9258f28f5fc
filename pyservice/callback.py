"""Tells in Jenkins what became of a report's mail, in a line of its build's description.

Courier and receipts tell it of changes; it waits a moment for the next one, reads how the mail
stands, and renews the line. All that is in memory and in one thread: neither acceptance nor sending
ever waits for Jenkins, and what Jenkins doesn't take is logged and left.
"""

import json
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import sqlalchemy as sa
import structlog

from pyservice import description
from pyservice.current import Current
from pyservice.database import Database
from pyservice.engines import cause
from pyservice.entries import Entry, reports
from pyservice.errors import ConfigurationError, SetupError
from pyservice.ledger import Ledger
from pyservice.settings import Settings, read_secret

if TYPE_CHECKING:
    import requests

MOST = 1000
"""Reports that wait to be told of; of more the oldest are left out."""
DELAY = 1.0
"""Seconds that a change waits for the next one: most mails are relayed at once."""
PAUSES = (5.0, 30.0, 120.0)
"""Seconds before each further attempt where Jenkins is away."""
TIMES = (5.0, 10.0)
"""Seconds that Jenkins has to accept a connection, and to go on with an answer."""
LONGEST = 1024 * 1024
"""Bytes of an answer: a description that is larger is left alone."""
GRACE = 1.0
"""Seconds for what waits when the service is told to stop."""

_log = structlog.get_logger()


def check(settings: Settings) -> None:
    """Whether there is a token to do it with, if it is wanted.

    Raises:
        ConfigurationError: the token's file can't be used; says why.
    """
    if settings.build_description and settings.jenkins_token_file:
        read_secret(settings.jenkins_token_file)


class Callback:
    """Writes in the background between `start` and `stop`, while BUILD_DESCRIPTION is set."""

    def __init__(self, current: Current, database: Database, ledger: Ledger) -> None:
        """Nothing is asked yet.

        Args:
            current: the settings: whether it is wanted, and who Jenkins is.
            database: the outbox'.
            ledger: what Postfix' log told.
        """
        self._current, self._database, self._ledger = current, database, ledger
        self._news = threading.Condition()
        self._waiting: dict[str, tuple[float, int]] = {}
        """By a report's ID: when it is its turn, on the monotonic clock, and after how many tries.
        """
        self._stops_at: float | None = None
        self._is_full = False
        """Whether that was told, and there was no room since."""
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin with whatever it was told of."""
        self._thread.start()

    def stop(self) -> None:
        """Return soon: what Jenkins doesn't take at once is left."""
        with self._news:
            self._stops_at = time.monotonic() + GRACE
            self._news.notify()
        self._thread.join(GRACE)
        if self._waiting:
            _log.warning("description.left", reports=len(self._waiting), reason="the service stops")

    def changed(self, report_id: str) -> None:
        """Something new is committed of this report's mail. It takes microseconds."""
        if not self._current.settings.build_description:
            return
        with self._news:
            self._waiting.pop(report_id, None)
            if len(self._waiting) >= MOST:
                del self._waiting[next(iter(self._waiting))]
                if not self._is_full:
                    _log.warning("description.left", reason=f"over {MOST} wait for Jenkins")
                self._is_full = True
            elif len(self._waiting) < MOST // 2:
                self._is_full = False
            self._waiting[report_id] = (time.monotonic() + DELAY, 0)
            self._news.notify()

    def _work(self) -> None:
        while found := self._next():
            report_id, tries = found
            try:
                self._tell(report_id)
            except _AwayError as error:
                self._again(report_id, tries, str(error))
            except (ConfigurationError, SetupError, sa.exc.SQLAlchemyError) as error:
                _log.warning("description.failed", id=report_id, reason=cause(error))
            except Exception:
                _log.exception("description.failed", id=report_id)

    def _next(self) -> tuple[str, int] | None:
        """Wait for the next one, and take it; None: it is time to end."""
        with self._news:
            while True:
                now, stops_at = time.monotonic(), self._stops_at
                if stops_at is not None and (not self._waiting or now >= stops_at):
                    return None
                report_id = min(self._waiting, key=self._waiting.__getitem__, default=None)
                if report_id is not None:
                    turn, tries = self._waiting[report_id]
                    if turn <= now or stops_at is not None:
                        del self._waiting[report_id]
                        return report_id, tries
                    self._news.wait(turn - now)
                else:
                    self._news.wait()

    def _again(self, report_id: str, tries: int, reason: str) -> None:
        with self._news:
            if report_id in self._waiting:  # something newer has its own tries
                return
            if tries < len(PAUSES) and self._stops_at is None:
                self._waiting[report_id] = (time.monotonic() + PAUSES[tries], tries + 1)
                return
        _log.warning("description.failed", id=report_id, reason=reason)

    def _tell(self, report_id: str) -> None:
        settings = self._current.settings
        query = sa.select(reports).where(reports.c.id == report_id)
        with self._database.read() as read:
            row = read.execute(query).mappings().one_or_none()
        if row is None or not settings.build_description or settings.jenkins_url is None:
            return
        entry = Entry.of(row)
        line = description.line(entry, self._ledger.receipts(entry))
        if line is None:
            return
        page = description.page(entry.report.build, settings.jenkins_url)
        if page is None:
            told = "build.url is not that build's address below JENKINS_URL"
            _log.info("description.foreign", id=entry.id, url=entry.report.build.url, reason=told)
            return
        build = _BuildPage(page, settings)
        before = build.read()
        after = description.renewed(before, line)
        if after != before:
            build.write(after)
            _log.debug("description.renewed", id=entry.id, line=line)


class _AwayError(SetupError):
    """Jenkins does not answer, or not yet: it may do so later."""


class _BuildPage:
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
                        raise _AwayError(f"Jenkins at {self._root} does not answer in time.")
        except requests.exceptions.SSLError:
            raise SetupError(
                f"The certificate of {self._root} can't be verified: set REQUESTS_CA_BUNDLE to the "
                "file with your authority's."
            ) from None
        except requests.Timeout:
            raise _AwayError(f"Jenkins at {self._root} does not answer in time.") from None
        except requests.RequestException as error:
            raise _AwayError(
                f"Jenkins at {self._root} can't be reached ({type(error).__name__})."
            ) from None
        return answer, body

    def _refusal(self, answer: "requests.Response", body: bytes) -> SetupError:
        """What an answer says, for a person: whether it may be tried again, and the cure."""
        status = answer.status_code
        if status == 429 or status >= 500:
            return _AwayError(f"Jenkins at {self._root} answers {status}.")
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
