"""tokens.py: reading and changing the tokens file, and files that can't be used."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyservice.auth import tokens
from pyservice.auth.permissions import Permissions
from pyservice.auth.tokens import Tokens
from pyservice.errors import ConfigurationError

DIGEST = "36a80f762ba0168c33b90875ac35c990ef40384f01d786f8c81a40f3c4980884"


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process may not enter; for this test it isn't root's."""
    folder = tmp_path / "locked"
    folder.mkdir(0)
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(65534)
    yield folder
    if privileged:
        os.seteuid(0)


def test_a_folder_that_may_not_be_entered(locked: Path) -> None:
    """A missing file is an error in one sentence, for the service and for `token new`."""
    with pytest.raises(ConfigurationError, match="permission denied"):
        Tokens(locked / "tokens")
    with pytest.raises(ConfigurationError, match="permission denied"):
        tokens.new(locked / "tokens", "ci")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """An unreadable file is an error in one sentence, too."""
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
        f"[tokens.ci]\nsha256 = '{DIGEST}'\n[tokens.other]\nsha256 = '{DIGEST}'",
        f"[tokens.local]\nsha256 = '{DIGEST}'",
        f"[tokens.trusted]\nsha256 = '{DIGEST}'",
        f"[token.ci]\nsha256 = '{DIGEST}'",
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


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ('job = ["a"]', "`job`: there is no such member; there are: controller, jobs"),
        ("jobs = 'team-a'", '`jobs`: it must be a list, such as ["team-a"]'),
        ("jobs = []", "`jobs`: an empty list allows nothing"),
        ("jobs = ['a//b']", "`jobs`: 'a//b' is not a job's full name"),
        ("controller = 'ci'", "`controller`: it is not Jenkins' address"),
        ("recipient_domains = ['a b']", "`recipient_domains`: 'a b' is no domain"),
        ("rate = 'often'", "`rate`: 'often' is no rate, such as 100/hour"),
        ("rate = '1/hour; 5/day'", "`rate`: '1/hour; 5/day' is no rate"),
        ("may = ['read']", "`may`: it must be 'send', 'see', 'scrape' or 'operate'"),
        ("created = 'x'", "`created`: "),
    ],
)
def test_a_member_that_is_wrong(tmp_path: Path, member: str, words: str) -> None:
    """The error names the file, the token, the member and what to do."""
    file = tmp_path / "tokens.toml"
    file.write_text(f"[tokens.ci]\nsha256 = '{DIGEST}'\n{member}\n")
    with pytest.raises(ConfigurationError) as caught:
        Tokens(file)
    assert str(caught.value).startswith(f"{file}: token 'ci': {words}")
    assert str(caught.value).endswith(".")


def test_a_present_file(tmp_path: Path) -> None:
    """A table with nothing but a SHA-256, or a SHA-256 and its day, is a token without bounds."""
    file = tmp_path / "tokens.toml"
    file.write_text(f"[tokens.ci]\nsha256 = '{DIGEST}'\n")
    assert tokens.read(file)["ci"].permissions_by_name() == {}
    assert tokens.read(file)["ci"].may == ("send", "see", "scrape")


def test_rights_are_written_and_read(tmp_path: Path) -> None:
    """The file has the permissions that `new` got, whatever is in a job's name."""
    file = tmp_path / "tokens.toml"
    given = {
        "controller": "https://ci.example.com",
        "jobs": ['team "a"\\/漢\n\x7f', "b"],
        "recipient_domains": ["example.com"],
        "rate": "100/hour",
        "may": ["send"],
    }
    tokens.new(file, "ci", Permissions.model_validate(given))
    tokens.new(file, "other")
    assert tokens.read(file)["ci"].permissions_by_name() == given
    assert tokens.read(file)["other"].permissions_by_name() == {}


def test_new_after_a_line_without_an_end(tmp_path: Path) -> None:
    """A new token begins on a line of its own."""
    file = tmp_path / "tokens.toml"
    file.write_text(f"[tokens.ci]\nsha256 = '{DIGEST}' # mine")
    tokens.new(file, "new")
    assert list(tokens.read(file)) == ["ci", "new"]


TABLES = {
    "a": f"[tokens.a]\nsha256 = '{DIGEST}'\ncreated = 2026-11-24\n",
    "b": f"  [ tokens . b ]  # mine\n# its\nsha256 = '{DIGEST[:-1]}5'\n\njobs = [\n  'x',\n]\n",
    "c": f"[tokens.c]\r\nsha256 = '{DIGEST[:-1]}6'\r\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_remove(tmp_path: Path, name: str) -> None:
    """Every other byte stays: comments, empty lines, line ends; so does the file's mode."""
    file = tmp_path / "tokens.toml"
    parts = ["# Ours: ä\n", "\n# the first\n", TABLES["a"], "\n# the second\n", TABLES["b"]]
    parts += ["\n\n# the third\n", TABLES["c"], "# the end"]
    file.write_bytes("".join(parts).encode())
    file.chmod(0o640)
    inode = file.stat().st_ino
    tokens.remove(file, name)
    left = "".join(part for part in parts if part != TABLES[name])
    assert file.read_bytes().decode() == left
    assert (file.stat().st_mode & 0o777, file.stat().st_ino) == (0o640, inode)
    assert list(tokens.read(file)) == [table for table in TABLES if table != name]


def test_new_and_remove(tmp_path: Path) -> None:
    """Adding and removing tokens undo each other, in any order."""
    file = tmp_path / "tokens.toml"
    tokens.new(file, "a")
    alone = file.read_bytes()
    tokens.new(file, "b")
    tokens.new(file, "c")
    both = file.read_bytes()
    tokens.new(file, "d")
    tokens.remove(file, "d")
    assert file.read_bytes() == both
    tokens.remove(file, "b")
    tokens.remove(file, "c")
    assert file.read_bytes() == alone
    tokens.remove(file, "a")
    assert tokens.read(file) == {}


@pytest.mark.parametrize(
    "text",
    [
        f"[tokens]\nci = {{sha256 = '{DIGEST}'}}\n",
        f"[tokens]\nci.sha256 = '{DIGEST}'\n",
        f"tokens.ci.sha256 = '{DIGEST}'\n",
    ],
)
def test_a_token_that_only_a_person_can_remove(tmp_path: Path, text: str) -> None:
    """The error is one sentence, and nothing is written."""
    file = tmp_path / "tokens.toml"
    file.write_text(text)
    assert list(tokens.read(file)) == ["ci"]
    with pytest.raises(ConfigurationError, match="by hand"):
        tokens.remove(file, "ci")
    assert file.read_text() == text


def test_a_token_that_is_not_there(tmp_path: Path) -> None:
    """The error names the tokens that exist."""
    file = tmp_path / "tokens.toml"
    tokens.new(file, "a")
    with pytest.raises(ConfigurationError, match=r"no token named 'b'\. It has: a"):
        tokens.remove(file, "b")
