"""`make test` ends in the counts of the Groovy tests and of the Python tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_pytest(reports: Path, workers: int = 2) -> subprocess.CompletedProcess[str]:
    """Run one quick test as `make test` runs all."""
    quick = "tests/python/test_events.py"
    beside = ("-n", str(workers), "--dist", "worksteal")
    options = ("-p", "no:cacheprovider", *beside, f"--groovy-reports={reports}")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, quick],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_both_counts_are_at_the_end(tmp_path: Path) -> None:
    """The Groovy tests' line is the last but one, and pytest's the last."""
    for name, counts in (
        ("A", 'tests="5" failures="1" errors="2" skipped="1"'),
        ("B", 'tests="7" failures="0" errors="0" skipped="0"'),
    ):
        (tmp_path / f"TEST-{name}.xml").write_text(f"<testsuite {counts}/>")
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout
    groovy, python = done.stdout.splitlines()[-2:]
    assert groovy == "Groovy: 12 run, 3 failed, 1 skipped"
    assert " passed in " in python


@pytest.mark.slow
@pytest.mark.parametrize(
    "report", [None, '<testsuite tests="0" failures="0" errors="0" skipped="0"/>']
)
def test_no_groovy_test_is_an_error(report: str | None, tmp_path: Path) -> None:
    """Without a report of a Groovy test, nothing runs."""
    if report:
        (tmp_path / "TEST-A.xml").write_text(report)
    done = run_pytest(tmp_path, workers=0)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "has no report of a Groovy test: run `mvn test` before" in done.stderr
    assert " passed" not in done.stdout


def test_make_test_counts_this_run_only() -> None:
    """Reports of an earlier run are gone before Maven writes new ones, which pytest reads."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", "lint-python", "test"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    steps = ["rm -rf target/surefire-reports", "mvn ", "--groovy-reports=target/surefire-reports"]
    places = [shown.index(step) for step in steps]
    assert places == sorted(places)
