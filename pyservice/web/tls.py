"""The service's certificate: tested before it is used, and renewed while the service runs."""

import asyncio
import asyncio.sslproto
import os
import ssl
from pathlib import Path
from typing import Never

import structlog

from pyservice.errors import ConfigurationError, os_reason
from pyservice.file_version import FileVersion, file_version

# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
_OUT_OF_DATE = {9: "is not valid yet", 10: "has expired"}
_log = structlog.get_logger()

# asyncio gives each TLS connection such a buffer at once, of 256 KiB: 800 silent ones took 200 MB.
asyncio.sslproto.SSLProtocol.max_size = 16 * 1024


class Certificate:
    """A certificate with its key, from two PEM files."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Read the files.

        Args:
            cert: the certificate, followed by its intermediate certificates.
            key: its private key, without a passphrase.

        Raises:
            ConfigurationError: they can't be used.
        """
        self._files = (cert, key)
        self._versions = self._file_versions()
        self.context, until = _tested_context(cert, key)
        """The TLS context of new connections."""
        self.complaint = ""
        """Why the present files can't be used; empty: they are used."""
        _log.info("tls.loaded", certificate=str(cert), until=until)

    async def renew(self) -> None:
        """Use changed files for new connections, or keep the old ones if they can't be used."""
        try:
            versions = self._file_versions()
            if versions == self._versions:
                return
            _, until = await asyncio.to_thread(_tested_context, *self._files)
            # Not in the thread: the event loop could make a connection with a half-loaded context.
            _load(self.context, *self._files)
        except ConfigurationError as error:
            # One of the two files may be new already and the other not: the next check tells.
            if str(error) != self.complaint:
                self.complaint = str(error)
                _log.error("tls.reload_failed", reason=str(error))
            return
        self._versions, self.complaint = versions, ""
        _log.info("tls.loaded", certificate=str(self._files[0]), until=until)

    def _file_versions(self) -> list[FileVersion]:
        """Return what differs once one of the files has changed."""
        versions = []
        for name, file in zip(
            ("NOTIFY_EMAIL_TLS_CERT", "NOTIFY_EMAIL_TLS_KEY"), self._files, strict=True
        ):
            try:
                with file.open("rb") as opened:  # OpenSSL doesn't say which one it can't read
                    versions.append(file_version(os.fstat(opened.fileno())))
            except OSError as error:
                raise ConfigurationError(
                    f"{name} {file} can't be read: {os_reason(error)}."
                ) from None
        return versions


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    def refuse() -> Never:
        raise ConfigurationError(
            f"NOTIFY_EMAIL_TLS_KEY {key} has a passphrase, and nobody is there to type it. Write "
            "the key without a passphrase, with `openssl pkey`."
        )

    try:
        context.load_cert_chain(cert, key, password=refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(
                f"NOTIFY_EMAIL_TLS_KEY {key} is not the key of NOTIFY_EMAIL_TLS_CERT {cert}. Set "
                "both to files of one pair."
            ) from None
        raise ConfigurationError(
            f"NOTIFY_EMAIL_TLS_CERT {cert} and NOTIFY_EMAIL_TLS_KEY {key} can't be used together: "
            f"{_reason(error)}."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"NOTIFY_EMAIL_TLS_CERT {cert} can't be read: {os_reason(error)}."
        ) from None


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason as words, without the place in Python's source that follows it."""
    if not error.reason or "PEM" in error.reason:
        return "they are no certificate and key in PEM"
    return error.reason.lower().replace("_", " ")


def _tested_context(cert: Path, key: Path) -> tuple[ssl.SSLContext, str]:
    """Test a certificate by a handshake in memory.

    Returns:
        The server's context, and the day on which the certificate expires.

    Raises:
        ConfigurationError: no client could shake hands with it.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Debian's Python leaves it to openssl.cnf
    _load(context, cert, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= (
        ssl.VERIFY_X509_PARTIAL_CHAIN
    )  # trust the certificate itself, whoever signed it
    client.load_verify_locations(cert)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server)
    ours = context.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    try:
        while len(done) < 2:
            for side in (theirs, ours):
                try:
                    side.do_handshake()
                    done.add(side)
                except ssl.SSLWantReadError:
                    pass
    except ssl.SSLCertVerificationError as error:
        why = _OUT_OF_DATE.get(error.verify_code, f"can't be used: {error.verify_message}")
        raise ConfigurationError(
            f"The certificate in NOTIFY_EMAIL_TLS_CERT {cert} {why}."
        ) from None
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"NOTIFY_EMAIL_TLS_CERT {cert} can't be used: {_reason(error)}."
        ) from None
    return context, str((theirs.getpeercert() or {}).get("notAfter", ""))
