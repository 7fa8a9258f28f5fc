"""tls.py: the service over TLS, with certificates good and bad, and renewed while it runs."""

import json
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import trustme

from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError
from pyservice.web.tls import Certificate
from tests.builders.connections import connect, running
from tests.builders.limits import AMPLE
from tests.builders.patience import PATIENCE
from tests.python.conftest import Json, wait_for

DOCKERFILE = Path(__file__).parents[3] / "deploy" / "Dockerfile"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The authority that clients trust."""
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """The paths of the certificate and its key."""
    return tmp_path / "tls.crt", tmp_path / "tls.key"


def issue(
    authority: trustme.CA,
    files: tuple[Path, Path],
    *,
    begins: datetime = NOW - timedelta(days=1),
    ends: datetime = NOW + timedelta(days=2),
) -> str:
    """Write a new pair, and return its serial number."""
    made = authority.issue_cert("127.0.0.1", not_before=begins, not_after=ends)
    files[0].write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
    files[1].write_bytes(made.private_key_pem.bytes())
    return serial(files[0].read_text())


def serial(pem: str) -> str:
    """Return the serial number of the first certificate."""
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-serial"],
        input=pem,
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout.strip()


@contextmanager
def trusting(authority: trustme.CA, folder: Path) -> Iterator[requests.Session]:
    """A client that trusts the authority."""
    bundle = folder / "ca.pem"
    bundle.write_bytes(authority.cert_pem.bytes())
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(bundle)
        yield session


def test_reports(
    authority: trustme.CA,
    files: tuple[Path, Path],
    settings: Settings,
    report: Json,
    tmp_path: Path,
) -> None:
    """Reports are accepted over HTTPS, and plain HTTP is refused."""
    issue(authority, files)
    with (
        running(settings, Certificate(*files)) as port,
        trusting(authority, tmp_path) as session,
    ):
        address = f"https://127.0.0.1:{port}"
        assert session.post(f"{address}/v1/reports", json=report).status_code == 202
        assert session.get(f"{address}/readyz").json()["status"] == "ok"
        with pytest.raises(requests.ConnectionError):
            session.get(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE)


@pytest.mark.parametrize("speaks_tls", [True, False])
def test_the_health_check_of_the_image(
    authority: trustme.CA, files: tuple[Path, Path], settings: Settings, speaks_tls: bool
) -> None:
    """The health check uses HTTPS if the environment says that the service does."""
    issue(authority, files)
    [line] = re.findall(r'CMD (\["python", "-c".*)', DOCKERFILE.read_text())
    script = json.loads(line)[2]

    def is_healthy(**environment: str) -> bool:
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        return done.returncode == 0

    with running(settings, Certificate(*files) if speaks_tls else None) as port:
        own = {"NOTIFY_EMAIL_PORT": str(port)}
        assert is_healthy(**own) != speaks_tls
        assert is_healthy(**own, NOTIFY_EMAIL_TLS_CERT=str(files[0])) == speaks_tls


def test_old_versions(authority: trustme.CA, files: tuple[Path, Path]) -> None:
    """The oldest version is TLS 1.2."""
    issue(authority, files)
    certificate = Certificate(*files)
    assert certificate.context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_renewal(authority: trustme.CA, files: tuple[Path, Path], settings: Settings) -> None:
    """New files are used for new connections, without a restart; broken ones change nothing."""
    first = issue(authority, files)
    certificate = Certificate(*files)

    with running(settings, certificate, replace(AMPLE.http, certificate_check=0)) as port:

        def shown() -> str:
            return serial(ssl.get_server_certificate(("127.0.0.1", port)))

        assert shown() == first
        second = issue(authority, files)
        wait_for(lambda: shown() == second)
        files[1].write_text("broken")
        wait_for(lambda: "no certificate and key" in certificate.complaint)
        assert shown() == second
        files[0].unlink()
        wait_for(lambda: "can't be read" in certificate.complaint)
        assert shown() == second
        issue(authority, files, ends=NOW - timedelta(minutes=1))
        wait_for(lambda: "has expired" in certificate.complaint)
        assert shown() == second
        third = issue(authority, files)
        wait_for(lambda: shown() == third)
        assert certificate.complaint == ""


def complaint(files: tuple[Path, Path]) -> str:
    """Return why the pair can't be used: one sentence."""
    with pytest.raises(ConfigurationError) as caught:
        Certificate(*files)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_dates(authority: trustme.CA, files: tuple[Path, Path]) -> None:
    """A certificate that clients would refuse is an error."""
    issue(authority, files, ends=NOW - timedelta(minutes=1))
    assert complaint(files) == f"The certificate in NOTIFY_EMAIL_TLS_CERT {files[0]} has expired."
    issue(authority, files, begins=NOW + timedelta(days=1))
    assert (
        complaint(files) == f"The certificate in NOTIFY_EMAIL_TLS_CERT {files[0]} is not valid yet."
    )


