"""analysis.py: what follows from a report."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pyservice.analysis.analysis import Analysis, analyse
from pyservice.errors import InvalidError
from pyservice.mail.renderer import Renderer
from pyservice.report.schema import Report
from tests.builders.parts import change, changes, history, past, report, step

FOLDER = Path(__file__).parents[2] / "contract"
BODIES = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))
          if "invalid" not in file.name]  # fmt: skip
BUILT_IN = Renderer()


def test_a_fixed_build() -> None:
    """It says which change fixed it, and for how long it was broken."""
    builds = history(past(43, "FAILURE", 1), past(42, "FAILURE", 2), past(41, "SUCCESS", 3))
    build = {"result": "SUCCESS", "history": builds}
    found = analyse(report(build=build, changes=changes(change("a.c"))))
    assert found.headline.word == "Fixed"
    assert [one.id for one in found.fixed_by] == ["8ed0cf87aa11"]
    assert (found.broken_for, found.broken_builds) == (7_200_000, 2)
    assert found.suspect_sentence == ""


@pytest.mark.parametrize(
    ("members", "count"),
    [
        ({"history": history(past(43, "ABORTED"), past(42, "FAILURE"))}, 0),
        ({"history": history(past(43, "UNSTABLE"))}, 1),
        ({"previous_result": "FAILURE"}, 0),
        ({"history": history(past(43, "SUCCESS"))}, 0),
    ],
)
def test_what_may_have_fixed_it(members: dict[str, Any], count: int) -> None:
    """If a build in between was aborted, its changes may have done it."""
    build = {"result": "SUCCESS"} | members
    found = analyse(report(build=build, changes=changes(change("a.c"))))
    assert len(found.fixed_by) == count


def test_no_change_broke_the_network() -> None:
    """Changes are neither suspected nor counted for what they can't have broken."""
    failed = report(error=step(log="curl: (6) Could not resolve host: x"), changes={"total": 2})
    found = analyse(failed)
    assert found.is_infrastructure
    assert found.kind == "network"
    assert found.suspect_sentence == ""


def test_the_headlines_words_are_not_repeated() -> None:
    """Below a headline that says who stopped the build stands only where."""
    stopped = {"type": "a.B", "text": "Superseded by #45"}
    build = {"result": "ABORTED", "interruption": stopped}
    assert analyse(report(build=build, error=step())).why == "Stopped in Build"
    assert analyse(report(build=build)).why == ""
    lost = analyse(report(build=build | {"interruption": {"type": "a.RemovedNodeCause"}}))
    assert (lost.headline.word, lost.why) == ("Agent lost", "the agent was lost")


def test_what_a_step_was_doing_when_its_time_was_up() -> None:
    """The last lines of its log are shown; of a build that somebody stopped they are not."""
    log = "\n".join(f"waiting for {word}" for word in "abcdefghijklmn")
    late = {"type": "x.TimeoutStepExecution$ExceededTimeout"}
    found = analyse(report(build={"result": "ABORTED", "interruption": late}, error=step(log=log)))
    assert found.excerpt is not None
    assert found.excerpt.lines[-1].text == "waiting for n"
    assert len(found.excerpt.lines) <= 10
    assert not any(line.is_telling for line in found.excerpt.lines)
    stopped = {"type": "x.UserInterruption", "text": "Aborted by Ada"}
    build = {"result": "ABORTED", "interruption": stopped}
    assert analyse(report(build=build, error=step(log=log))).excerpt is None


def test_the_build_that_this_one_waited_for() -> None:
    """It is named and linked, and the log of waiting for it is not shown."""
    message = "shop/deploy #4 completed with status FAILURE (propagate: false to ignore)"
    error = step("build", "Starting building: shop » deploy #4\nBuild completed: FAILURE")
    build = {"url": "https://ci.example.com/job/shop/job/checkout/44/"}
    found = analyse(report(build=build, error=error | {"message": message}))
    assert found.why == "Build: shop/deploy #4 failed"
    assert found.pages["downstream"] == "https://ci.example.com/job/shop/job/deploy/4/"
    assert found.excerpt is None


