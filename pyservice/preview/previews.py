"""Makes previews: the mail of a source with a template, or what is wrong with the template.

They are rendered apart from the mails that are sent, in a process of their own: neither a slow
template nor many previews keep a mail or a caller waiting.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock

from pyservice.auth.authenticator import Caller
from pyservice.config.live import LiveSettings
from pyservice.errors import NoMailError, NotFoundError, RenderError, TemplateFault
from pyservice.jenkins.build_reader import ReaderLimits
from pyservice.mail.message import Addressing, compose
from pyservice.mail.own_templates import TemplateProcess
from pyservice.mail.renderer import DIGEST, Renderer
from pyservice.outbox.queue import Outbox
from pyservice.preview import parts
from pyservice.preview.builds import Builds
from pyservice.preview.own_samples import OwnSamples
from pyservice.preview.source import Content, Sources
from pyservice.preview.threads import BoundedThreads
from pyservice.report.schema import Report
from pyservice.report.secrets import SecretMasker

NICENESS = 5
"""On a busy machine mails are made and sent first."""
MAX_KEPT = 200
"""Previews of samples that are kept until a template changes: some 50 KB each."""


@dataclass(frozen=True)
class PreviewLimits:
    """How many previews are made at once."""

    rendered: int = 2
    """Threads that make mails; one process renders their templates, one at a time."""
    read: int = 4
    """Threads that read the outbox, or a build of Jenkins."""
    waiting: int = 200
    """Previews that are made, or wait; further ones are refused."""
    guests: int = 50
    """The same for callers who are not known: they take no room of the others."""
    reader: ReaderLimits = ReaderLimits()


@dataclass(frozen=True)
class Preview:
    """The mail of a source with a template."""

    template: str
    content: Content
    mail: bytes
    """What readers get. With faults it is made with the built-in template, and says so."""
    faults: tuple[TemplateFault, ...] = ()
    """What is wrong with the template; empty: the mail is made with it."""

    @cached_property
    def subject(self) -> str:
        """The mail's subject."""
        return parts.subject(self.mail)


