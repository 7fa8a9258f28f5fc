"""The mail of a report: with the template that it names, or with the built-in one in its place."""

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, PackageLoader

from pyservice.analysis.digest import Digest
from pyservice.errors import InvalidError, RenderError
from pyservice.mail.own_templates import OwnTemplates, TemplateProcess
from pyservice.mail.rendering import (
    BUILT_IN,
    DIGEST,
    HTML_BUDGET,
    Body,
    new_environment,
    render_body,
)
from pyservice.report.schema import Report
from pyservice.text import shorten

__all__ = ["BUILT_IN", "DIGEST", "HTML_BUDGET", "Renderer"]


class Renderer:
    """Renders reports with the built-in templates and those in `templates_dir`. Thread-safe."""

    def __init__(
        self,
        templates_dir: Path | None = None,
        *,
        timeout: float = 5.0,
        process: TemplateProcess | None = None,
    ) -> None:
        """Read the built-in templates.

        Args:
            templates_dir: an administrator's templates; None: there are none.
            timeout: seconds of CPU that each of these has for a mail.
            process: renders all templates, the built-in ones, too; None: this process renders
                those, and another one that all mails share an administrator's.
        """
        self._timeout, self._process = timeout, process
        self._built_in = new_environment(Environment, PackageLoader("pyservice.mail"))
        self._built_in.auto_reload = False  # it is installed, not edited
        self.use(templates_dir)

    def use(self, templates_dir: Path | None) -> None:
        """Take an administrator's templates from this folder from now on; None: there are none."""
        self._own = (
            OwnTemplates(templates_dir, timeout=self._timeout, process=self._process)
            if templates_dir or self._process
            else None
        )

    def names(self) -> list[str]:
        """Return the names of the templates that a report can name, sorted."""
        return sorted({BUILT_IN, *(self._own.names() if self._own else ())})

    def state(self) -> object:
        """Return what differs once a file of an administrator's templates has changed."""
        return self._own.state() if self._own else None

    def faults(self) -> dict[str, str]:
        """Return what is wrong with the templates that can't be used, the digest's among them."""
        return self._own.faults() if self._own else {}

    def has(self, template: str) -> bool:
        """Return whether a report can name this template. No name leaves the templates' folders.

        One that can't be read is there: its reports go out with the built-in one.
        """
        if template == DIGEST:
            return False
        return template == BUILT_IN or self.is_own(template)

    def is_own(self, template: str) -> bool:
        """Return whether an administrator's template is used for this name."""
        return self._own is not None and self._own.has(template)

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
        return self._render(report.mail.template, report)

    def render_safely(
        self, shown: Report | Digest, on_fault: Callable[[RenderError], object] | None = None
    ) -> Body:
        """Render; if an administrator's template fails, with the built-in one, which says so.

        Readers must learn a build's result in spite of a mistake in a template.

        Args:
            shown: a report, with the template that it names; or a digest.
            on_fault: gets what is wrong, if the template failed.

        Raises:
            RenderError: the built-in one failed.
        """
        wanted, built_in = (
            (shown.mail.template, BUILT_IN) if isinstance(shown, Report) else (DIGEST, DIGEST)
        )
        try:
            return self._render(wanted, shown)
        except RenderError as error:
            if wanted == built_in and not self.is_own(wanted):
                raise
            failure = error
        if on_fault is not None:
            on_fault(failure)
        return render_body(self._built_in, built_in, shown, note=shorten(str(failure), 1000))

    def _render(self, template: str, shown: Report | Digest) -> Body:
        is_built_in = template in {BUILT_IN, DIGEST}
        if self._own is not None and (
            self._own.has(template) or (self._process is not None and is_built_in)
        ):
            return self._own.render(template, shown)
        if not is_built_in:  # it was there when the report was accepted
            raise RenderError(f"Template {shorten(template, 64)}: there is no such template.")
        return render_body(self._built_in, template, shown)
