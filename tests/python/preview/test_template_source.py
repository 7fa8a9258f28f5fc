"""template_source.py: an author sees which files make the mail, and which of them are the own."""

from pathlib import Path

from pyservice.mail.rendering import BUILT_IN, DIGEST, PARTS
from pyservice.preview.template_source import MAX_BYTES, MAX_FILES, source_files, state_of


def test_parts_that_a_template_lacks_are_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "body.html").write_text("<p>Hello</p>\n{{ build.job }}\n")
    subject, html, text = source_files(tmp_path, "team")
    assert (subject.path, subject.is_own) == ("build/subject.txt", False)
    assert (html.path, html.is_own) == ("team/body.html", True)
    assert html.lines == ("<p>Hello</p>", "{{ build.job }}")
    assert (text.path, text.is_own, text.name) == ("build/body.txt", False, "body.txt")
    assert text.lines


def test_without_own_templates_all_is_built_in() -> None:
    for template in (BUILT_IN, DIGEST):
        shown = source_files(None, template)
        assert [file.name for file in shown] == list(PARTS)
        assert not any(file.is_own for file in shown)
    assert [file.path for file in source_files(None, DIGEST)][1] == "digest/body.html"


def test_other_files_follow_also_those_of_other_folders(tmp_path: Path) -> None:
    """What an editor left behind is not shown."""
    for name in ("team/body.html", "team/data.json", "team/body.html~", "shared/head.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path.parent / "secret").write_text("secret")
    also = ("shared/head.html", "team/body.html", "../secret", "/etc/passwd", "none/x")
    shown = [file.path for file in source_files(tmp_path, "team", also)]
    assert shown == [
        *("build/subject.txt", "team/body.html", "build/body.txt", "team/data.json"),
        "shared/head.html",
    ]


def test_what_can_not_be_shown_says_why(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "body.html").write_bytes(b"gr\xfc\xdfe")
    (tmp_path / "team" / "body.txt").write_text("x" * (MAX_BYTES + 1))
    (tmp_path / "team" / "logo.png").write_bytes(b"\x89PNG\0")
    _, html, text, logo = source_files(tmp_path, "team")
    assert html.lines == ("gr��e",)
    assert text.trouble == "Only its first 200000 bytes are shown."
    assert (logo.lines, logo.trouble) == ((), "It is not text.")


def test_a_folder_of_many_files_is_cut(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    for number in range(100):
        (tmp_path / "team" / f"{number}.html").write_text("x")
    assert len(source_files(tmp_path, "team")) == len(PARTS) + MAX_FILES


def test_a_state_differs_by_what_the_template_uses(tmp_path: Path) -> None:
    """Its own files, those of folders that it names, and of the built-in one; no others."""

    def write(path: str, text: str) -> str:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
        return state_of(tmp_path, "team")

    write("team/body.html", "{% include 'shared/head.html' %}")
    write("shared/head.html", "{% extends 'base/all.html' %}")
    first = write("base/all.html", "Hello")
    assert write("other/body.html", "another team's") == first
    states = {
        first,
        write("team/logo.png", "an image"),
        write("shared/head.html", "{% extends 'base/all.html' %} changed"),
        write("base/all.html", "Good morning"),
        write("build/subject.txt", "in place of the built-in one"),
    }
    assert len(states) == 5
    computed = write("team/body.html", "{%- include data.part %}")
    assert write("other/body.html", "any folder may be meant") != computed
    assert state_of(None, "team") == state_of(None, "build")
