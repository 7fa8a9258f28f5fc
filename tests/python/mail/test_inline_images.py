"""An image in a template's folder goes with its mails, as mail programs want it."""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from pyservice import samples
from pyservice.errors import RenderError
from pyservice.mail import inline_images
from pyservice.mail.message import compose
from pyservice.mail.renderer import Renderer
from pyservice.mail_checks.catalogue import check
from pyservice.preview import parts
from pyservice.report.schema import Mail
from tests.builders.mails import ADDRESSING

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
GIF = b"GIF89a" + bytes(99)


def template(folder: Path, body: str, **files: bytes) -> Renderer:
    """Return a renderer of a template `team` with these files."""
    (folder / "team").mkdir()
    (folder / "team" / "body.html").write_text(body)
    for name, content in files.items():
        (folder / "team" / name.replace("_", ".")).write_bytes(content)
    return Renderer(folder)


def mail(renderer: Renderer) -> tuple[bytes, list[RenderError]]:
    """Return the mail of a sample, and what was wrong with the template."""
    faults: list[RenderError] = []
    report = samples.load("1-success").model_copy(update={"mail": Mail(template="team")})
    return compose(report, ADDRESSING, renderer, faults.append), faults


def parsed(source: bytes) -> EmailMessage:
    """Return a mail as Python's email package reads it."""
    message = email.message_from_bytes(source, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_an_image_is_a_related_part(tmp_path: Path) -> None:
    """It is there once, base64, under the Content-ID that the HTML names; and no attachment."""
    body = '<h1>Passed</h1><img src="cid:logo.png" alt="a"><img src="cid:logo.png" alt="b">'
    source, faults = mail(template(tmp_path, body, logo_png=PNG))
    assert faults == []
    message = parsed(source)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    *_, image = message.walk()
    assert image.get_payload(decode=True) == PNG
    assert image.get_content_disposition() == "inline"
    identity = str(image["Content-ID"]).strip("<>")
    html = str(message.get_body(("html",)).get_content())  # type: ignore[union-attr]
    assert html.count(f'src="cid:{identity}"') == 2
    assert max(map(len, source.split(b"\r\n"))) <= 998
    assert b"\n" not in source.replace(b"\r\n", b"")
    assert [one for one in check(source) if one.check == "images"] == []


def test_a_browser_gets_the_image_in_the_html(tmp_path: Path) -> None:
    """Previews show it as `data:`, and count the HTML's bytes as they are sent."""
    body = '<h1>Passed</h1><img src="cid:logo.gif" alt="a">'
    source, _ = mail(template(tmp_path, body, logo_gif=GIF))
    shown = parts.part(source, "html").decode()
    assert 'src="data:image/gif;base64,R0lGODlh' in shown
    assert parts.size(source).html < len(shown)


def test_the_same_file_has_the_same_identity(tmp_path: Path) -> None:
    """Another file has another one, also of the same name."""
    renderer = template(tmp_path, '<img src="cid:logo.png" alt="a">', logo_png=PNG)
    first, again = mail(renderer)[0], mail(renderer)[0]
    assert first == again
    (tmp_path / "team" / "logo.png").write_bytes(PNG + b"x")
    other = mail(renderer)[0]
    assert parsed(first).get_payload() != parsed(other).get_payload()


def test_the_folder_build_has_what_a_template_lacks(tmp_path: Path) -> None:
    """As it has its other parts."""
    renderer = template(tmp_path, '<img src="cid:logo.png" alt="a">')
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "logo.png").write_bytes(PNG)
    assert mail(renderer)[1] == []


@pytest.mark.parametrize(
    ("source", "files", "reason"),
    [
        ("cid:logo.png", {}, "the image logo.png is not in the template's folder"),
        ("cid:../../etc/passwd", {}, "is no image's name"),
        ("cid:logo.svg", {"logo_svg": b"<svg/>"}, "neither PNG nor JPEG nor GIF"),
        ("cid:logo.png", {"logo_png": PNG + bytes(inline_images.MAX_IMAGE)}, "more than 100 KB"),
    ],
)
def test_an_image_that_can_not_go(
    tmp_path: Path, source: str, files: dict[str, bytes], reason: str
) -> None:
    """The mail goes out with the built-in template, which names the file, the line and the cure."""
    _, [error] = mail(template(tmp_path, f'<h1>x</h1>\n<img src="{source}" alt="a">', **files))
    [fault] = error.faults
    assert (fault.file, fault.line) == ("team/body.html", 2)
    assert reason in fault.reason


def test_all_images_of_a_mail_are_bounded(tmp_path: Path) -> None:
    """Four that are allowed each are too many together."""
    files = {f"a{n}_png": PNG + bytes(90 * 1024) + bytes([n]) for n in range(4)}
    body = "".join(f'<img src="cid:a{n}.png" alt="a">' for n in range(4))
    _, [error] = mail(template(tmp_path, body, **files))
    assert "more than 300 KB in all" in str(error)


def test_a_template_extends_the_built_in_one(tmp_path: Path) -> None:
    """`built-in/body.html` is the shipped one, also for a template that replaces it."""
    extending = (
        '{% extends "built-in/body.html" %}{% block top %}<tr><td>Ours</td></tr>{% endblock %}'
    )
    for name in ("team", "build"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "body.html").write_text(extending)
    for name in ("team", "build"):
        report = samples.load("1-success").model_copy(update={"mail": Mail(template=name)})
        html = Renderer(tmp_path).render(report).html
        assert "Ours" in html
        assert "Passed" in html
