"""A report as people read it: subject, HTML and text, by Jinja2, within a byte budget.

A template is a folder with `subject.txt`, `body.html` and `body.txt`. An admin's own folder may
hold any of the three; what it leaves out is the built-in one's.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import css_inline
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateNotFound,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pyservice.errors import InvalidError, RenderError
from pyservice.report import Build, Report

BUILT_IN = "build"
HTML_BUDGET = 100_000
"""Bytes of HTML. Gmail hides what lies beyond some 102 KB behind a link."""
ROWS = (60, 20, 6, 2)
"""How many changes, tests and log lines are shown: the first that fits the budget."""

_TEMPLATE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# All of C0 and C1 but tab and line feed; bidi controls, which reorder what is read; and halves
# of surrogate pairs. ANSI colours go as a whole.
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


@dataclass(frozen=True)
class Body:
    """What a mail says. `subject` is one line of free text, not yet encoded."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Headline:
    """What happened, in the words that a reader looks for first."""

    word: str
    tone: str
    """good, bad, warning or neutral: the colour."""


_ENDED = {
    "SUCCESS": Headline("Passed", "good"),
    "UNSTABLE": Headline("Unstable", "warning"),
    "FAILURE": Headline("Failed", "bad"),
    "ABORTED": Headline("Aborted", "neutral"),
    "NOT_BUILT": Headline("Not built", "neutral"),
}


def headline(build: Build) -> Headline:
    """The result, seen against the build before: "Fixed", "Still failing"."""
    if build.result == "SUCCESS" and build.previous_result in {"FAILURE", "UNSTABLE"}:
        return Headline("Fixed", "good")
    if build.result == build.previous_result == "FAILURE":
        return Headline("Still failing", "bad")
    if build.result == build.previous_result == "UNSTABLE":
        return Headline("Still unstable", "warning")
    return _ENDED[build.result]


class Renderer:
    """Renders reports with the built-in templates and those in `templates_dir`."""

    def __init__(self, templates_dir: Path | None = None) -> None:
        own = [FileSystemLoader(templates_dir)] if templates_dir else []
        loaders: list[BaseLoader] = [*own, PackageLoader("pyservice")]
        # The sandbox is for an admin's templates, where a slip must not reach the service; it
        # checks each attribute, which ours are spared.
        kind = ImmutableSandboxedEnvironment if templates_dir else Environment
        self._environment = kind(
            loader=ChoiceLoader(loaders),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_printable,
        )
        self._environment.filters.update(duration=duration, moment=moment, shorten=shorten)

    @cached_property
    def _inliner(self) -> css_inline.CSSInliner:
        return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)

    def names(self) -> list[str]:
        """The templates there are, sorted."""
        found = {Path(path).parts[0] for path in self._environment.list_templates()}
        return sorted(name for name in found if self.has(name))

    def has(self, template: str) -> bool:
        """Whether there is such a template. No name can leave the templates' folders."""
        if not _TEMPLATE_NAME.fullmatch(template):
            return False
        known = self._environment.list_templates(filter_func=lambda p: p.startswith(template + "/"))
        return any(path.count("/") == 1 and path.endswith("/body.html") for path in known)

    def require(self, template: str) -> None:
        """Refuse a template that does not exist.

        Raises:
            InvalidError: names those that do.
        """
        if not self.has(template):
            names = ", ".join(self.names())
            sentence = f"there is no template {shorten(template, 64)!r}; there are: {names}"
            raise InvalidError(
                f"{sentence[0].upper()}{sentence[1:]}.", (("/mail/template", sentence),)
            )

    def render(self, report: Report) -> Body:
        """Render with the template that the report names.

        Raises:
            RenderError: names the template, the line and what is wrong there.
        """
        return self._render(report.mail.template, report, note=None)

    def render_safely(self, report: Report) -> Body:
        """Render; where the named template fails, the built-in one says so and reports the build.

        A build's outcome must not stay unknown because a template has a slip.
        """
        try:
            return self.render(report)
        except RenderError as error:
            if report.mail.template == BUILT_IN:
                raise
            return self._render(BUILT_IN, report, note=str(error))

    def _render(self, template: str, report: Report, note: str | None) -> Body:
        context: dict[str, Any] = {
            "report": report,
            "build": report.build,
            "data": report.mail.data,
            "headline": headline(report.build),
            "note": note,
        }
        subject = _one_line(report.mail.subject or "") or _one_line(
            self._part(template, "subject.txt", context, ROWS[0])
        )
        context["subject"] = subject
        for rows in ROWS:
            html = self._inliner.inline(self._part(template, "body.html", context, rows))
            if len(html.encode()) <= HTML_BUDGET:
                break
        text = self._part(template, "body.txt", context, rows)
        return Body(subject, html, re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")

    def _part(self, template: str, part: str, context: dict[str, Any], rows: int) -> str:
        try:
            found = self._environment.select_template([f"{template}/{part}", f"{BUILT_IN}/{part}"])
            return found.render(context, rows=rows)
        except Exception as error:
            # Whatever an admin's template does must end here: the mail goes out all the same.
            raise RenderError(_told(f"{template}/{part}", error)) from error


def _told(part: str, error: Exception) -> str:
    line = getattr(error, "lineno", None)
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.endswith(part):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    reason = f"there is no template {error}" if isinstance(error, TemplateNotFound) else str(error)
    return f"Template {part}{f', line {line}' if line else ''}: {reason}."


def _printable(value: Any) -> Any:
    return _UNPRINTABLE.sub("", value) if type(value) is str else value


def _one_line(text: str) -> str:
    return " ".join(_UNPRINTABLE.sub("", text).split())


def duration(milliseconds: int) -> str:
    """`48 ms`, `2.4 s`, `3 min 20 s`, `1 h 5 min`, `2 d 3 h`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    seconds = milliseconds // 1000
    for unit, size, smaller, fraction in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // fraction} {smaller}"
    return f"{seconds // 60} min {seconds % 60} s"


def moment(milliseconds: int) -> str:
    """`2026-11-23 18:19 UTC`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def shorten(text: str, length: int) -> str:
    """At most `length` characters, the last one an ellipsis where something is left out."""
    return text if len(text) <= length else text[: length - 1] + "…"
