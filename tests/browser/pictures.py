"""`python -m tests.browser.pictures`: the documentation's pictures, from recorded builds."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from pyservice import samples
from pyservice.cli.template_folders import write_new
from pyservice.mail.message import compose
from pyservice.mail.renderer import Renderer
from pyservice.mail_checks.as_shown import as_shown
from pyservice.preview import parts
from pyservice.report.schema import Mail
from tests.browser.conftest import chromium, service
from tests.builders.desk import desk
from tests.builders.mails import ADDRESSING

FOLDER = Path(__file__).parents[2] / "docs" / "images"
DESK, PHONE = 720, 390
SETTLED = 3000
"""Milliseconds until a page's frames are there; no more requests is no sign, with a stream open."""
TO = Mail(to=["ada@example.com"])


class Picture(NamedTuple):
    """A recorded build's mail, on a screen."""

    sample: str
    width: int = PHONE
    scheme: Literal["light", "dark"] = "light"
    in_outlook: bool = False


PICTURES = {
    "mail-desktop": Picture("2-compile-error", DESK),
    "mail-phone": Picture("2-compile-error"),
    "mail-phone-dark": Picture("2-compile-error", scheme="dark"),
    "mail-outlook": Picture("2-compile-error", DESK, in_outlook=True),
    "mail-unstable": Picture("3-tests-fail"),
    "mail-fixed": Picture("4-fixed-by-a-change"),
    "mail-passed": Picture("1-success"),
    "mail-still-failing": Picture("12-python-traceback"),
    "mail-timed-out": Picture("8-timeout"),
    "mail-aborted": Picture("13-aborted-by-user"),
    "mail-agent-lost": Picture("19-agent-lost"),
    "mail-jenkinsfile-error": Picture("10-groovy-error"),
}


class PartPicture(NamedTuple):
    """A part of a recorded build's mail, on a desk."""

    sample: str
    selector: str
    """What is in the picture: all that it selects, and what is between."""


def section(heading: str) -> str:
    """Return the selector of a mail's section, by a part of its heading."""
    return f'td.section:has(> h2:has-text("{heading}"))'


PARTS = {
    "part-headline": PartPicture("12-python-traceback", "td.head"),
    "part-why": PartPicture("2-compile-error", "p.why, p.command"),
    "part-excerpt": PartPicture("2-compile-error", "td.log"),
    "part-suspects": PartPicture("2-compile-error", "td.suspect"),
    "part-tests": PartPicture("3-tests-fail", section("failing test")),
    "part-buttons": PartPicture("2-compile-error", "td.section:has(td.button)"),
    "part-reproduce": PartPicture("2-compile-error", section("To reproduce")),
    "part-stages": PartPicture("16-matrix", section("Stages")),
    "part-history": PartPicture("12-python-traceback", section("Last")),
    "part-changes": PartPicture("6-failing-still-running", section("3 changes")),
    "part-artifacts": PartPicture("3-tests-fail", section("artifact")),
    "part-build": PartPicture("2-compile-error", 'td.section:has(> h2:text-is("Build"))'),
    "part-fixed": PartPicture("4-fixed-by-a-change", "td.suspect"),
    "part-footer": PartPicture("2-compile-error", "td.last"),
}


class PagePicture(NamedTuple):
    """A page of the service with a template of a team's own, on a screen."""

    path: str
    width: int = 1000
    height: int = 760
    change: tuple[str, str] = ("", "")
    """What is replaced in the template's body.html before."""
    scheme: Literal["light", "dark"] = "light"


TEAM = "team-a"
PAGES = {
    "gallery-desktop": PagePicture("/preview?template=build", 1280, 1240),
    "gallery-dark": PagePicture("/preview?template=build&state=aborted", 1280, 1000, scheme="dark"),
    "gallery-phone": PagePicture("/preview?template=build&q=infrastructure", PHONE, 1240),
    "template-gallery": PagePicture(f"/preview?template={TEAM}"),
    "template-studio": PagePicture(f"/preview/{TEAM}/2-compile-error", 1980, 1240),
    "template-studio-dark": PagePicture(
        f"/preview/{TEAM}/2-compile-error", 1980, 1240, scheme="dark"
    ),
    "template-studio-phone": PagePicture(f"/preview/{TEAM}/2-compile-error", PHONE, 1240),
    "template-compare": PagePicture(
        f"/compare?left_template=build&left_source=2-compile-error&right_template={TEAM}"
        "&right_source=2-compile-error",
        1520,
        1240,
    ),
    "template-fault": PagePicture(
        f"/preview/{TEAM}/2-compile-error", 1280, 420, ("data.environment |", "data.environmen |")
    ),
    "template-checks": PagePicture(
        f"/checks/{TEAM}/2-compile-error", 720, 520, ('alt="Team Example" ', "")
    ),
}


