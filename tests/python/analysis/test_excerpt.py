"""excerpt.py: what a mail shows of a log around its error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice.analysis import excerpt as excerpt_module
from pyservice.analysis.excerpt import MAX_LINES, MAX_WIDTH, Excerpt, excerpt
from pyservice.analysis.first_error import FirstError, find_first_error
from pyservice.terminal import plain
from tests.python.analysis.logs import NAMES, raw, read


def of_log(name: str) -> Excerpt:
    """The excerpt of a recorded log."""
    return excerpt(raw(name), find_first_error(read(name)))


def texts(one: Excerpt) -> list[str]:
    """The lines of an excerpt, without colours."""
    return [line.text for line in one.lines]


def test_a_compilers_error() -> None:
    """The error's own lines are flagged, and its file and line are marked."""
    one = of_log("gcc-undeclared")
    assert texts(one) == read("gcc-undeclared")
    assert [line.is_error for line in one.lines] == [False, True, True, True, True, False]
    assert [line.number for line in one.lines if line.is_telling] == [2]
    assert [part.text for line in one.lines for part in line.parts if part.is_place] == ["main.c:2"]
    assert (one.cut_before, one.cut_after) == (0, 0)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("tsc-errors", ["src/cart.ts(3"]),
        ("python-syntax", ['/home/ci/workspace/python/broken.py", line 1']),
        ("javac-errors", ["Cart.java:7"]),
        (
            "maven-modules",
            ["/home/ci/workspace/maven-modules/till/src/main/java/com/example/till/Main.java:[3"],
        ),
        ("jest-coloured", ["test/cart.test.js", ":4"]),
        ("git-merge-conflict", []),
    ],
)
def test_the_place(name: str, places: list[str]) -> None:
    """A place is marked as the tool writes it; where its colour changes, in two parts."""
    one = of_log(name)
    assert [part.text for line in one.lines for part in line.parts if part.is_place] == places


def test_another_line_is_no_place() -> None:
    """Line 12 is not line 1."""
    error = FirstError(first=0, last=0, line=0, message="x", file="a.c", file_line=1)
    one = excerpt(["a.c:12: error"], error)
    assert not any(part.is_place for part in one.lines[0].parts)


def test_colours_stay() -> None:
    """A coloured log keeps its colours, and has the text of the same log without them."""
    one = of_log("gcc-coloured")
    coloured = {part.text: part.colour for line in one.lines for part in line.parts if part.colour}
    assert coloured["error: "] == "red"
    assert texts(one)[1:] == read("gcc-undeclared")[1:]


def test_progress_is_folded() -> None:
    """A run of lines that are alike, or of downloads, is one line and a count."""
    assert texts(of_log("shell-noise-then-missing-file"))[1:3] == [
        "Downloading layer 1 of 400: error_codes_1.tar.gz 0%",
        "… 399 lines like it",
    ]
    assert "… 119 lines like it" in texts(of_log("pytest-fails"))
    assert not any("Download" in text for text in texts(of_log("maven-compile")))


def test_noise_goes() -> None:
    """Timestamps go, and what Jenkins prints of its own steps."""
    lines = [
        "[2026-11-30T06:12:01.123Z] [Pipeline] sh",
        "[2026-11-30T06:12:02.123Z] + make",
        "[Pipeline] { (Build)",
        "[2026-11-30T06:12:03.123Z] \x1b[31mmain.c:2: error: no\x1b[m",
        "",
        "[Pipeline] }",
    ]
    error = find_first_error([plain(line) for line in lines])
    one = excerpt(lines, error)
    assert texts(one) == ["+ make", "main.c:2: error: no"]
    assert (one.cut_before, one.cut_after) == (1, 2)


def test_a_long_error() -> None:
    """Of an error that is longer than the excerpt its beginning stays, and its telling line."""
    lines = ["Traceback (most recent call last):"]
    for number in range(100):
        lines += [f'  File "/w/a{number}.py", line {number}, in f', f"    f({number})"]
    lines += ["KeyError: 'x'", "make: *** [all] Error 1"]
    one = excerpt(lines, find_first_error(lines))
    assert len(one.lines) == MAX_LINES
    assert one.lines[0].text == lines[0]
    assert one.lines[5].folded == 164
    assert one.lines[-2].text == "KeyError: 'x'"
    assert one.lines[-2].is_telling
    assert one.lines[-1].text == lines[-1]


