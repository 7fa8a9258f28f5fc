"""What is said of the builds that were recorded on a real controller, as the step reports them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from pyservice import samples
from pyservice.analysis.analysis import analyse
from pyservice.report.schema import Report

FOLDER = Path(__file__).parents[2] / "contract"
API = "Test » integration » api"
CELL = "Matrix » OS windows, JDK 21 » Compile"


@dataclass(frozen=True)
class Said:
    """What a mail says of a build."""

    word: str
    detail: str = ""
    why: str = ""
    place: str = ""
    suspects: str = ""
    command: str = ""
    kind: str = ""
    tests: tuple[str, ...] = ()
    """Those that this build broke."""
    old_tests: tuple[str, ...] = ()


RECORDINGS = {
    "1-success": Said("Passed"),
    "2-compile-error": Said(
        "Failed",
        why="Build: main.c:2: error: 'amount_cents' undeclared (first use in this function)",
        place="Build",
        suspects="93d55813 by bo touches main.c, which the error names",
        command="gcc -c main.c",
    ),
    "3-tests-fail": Said(
        "Unstable",
        "broken since #2, 10 s ago",
        "shop.LedgerTest.totals_are_rounded failed in unit: expected: <1099> but was: <1100>",
        "Test » unit",
        "1 change since #2",
        tests=("shop.LedgerTest.totals_are_rounded",),
    ),
    "4-fixed": Said("Fixed", "after 20 s (2 builds)"),
    "5-unstable-step": Said(
        "Unstable", "", "api: coverage fell below 80 %", API, "1 change since #4"
    ),
    "6-caught-error": Said(
        "Still unstable",
        "2nd time, since #5, 10 s ago",
        "api: lint: 3 problems",
        API,
        "1 change since #5",
        'echo "lint: 3 problems"; exit 4',
    ),
    "7-downstream": Said(
        "Failed",
        "broken since #5, 28 s ago",
        "api: shop/deploy #4 failed",
        API,
        "1 change since #6",
    ),
    "8-timeout": Said("Timed out after 20 s", "", f"Stopped in {API}", API),
    # An aborted build stands between this one and the last that failed.
    "9-retry": Said("Fixed", "after 1 min 10 s (3 builds)"),
    "10-groovy-error": Said(
        "Jenkinsfile error",
        "",
        "api: Cannot invoke method foo() on null object",
        API,
        "1 change since #9",
    ),
    "11-no-such-step": Said(
        "Jenkinsfile error",
        "broken since #10, 9 s ago",
        "api: No such DSL method 'nosuchstep'",
        API,
        "1 change since #10",
    ),
    "12-python-traceback": Said(
        "Still failing",
        "3rd time, since #10, 20 s ago",
        "api: json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
        API,
        "1 change since #11",
        "python3 -c 'import json; json.loads(\"{\")'",
    ),
    "13-aborted-by-user": Said("Aborted by anonymous", "", f"Stopped in {API}", API),
    "14-superseded": Said("Superseded by #15", "", f"Stopped in {API}", API),
    "15-input-rejected": Said("Rejected", "", f"Stopped in {API}", API),
    "16-matrix": Said(
        "Failed",
        why="Compile (OS windows, JDK 21): [ windows21 != windows21 ] failed",
        place=CELL,
        suspects="1 change since #16",
        command="[ windows21 != windows21 ]",
    ),
    "17-upstream-cause": Said("Passed"),
    "18-scripted-catch": Said(
        "Failed",
        why="Linux: make: *** [all] Error 2",
        place="linux » Linux",
        command='echo "make: *** [all] Error 2"; exit 2',
    ),
    "19-agent-lost": Said(
        "Agent lost",
        why="Long: the agent agent-7 was lost",
        place="Long",
        command="echo begin; sleep 40",
        kind="agent lost",
    ),
    "20-multibranch": Said("Failed", why="Only: script returned exit code 7", place="Only"),
    "21-replayed": Said(
        "Still failing",
        "2nd time, since #1, 44 min ago",
        "Linux: make: *** [all] Error 2",
        "linux » Linux",
        command='echo "make: *** [all] Error 2"; exit 2',
    ),
    "22-failfast": Said(
        "Failed",
        why='Quick: "sleep 1; exit 8" ended with exit code 8',
        place="quick » Quick",
        command="sleep 1; exit 8",
    ),
    "23-two-branches-fail": Said("Failed", why="B: script returned exit code 4", place="b » B"),
    "24-caught-then-fails": Said("Failed", why="Then: script returned exit code 6", place="Then"),
    "25-retry-exhausted": Said("Failed", why="Retry: script returned exit code 7", place="Retry"),
    "26-error-step": Said("Failed", why="Check: The version is already released", place="Check"),
    "27-missing-property": Said(
        "Jenkinsfile error",
        why="Typo: No such property: VERSIO",
        place="Typo",
    ),
    "28-sandbox-refusal": Said(
        "Jenkinsfile error",
        why="Nosy: Scripts not permitted to use staticMethod jenkins.model.Jenkins getInstance",
        place="Nosy",
    ),
    "29-checkout-fails": Said(
        "Failed",
        why="Checkout: unable to access 'https://git.example.com/none.git/': "
        "Could not resolve host: git.example.com",
        place="Checkout",
        command="git fetch --tags --force --progress -- https://git.example.com/none.git "
        "+refs/heads/*:refs/remotes/origin/*",
        kind="checkout failed",
    ),
    "30-secrets-and-label": Said(
        "Failed",
        why="Login: Log in ended with exit code 9",
        place="Login",
        command="echo user=$U password=$P; exit 9",
    ),
    "31-two-junit-calls": Said("Failed", why="The Pipeline says: end", tests=("a.B.y", "a.C.z")),
    "32-called-in-a-branch": Said("Failed", why="A: script returned exit code 3", place="a » A"),
}

UNDECLARED = "Package: src/main/c/ledger.c:118: error: use of undeclared identifier 'amount_cents'"
TESTS = ("shop.unit.LedgerTest.test_refund", "shop.unit.LedgerTest.test_tax")
BY_REST = {
    "1-success-first": Said("Passed"),
    "2-failure": Said("Failed", "", UNDECLARED, "Package", "2 changes", tests=TESTS),
    "3-unstable": Said(
        "Unstable",
        "",
        "2 tests failed in unit, none of them new",
        "unit",
        "1 change",
        old_tests=TESTS,
    ),
    "4-fixed": Said("Fixed"),
    "5-aborted": Said("Aborted by anonymous", "", "Stopped in Package", "Package"),
    # The Pipeline's last stages had not run yet, and so no test had been read.
    "6-failing-still-running": Said("Failed", "", UNDECLARED, "Package", "3 changes"),
    "7-aborted-by-user": Said("Aborted by Ada Example", "", "Stopped in Soak", "Soak"),
    "8-aborted-by-timeout": Said("Timed out", "", "Stopped in Soak", "Soak"),
    "9-aborted-superseded": Said("Superseded by #2", "", "Stopped in Soak", "Soak"),
}
"""The builds that were recorded by Jenkins' REST."""


