"""Renders a report as subject, HTML and text, with Jinja2 and within a byte budget.

A template is a folder with `subject.txt`, `body.html` and `body.txt`. An administrator's template
may hold any of the three; the built-in one has the others.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

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

from pyservice.analysis.digest import Digest
from pyservice.errors import InvalidError, RenderError
from pyservice.mail.sandbox import Sandbox
from pyservice.report.headline import headline
from pyservice.report.schema import Report
from pyservice.text import UNPRINTABLE, duration, moment, one_line, shorten

BUILT_IN = "build"
DIGEST = "digest"
"""The template of digests; no report can name it."""
HTML_BUDGET = 100_000
"""Bytes of HTML. Gmail hides what lies beyond some 102 KB behind a link."""
ROWS = (60, 20, 6, 2)
"""How many rows of a list are shown: the first number with which the HTML fits the budget."""
DIGEST_ROWS = (500, 300, 200, 100, 50, 20, 5, 1)
"""The same for the builds of a digest."""

_TEMPLATE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Body:
    """The rendered parts of a mail. `subject` is one line of free text, not yet encoded."""

    subject: str
    html: str
    text: str


_Kind = TypeVar("_Kind", bound=Environment)


class Renderer:
    """Renders reports with the built-in templates and those in `templates_dir`."""

    def __init__(self, templates_dir: Path | None = None, *, timeout: float = 5.0) -> None:
        """Read the templates.

        Args:
            templates_dir: an administrator's templates; None: there are none.
            timeout: seconds that each of these has for one part.
        """
        self._timeout = timeout
        self._built_in = _environment(Environment, PackageLoader("pyservice.mail"))
        self._built_in.auto_reload = False  # it is installed, not edited
        self.use(templates_dir)

    def use(self, templates_dir: Path | None) -> None:
        """Take an administrator's templates from this folder from now on; None: there are none."""
        own: Sandbox | None = None
        if templates_dir is not None:
            loader = ChoiceLoader(
                [FileSystemLoader(templates_dir), PackageLoader("pyservice.mail")]
            )
            own = _environment(partial(Sandbox, timeout=self._timeout), loader)
        self._own = own

    @cached_property
    def _inliner(self) -> css_inline.CSSInliner:
        return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)

    def names(self) -> list[str]:
        """Return the names of the templates that a report can name, sorted."""
        paths = (self._own or self._built_in).list_templates()
        return sorted(name for name in {Path(path).parts[0] for path in paths} if self.has(name))

    def has(self, template: str) -> bool:
        """Return whether a report can name this template. No name leaves the templates' folders."""
        if template == BUILT_IN:
            return True
        environment = self._own or self._built_in
        if not _TEMPLATE_NAME.fullmatch(template) or environment.loader is None:
            return False
        if template == DIGEST:
            return False
        try:
            environment.loader.get_source(environment, f"{template}/body.html")
        except (OSError, UnicodeError, TemplateNotFound):
            return False
        return True

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
        return self._render(self._own or self._built_in, report.mail.template, report)

    def render_safely(self, shown: Report | Digest) -> Body:
        """Render; if an administrator's template fails, with the built-in one, which says so.

        Readers must learn a build's result in spite of a mistake in a template.

        Args:
            shown: a report, with the template that it names; or a digest.

        Raises:
            RenderError: the built-in one failed.
        """
        wanted, built_in = (
            (shown.mail.template, BUILT_IN) if isinstance(shown, Report) else (DIGEST, DIGEST)
        )
        try:
            return self._render(self._own or self._built_in, wanted, shown)
        except RenderError as error:
            if self._own is None:
                raise
            return self._render(self._built_in, built_in, shown, note=shorten(str(error), 1000))

    def _render(
        self, environment: Environment, template: str, shown: Report | Digest, note: str = ""
    ) -> Body:
        context, steps = _context(shown)
        context["note"] = note or None

        def part(name: str) -> str:
            return self._part(environment, f"{template}/{name}", context)

        for step in steps:
            context |= step
            if "subject" not in context:
                context["subject"] = one_line(part("subject.txt"))
            html = part("body.html")
            if len(html.encode()) <= HTML_BUDGET:
                break
        text = part("body.txt")
        return Body(context["subject"], html, re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")

    def _part(self, environment: Environment, path: str, context: dict[str, Any]) -> str:
        """Render one part, with inline styles in HTML; if it is missing, the built-in one's."""
        name = path.partition("/")[2]
        try:
            template = environment.select_template([path, f"{BUILT_IN}/{name}"])
            if isinstance(environment, Sandbox):
                text = environment.render(template, context)
            else:
                text = template.render(context)
            text = UNPRINTABLE.sub("", text)
            return self._inliner.inline(text) if name == "body.html" else text
        except Exception as error:
            # Whatever an administrator's template does must end here: the mail is still sent.
            raise RenderError(_explain(path, error)) from error


def _context(shown: Report | Digest) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """Return the variables of a template, and those that each number of rows adds."""
    if isinstance(shown, Digest):
        return {"digest": shown}, ({"rows": n, "jobs": shown.jobs(n)} for n in DIGEST_ROWS)
    subject = one_line(shown.mail.subject or "")
    context = {
        "report": shown,
        "build": shown.build,
        "data": shown.mail.data,
        "headline": headline(shown.build),
    }
    return context | ({"subject": subject} if subject else {}), ({"rows": n} for n in ROWS)


def _environment(make: Callable[..., _Kind], loader: BaseLoader) -> _Kind:
    environment = make(
        loader=loader,
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(duration=duration, moment=moment, shorten=shorten)
    return environment


def _explain(part: str, error: Exception) -> str:
    """Return which template failed, in which line, and why."""
    line = getattr(error, "lineno", None)
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.endswith(part):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    reason = f"there is no template {error}" if isinstance(error, TemplateNotFound) else str(error)
    return f"Template {part}{f', line {line}' if line else ''}: {reason}."