@pytest.mark.parametrize(
    ("made", "count"),
    [
        (changes(change("a.c"), change("b.c", "2" * 40)), 2),
        (changes(change("a.c")) | {"total": 2}, 0),
        (changes(*(change("a.c", str(number) * 40) for number in range(4))), 0),
        (changes(change("a.c") | {"message": "Round\n\nHalf up"}), 0),
    ],
)
def test_short_changes(made: dict[str, Any], count: int) -> None:
    """They are all changes, if there are few and each has a line to say."""
    assert len(analyse(report(changes=made)).short_changes) == count


def test_a_warning_that_is_told_already() -> None:
    """The error's own warning and that of failing tests are no further ones."""
    error = step(log="+ echo no\nno\n+ exit 1")
    messages = [error["message"], "no", " ", "coverage fell"]
    warnings = [{"message": message, "function": "sh"} for message in messages]
    warnings.append({"message": "1 tests failed", "function": "junit"})
    found = analyse(report(build={"result": "UNSTABLE"}, error=error, warnings=warnings))
    assert found.why == "Build: no"
    assert [one.message for one in found.warnings] == ["coverage fell"]


def test_colours_do_not_hide_an_error() -> None:
    """Terminal sequences are no part of a text."""
    log = "+ gcc -c main.c\n\x1b[1mmain.c:2:10:\x1b[m \x1b[31merror: \x1b[m'x' undeclared"
    found = analyse(report(error=step(log=log), changes=changes(change("main.c"))))
    assert found.why == "Build: main.c:2: error: 'x' undeclared"
    assert found.place_text == "Build"
    assert found.suspect_sentence == "8ed0cf87 by Cy touches main.c, which the error names"
    assert found.command == "gcc -c main.c"
    assert found.excerpt is not None
    [telling] = [line for line in found.excerpt.lines if line.is_telling]
    assert telling.text == "main.c:2:10: error: 'x' undeclared"
    assert {part.colour for part in telling.parts} == {None, "red"}


def thinned(value: Any, draw: Any) -> Any:
    """Return a part of a report without some of its optional members and entries."""
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if draw(st.integers(0, 3))}
        return {name: thinned(item, draw) for name, item in kept.items()}
    if isinstance(value, list):
        return [thinned(item, draw) for item in value if draw(st.integers(0, 3))]
    if isinstance(value, str) and not draw(st.integers(0, 9)):
        return draw(st.text(max_size=40))
    return value


@given(st.data())
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_any_parts_may_be_missing(data: st.DataObject) -> None:
    """What remains is analysed, and makes a mail."""
    body = copy.deepcopy(data.draw(st.sampled_from(BODIES)))
    needed = {name: body["build"][name] for name in ("job", "number", "result", "started_at")}
    body = thinned(body, data.draw)
    body["build"] = body.get("build", {}) | needed
    body.get("mail", {}).pop("template", None)  # another text would name none that exists
    try:
        parsed = Report.parse(json.dumps(body).encode())
    except InvalidError:  # what is needed within an entry may be missing, too
        assume(False)
    found = analyse(parsed)
    assert isinstance(found, Analysis)
    assert found.headline.word
    assert found.excerpt is None or found.excerpt.lines
    assert all(0 <= row.share <= 1 for row in found.stages)
    assert BUILT_IN.render(parsed).text


def test_a_report_as_long_as_can_be() -> None:
    """It is read in a time that grows with its length only."""
    wide = {
        "build": {"job": "a", "number": 44, "result": "FAILURE", "started_at": 1},
        "error": step(log="x: error: y\n" * 5000),
        "changes": changes(*(change(f"d{n}/main.c") for n in range(1000))),
        "tests": {
            "total": 1000,
            "failed": 1000,
            "failures": [
                {"name": f"t{n}", "class_name": "a.B", "stack_trace": "\tat a.B.c(main.c:1)\n" * 15}
                for n in range(1000)
            ],
        },
        "stages": [
            {"name": "s", "id": str(n), "parent": str(n - 1), "status": "FAILURE"}
            for n in range(1000)
        ],
    }
    found = analyse(Report.model_validate(wide))
    assert len(found.new_failures) == 1000
    assert found.suspects == ()