def said_of(report: Report) -> Said:
    """Return what the mail of a report says."""
    found = analyse(report)
    return Said(
        word=found.headline.word,
        detail=found.headline.detail,
        why=found.why,
        place=found.place_text,
        suspects=found.suspect_sentence,
        command=found.command,
        kind=found.kind,
        tests=tuple(test.full_name for test in found.new_failures),
        old_tests=tuple(test.full_name for test in found.old_failures),
    )


@pytest.mark.parametrize(("name", "said"), RECORDINGS.items(), ids=RECORDINGS)
def test_what_is_said(name: str, said: Said) -> None:
    """It is what happened, and no more."""
    assert said_of(Report.parse((FOLDER / f"inside-{name}.json").read_bytes())) == said


@pytest.mark.parametrize(("name", "said"), BY_REST.items(), ids=BY_REST)
def test_what_is_said_by_rest(name: str, said: Said) -> None:
    """So it is of a build that Jenkins' REST describes."""
    assert said_of(samples.load(name)) == said


def test_every_recording_is_here() -> None:
    """A new one needs its line."""
    files = {file.stem.removeprefix("declarative-") for file in FOLDER.glob("declarative-*.json")}
    assert files == BY_REST.keys()
    files = {file.stem.removeprefix("inside-") for file in FOLDER.glob("inside-[0-9]*.json")}
    assert files == RECORDINGS.keys()


def test_the_way_to_what_failed() -> None:
    """It leads through the cell that failed, and through no other."""
    matrix = analyse(Report.parse((FOLDER / "inside-16-matrix.json").read_bytes()))
    rows = [row.name for row in matrix.stages if row.is_on_failing_path]
    assert rows == CELL.split(" » ")
    superseded = analyse(Report.parse((FOLDER / "inside-14-superseded.json").read_bytes()))
    rows = [row.name for row in superseded.stages if row.is_on_failing_path]
    assert rows == API.split(" » ")
