"""tokens.py: files that can't be used are told, and never meet a request."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyservice import tokens
from pyservice.errors import ConfigurationError
from pyservice.tokens import Tokens

DIGEST = "36a80f762ba0168c33b90875ac35c990ef40384f01d786f8c81a40f3c4980884"


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process, for now no longer root's, may not enter."""
    folder = tmp_path / "locked"
    folder.mkdir(0)
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(65534)
    yield folder
    if privileged:
        os.seteuid(0)


def test_a_folder_that_may_not_be_entered(locked: Path) -> None:
    """It is a sentence for the service and for `token new`."""
    with pytest.raises(ConfigurationError, match="Permission denied"):
        Tokens(locked / "tokens")
    with pytest.raises(ConfigurationError, match="Permission denied"):
        tokens.new(locked / "tokens", "ci")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """It is a sentence, too."""
    with pytest.raises(ConfigurationError, match="too long"):
        Tokens(tmp_path / ("x" * 300))
    with pytest.raises(ConfigurationError, match="too long"):
        tokens.new(tmp_path / ("x" * 300), "ci")


@pytest.mark.parametrize(
    "text",
    [
        "[[[",
        "tokens = 1",
        "[tokens]\nci = 1",
        "[tokens.ci]",
        "[tokens.ci]\nsha256 = 5",
        "[tokens.ci]\nsha256 = ''",
        f"[tokens.ci]\nsha256 = '{DIGEST[:-1]}'",
        f"[tokens.ci]\nsha256 = '{DIGEST[:-1]}ä'",
        f"[tokens.ci]\nsha256 = '{DIGEST}'\n[tokens.other]\nsha256 = 'ne_secret'",
    ],
)
def test_a_digest_that_is_none(tmp_path: Path, text: str) -> None:
    """The file is refused when it is read, and nothing is added to it."""
    file = tmp_path / "tokens.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=str(file)):
        Tokens(file)
    with pytest.raises(ConfigurationError, match=str(file)):
        tokens.new(file, "new")
    assert file.read_text() == text