def main(folder: Path = FOLDER) -> None:
    """Write a PNG for each picture."""
    folder.mkdir(parents=True, exist_ok=True)
    write_mails(folder)
    write_parts(folder)
    with TemporaryDirectory() as templates:
        write_pages(folder, Path(templates))
    with TemporaryDirectory() as state:
        write_desk(folder, Path(state))


def write_pages(folder: Path, templates: Path) -> None:
    """Write the pictures of the pages, and of the mail of a new template."""
    write_new(templates, TEAM)
    report = samples.load("2-compile-error").model_copy(update={"mail": Mail(template=TEAM)})
    source = compose(report, ADDRESSING, Renderer(templates))
    body = templates / TEAM / "body.html"
    written = body.read_text()
    with (
        TemporaryDirectory() as state,
        service(Path(state), templates_dir=templates) as base,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": DESK, "height": 620})
        page.set_content(parts.part(source, "html").decode())
        page.screenshot(path=folder / "template-new.png")
        page.close()
        for name, picture in PAGES.items():
            body.write_text(written.replace(*picture.change) if picture.change[0] else written)
            page = browser.new_page(
                viewport={"width": picture.width, "height": picture.height},
                color_scheme=picture.scheme,
            )
            page.goto(base + picture.path, wait_until="load")
            page.wait_for_timeout(SETTLED)
            page.screenshot(path=folder / f"{name}.png")
            page.close()


def write_desk(folder: Path, state: Path) -> None:
    """Write the pictures of the desk on a bad day: it was made, and nobody drew it."""
    unknown = "550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown"
    bounce = "host mx.example.com[198.51.100.7] said: 554 5.7.1 Relay access denied"
    with desk(state, rate_limits=("job=3/hour",)) as made, chromium() as browser:
        relayed = made.post("1-success", "team-a/shop", 41, "ada@example.com")
        bounced = made.post("2-failure", "team-a/shop", 42, "lin@example.org", "ada@example.com")
        for report_id in (relayed, bounced):
            made.wait(report_id, "accepted")
        made.receipt(relayed, "ada@example.com", "sent", "250 2.0.0 Ok")
        made.receipt(bounced, "ada@example.com", "sent", "250 2.0.0 Ok")
        made.receipt(bounced, "lin@example.org", "bounced", bounce)
        made.wait(bounced, "bounced")
        made.postfix.rcpt["bob@example.com"] = unknown
        failed = made.post("2-compile-error", "team-b/nightly", 7, "bob@example.com")
        made.wait(failed, "failed")
        for number in range(1, 7):
            made.post("2-failure", "team-b/loop", number, "ada@example.com")
        for name, path, width, height in (
            ("desk", "/outbox", 1100, 900),
            ("desk-phone", "/outbox?show=trouble", PHONE, 1000),
            ("desk-failed", f"/outbox/{failed}", 1000, 900),
            ("desk-bounced", f"/outbox/{bounced}", 1000, 760),
            ("desk-rates", "/outbox/rates", 1000, 620),
        ):
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(made.base + path, wait_until="load")
            page.wait_for_timeout(SETTLED)
            page.screenshot(path=folder / f"{name}.png")
            page.close()


def write_mails(folder: Path) -> None:
    """Write the pictures of mails that the built-in template makes."""
    renderer = Renderer()
    with chromium() as browser:
        for name, picture in PICTURES.items():
            report = samples.load(picture.sample).model_copy(update={"mail": TO})
            html = renderer.render(report).html
            if picture.in_outlook:
                html = as_shown(html)
            page = browser.new_page(
                viewport={"width": picture.width, "height": 200}, color_scheme=picture.scheme
            )
            page.set_content(html)
            page.screenshot(path=folder / f"{name}.png", full_page=True)
            page.close()


def write_parts(folder: Path) -> None:
    """Write the pictures of parts of mails."""
    renderer = Renderer()
    with chromium() as browser:
        page = browser.new_page(viewport={"width": DESK, "height": 200})
        for name, picture in PARTS.items():
            report = samples.load(picture.sample).model_copy(update={"mail": TO})
            page.set_content(renderer.render(report).html)
            boxes = [one.bounding_box() for one in page.locator(picture.selector).all()]
            seen = [box for box in boxes if box]
            left, top = (min(box[side] for box in seen) for side in ("x", "y"))
            right = max(box["x"] + box["width"] for box in seen)
            bottom = max(box["y"] + box["height"] for box in seen)
            page.screenshot(
                path=folder / f"{name}.png",
                full_page=True,
                clip={"x": left, "y": top, "width": right - left, "height": bottom - top},
            )


if __name__ == "__main__":
    main()
