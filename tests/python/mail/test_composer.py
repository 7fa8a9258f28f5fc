"""composer.py: the same mail wherever it is made, and whatever happens to the second process."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.mail.composer import Composer, ComposerLimits
from pyservice.mail.message import Addressing, compose
from pyservice.mail.renderer import Renderer
from pyservice.policy.recipients import Recipients
from tests.builders.limits import AMPLE
from tests.builders.patience import PATIENCE
from tests.python.conftest import wait_for

REPORT = samples.load("2-failure")
ADDRESSING = Addressing(
    Mailbox("Jenkins", "ci@x.org"),
    Recipients(to=(Mailbox("", "ada@x.org"),)),
    "<notify-email.1@x.org>",
    datetime(2026, 1, 1, tzinfo=UTC),
)


def made(folder: Path | None = None, limits: ComposerLimits = AMPLE.delivery.composer) -> Composer:
    return Composer(Renderer(folder), limits)


@pytest.fixture
def composer() -> Iterator[Composer]:
    """One with the built-in templates."""
    one = made()
    yield one
    one.close()


def processes() -> list[psutil.Process]:
    """The second processes that there are."""

    def is_second(child: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):  # it has just ended
            return (
                child.status() != psutil.STATUS_ZOMBIE
                and "pyservice.mail.composer" in child.cmdline()
            )
        return False

    return [child for child in psutil.Process().children() if is_second(child)]


def crowd(composer: Composer) -> list[bytes]:
    """What eight threads get at once."""
    with ThreadPoolExecutor(8) as pool:
        waiting = [
            pool.submit(composer.compose, REPORT, ADDRESSING, others_wait=True) for _ in range(8)
        ]
    return [one.result() for one in waiting]


def used(composer: Composer) -> psutil.Process:
    """The second process, which makes mails by now."""
    wait_for(lambda: bool(crowd(composer) and processes()))
    second = composer._second
    assert second is not None
    wait_for(second.is_ready)
    return processes()[0]


def test_one_at_a_time_is_made_here(composer: Composer) -> None:
    """A second process is not worth its memory then."""
    for _ in range(3):
        assert composer.compose(REPORT, ADDRESSING, others_wait=False) == compose(
            REPORT, ADDRESSING, Renderer()
        )
    assert processes() == []


def test_a_crowd_gets_the_same_mail(composer: Composer) -> None:
    """There it is made as it is here."""
    process = used(composer)
    before = sum(process.cpu_times()[:2])
    wanted = compose(REPORT, ADDRESSING, Renderer())
    for _ in range(20):
        assert set(crowd(composer)) == {wanted}
    assert sum(process.cpu_times()[:2]) > before
    composer.close()
    assert processes() == []


def test_it_is_killed(composer: Composer) -> None:
    """No mail is lost, and the next crowd gets another one."""
    process = used(composer)
    process.kill()
    process.wait(PATIENCE)
    assert len(crowd(composer)) == 8
    assert used(composer).pid != process.pid


def test_it_hangs() -> None:
    """It is ended, and the mail is made here."""
    composer = made()
    process = used(composer)
    assert composer._second is not None
    composer._second._timeout = 0.5
    process.suspend()
    assert len(crowd(composer)) == 8
    composer.close()
    wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_it_ends_when_it_is_quiet() -> None:
    """Its memory is given back."""
    composer = made(limits=replace(AMPLE.delivery.composer, idle=1))
    used(composer)
    time.sleep(1.01)
    composer.compose(REPORT, ADDRESSING, others_wait=False)
    assert processes() == []


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("subject.txt", "Mine: {{ build.job }}", b"Subject: Mine: shop/checkout"),
        ("body.html", "{{ nothing.here }}", b"This is the built-in template"),
    ],
)
def test_an_own_template(tmp_path: Path, name: str, text: str, found: bytes) -> None:
    """It is heeded there, too; one with a slip tells the slip as it does here."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / name).write_text(text)
    composer = made(tmp_path)
    used(composer)
    mails = set(crowd(composer))
    composer.close()
    assert mails == {compose(REPORT, ADDRESSING, Renderer(tmp_path))}
    assert found in mails.pop()


def test_there_is_no_room_for_it(composer: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then all are made here."""

    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", full)
    assert len(crowd(composer)) == 8
    assert composer._second is None
