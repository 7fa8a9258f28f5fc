"""own_templates.py: a template that can't be used costs its own mail's look, and nothing else."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from pyservice import samples
from pyservice.addresses import Mailbox
from pyservice.errors import RenderError
from pyservice.mail import own_templates
from pyservice.mail.composer import Composer
from pyservice.mail.message import Addressing, compose
from pyservice.mail.own_templates import TemplateProcess
from pyservice.mail.renderer import DIGEST, Renderer
from pyservice.policy.recipients import Recipients
from pyservice.report.schema import Mail, Report
from pyservice.samples import storms
from tests.builders.patience import PATIENCE
from tests.python.conftest import wait_for

ADDRESSING = Addressing(
    Mailbox("Jenkins", "ci@x.org"),
    Recipients(to=(Mailbox("", "ada@x.org"),)),
    "<notify-email.1@x.org>",
    datetime(2026, 1, 1, tzinfo=UTC),
)
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def a_report(template: str) -> Report:
    return samples.load("2-failure").model_copy(
        update={"mail": Mail(template=template, data={"three": 3})}
    )


def write(folder: Path, template: str, body: str | bytes, part: str = "body.html") -> None:
    (folder / template).mkdir(exist_ok=True)
    content = body.encode() if isinstance(body, str) else body
    (folder / template / part).write_bytes(content)


def fault(renderer: Renderer, template: str) -> str:
    """Why the built-in template was used; it was, with the reason."""
    faults: list[RenderError] = []
    body = renderer.render_safely(a_report(template), faults.append)
    [reason] = map(str, faults)
    assert "use of undeclared identifier" in body.html
    assert f"Note: {reason} This is the built-in template." in body.text
    return reason


def of_latin_1(folder: Path) -> None:
    write(folder, "mine", "<p>\ngrün".encode("latin-1"))


def of_a_folder(folder: Path) -> None:
    (folder / "mine" / "body.html").mkdir(parents=True)


def of_links_in_a_circle(folder: Path) -> None:
    (folder / "mine").symlink_to(folder / "mine")


def of_nothing(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "body.html").symlink_to(folder / "gone")


def of_a_subject_in_latin_1(folder: Path) -> None:
    write(folder, "mine", "<p>{{ subject }}")
    write(folder, "mine", "grün".encode("latin-1"), "subject.txt")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (of_latin_1, "mine/body.html, line 2: it is not in UTF-8: save it as that."),
        (of_a_folder, "mine/body.html: it can't be read: is a directory."),
        (of_links_in_a_circle, "it can't be read: too many levels of symbolic links."),
        (of_nothing, "it can't be read: no such file or directory."),
        (of_a_subject_in_latin_1, "mine/subject.txt, line 1: it is not in UTF-8: save it as that."),
    ],
)
def test_unreadable(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    """It stays in the list, with what is wrong, and its mails are made with the built-in one."""
    make(tmp_path)
    renderer = Renderer(tmp_path)
    assert renderer.names() == ["build", "mine"]
    renderer.require("mine")
    assert fault(renderer, "mine").endswith(reason)
    assert renderer.faults()["mine"].endswith(reason)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<p>\n{{ build.job", "line 2: unexpected end of template"),
        ("<p>\n{% include 'mine/gone.html' %}", "there is no template mine/gone.html"),
        ("<p>\n{% extends 'mine/broken.html' %}", "mine/broken.html, line 1"),
    ],
)
def test_broken_before_any_report(tmp_path: Path, source: str, reason: str) -> None:
    """The list has it before a mail needs it."""
    write(tmp_path, "mine", source)
    write(tmp_path, "mine", "{% if %}", "broken.html")
    write(tmp_path, "fine", "<p>{{ build.job }}")
    write(tmp_path, DIGEST, "{% block %}")
    renderer = Renderer(tmp_path)
    faults = renderer.faults()
    assert faults.keys() == {"mine", DIGEST}
    assert reason in faults["mine"]
    assert reason in fault(renderer, "mine")


def test_templates_are_read_once(tmp_path: Path) -> None:
    """Until one changes: the list asks for what is wrong each time that somebody looks."""
    asked: list[str] = []

    class Counted(TemplateProcess):
        """What it was asked to read."""

        def ask(self, request: tuple[Any, ...]) -> dict[str, Any]:
            asked.append(request[2])
            return super().ask(request)

    process = Counted()
    shared = tmp_path / "shared"
    write(tmp_path, "mine", "{% include 'shared/footer.html' %}")
    write(tmp_path, "fine", "<p>{{ build.job }}")
    elsewhere = tmp_path.parent / f"{tmp_path.name}-1"
    elsewhere.mkdir()
    write(elsewhere, "shared", "{% if %}", "footer.html")
    shared.symlink_to(elsewhere / "shared")
    renderer = Renderer(tmp_path, process=process)
    assert renderer.faults().keys() == {"mine"}
    assert sorted(asked) == ["fine", "mine"]
    assert renderer.faults().keys() == {"mine"}
    assert len(asked) == 2
    write(elsewhere, "shared", "Bye", "footer.html")  # through a link, as in Kubernetes
    assert renderer.faults() == {}
    assert renderer.faults() == {}
    assert len(asked) == 4
    process.close()


def test_a_template_that_is_gone(tmp_path: Path) -> None:
    """A report that was accepted with it says so in its mail, also after TEMPLATES_DIR is unset."""
    assert fault(Renderer(tmp_path), "mine") == "Template mine: there is no such template."
    assert fault(Renderer(), "mine") == "Template mine: there is no such template."


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (ENDLESS, r"it takes more than 0 s: is there a loop in a loop\?"),
        ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "recursion"),
        ("{{ 'x' | center(999999999999) }}", "too much memory"),
        ("{{ '%999999999d' | format(3) }}", "too much memory"),
        (
            "{% set n = namespace(x='x') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}"
            "{% endfor %}",
            "too much memory|takes more than",
        ),
    ],
)
def test_what_takes_too_much(tmp_path: Path, source: str, reason: str) -> None:
    """It is stopped in its process; the next template is made as before."""
    write(tmp_path, "greedy", source)
    write(tmp_path, "modest", "<p>{{ build.job }}")
    renderer = Renderer(tmp_path, timeout=0.3)
    memory = psutil.Process().memory_info().rss
    assert re.search(reason, fault(renderer, "greedy"))
    assert psutil.Process().memory_info().rss < memory + 50_000_000
    assert "<p>shop/checkout" in Renderer(tmp_path).render(a_report("modest")).html


def test_what_can_only_be_killed(tmp_path: Path) -> None:
    """No exception ends a calculation in C: the kernel does. Then it is not tried for a while."""
    write(tmp_path, "greedy", "{{ [[1.0] * 9999] * 99999 == [[1] * 9999] * 99999 }}")
    renderer = Renderer(tmp_path, timeout=0.2)
    reason = fault(renderer, "greedy")
    assert reason.startswith("Template greedy: it takes too long")
    assert fault(renderer, "greedy") == reason
    assert own_templates._process._running is None
    write(tmp_path, "greedy", "<p>{{ build.number }}")
    assert "<p>2" in renderer.render(a_report("greedy")).html


def test_many_mails_of_a_greedy_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that waited for the first one don't try it again."""
    write(tmp_path, "endless", ENDLESS)
    renderer = Renderer(tmp_path, timeout=0.5)
    ask, asked = own_templates._process.ask, []

    def count(request: tuple[Any, ...]) -> dict[str, Any]:
        asked.append(request)
        return ask(request)

    monkeypatch.setattr(own_templates._process, "ask", count)
    with ThreadPoolExecutor(8) as pool:
        reasons = set(pool.map(fault, [renderer] * 8, ["endless"] * 8))
    assert len(reasons) == 1
    assert len(asked) == 1


