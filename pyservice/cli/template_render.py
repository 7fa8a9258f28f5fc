"""`template render`: one mail, as it would be sent, in a file, in the browser or as a picture."""

import asyncio
import re
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from pyservice.cli import chromium, show
from pyservice.errors import ConfigurationError, os_reason

if TYPE_CHECKING:
    from pyservice.preview.parts import Part
    from pyservice.preview.previews import Preview, Previews

_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'; img-src data:\">"
)
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)


def make(previews: "Previews", template: str, sample: str, report: str | None) -> "Preview":
    """Return the mail of a sample, or of a report in a file, with a template.

    Raises:
        ConfigurationError: the file has no report.
        RequestError: there is no such sample.
    """
    from pyservice.auth.authenticator import Caller
    from pyservice.auth.permissions import Permissions
    from pyservice.auth.tokens import LOCAL
    from pyservice.errors import RequestError
    from pyservice.report.schema import Report
    from pyservice.report.secrets import SecretMasker

    if report is None:
        return asyncio.run(previews.make(template, sample, Caller(LOCAL, Permissions())))
    try:
        content = sys.stdin.buffer.read() if report == "-" else Path(report).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{report} can't be read: {os_reason(error)}.") from None
    try:
        parsed = SecretMasker().mask(Report.parse(content))
    except RequestError as error:
        named = "; ".join(f"{pointer or '/'}: {sentence}" for pointer, sentence in error.errors)
        raise ConfigurationError(f"{report} is no report: {named or error.detail}") from None
    return asyncio.run(previews.make_of(template, parsed))


def write(preview: "Preview", wanted: "Part", output: Path | None) -> None:
    """Write a part of a mail to a file, or print it."""
    from pyservice.preview import parts

    content = parts.part(preview.mail, wanted)
    if output is None:
        show.raw([content])
    else:
        output.write_bytes(content)
        show.say(f"{output} has the mail's {wanted}.")


def open_in_browser(preview: "Preview") -> None:
    """Open a mail's HTML in the browser of this desktop."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="notify-email-", suffix=".html", delete=False, encoding="utf-8"
    ) as file:
        file.write(guarded_html(preview))
    url = Path(file.name).as_uri()
    if webbrowser.open(url):
        show.say(f"Opened {url}")
    else:
        show.say(f"No browser could be opened here. Open {url}")


def write_picture(preview: "Preview", output: Path, width: int, *, dark: bool) -> None:
    """Write a picture of a mail, as PNG.

    Raises:
        SetupError: there is no Chromium, or it did not make one.
    """
    output.write_bytes(chromium.screenshot(guarded_html(preview), width, dark=dark))
    show.say(f"{output} has the picture.")


def guarded_html(preview: "Preview") -> str:
    """Return a mail's HTML with a policy by which it can load nothing and run nothing."""
    from pyservice.preview import parts

    html = parts.part(preview.mail, "html").decode()
    guarded, count = _HEAD.subn(lambda found: found[0] + _POLICY, html, count=1)
    return guarded if count else _POLICY + html