class Previews:
    """Makes previews. Thread-safe; `close` it."""

    def __init__(
        self,
        live: LiveSettings,
        outbox: Outbox | None,
        masker: SecretMasker,
        limits: PreviewLimits = PreviewLimits(),
    ) -> None:
        """Start neither a thread nor the process yet.

        Args:
            live: the settings.
            outbox: has the reports of `report:ID`; None: there are none.
            masker: masks secrets in builds that are read of Jenkins.
            limits: how many at once.
        """
        self._process = TemplateProcess(NICENESS)
        self._renderer = Renderer(live.settings.templates_dir, process=self._process)
        self.own_samples = OwnSamples(live)
        self.builds = Builds(live, masker, limits.reader)
        self._live = live
        self._sources = Sources(live, outbox, self.own_samples, self.builds)
        self._reading = BoundedThreads(limits.read, limits.waiting, "preview-read")
        self._rendering = BoundedThreads(limits.rendered, limits.waiting, "preview-render")
        self._for_guests = BoundedThreads(1, limits.guests, "preview-guest")
        self._lock = Lock()
        self._kept: OrderedDict[tuple[object, ...], Preview] = OrderedDict()

    def use(self, templates_dir: Path | None) -> None:
        """Take an administrator's templates from this folder from now on; None: there are none."""
        self._renderer.use(templates_dir)

    def close(self) -> None:
        """End the threads and the process."""
        self._reading.close()
        self._rendering.close()
        self._for_guests.close()
        self._process.close()

    def templates(self) -> list[str]:
        """Return the names of all templates, that of digests as the last."""
        return [*self._renderer.names(), DIGEST]

    def broken(self) -> dict[str, str]:
        """Return what is wrong with the templates that can't even be read, by their names."""
        return self._renderer.faults()

    def is_public(self, template: str, source: str = "") -> bool:
        """Return whether everybody may see a preview: a sample and a template that we ship."""
        return ":" not in source and not self._renderer.is_own(template)

    async def make(self, template: str, source: str, caller: Caller | None) -> Preview:
        """Return the mail of a source with a template.

        Args:
            template: its name.
            source: what is shown, as source.py has it.
            caller: who asks; None: nobody who is known, for whom there are samples only.

        Raises:
            NotFoundError: there is no such template or source, or the caller may not see it.
            BusyError: too many previews wait.
            NoMailError: as `render` has it.
            RequestError: as `Sources.load` has it.
        """
        self.require(template, is_known=caller is not None)
        if ":" in source and caller is not None:
            content = await self._reading.run(self._sources.load, source, template, caller)
            return await self._rendering.run(self.render, template, content)
        threads = self._for_guests if caller is None else self._rendering
        return await threads.run(self._make_sample, template, source)

    async def make_of(self, template: str, report: Report) -> Preview:
        """Return the mail of a report that is in no outbox, masked already, with a template.

        Raises:
            NotFoundError: there is no such template.
            BusyError: too many previews wait.
            InvalidError: the template's data.json can't be used.
        """
        self.require(template)

        def make() -> Preview:
            return self.render(template, self._sources.of_report(report, template))

        return await self._rendering.run(make)

    async def compose(self, report: Report, addressing: Addressing, *, is_known: bool) -> bytes:
        """Return the mail of a report as it would be made now, with the template that it names.

        Args:
            report: the report.
            addressing: its mail's.
            is_known: whether the caller is; the others wait apart.

        Raises:
            BusyError: too many previews wait.
            NoMailError: not even the built-in template can be rendered.
        """
        threads = self._rendering if is_known else self._for_guests
        try:
            return await threads.run(compose, report, addressing, self._renderer)
        except RenderError as error:
            raise NoMailError(f"No mail could be made. {error}") from error

    async def load(self, template: str, source: str, caller: Caller) -> Content:
        """Return what `make` shows, without making a mail of it; the errors are the same."""
        self.require(template)
        return await self._reading.run(self._sources.load, source, template, caller)

    async def load_of(self, template: str, report: Report) -> Content:
        """Return what `make_of` shows, without making a mail of it; the errors are the same."""
        self.require(template)
        return await self._reading.run(self._sources.of_report, report, template)

    def render(self, template: str, content: Content) -> Preview:
        """Return the mail of a content with a template; it may take seconds.

        Raises:
            NoMailError: not even the built-in template can be rendered.
        """
        if content.mail is not None:
            return Preview(template, content, content.mail)
        failures: list[RenderError] = []
        try:
            mail = compose(content.shown, content.addressing, self._renderer, failures.append)
        except RenderError as error:  # such as a process that the kernel has killed
            raise NoMailError(f"No mail could be made. {error}") from error
        faults = tuple(fault for failure in failures for fault in failure.faults)
        return Preview(template, content, mail, faults)

    def require(self, template: str, *, is_known: bool = True) -> None:
        """Refuse a template that there is not, naming those that the caller may see.

        Args:
            template: its name.
            is_known: whether the caller may see more than what we ship.

        Raises:
            NotFoundError: there is none of this name.
        """
        known = self.templates()
        if template not in known:
            known = [name for name in known if is_known or self.is_public(name)]
            raise NotFoundError(
                f"There is no template of this name; there are: {', '.join(known)}."
            )

    def _make_sample(self, template: str, sample: str) -> Preview:
        """Return the mail of a sample, which is the same until templates or settings change."""
        key = (self._renderer.state(), self._live.settings, template, sample)
        with self._lock:
            if known := self._kept.get(key):
                self._kept.move_to_end(key)
                return known
        preview = self.render(template, self._sources.sample(sample, template))
        with self._lock:
            if not preview.faults:  # some pass: a process that was killed
                self._kept[key] = preview
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return preview
