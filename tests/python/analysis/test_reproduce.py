"""reproduce.py: what a developer needs to see a failure again."""

import shlex
from typing import Any

import pytest

from pyservice.analysis.failing_tests import failing_tests
from pyservice.analysis.reproduce import reproduce
from tests.builders.parts import counts, failing, report, step


def lines(command: str = "", **members: Any) -> dict[str, str]:
    """Return the lines of a build by their labels."""
    failed = report(**members)
    new, old = failing_tests(failed)
    return {line.label: line.text for line in reproduce(failed, command, new or old)}


def test_what_is_known() -> None:
    """The command, the commit, the branch and the agent's label."""
    checkout = {"url": "https://git.example.com/shop.git", "revision": "3d7a45", "branch": "main"}
    found = lines(
        "gcc -c main.c", build={"checkouts": [checkout]}, error=step(agent_label="linux gcc")
    )
    assert found == {
        "Command": "gcc -c main.c",
        "Commit": "3d7a45",
        "Branch": "main",
        "Agent label": "linux gcc",
    }
    assert lines() == {}


def test_the_branch_of_a_multibranch_job() -> None:
    """It counts more than the remote's name of it."""
    build = {"checkouts": [{"branch": "refs/remotes/origin/main"}]}
    assert lines(build=build)["Branch"] == "main"
    assert lines(build=build | {"branch": {"name": "feature/x"}})["Branch"] == "feature/x"


JAVA = [failing("totals"), failing("rounds(int, int)[2]"), failing("opens", "shop.ShopTest")]


@pytest.mark.parametrize(
    ("command", "tests", "line"),
    [
        (
            "pytest -q --junitxml=r.xml",
            [failing("test_a[x y]", "tests.test_ledger"),
             failing("test_b", "tests.test_ledger.TestTotals")],
            "pytest 'tests/test_ledger.py::test_a[x y]' "
            "tests/test_ledger.py::TestTotals::test_b",
        ),
        ("python -m pytest", [failing("test_a", "test_x")], "pytest test_x.py::test_a"),
        (
            "mvn -B verify",
            JAVA,
            "mvn '-Dtest=LedgerTest#totals+rounds,ShopTest#opens' test",
        ),
        ("./mvnw verify", [failing("totals are right")],
         "./mvnw -Dtest=LedgerTest test"),
        ("./gradlew check", JAVA,
         "./gradlew test --tests shop.LedgerTest.totals --tests shop.LedgerTest.rounds "
         "--tests shop.ShopTest.opens"),
        ("go test ./...", [failing("TestTotals/zero", "example.com/shop/ledger")],
         "go test example.com/shop/ledger -run '^TestTotals$'"),
        ("gotestsum --junitfile r.xml", [failing("TestA", "shop"), failing("TestB", "shop")],
         "go test ./... -run '^(TestA|TestB)$'"),
        ("npx jest --ci", [failing("total it's 5 $ (net)", "total")],
         "npx jest -t 'total it'\"'\"'s 5 \\$ \\(net\\)'"),
        ("npx jest", [failing("a"), failing("b")], "npx jest -t '(a|b)'"),
        ("make check", JAVA, None),
        ("echo pytesting", JAVA, None),
        ("mvn verify && npx jest", JAVA, None),
        ("pytest", [failing("test_a", "a b")], None),
        ("go test ./...", [failing("ExampleX", "shop")], None),
        ("pytest", [failing("test_a\nrm -rf /", "tests.test_a")], None),
        ("pytest", [], None),
    ],
)  # fmt: skip
def test_only_the_failing_tests(
    command: str, tests: list[dict[str, object]], line: str | None
) -> None:
    """A line runs them with the tool that the build ran; none if that is not sure."""
    found = lines(tests=counts(*tests), error=step(log=f"+ {command}\nfailed"))
    assert found.get("Failing tests") == line


def test_what_jenkins_ran_is_in_the_whole_log_too() -> None:
    """Where only `junit` knows of the failure, no step failed."""
    found = lines(
        build={"result": "UNSTABLE"}, log=["[Pipeline] sh", "+ mvn test"], tests=counts(JAVA[0])
    )
    assert found["Failing tests"] == "mvn '-Dtest=LedgerTest#totals' test"


def test_the_suite_of_pytest() -> None:
    """It names the tool, whatever script ran it."""
    test = failing("test_a", "test_x", suite="pytest")
    assert lines(tests=counts(test))["Failing tests"] == "pytest test_x.py::test_a"


def test_hostile_names_stay_one_argument() -> None:
    """A test's name can't be a command."""
    name = "test_a[$(reboot)`id`';x]"
    found = lines(
        tests=counts(failing(name, "tests.test_a")), error=step(command="pytest", log="+ pytest")
    )
    assert shlex.split(found["Failing tests"]) == ["pytest", f"tests/test_a.py::{name}"]


def test_many_tests() -> None:
    """Ten are enough for one line."""
    tests = [failing(f"test_{n}", "tests.test_a") for n in range(100)]
    found = lines(tests=counts(*tests), error=step(command="pytest"))
    assert len(found["First 10 failing tests"].split()) == 11


def test_a_log_with_times() -> None:
    """The Timestamper plugin's times hide no command."""
    log = ["[2026-11-23T18:19:02.123Z] + go test ./...", "[2026-11-23T18:19:03.456Z] FAIL"]
    tests = counts(failing("TestTotals", "example.com/shop/ledger"))
    found = lines(log=log, tests=tests)
    assert found["Failing tests"] == "go test example.com/shop/ledger -run '^TestTotals$'"


def test_a_command_alone() -> None:
    """It stands below the reason already, so there is nothing more to say."""
    assert reproduce(report(error=step()), "make", ()) == ()
