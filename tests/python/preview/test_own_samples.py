"""own_samples.py: reports that callers keep to see their templates with."""

from pathlib import Path

import pytest

from pyservice import samples
from pyservice.config.live import LiveSettings
from pyservice.config.settings import Settings
from pyservice.errors import InvalidError, NotFoundError, TooLargeError
from pyservice.preview import own_samples
from pyservice.preview.own_samples import OwnSamples
from pyservice.report.schema import Mail

REPORT = samples.load("2-failure").model_copy(
    update={"mail": Mail(template="release", data={"version": "1.4.2"})}
)


@pytest.fixture
def kept(tmp_path: Path) -> OwnSamples:
    """The samples of a service whose outbox is in a temporary folder."""
    return OwnSamples(LiveSettings(Settings(database_url=f"sqlite:///{tmp_path}/outbox.db")))


def test_a_sample_is_kept_for_its_owner(kept: OwnSamples, tmp_path: Path) -> None:
    """It has the data and template of its report, and nobody else sees it."""
    kept.save("team-a", "release-1.4", REPORT)
    assert kept.names("team-a") == ["release-1.4"]
    assert kept.load("team-a", "release-1.4") == REPORT
    assert kept.names("team-b") == []
    with pytest.raises(NotFoundError, match="there are: none"):
        kept.load("team-b", "release-1.4")
    [file] = (tmp_path / "samples").rglob("*.*")
    assert file.stat().st_mode & 0o777 == 0o600
    kept.save("team-a", "release-1.4", samples.load("5-aborted"))
    assert kept.load("team-a", "release-1.4").build.result == "ABORTED"
    with pytest.raises(NotFoundError):
        kept.delete("team-b", "release-1.4")
    kept.delete("team-a", "release-1.4")
    assert kept.names("team-a") == []


@pytest.mark.parametrize("name", ["", "..", "../x", "A", "a/b", ".hidden", "a" * 65, "a\n"])
def test_a_name_never_leaves_the_folder(kept: OwnSamples, name: str) -> None:
    """It is refused before a file is touched."""
    with pytest.raises(InvalidError, match="lower-case letters"):
        kept.save("team-a", name, REPORT)
    with pytest.raises(NotFoundError):
        kept.load("team-a", name)
    with pytest.raises(NotFoundError):
        kept.delete("team-a", name)


def test_bounds(kept: OwnSamples, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner has so many samples, and each is so large."""
    monkeypatch.setattr(own_samples, "MAX_SAMPLES", 1)
    kept.save("team-a", "one", REPORT)
    with pytest.raises(InvalidError, match="delete one first"):
        kept.save("team-a", "two", REPORT)
    kept.save("team-a", "one", REPORT)
    kept.save("team-b", "two", REPORT)
    monkeypatch.setattr(own_samples, "MAX_BYTES", 100)
    with pytest.raises(TooLargeError):
        kept.save("team-a", "one", REPORT)


def test_a_file_that_a_person_broke(kept: OwnSamples, tmp_path: Path) -> None:
    """The error says what is wrong, and what to do."""
    kept.save("team-a", "one", REPORT)
    (tmp_path / "samples" / "team-a" / "one.json").write_text("{")
    with pytest.raises(NotFoundError, match=r"can't be used: The body is not JSON.*Save it again"):
        kept.load("team-a", "one")


def test_a_folder_that_is_a_file(kept: OwnSamples, tmp_path: Path) -> None:
    """The error names the setting."""
    (tmp_path / "samples").write_text("")
    with pytest.raises(InvalidError, match="NOTIFY_EMAIL_SAMPLES_DIR"):
        kept.save("team-a", "one", REPORT)
    assert kept.names("team-a") == []
