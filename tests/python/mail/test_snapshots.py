"""The text parts of recorded builds, as somebody has read and approved them.

`python -m tests.python.mail.test_snapshots` writes them again: read what differs.
"""

from pathlib import Path

import pytest

from pyservice import samples
from pyservice.mail.renderer import Renderer

FOLDER = Path(__file__).parent / "snapshots"


def text_of(name: str) -> str:
    body = Renderer().render(samples.load(name))
    return f"Subject: {body.subject}\n\n{body.text}"


@pytest.mark.parametrize("name", samples.names())
def test_the_text_part(name: str) -> None:
    """The subject and the text of each recorded build are the approved ones."""
    assert text_of(name) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_there_are_no_others() -> None:
    """Each approved text has a recorded build."""
    assert {path.stem for path in FOLDER.iterdir()} == set(samples.names())


if __name__ == "__main__":
    for sample in samples.names():
        (FOLDER / f"{sample}.txt").write_text(text_of(sample), encoding="utf-8")