def test_a_long_error_with_an_early_line() -> None:
    """A Java exception's frames are cut behind its message."""
    lines = ['Exception in thread "main" java.lang.Error: x', *["\tat a.B.c(B.java:1)"] * 80, "end"]
    one = excerpt(lines, find_first_error(lines))
    assert one.lines[0].is_telling
    assert one.lines[-1].text == "end"
    assert one.lines[-2].folded == 81 - 38
    assert (one.cut_before, one.cut_after) == (0, 0)


def test_without_an_error() -> None:
    """A log in which nothing is found is shown from its end."""
    lines = [f"step {'abcdefghij'[number % 10]} {'x' * (number % 7)}" for number in range(100)]
    one = excerpt(lines, None)
    assert texts(one) == lines[-MAX_LINES:]
    assert (one.cut_before, one.cut_after) == (60, 0)
    assert excerpt([], None) == Excerpt((), 0, 0)
    assert excerpt(["", "[Pipeline] }"], None) == Excerpt((), 2, 0)


def test_a_long_line() -> None:
    """A line is cut, and says so."""
    one = excerpt(["\x1b[31m" + "x" * 300 + "\x1b[m" + "y" * 300], None)
    assert one.lines[0].text == "x" * 300 + "y" * 99 + "…"
    assert [part.colour for part in one.lines[0].parts] == ["red", None]


def test_how_many_lines_around() -> None:
    """The caller says how many lines before and after; lines that say nothing don't count."""
    lines = [*map("before {}".format, "abcdef"), "error: x", *map("after {}".format, "abcdef")]
    error = find_first_error(lines)
    one = excerpt(lines, error, before=2, after=1)
    assert texts(one) == ["before e", "before f", "error: x", "after a"]
    assert (one.cut_before, one.cut_after) == (4, 5)


@pytest.mark.parametrize("name", NAMES)
def test_each_recorded_log(name: str) -> None:
    """Each excerpt is bounded, and shows the most telling line."""
    error = find_first_error(read(name))
    one = excerpt(raw(name), error)
    check(one, len(read(name)))
    if error is not None:
        assert any(line.is_telling for line in one.lines)


def check(one: Excerpt, count: int) -> None:
    """Assert that an excerpt is bounded, in order, and that its counts add up."""
    assert len(one.lines) <= MAX_LINES
    assert all(len(line.text) <= MAX_WIDTH for line in one.lines)
    numbers = [line.number for line in one.lines]
    assert numbers == sorted(set(numbers))
    if one.lines:
        last = one.lines[-1]
        assert one.cut_before == numbers[0]
        assert last.number + max(last.folded, 1) + one.cut_after == count


LINE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "",
            "[Pipeline] sh",
            "error: x",
            "Downloading 1",
            "\tat a.b(C.java:1)",
            "\x1b[31mE",
            "+ make",
        ]
    ),
)


@given(
    st.lists(LINE, max_size=80), st.integers(0, 9), st.integers(0, 9), st.integers(10, MAX_LINES)
)
def test_any_lines(lines: list[str], before: int, after: int, at_most: int) -> None:
    """Whatever a log has, its excerpt is bounded."""
    lines = [line.replace("\n", "") for line in lines]
    error = find_first_error([plain(line) for line in lines])
    one = excerpt(lines, error, before=before, after=after, at_most=at_most)
    check(one, len(lines))
    assert len(one.lines) <= at_most


def test_each_line_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of Jenkins' own lines, or of any others, takes a time that grows with its length."""
    compared = 0

    def counting(line: str) -> str:
        nonlocal compared
        compared += 1
        return kind(line)

    kind = excerpt_module._kind
    monkeypatch.setattr(excerpt_module, "_kind", counting)
    for line in ("[Pipeline] }", "x", ""):
        compared = 0
        excerpt([line] * 1000, None)
        assert compared <= 3000
