"""Renders a report as subject, HTML and text, with Jinja2 and within a byte budget.

A template is a folder with `subject.txt`, `body.html` and `body.txt`. An administrator's template
may hold any of the three; the built-in one has the others.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import css_inline
from jinja2 import BaseLoader, Environment, TemplateError

from pyservice.analysis.analysis import analyse
from pyservice.analysis.digest import Digest
from pyservice.errors import RenderError, TemplateFault
from pyservice.mail.faults import Unknown, explain
from pyservice.mail.inline_images import InlineImage
from pyservice.mail.multiline import blanks, multiline
from pyservice.mail.own_words import own_words
from pyservice.mail.sandbox import Sandbox
from pyservice.report.audience import named_by, why
from pyservice.report.schema import Report
from pyservice.terminal import plain
from pyservice.text import duration, moment, one_line, shorten, span

PARTS = ("subject.txt", "body.html", "body.txt")
BUILT_IN = "build"
DIGEST = "digest"
"""The template of digests; no report can name it."""
SHIPPED = "built-in"
"""The folder of the built-in template as it is shipped, for templates that extend it: a folder
`build` of the administrator's replaces it under its own name."""
GMAIL_CLIP = 102 * 1024
"""Bytes of HTML that Gmail shows; it hides the rest behind a link. Google documents no number: this
is what senders measure."""
HTML_BUDGET = 90_000
"""Bytes of HTML that a mail has at most, if its template follows `rows`."""
ROWS = ((60, 400), (20, 400), (6, 200), (2, 100), (1, 60))
"""How many rows of a list are shown, and characters of a log's line: the first two that fit."""
DIGEST_ROWS = (500, 300, 200, 100, 50, 20, 5, 1)
"""The same for the builds of a digest."""

_KEPT = '<style data-css-inline="keep">'
"""A style sheet that css_inline leaves as it is, since none of its rules can be put inline."""

_Kind = TypeVar("_Kind", bound=Environment)


@dataclass(frozen=True)
class Body:
    """The rendered parts of a mail. `subject` is one line of free text, not yet encoded."""

    subject: str
    html: str
    text: str
    images: tuple[InlineImage, ...] = ()
    """Those that the HTML shows."""


def render_body(
    environment: Environment, template: str, shown: Report | Digest, note: str = ""
) -> Body:
    """Render a report or a digest.

    Args:
        environment: has the templates, and the built-in ones for parts that one lacks.
        template: its name.
        shown: a report or a digest.
        note: why another template was meant to be used; empty: none was.

    Raises:
        RenderError: names the template, the line and what is wrong there, for each part.
        OSError: a built-in template could not be read now.
    """
    context, steps = _context(shown)
    context["note"] = note or None
    faults: list[TemplateFault] = []

    def part(name: str) -> str:
        try:
            return _part(environment, f"{template}/{name}", context)
        except RenderError as error:
            faults.extend(error.faults)
            if isinstance(error.__cause__, TemplateError):
                return ""  # the other parts may be wrong, too
            raise RenderError.of(tuple(faults)) from error.__cause__

    for step in steps:
        context |= step
        if "subject" not in context:
            context["subject"] = one_line(part("subject.txt"))
        html = part("body.html")
        if len(html.encode()) <= HTML_BUDGET:
            break
    text = part("body.txt")
    if faults:
        raise RenderError.of(tuple(faults))
    return Body(context["subject"], html, re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")


def _part(environment: Environment, path: str, context: dict[str, Any]) -> str:
    """Render one part, with inline styles in HTML; if it is missing, the built-in one's."""
    name = path.partition("/")[2]
    try:
        template = environment.select_template([path, f"{BUILT_IN}/{name}"])
        if isinstance(environment, Sandbox):
            text = environment.render(template, context)
        else:
            text = template.render(context)
        text = plain(text)
        return _inline(text) if name == "body.html" else text
    except OSError as error:
        if isinstance(environment, Sandbox):
            raise explain(path, error, environment, context) from error
        raise  # the built-in template is there: the machine is in trouble, and not the mail
    except Exception as error:
        # Whatever an administrator's template does must end here: the mail is still sent.
        raise explain(path, error, environment, context) from error


def _inline(html: str) -> str:
    """Return HTML with its styles inline; a marked `<style>` stays, without the mark."""
    return _inliner().inline(html).replace(_KEPT, "<style>")


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)


def _context(shown: Report | Digest) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """Return the variables of a template, and those that each number of rows adds."""
    if isinstance(shown, Digest):
        context = {"digest": shown, "why": why(shown.named_by, of_many=True)}
        return context, ({"rows": n, "jobs": shown.jobs(n)} for n in DIGEST_ROWS)
    subject, analysis = one_line(shown.mail.subject or ""), analyse(shown)
    report = analysis.report
    context = {
        "report": report,
        "build": report.build,
        "data": report.mail.data,
        "analysis": analysis,
        "headline": analysis.headline,
        "words": own_words(report.mail.body),
        "why": why(named_by(report.mail)),
    }
    steps = ({"rows": rows, "width": width} for rows, width in ROWS)
    return context | ({"subject": subject} if subject else {}), steps


def new_environment(make: Callable[..., _Kind], loader: BaseLoader) -> _Kind:
    """Return an environment of templates with our filters, of the class or function `make`."""
    environment = make(
        loader=loader,
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=Unknown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        blanks=blanks,
        duration=duration,
        moment=moment,
        multiline=multiline,
        shorten=shorten,
        span=span,
    )
    return environment
