"""The service's certificate: proved before it is used, and renewed while the service runs."""

import asyncio
import os
import ssl
from pathlib import Path
from typing import Never

import structlog

from pyservice.errors import ConfigurationError, said

EVERY = 10
"""Seconds between two looks whether the files have changed."""

# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
_WRONG_TIME = {9: "is not valid yet", 10: "has expired"}
_log = structlog.get_logger()


class Certificate:
    """A certificate with its key, from two PEM files."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Read the files.

        Args:
            cert: the certificate, and those between it and its root.
            key: its private key, without a passphrase.

        Raises:
            ConfigurationError: they can't be used; says why.
        """
        self._files = (cert, key)
        self._stamp = self._stamped()
        self.context, until = _proved(cert, key)
        """What connections are made with."""
        self.complaint = ""
        """Why the files as they are now can't be used; empty: they are."""
        _log.info("tls.loaded", certificate=str(cert), until=until)

    async def renew(self) -> None:
        """Use the files as they are now, for connections to come; wrong ones change nothing."""
        try:
            stamp = self._stamped()
            if stamp == self._stamp:
                return
            _, until = await asyncio.to_thread(_proved, *self._files)
            # Here and not in the thread, where connections might be made of it meanwhile.
            _load(self.context, *self._files)
        except ConfigurationError as error:
            # One of the two may be new and the other not yet: they are looked at again.
            if str(error) != self.complaint:
                self.complaint = str(error)
                _log.error("tls.kept", reason=str(error))
            return
        self._stamp, self.complaint = stamp, ""
        _log.info("tls.loaded", certificate=str(self._files[0]), until=until)

    def _stamped(self) -> list[tuple[int, int, int]]:
        stamps = []
        for name, file in zip(("TLS_CERT", "TLS_KEY"), self._files, strict=True):
            try:
                with file.open("rb") as opened:  # OpenSSL doesn't tell which of them it can't read
                    found = os.fstat(opened.fileno())
            except OSError as error:
                raise ConfigurationError(f"{name} {file} can't be read: {said(error)}.") from None
            stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
        return stamps


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    def refuse() -> Never:
        raise ConfigurationError(
            f"TLS_KEY {key} has a passphrase, which nobody is there to type: write it without one "
            "by `openssl pkey`."
        )

    try:
        context.load_cert_chain(cert, key, password=refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(
                f"TLS_KEY {key} is not the key of TLS_CERT {cert}: set both to one pair's files."
            ) from None
        raise ConfigurationError(
            f"TLS_CERT {cert} and TLS_KEY {key} are no certificate and key in PEM: {error}."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"TLS_CERT {cert} can't be read: {said(error)}.") from None


def _proved(cert: Path, key: Path) -> tuple[ssl.SSLContext, str]:
    """A context that a client has shaken hands with, in memory, and until when it can.

    Raises:
        ConfigurationError: it can't.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load(context, cert, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # whoever signed it, it is our own
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
        why = _WRONG_TIME.get(error.verify_code, f"can't be used: {error.verify_message}")
        raise ConfigurationError(f"The certificate in TLS_CERT {cert} {why}.") from None
    except ssl.SSLError as error:
        raise ConfigurationError(f"TLS_CERT {cert} can't be used: {error}.") from None
    return context, str((theirs.getpeercert() or {}).get("notAfter", ""))
