"""The path of a report: from here, or from a controller, to the service that accepts it."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import create_connection
from urllib.parse import urlsplit

from pyservice.config.settings import PORT
from pyservice.errors import ConfigurationError, os_reason
from pyservice.setup.doctor.finding import Finding
from pyservice.setup.doctor.findings import KNOWN
from pyservice.setup.service_answer import HttpAnswer, Kind, ServiceAnswer

MAX_BYTES = 16 * 1024
"""Of an answer; no answer of the service's that is read here has more."""
_PORTS = {"http": 80, "https": 443}
_FINDINGS: dict[Kind, str] = {
    "unreachable": "service-unreachable",
    "certificate": "service-certificate",
    "foreign": "not-the-service",
    "name": "service-name-refused",
    "unready": "service-not-ready",
    "token": "token-refused",
}


@dataclass(frozen=True)
class Service:
    """Where the service should answer this machine."""

    urls: tuple[str, ...] = ()
    """The roots at which it should answer; empty: it is not checked."""
    token: str | None = None
    certificate: Path | None = None
    """The one that it presents, where it is this node's own."""
    is_own: bool = False
    """Whether the URLs come from the settings of this node's service."""
    not_checked: str = "the service: give --service-url URL"
    """What to say where there is no URL."""


def examine_service(
    service: Service, timeout: float, remark: Callable[[str], object]
) -> list[Finding]:
    """Return what is wrong at each URL of the service, as this machine sees it.

    Args:
        service: where it should answer.
        timeout: seconds to connect, and for each part of an answer.
        remark: gets a line about each URL.
    """
    context = own_context(service.certificate) if service.certificate else None
    findings = []
    for url in service.urls:
        answer = request_service(url, service.token, context=context, timeout=timeout)
        remark(describe(answer))
        finding = judge(
            answer, "this machine", "the token of --service-token-file", is_own=service.is_own
        )
        if finding and (service.token or finding.id != "token-refused"):
            findings.append(finding)
    return findings


def own_context(certificate: Path) -> ssl.SSLContext:
    """Return what checks that the service of this node presents its own certificate, in date.

    Whether others know the name and the authority is seen from where they are.

    Raises:
        ConfigurationError: the certificate can't be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(certificate)
    except OSError as error:
        raise ConfigurationError(
            f"NOTIFY_EMAIL_TLS_CERT {certificate} can't be read: {os_reason(error)}. Run this as "
            "root, or correct the setting."
        ) from None
    return context


def request_service(
    url: str,
    token: str | None = None,
    *,
    context: ssl.SSLContext | None = None,
    timeout: float = 10.0,
) -> ServiceAnswer:
    """Send the service the requests of scripts/service.groovy, from here.

    Args:
        url: its root.
        token: the service's; None: reports are requested without one.
        context: checks its certificate; None: by the authorities that this machine knows.
        timeout: seconds to connect, and for each part of an answer.
    """
    answer = ServiceAnswer(url.rstrip("/"))
    context = context or ssl.create_default_context()

    def get(path: str, token: str | None = None) -> HttpAnswer:
        return _get(answer.url, path, token, context, timeout)

    try:
        answer = replace(answer, health=get("/healthz"))
        if not answer.is_services:
            return answer
        return replace(answer, ready=get("/readyz"), reports=get("/v1/reports?limit=1", token))
    except ssl.SSLError as error:
        return replace(answer, error=str(error))
    except OSError as error:
        return replace(answer, error=f"{type(error).__name__}: {os_reason(error)}")
    except (HTTPException, ValueError) as error:
        return replace(answer, error=f"{type(error).__name__}: {error}")


def judge(
    answer: ServiceAnswer, machine: str, whose: str, *, is_own: bool = False
) -> Finding | None:
    """Return what is wrong with the service's answers.

    Args:
        answer: the answers.
        machine: who got them: `this machine`.
        whose: which token was sent: `the token of --service-token-file`.
        is_own: whether the service of this machine should listen there.
    """
    fault = answer.fault
    if fault is None:
        return None
    host, port = _place(answer.url)
    is_down = is_own and fault.kind == "unreachable"
    return KNOWN["service-down" if is_down else _FINDINGS[fault.kind]].finding(
        url=answer.url,
        host=host,
        port=port,
        machine=machine,
        whose=whose,
        text=fault.text,
    )


def _place(url: str) -> tuple[str, int]:
    """Return a URL's host and port for a cure; Jenkins may have a URL that is none."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "HOST", parts.port or _PORTS.get(parts.scheme, PORT)
    except ValueError:
        return "HOST", PORT


def describe(answer: ServiceAnswer) -> str:
    """Return one line of the dialogue about the service's answers."""
    if answer.error:
        return f"GET {answer.url}/healthz: {answer.error}"
    return f"GET {answer.url}/healthz: {answer.health.status}, /readyz: {answer.ready.status}"


def _get(
    url: str, path: str, token: str | None, context: ssl.SSLContext, timeout: float
) -> HttpAnswer:
    """GET as Jenkins posts: without a proxy, and from this address alone."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    connection = HTTPConnection(host, port)
    connection.sock = create_connection((host, port), timeout)
    try:
        if parts.scheme == "https":
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", parts.path + path, headers=headers)
        response = connection.getresponse()
        return HttpAnswer(response.status, response.read(MAX_BYTES).decode("utf-8", "replace"))
    finally:
        connection.close()