@pytest.mark.parametrize("closed", ["", "mine", "mine/body.html"])
def test_not_for_the_services_user(tmp_path: Path, closed: str) -> None:
    """What may not be read is there, and says so; for root without the right to read all, too."""
    write(tmp_path, "mine", "<p>{{ build.job }}")
    (tmp_path / closed).chmod(0)
    script = (
        "import sys; from pathlib import Path; from tests.python.mail.test_own_templates import *\n"
        "renderer = Renderer(Path(sys.argv[1]))\n"
        "renderer.require('mine')\n"
        "print(renderer.names(), fault(renderer, 'mine'))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    if os.geteuid() == 0:
        drop = "-dac_override,-dac_read_search"
        command = ["setpriv", "--bounding-set", drop, "--inh-caps", drop, *command]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    (tmp_path / closed).chmod(0o700)
    assert "it can't be read: permission denied." in shown.stdout, shown.stderr
    assert ("'mine'" in shown.stdout) == bool(closed)


def test_the_process_is_killed(tmp_path: Path) -> None:
    """Between two mails nobody notices; there is another one."""
    write(tmp_path, "mine", "<p>{{ build.job }}")
    renderer = Renderer(tmp_path)
    renderer.render(a_report("mine"))
    assert own_templates._process._running
    process = own_templates._process._running[0]
    process.kill()
    process.wait(PATIENCE)
    assert "<p>shop/checkout" in renderer.render(a_report("mine")).html


def test_other_mails_do_not_wait_for_it(tmp_path: Path) -> None:
    """While a template runs, the mails of the built-in one are made."""
    write(tmp_path, "endless", ENDLESS)
    renderer = Renderer(tmp_path, timeout=PATIENCE)
    composer = Composer(renderer)
    faults: list[RenderError] = []

    def endless() -> None:
        composer.compose(a_report("endless"), ADDRESSING, others_wait=False, on_fault=faults.append)

    thread = threading.Thread(target=endless)
    thread.start()
    mails = {composer.compose(a_report("build"), ADDRESSING, others_wait=False) for _ in range(5)}
    assert thread.is_alive()
    assert mails == {compose(a_report("build"), ADDRESSING, Renderer())}
    wait_for(lambda: own_templates._process._running is not None)
    assert own_templates._process._running
    own_templates._process._running[0].kill()
    thread.join()
    assert "its process was ended" in str(faults[0])


def test_a_digest(tmp_path: Path) -> None:
    """Its template is rendered there, too, and is replaced by the built-in digest."""
    write(tmp_path, DIGEST, "<p>{{ digest.total }} builds")
    digest = storms.load_digest("many-jobs")
    renderer = Renderer(tmp_path)
    assert f"<p>{digest.total} builds" in renderer.render_safely(digest).html
    write(tmp_path, DIGEST, "{{ build.job }}")
    faults: list[RenderError] = []
    assert "'build' is undefined" in renderer.render_safely(digest, faults.append).html
    assert len(faults) == 1
