"""A client of a running service: it posts a report, and reads how far its mail has come."""

import os
import uuid
from typing import Any

import requests
from requests.exceptions import SSLError

from pyservice.errors import ConfigurationError, SetupError
from pyservice.terminal import plain
from pyservice.urls import is_web_address, speaks_no_tls

_TIMEOUTS = (5.0, 30.0)
"""Seconds to connect, and for each part of an answer."""

Answer = dict[str, Any]


class ServiceClient:
    """One service, for a caller with a token or without. Each method raises a SetupError."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Connect only when something is sent.

        Args:
            url: the service's root.
            token: the caller's; None: the service must trust this machine.

        Raises:
            ConfigurationError: that is no URL.
        """
        if not is_web_address(url):
            raise ConfigurationError(
                f"{url!r} is no http or https address. Give --service-url one such as "
                "http://172.17.0.1:8525."
            )
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy can't reach a node's loopback or bridge
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def post(self, report: Answer) -> Answer:
        """Post a report, which is a new one even if the service has an equal one."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._request("POST", "/v1/reports", json=report, headers=headers)

    def status(self, report_id: str) -> Answer:
        """Return the status of a report."""
        return self._request("GET", f"/v1/reports/{report_id}")

    def _request(self, method: str, path: str, **body: Any) -> Answer:
        try:
            response = self._session.request(
                method, self.url + path, timeout=_TIMEOUTS, allow_redirects=False, **body
            )
        except SSLError as error:
            if speaks_no_tls(error):
                raise SetupError(
                    f"{self.url} speaks no TLS. Give its address with http:// by --service-url."
                ) from None
            raise SetupError(
                f"The certificate of {self.url} can't be verified. Give the name that it is for "
                "with --service-url, and set REQUESTS_CA_BUNDLE to its authority's file."
            ) from None
        except requests.Timeout:
            raise SetupError(
                f"{self.url} does not answer in time. Look into the service's log."
            ) from None
        except requests.RequestException:
            raise SetupError(
                f"No service answers at {self.url}. Start it with `notify-email serve`, or name "
                "its address with --service-url."
            ) from None
        try:
            answer = response.json()
        except ValueError:
            answer = None
        known = "id" if response.ok else "detail"
        if not isinstance(answer, dict) or known not in answer:
            raise SetupError(
                f"{self.url} answers {response.status_code}, and not as the service does. Name the "
                "service with --service-url."
            )
        if not response.ok:
            raise SetupError(_refusal(response.status_code, answer))
        return answer


def _refusal(status: int, problem: Answer) -> str:
    """Return why the service did not accept a report, with each member that is wrong."""
    if status == 401:
        return (
            "The service wants a token (401). `notify-email token new NAME` makes one; give a file "
            "that holds it with --service-token-file."
        )
    errors = problem.get("errors") or []
    lines = [f"  {error['pointer'] or '/'}: {error['detail']}" for error in errors]
    return plain("\n".join([f"The service refuses this ({status}): {problem['detail']}", *lines]))
