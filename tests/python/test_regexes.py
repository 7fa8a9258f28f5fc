"""Every regular expression of the package takes linear time, whatever text it is given.

Texts come from builds, from Postfix' log and from strangers' mail addresses. A few kilobytes must
not keep the service busy for seconds.
"""

import importlib
import itertools
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import pyservice
from pyservice.addresses import mailboxes
from pyservice.analysis import infrastructure, reproduce
from pyservice.analysis.fingerprint import normalised
from pyservice.analysis.first_error import SHAPES, find_first_error
from pyservice.errors import RequestError
from pyservice.logs import mask
from pyservice.postfix.log_line import Line
from pyservice.report.schema import Build, Failure, Report
from pyservice.report.secrets import SecretMasker
from tests.builders.growth import cpu_seconds

SMALL, LARGE = 400, 1600
"""Characters."""
TOO_STEEP = 9
"""A ratio of times that is no longer linear: for four times the text linear is 4, quadratic 16."""
TRIES = 10
"""How often a doubtful ratio is measured: another process can make a few calls slower."""
METHODS = "match|fullmatch|search|sub|findall|finditer|split"
REPEATED = [
    *"@a0 \t\n./-:=<>([{,;'\"\\_$?#x*",
    *("a@", "@a", "a.", "a ", ", ", "1,", "://", "=?", "\\a", "a:", "-a", "{a", "{}", "<a", ":/"),
    *("post/", "/post", "token", "token ", "token=", "http://", "secret:", "Error", "at ", "1 s "),
    *(">, ", ">, orig_to=<", ">, relay=a, ", "status=a (", "=?u?q?a?= ", "reject: ", "a/postfix"),
    *("token=a ", "--token a ", "://a:b@", "-----BEGIN PRIVATE KEY-----", "curl -u a:b ", "eyJ"),
    *("\x1b[", "\x1b]", "\x9b", "\x1b[1;", "&#", "%2F", "[1]: ", ">, size=1", "Branch: ", "step "),
]
BEGINNINGS = [
    "",
    "to=<",
    "to=<a>, relay=",
    "a postfix",
    "://",
    "token",
    "<",
    "from=<",
    "\x1b]",
    "/",
    "    at ",
    " 1:1  error  a",
]
ENDINGS = ["\0", " \0"]
"""What no pattern ends with; before a blank a pattern may have to give up what it repeated."""


def patterns() -> Iterator[tuple[str, re.Pattern[str], str]]:
    """Each pattern that a module names, with each method that its module calls."""
    for module in pkgutil.walk_packages(pyservice.__path__, "pyservice."):
        if module.name.endswith(("__main__", "migrations.env")):
            continue
        loaded = importlib.import_module(module.name)
        source = Path(str(loaded.__file__)).read_text()
        for name, value in vars(loaded).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                for method in sorted(set(re.findall(rf"\b{name}\.({METHODS})\(", source))):
                    yield f"{module.name}.{name}", value, method
    for name, pattern in (*infrastructure.TROUBLE, *reproduce.TOOLS):
        yield name, pattern, "search"
    for shape in SHAPES:
        yield f"{shape.tool}: {shape.guard}", shape.pattern, "match"


def called(pattern: re.Pattern[str], method: str) -> Callable[[str], object]:
    """Return what calls a method of the pattern, to its end."""
    if method == "sub":
        return lambda text: pattern.sub("", text)
    if method == "finditer":
        return lambda text: list(pattern.finditer(text))
    bound: Callable[[str], object] = getattr(pattern, method)
    return bound


def seconds(function: Callable[[str], object], text: str, times: int = 1) -> float:
    """The least time of this process that the call takes."""
    return cpu_seconds(lambda: function(text), times)


def growth(function: Callable[[str], object]) -> Iterator[tuple[str, float]]:
    """Hostile texts, and the ratio of times for four times the text; quick ones are left out."""
    for beginning, repeated, ending in itertools.product(BEGINNINGS, REPEATED, ENDINGS):
        small, large = (beginning + (repeated * size)[:size] + ending for size in (SMALL, LARGE))
        if seconds(function, large) > 0.002:
            larger, smaller = seconds(function, large, 3), seconds(function, small, 5)
            for _ in range(TRIES):
                if larger < TOO_STEEP * smaller:
                    break
                larger = min(larger, seconds(function, large, 3))
            if larger > 0.002:
                yield large[:40], larger / smaller


ALL = list(patterns())
MASKER = SecretMasker()
BUILD = Build(job="a", number=1, result="FAILURE", started_at=0)


def test_there_are_many() -> None:
    """The patterns are found."""
    assert len(ALL) > 40
    assert {
        "pyservice.postfix.log_line._DELIVERY",
        "pyservice.report.secret_patterns._VARIABLE",
    } <= {name for name, _, _ in ALL}


@pytest.mark.parametrize(("name", "pattern", "method"), ALL, ids=lambda value: str(value)[:60])
def test_each_pattern(name: str, pattern: re.Pattern[str], method: str) -> None:
    """Four times the text takes four times the time, and not sixteen times."""
    for text, ratio in growth(called(pattern, method)):
        assert ratio < TOO_STEEP, (name, method, text)


def masked(text: str) -> None:
    """Mask the secrets of a report with this text."""
    MASKER.mask(Report(build=BUILD, error=Failure(message=text)))


@pytest.mark.parametrize(
    "function",
    [
        mask,
        normalised,
        masked,
        lambda text: Line("4Xa", text).delivery,
        lambda text: Line("4Xa", text).message_id,
        lambda text: list(mailboxes(text)),
        lambda text: find_first_error([text]),
    ],
)
def test_what_uses_several(function: Callable[[str], object]) -> None:
    """The same holds for what combines patterns, or cuts its text first."""

    def tried(text: str) -> None:
        with suppress(ValueError, RequestError):
            function(text)

    for text, ratio in growth(tried):
        assert ratio < TOO_STEEP, text


def test_a_quadratic_pattern_is_seen() -> None:
    """However often it is measured."""
    assert any(ratio > TOO_STEEP for _, ratio in growth(re.compile(r"[\w.]+@x").search))
