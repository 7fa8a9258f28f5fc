"""A report as people read it: subject, HTML and text, by Jinja2, within a byte budget.

A template is a folder with `subject.txt`, `body.html` and `body.txt`. An admin's own folder may
hold any of the three; what it leaves out is the built-in one's.
"""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate
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
    Template,
    TemplateNotFound,
)
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pyservice.digests import Digest
from pyservice.errors import InvalidError, RenderError
from pyservice.headline import headline
from pyservice.report import Report

BUILT_IN = "build"
DIGEST = "digest"
"""The template of mails that show many builds: it isn't for one."""
HTML_BUDGET = 100_000
"""Bytes of HTML. Gmail hides what lies beyond some 102 KB behind a link."""
ROWS = (60, 20, 6, 2)
"""How many rows of a list are shown: the first number with which the HTML fits the budget."""
DIGEST_ROWS = (500, 300, 200, 100, 50, 20, 5, 1)
"""The same for the builds of a digest."""
LARGEST = 1_000_000
"""Characters of a part that doesn't heed `rows`; Postfix refuses mails of over 10 MB."""
PATIENCE = 5.0
"""Seconds that an admin's template may take for one part."""
DEEPEST = 5000
"""Elements within each other. The inliner's stack bears 8,000, and ends the process at 16,000."""

_TAG = re.compile(r"<(/?)(?!(?:br|hr|img|meta|link|col|input|wbr)\b)[a-zA-Z]")
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


class _Sandbox(ImmutableSandboxedEnvironment):
    """For an admin's templates: a slip must neither reach the service nor keep it from its work.

    It looks at each attribute and call, which our own templates are spared.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._clock = threading.local()

    def render(self, template: Template, context: dict[str, Any]) -> str:
        """Render within PATIENCE what a mail can hold.

        Raises:
            ValueError: it is too large, or nested too deep for the inliner.
        """
        self._clock.ends = time.monotonic() + PATIENCE
        text = template.render(context)
        if len(text) > LARGEST:
            raise ValueError(f"it makes {len(text)} characters: show no more than `rows` of a list")
        steps = accumulate(-1 if tag[1] else 1 for tag in _TAG.finditer(text))
        if (deepest := max(steps, default=0)) > DEEPEST:
            raise ValueError(f"{deepest} elements stand within each other")
        return text

    def _go_on(self) -> None:
        if time.monotonic() > self._clock.ends:
            raise SecurityError(f"it takes more than {PATIENCE:.0f} s: is there a loop in a loop?")

    def call(__self, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - Jinja2's signature
        __self._go_on()
        return super().call(*args, **kwargs)

    def getattr(self, obj: Any, attribute: str) -> Any:
        self._go_on()
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: str | Any) -> Any:
        self._go_on()
        return super().getitem(obj, argument)


_Kind = TypeVar("_Kind", bound=Environment)


class Renderer:
    """Renders reports with the built-in templates and those in `templates_dir`."""

    def __init__(self, templates_dir: Path | None = None) -> None:
        self._built_in = _environment(Environment, PackageLoader("pyservice"))
        self._built_in.auto_reload = False  # it is installed, not edited
        self.use(templates_dir)

    def use(self, templates_dir: Path | None) -> None:
        """Take an admin's own templates from another folder from now on; None: there are none."""
        own: _Sandbox | None = None
        if templates_dir is not None:
            loader = ChoiceLoader([FileSystemLoader(templates_dir), PackageLoader("pyservice")])
            own = _environment(_Sandbox, loader)
        self._own = own

    @cached_property
    def _inliner(self) -> css_inline.CSSInliner:
        return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)

    def names(self) -> list[str]:
        """The templates there are, sorted."""
        found = {Path(path).parts[0] for path in (self._own or self._built_in).list_templates()}
        return sorted(name for name in found if self.has(name))

    def has(self, template: str) -> bool:
        """Whether there is such a template. No name can leave the templates' folders."""
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
        """Render; where an admin's template fails, the built-in one says so and reports the build.

        A build's outcome must not stay unknown because a template has a slip.

        Args:
            shown: one build, with the template that its report names; or many.

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
        context, steps = _seen(shown)
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
        """One part, a body's styles put inline; where it is missing, the built-in one's."""
        name = path.partition("/")[2]
        try:
            template = environment.select_template([path, f"{BUILT_IN}/{name}"])
            if isinstance(environment, _Sandbox):
                text = environment.render(template, context)
            else:
                text = template.render(context)
            text = _UNPRINTABLE.sub("", text)
            return self._inliner.inline(text) if name == "body.html" else text
        except Exception as error:
            # Whatever an admin's template does must end here: the mail goes out all the same.
            raise RenderError(_told(path, error)) from error


def _seen(shown: Report | Digest) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """What a template is given, and what more with each number of rows."""
    if isinstance(shown, Digest):
        return {"digest": shown}, ({"rows": n, "jobs": shown.jobs(n)} for n in DIGEST_ROWS)
    given = one_line(shown.mail.subject or "")
    context = {
        "report": shown,
        "build": shown.build,
        "data": shown.mail.data,
        "headline": headline(shown.build),
    }
    return context | ({"subject": given} if given else {}), ({"rows": n} for n in ROWS)


def _environment(kind: type[_Kind], loader: BaseLoader) -> _Kind:
    environment = kind(
        loader=loader,
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(duration=duration, moment=moment, shorten=shorten)
    return environment


def _told(part: str, error: Exception) -> str:
    line = getattr(error, "lineno", None)
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.endswith(part):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    reason = f"there is no template {error}" if isinstance(error, TemplateNotFound) else str(error)
    return f"Template {part}{f', line {line}' if line else ''}: {reason}."


def one_line(text: str) -> str:
    """A text without what can't be printed, and without what would reorder what is read."""
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
