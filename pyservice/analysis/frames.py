"""The lines of a stack trace that name a file, and which of them are the project's own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pyservice.analysis.shape import number

MAX_LINES = 300
"""Lines of a stack trace that are read."""
MAX_LINE = 400
"""Characters of a line that are read."""

_JAVA = re.compile(
    r"\s*at (?:[\w.@-]*/)*(?P<method>[\w.$<>]+)\((?:(?P<file>[\w$.-]+\.\w+):(?P<line>\d+)|[^()]*)\)"
)
_PYTHON = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+)')
_PYTEST = re.compile(r"(?P<file>[^\s:]+\.py):(?P<line>\d+): ")
_NODE = re.compile(
    r"\s*at (?:[^()]{1,200} \()?(?:file://)?(?P<file>[^\s():]+\.\w+):(?P<line>\d+):\d+\)?$"
)
_OTHERS = re.compile(
    r"\s*(?P<file>[\w./@+-]+\.(?:go|rs|cc?|cpp|cxx|hh?|hpp|py|[jt]sx?|rb|php|cs|swift|kt|java|dart|exs?))"
    r":(?P<line>\d+)(?::\d+)?(?=[\s:,)]|$)"
)
"""Go, Rust, C and whatever else names a file and a line at the beginning of a line."""

_FRAMEWORKS = (
    *("java.", "javax.", "jdk.", "sun.", "com.sun.", "kotlin.", "scala.", "groovy."),
    *("junit.", "org.junit.", "org.testng.", "org.opentest4j.", "org.hamcrest.", "org.assertj."),
    *("org.mockito.", "org.codehaus.groovy.", "org.apache.groovy.", "org.spockframework."),
    *("org.apache.maven.", "org.gradle.", "com.google.common.truth.", "org.springframework.test."),
)
"""Beginnings of Java methods that are no project's own."""
_LIBRARIES = re.compile(
    r"(?:^|/)(?:site-packages|dist-packages|node_modules|\.cargo/registry|rustc)/"
    r"|(?:^|/)lib/python\d|^/usr/(?:lib|local|include|share)/|^node:|^internal/|^<"
    r"|(?:^|/)(?:_pytest|unittest|pluggy)/|(?:^|/)go/(?:src|pkg/mod)/"
)
"""Files that are no project's own."""


@dataclass(frozen=True)
class Frame:
    """A line of a stack trace."""

    text: str
    """The line, without blanks around it."""
    file: str
    """The file, as the line names it; of Java with the folders of its package. Empty: none."""
    line: int | None
    is_own: bool
    """Whether it is the project's own, not a language's, a library's or a test framework's."""


def frames(stack_trace: str) -> tuple[Frame, ...]:
    """Return the lines of a stack trace that name a file, the innermost call first."""
    found: list[Frame] = []
    latest_last = False
    for text in _lines(stack_trace):
        if match := _JAVA.match(text):
            found.append(_java(text, match))
        elif match := _PYTHON.match(text) or _PYTEST.match(text):
            latest_last = True
            found.append(_frame(text, match))
        elif match := _NODE.match(text) or _OTHERS.match(text):
            found.append(_frame(text, match))
    return tuple(reversed(found) if latest_last else found)


def first_own_frame(stack_trace: str) -> str:
    """Return the innermost line of a stack trace that is the project's own; empty: none is."""
    return next((frame.text for frame in frames(stack_trace) if frame.is_own), "")


def _lines(stack_trace: str) -> Iterator[str]:
    for count, line in enumerate(stack_trace.split("\n")):
        if count == MAX_LINES:
            return
        yield line[:MAX_LINE].rstrip()


def _java(text: str, match: re.Match[str]) -> Frame:
    method, name = match["method"], match["file"] or ""
    package = method.split(".")[:-2]
    return Frame(
        text=text.strip(),
        file="/".join([*package, name]) if name else "",
        line=number(match["line"]),
        is_own=bool(name) and not method.startswith(_FRAMEWORKS),
    )


def _frame(text: str, match: re.Match[str]) -> Frame:
    file = match["file"]
    return Frame(
        text=text.strip(),
        file=file,
        line=number(match["line"]),
        is_own=_LIBRARIES.search(file) is None,
    )
