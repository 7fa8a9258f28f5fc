"""template_watcher.py: a save is announced soon, whatever way the files are replaced."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.mail import template_watcher
from pyservice.mail.template_watcher import TemplateWatcher, WatcherLimits
from tests.builders.patience import PATIENCE


def settings(folder: Path | None) -> LiveSettings:
    """Settings of a service whose folder may have gone since its start."""
    started = Settings(sender="Jenkins <jenkins@x.org>")
    return LiveSettings(started.model_copy(update={"templates_dir": folder}))


class Announcements:
    """Counts what a watcher announces."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __call__(self) -> None:
        """Count an announcement."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def after(self, change: Callable[[], object]) -> bool:
        """Return whether a change is announced."""
        with self._changed:
            before = self._count
            change()
            return self._changed.wait_for(lambda: self._count > before, PATIENCE)

    @property
    def count(self) -> int:
        """How many there were."""
        with self._changed:
            return self._count


@contextmanager
def watching(live: LiveSettings, look: int = 1000) -> Iterator[Announcements]:
    announcements = Announcements()
    watcher = TemplateWatcher(live, announcements, WatcherLimits(look=look))
    watcher.start()
    try:
        yield announcements
    finally:
        watcher.stop()


def template(folder: Path, text: str = "Hello") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "body.html").write_text(text)
    return folder


def test_each_save_is_announced(tmp_path: Path) -> None:
    body = template(tmp_path / "templates" / "team") / "body.html"
    with watching(settings(tmp_path / "templates")) as announcements:
        assert announcements.after(lambda: body.write_text("Hello, team"))
        assert announcements.after(lambda: body.write_text("Good morning"))
        assert announcements.after(lambda: body.with_name("body.txt").write_text("new"))
        assert announcements.after(body.unlink)


def test_an_editor_that_renames_its_own_file_is_seen_once(tmp_path: Path) -> None:
    """Temporary and backup files announce nothing."""
    body = template(tmp_path / "templates" / "team") / "body.html"
    with watching(settings(tmp_path / "templates")) as announcements:
        for name in (".body.html.swp", "body.html~", ".#body.html", "body.tmp"):
            body.with_name(name).write_text("x")
        time.sleep(0.5)
        assert announcements.count == 0
        new = body.with_name(".body.html.new")
        new.write_text("Hello, team")
        assert announcements.after(lambda: new.rename(body))


def test_a_folder_may_come_later_and_go(tmp_path: Path) -> None:
    folder = tmp_path / "later" / "templates"
    with watching(settings(folder), look=100) as announcements:
        assert announcements.after(lambda: template(folder / "team"))
        assert announcements.after(lambda: template(folder / "other"))
        assert announcements.after(lambda: template(folder / "other", "again"))
        assert announcements.after(lambda: shutil.rmtree(folder))
        assert announcements.after(lambda: template(folder / "team"))


def test_a_folder_that_is_replaced_as_a_whole_is_announced(tmp_path: Path) -> None:
    """As rsync or a release by rename does it; the new folder is watched from then on."""
    folder = tmp_path / "templates"
    template(folder / "team")
    template(tmp_path / "next" / "team", "next")

    def swap() -> None:
        folder.rename(tmp_path / "old")
        (tmp_path / "next").rename(folder)

    with watching(settings(folder)) as announcements:
        assert announcements.after(swap)
        time.sleep(0.2)
        assert announcements.after(lambda: template(folder / "team", "and again"))


def test_a_config_map_is_announced(tmp_path: Path) -> None:
    """Kubernetes links `..data` to a folder, and replaces this link."""
    folder = tmp_path / "templates"
    template(folder / "..2026_01" / "team", "old")
    (folder / "..data").symlink_to("..2026_01")
    (folder / "team").symlink_to("..data/team")

    def update(name: str) -> None:
        template(folder / name / "team", name)
        (folder / "..data_tmp").symlink_to(name)
        (folder / "..data_tmp").replace(folder / "..data")

    with watching(settings(folder)) as announcements:
        assert announcements.after(lambda: update("..2026_02"))
        time.sleep(0.2)
        assert announcements.after(lambda: update("..2026_03"))


def test_another_folder_is_watched_after_a_reload(tmp_path: Path) -> None:
    template(tmp_path / "one" / "team")
    template(tmp_path / "two" / "team")
    live = settings(None)
    with watching(live, look=100) as announcements:
        for name in ("one", "two"):
            new = live.settings.model_copy(update={"templates_dir": tmp_path / name})
            assert announcements.after(lambda new=new: live.replace(new))  # type: ignore[misc]
            body = tmp_path / name / "team" / "body.html"
            assert announcements.after(lambda body=body: body.write_text("x"))  # type: ignore[misc]


def test_without_notices_of_the_kernel_changes_are_seen_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The administrator reads why in the log, once."""
    body = template(tmp_path / "templates" / "team") / "body.html"

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(template_watcher, "watch", fail)
    with watching(settings(tmp_path / "templates"), look=50) as announcements:
        assert announcements.after(lambda: body.write_text("Hello, team"))
        assert announcements.after(lambda: body.write_text("Good morning"))
    assert capsys.readouterr().out.count("templates.watch_failed") == 1


def test_a_folder_that_contains_itself_is_read_to_an_end(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    template(folder / "team")
    (folder / "team" / "up").symlink_to("..")
    with watching(settings(folder)) as announcements:
        assert announcements.after(lambda: template(folder / "team", "changed"))
