"""samples/__init__.py: the recorded builds."""

import json
from pathlib import Path

import pytest

from pyservice import samples

CONTRACT = {
    path.stem.split("-")[1]: path
    for path in (Path(__file__).parents[2] / "contract").glob("inside-*.json")
}
REPORTS = [
    path
    for path in sorted(Path(samples.__file__).parent.glob("*.json"))
    if path.stem.split("-")[0] in CONTRACT
]


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_trusted_librarys_reports(path: Path) -> None:
    """Each is what the library's own test makes of the same recorded build."""
    made = json.loads(CONTRACT[path.stem.split("-")[0]].read_text(encoding="utf-8"))
    assert json.loads(path.read_text(encoding="utf-8")) == made


def test_every_sample_is_a_whole_report() -> None:
    """The package has them all, nothing of one had to be left out, and none has a recipient."""
    assert len(samples.names()) == 15 + 9
    for name in samples.names():
        report = samples.load(name)
        assert not report.left_out, name
        assert report.mail.to is None


def test_there_is_no_other_sample() -> None:
    """A name that leads out of the folder is unknown."""
    with pytest.raises(KeyError):
        samples.load("../samples/2-failure")
