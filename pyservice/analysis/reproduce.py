"""What a developer needs to see a failure again: command, commit, and the tests that fail."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pyservice.analysis.commands import traced
from pyservice.analysis.failing_tests import FailingTest
from pyservice.analysis.shape import without_timestamp
from pyservice.report.schema import Report

MAX_TESTS = 10
"""Tests in a line that runs them."""
MAX_TEXT = 1000
"""Characters of a line: it must be short enough to be read and pasted."""

_WORD = r"(?:^|[\s;&|(/])"
TOOLS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(_WORD + pattern))
    for name, pattern in (
        ("gradle", r"gradlew?(?:\.bat)?(?=\s|$)"),
        ("maven", r"mvnw?d?(?:\.cmd)?(?=\s|$)"),
        ("pytest", r"(?:pytest|py\.test)(?=\s|$)"),
        ("go", r"(?:go test|gotestsum)(?=\s|$)"),
        ("jest", r"(?:jest)(?=\s|$)"),
    )
)
_PROGRAM = re.compile(
    r"(?:^|[\s;&|(])(?P<program>\./(?:gradlew|mvnw)|gradlew\.bat|mvnw\.cmd)(?=\s|$)"
)
_JAVA_CLASS = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")
_JAVA_METHOD = re.compile(r"[A-Za-z_$][\w$]*(?=$|[(\[{])")
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_GO_TEST = re.compile(r"Test\w*(?=/|$)")
_GO_PACKAGE = re.compile(r"[\w.-]+(?:/[\w.~-]+)+")
_REGEX_SIGNS = re.compile(r"([.*+?^${}()|\[\]\\/])")


@dataclass(frozen=True)
class Line:
    """One thing that is needed."""

    label: str
    text: str


def reproduce(report: Report, command: str, failures: Sequence[FailingTest]) -> tuple[Line, ...]:
    """Return what is needed to see a failure again, as far as it is known.

    A command alone is nothing, since it stands below the reason already.

    Args:
        report: as people read it.
        command: the one that failed; empty: not known.
        failures: the failing tests, of which the first are run.
    """
    build, step = report.build, report.error.step if report.error else None
    checkout = next(iter(build.checkouts), None)
    branch = build.branch.name if build.branch else checkout.branch if checkout else ""
    tests = f"First {MAX_TESTS} failing tests" if len(failures) > MAX_TESTS else "Failing tests"
    lines = (
        Line("Command", command),
        Line(tests, _test_line(report, failures)),
        Line("Commit", checkout.revision if checkout else ""),
        Line("Branch", branch.removeprefix("refs/remotes/").removeprefix("origin/")),
        Line("Agent label", step.agent_label if step else ""),
    )
    known = tuple(line for line in lines if line.text.strip() and len(line.text) <= MAX_TEXT)
    return () if [line.label for line in known] == ["Command"] else known


def _test_line(report: Report, failures: Sequence[FailingTest]) -> str:
    """Return the line that runs the failing tests, and no others; empty: none is surely right."""
    tool, commands = _tool(report, failures)
    if not tool:
        return ""
    names = [(one.test.class_name, one.test.name) for one in failures[:MAX_TESTS]]
    if not all(name.isprintable() and class_name.isprintable() for class_name, name in names):
        return ""
    program = next((found["program"] for one in commands if (found := _PROGRAM.search(one))), "")
    match tool:
        case "pytest":
            words = _pytest(names)
        case "maven":
            words = _maven(program, names)
        case "gradle":
            words = _gradle(program, names)
        case "go":
            words = _go(names)
        case _:
            words = _jest(names)
    return shlex.join(words)


def _tool(report: Report, failures: Sequence[FailingTest]) -> tuple[str, list[str]]:
    """Return the tool that ran the tests, and the commands of the build; empty: not known.

    The commands are those that the logs show, and the failing step's. It must be one tool only.
    """
    if not failures:
        return "", []
    step = report.error.step if report.error else None
    lines = [*(step.log.split("\n") if step else ()), *report.log]
    commands = [one[:MAX_TEXT] for line in lines if (one := traced(without_timestamp(line)))]
    if step is not None:
        commands += [line[:MAX_TEXT] for line in step.command.split("\n")]
    tools = {name for name, shape in TOOLS for one in commands if shape.search(one)}
    if all(failure.test.suite == "pytest" for failure in failures):
        tools.add("pytest")
    return (tools.pop() if len(tools) == 1 else ""), commands


def _pytest(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return the test IDs: a class name is the module's, with the class behind it if there is one.

    See https://docs.pytest.org/en/stable/how-to/output.html#creating-junitxml-format-files.
    """
    tests = []
    for class_name, name in names:
        if not _MODULE.fullmatch(class_name):
            return []
        parts = class_name.split(".")
        first = next((n for n, part in enumerate(parts) if part[:1].isupper()), len(parts))
        if first == 0:
            return []
        tests.append("::".join(["/".join(parts[:first]) + ".py", *parts[first:], name]))
    return ["pytest", *tests]


def _maven(program: str, names: Sequence[tuple[str, str]]) -> list[str]:
    """Return Surefire's option: https://maven.apache.org/surefire/…/single-test.html."""
    methods: dict[str, list[str]] = {}
    for class_name, name in names:
        if not _JAVA_CLASS.fullmatch(class_name):
            return []
        found = _JAVA_METHOD.match(name)
        methods.setdefault(class_name.rpartition(".")[2], []).append(found[0] if found else "")
    tests = [
        f"{name}#{'+'.join(dict.fromkeys(own))}" if all(own) else name
        for name, own in methods.items()
    ]
    return [program or "mvn", f"-Dtest={','.join(tests)}", "test"]


def _gradle(program: str, names: Sequence[tuple[str, str]]) -> list[str]:
    tests = []
    for class_name, name in names:
        if not _JAVA_CLASS.fullmatch(class_name):
            return []
        found = _JAVA_METHOD.match(name)
        tests.append(f"{class_name}.{found[0]}" if found else class_name)
    options = [word for test in dict.fromkeys(tests) for word in ("--tests", test)]
    return [program or "gradle", "test", *options]


def _go(names: Sequence[tuple[str, str]]) -> list[str]:
    found = [_GO_TEST.match(name) for _, name in names]
    tests = list(dict.fromkeys(one[0] for one in found if one))
    if not all(found):
        return []
    packages = [name for name, _ in names]
    where = (
        list(dict.fromkeys(packages)) if all(map(_GO_PACKAGE.fullmatch, packages)) else ["./..."]
    )
    only = tests[0] if len(tests) == 1 else f"({'|'.join(tests)})"
    return ["go", "test", *where, "-run", f"^{only}$"]


def _jest(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return Jest's option, whose value is a regular expression on the tests' full names."""
    tests = [_REGEX_SIGNS.sub(r"\\\1", name) for _, name in names]
    return ["npx", "jest", "-t", tests[0] if len(tests) == 1 else f"({'|'.join(tests)})"]
