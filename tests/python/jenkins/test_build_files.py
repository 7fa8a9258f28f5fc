"""build_files.py: which of a build's files go with its mail."""

import pytest

from pyservice.errors import SetupError
from pyservice.jenkins.build_files import MAX_LOG, BuildFiles, matched
from pyservice.jenkins.build_reader import why
from pyservice.jenkins.errors import TooLargeError
from pyservice.report.attachments import MAX_BYTES

PATHS = ["app.bin", "out/a.xml", "out/deep/er/b.xml", "out/c.txt", "reports/x.y"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("app.bin", ["app.bin"]),
        ("app?bin", ["app.bin"]),
        ("*.xml", []),
        ("*", ["app.bin"]),
        ("out/*.xml", ["out/a.xml"]),
        ("**/*.xml", ["out/a.xml", "out/deep/er/b.xml"]),
        ("out/**/b.*", ["out/deep/er/b.xml"]),
        ("out/**/deep/**", ["out/deep/er/b.xml"]),
        ("out/", ["out/a.xml", "out/c.txt", "out/deep/er/b.xml"]),
        ("**", sorted(PATHS)),
        ("reports/x.?", ["reports/x.y"]),
        ("reports/x[.]y", []),
        ("(a+)+$", []),
        ("APP.BIN", []),
    ],
)
def test_ant_patterns(pattern: str, expected: list[str]) -> None:
    """A pattern means what it means to Ant, and has no other special characters."""
    assert matched(pattern, PATHS) == expected


def test_a_path_that_leaves_its_folder() -> None:
    """It is no artifact, whatever matches it."""
    assert matched("**", ["../secret", "a/../../b", "a..b"]) == ["a..b"]


def read(path: str, most: int) -> bytes:
    """Return an artifact as large as its name says, in bytes."""
    if path == "secret":
        raise SetupError("Jenkins answers 403.")
    if int(path) > most:
        raise TooLargeError("too large")
    return bytes(int(path))


def added(patterns: list[str], paths: list[str]) -> BuildFiles:
    files = BuildFiles()
    files.add_artifacts(patterns, paths, read, why)
    return files


def test_as_far_as_there_is_room() -> None:
    """A file that is too large is named, and a smaller one after it may fit."""
    large = str(MAX_BYTES - 100)
    files = added([large, "200", "50"], ["50", "200", large])
    assert [file.size_bytes for file in files.attachments] == [MAX_BYTES - 100, 50]
    [named] = files.not_attached
    assert (named.name, named.reason) == (
        "200",
        "the attachments would have more than 3 MiB together",
    )


def test_many_files() -> None:
    """Twenty are attached, twenty more are named, and the others counted."""
    files = added(["*"], [str(number) for number in range(1, 51)])
    assert (len(files.attachments), len(files.not_attached)) == (20, 20)
    assert files.not_attached[0].reason == "at most 20 files are attached"
    assert [one.reason for one in files.missing] == ["10 more artifacts match"]


def test_what_jenkins_does_not_show() -> None:
    """A file that Jenkins refuses is named with the reason; a pattern without files is, too."""
    files = added(["secret", "*.bin", " "], ["secret", "7", " ", "x" * 5000])
    assert [(one.name, one.reason) for one in files.not_attached] == [
        ("secret", "Jenkins refused it")
    ]
    assert [one.reason for one in files.missing] == [
        "no archived artifact matches *.bin",
        "no archived artifact matches  ",
    ]


def test_the_log() -> None:
    """The log's end is a text; without a log, the mail names it."""
    files = BuildFiles()
    files.add_log("x" * MAX_LOG + "the end")
    [log] = files.attachments
    assert (log.name, log.is_log, log.size_bytes) == ("build.log", True, MAX_LOG)
    assert log.text.endswith("the end")
    files.add_log(None)
    assert [one.is_log for one in files.not_attached] == [True]