def test_another_key(authority: trustme.CA, files: tuple[Path, Path], tmp_path: Path) -> None:
    """The two files have to be a pair."""
    issue(authority, files)
    other = (tmp_path / "other.crt", tmp_path / "other.key")
    issue(authority, other)
    assert "is not the key of NOTIFY_EMAIL_TLS_CERT" in complaint((files[0], other[1]))


def test_files_that_cannot_be_read(authority: trustme.CA, files: tuple[Path, Path]) -> None:
    """The error names the file and the reason."""
    issue(authority, files)
    for number, name in enumerate(("NOTIFY_EMAIL_TLS_CERT", "NOTIFY_EMAIL_TLS_KEY")):
        missing = (files[0], files[0].parent / "missing")
        pair = missing if number else missing[::-1]
        assert f"{name} {missing[1]} can't be read: no such file" in complaint(pair)
    folder = files[0].parent
    assert f"NOTIFY_EMAIL_TLS_KEY {folder} can't be read: is a directory" in complaint(
        (files[0], folder)
    )


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nxx\n"])
def test_files_that_are_none(authority: trustme.CA, files: tuple[Path, Path], text: str) -> None:
    """The error says what the files should be."""
    for file in files:
        issue(authority, files)
        file.write_text(text)
        assert "they are no certificate and key in PEM." in complaint(files)


def test_a_passphrase(authority: trustme.CA, files: tuple[Path, Path]) -> None:
    """A key with a passphrase is refused; OpenSSL must not ask for it."""
    issue(authority, files)
    locked = files[1].parent / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", files[1], "-aes256", "-passout", "pass:x", "-out", locked],
        check=True,
    )
    assert "has a passphrase" in complaint((files[0], locked))


def test_one_of_the_two_settings() -> None:
    """Both are set, or none."""
    for given in ({"tls_cert": Path("/x")}, {"tls_key": Path("/x")}):
        with pytest.raises(
            ConfigurationError,
            match="only one of NOTIFY_EMAIL_TLS_CERT and NOTIFY_EMAIL_TLS_KEY is set",
        ):
            Settings.load(**given)


def test_a_handshake_that_stalls(
    authority: trustme.CA, files: tuple[Path, Path], settings: Settings, tmp_path: Path
) -> None:
    """A client that doesn't finish its handshake holds up nobody."""
    issue(authority, files)
    with (
        running(settings, Certificate(*files)) as port,
        socket.create_connection(("127.0.0.1", port)),
        trusting(authority, tmp_path) as session,
    ):
        assert session.get(f"https://127.0.0.1:{port}/healthz", timeout=PATIENCE).status_code == 200


def test_a_handshake_that_never_comes(
    authority: trustme.CA, files: tuple[Path, Path], settings: Settings
) -> None:
    """It has as much time as a header: the connection is closed, whatever part has come."""
    issue(authority, files)
    limits = replace(AMPLE.http, header_time=1.0)
    with running(settings, Certificate(*files), limits) as port:
        for begin in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"):
            began = time.monotonic()
            with connect(port) as connection:
                connection.sendall(begin)
                assert connection.recv(1) == b""
            assert time.monotonic() - began > 0.9
