"""Announces that an administrator's templates have changed, as soon as a file is saved.

The kernel's notices only wake the watcher; `template_files` decides whether something has changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from watchfiles import watch

from pyservice.background_threads import BackgroundThread
from pyservice.config.live import LiveSettings
from pyservice.errors import os_reason
from pyservice.mail.template_files import template_folders, template_state

_log = structlog.get_logger()


@dataclass(frozen=True)
class WatcherLimits:
    """How many milliseconds a template watcher waits."""

    step: int = 20
    """Between two looks for notices of the kernel; a save is over when a look shows none."""
    burst: int = 200
    """At most for the end of many saves, such as a checkout."""
    look: int = 1000
    """Between two comparisons without a notice: a network file system sends none."""


class TemplateWatcher:
    """Watches TEMPLATES_DIR in a thread between `start` and `stop`.

    The folder need not be there; SIGHUP may name another one.
    """

    def __init__(
        self,
        live: LiveSettings,
        on_change: Callable[[], object],
        limits: WatcherLimits = WatcherLimits(),
    ) -> None:
        """Watch nothing yet.

        Args:
            live: has TEMPLATES_DIR.
            on_change: is called in the watcher's thread after each change.
            limits: how long it waits.
        """
        self._live, self._on_change, self._limits = live, on_change, limits
        self._thread = BackgroundThread(self._work, "template-watcher")
        self._trouble = ""
        """Why there are no notices of the kernel."""

    def start(self) -> None:
        """Begin; what changes from now on is announced."""
        self._known = template_state(self._live.settings.templates_dir)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop(seconds=None)

    def _work(self) -> None:
        while not self._thread.stopping.is_set():
            folders = self._folders()
            try:
                self._watch(folders)
            except (OSError, RuntimeError) as error:  # such as too many watches on this machine
                self._report(os_reason(error) if isinstance(error, OSError) else str(error))
                self._thread.stopping.wait(self._limits.look / 1000)
                self._compare()

    def _watch(self, folders: set[Path]) -> None:
        """Compare after each notice, until there are other folders to watch."""
        if not folders:
            self._thread.stopping.wait(self._limits.look / 1000)
            return
        notices = watch(
            *folders,
            watch_filter=None,
            step=self._limits.step,
            debounce=self._limits.burst,
            rust_timeout=self._limits.look,
            yield_on_timeout=True,
            stop_event=self._thread.stopping,
            raise_interrupt=False,
            recursive=False,
            ignore_permission_denied=True,
        )
        for _ in notices:
            self._compare()
            if self._folders() != folders:
                return

    def _compare(self) -> None:
        state = template_state(self._live.settings.templates_dir)
        if state == self._known:
            return
        self._known = state
        try:
            self._on_change()
        except Exception:
            _log.exception("templates.announcement_failed")

    def _folders(self) -> set[Path]:
        """Return what the kernel shall watch: the templates' folders, and the one around them.

        The latter shows when the folder is made, or replaced. If it is missing as well, the next
        comparison without a notice shows that.
        """
        folder = self._live.settings.templates_dir
        if folder is None:
            return set()
        inside = {path.resolve() for path in template_folders(folder)}
        return {path for path in {folder.parent.resolve(), *inside} if path.is_dir()}

    def _report(self, reason: str) -> None:
        if reason != self._trouble:
            self._trouble = reason
            seconds = self._limits.look / 1000
            _log.warning(
                "templates.watch_failed",
                reason=f"{reason}; changes of templates are noticed within {seconds:g} s",
            )
