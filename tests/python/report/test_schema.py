"""schema.py: the contract's members, its limits and what a report's identity is."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice import samples
from pyservice.errors import InvalidError, MalformedError, RequestError
from pyservice.report.fields import MAX_DATA_DEPTH
from pyservice.report.schema import SCHEMA, Mail, Report
from tests.builders.growth import cpu_seconds, is_at_most
from tests.python.conftest import Json

MINIMAL: Json = {
    "schema": 1,
    "build": {"job": "shop/checkout", "number": 2, "result": "FAILURE", "started_at": 1},
}
FULL: Json = samples.load("2-failure").model_dump(mode="json") | {
    "mail": {"to": "a@x.org", "cc": ["b@x.org"], "data": {"a": [1, {"b": None}]}}
}


def parse(value: object) -> Report:
    return Report.parse(json.dumps(value).encode())


def changed(pointer: str, value: object) -> Json:
    """MINIMAL with one member set."""
    body: Json = json.loads(json.dumps(MINIMAL))
    *path, last = pointer.strip("/").split("/")
    inner: Any = body
    for step in path:
        inner = inner.setdefault(step, {})
    inner[last] = value
    return body


def test_the_minimum() -> None:
    """A job, a number, a result and a start are enough."""
    report = parse(MINIMAL)
    assert report.build.job == "shop/checkout"
    assert report.mail.template == "build"
    assert report.changes.total == 0


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/build/job", ""),
        ("/build/job", "x" * 1025),
        ("/build/number", 0),
        ("/build/number", "2"),
        ("/build/number", True),
        ("/build/result", "failure"),
        ("/build/started_at", -1),
        ("/build/started_at", 10**18),
        ("/build/colour", "red"),
        ("/mail/to", 5),
        ("/mail/too", "ada@example.com"),
        ("/mail/data", []),
        ("/mail/data", {"n": 2**60}),
        ("/mail/data/n/x/0", 2**60),
        ("/mail/template", 5),
        ("/schema", 0),
        ("/schema", "1"),
        ("/a~b/c", 1),
    ],
)
def test_a_wrong_member_is_named(pointer: str, value: object) -> None:
    """An error names the JSON pointer, and nothing of the value."""
    with pytest.raises(InvalidError) as caught:
        parse(changed(pointer, value))
    pointers = [where for where, _ in caught.value.errors]
    wanted = (
        "/" + pointer.strip("/").split("/")[0].replace("~", "~0") if "~" in pointer else pointer
    )
    assert any(where == wanted or where.startswith(wanted + "/") for where in pointers), pointers


@pytest.mark.parametrize(
    ("pointer", "value", "part"),
    [
        ("/build/url", "javascript:alert(1)", ""),
        ("/build/url", "https://", ""),
        ("/build/url", "https://ci.example.com/a\r\nb", ""),
        ("/build/url", "/job/x", ""),
        ("/build/url", f"https://{'x' * 9000}", ""),
        ("/build/display_name", 7, ""),
        ("/build/duration_ms", -5, ""),
        ("/build/previous_result", "GREEN", ""),
        ("/build/causes", "Started by user", ""),
        ("/tests/total", 1.5, "/tests"),
        ("/tests/failures", [{"name": "a", "age": -1}], "/tests"),
        ("/changes/items", [{"id": "x"}], "/changes"),
        ("/error", "it broke", ""),
        ("/stages", [{"name": "Test", "status": "GREEN"}], "/stages/0"),
        (
            "/stages",
            [{"name": "Test", "status": "SUCCESS", "duration_ms": -1}],
            "/stages/0/duration_ms",
        ),
        ("/log", {"last": "line"}, ""),
    ],
)
def test_an_unusable_part_is_left_out(pointer: str, value: object, part: str) -> None:
    """The report is taken without it, and says so without naming the value; a repeated call is the
    same report."""
    body = changed(pointer, value)
    report = parse(body)
    [(where, why)] = report.left_out
    assert where == (part or pointer)
    assert str(value) not in why
    assert report.content_hash() == parse(changed(pointer, value)).content_hash()
    assert report.build.job == "shop/checkout"


ABSENT: Json = {
    "schema": 1,
    "build": {
        **MINIMAL["build"],
        "display_name": "",
        "full_display_name": " \t ",
        "url": None,
        "previous_result": "",
        "causes": [None, {"type": "", "text": "Started by Ada"}, None],
    },
    "changes": {
        "total": 1,
        "items": [{"id": None, "message": None, "author": None, "paths": [None]}],
    },
    "error": {"message": "it broke", "type": "", "stage": " "},
    "tests": {
        "total": 1,
        "failed": 1,
        "failures": [{"name": "", "class_name": "", "message": None}],
    },
    "stages": [{"name": "", "status": "FAILURE"}, None],
    "log": ["a", None, "b"],
    "mail": {"to": [None, "a@x.org"], "template": "", "data": None, "subject": None},
}


def test_the_empty_is_absent() -> None:
    """What is null, empty or blank is as if it were not there, and needs no word."""
    report = parse(ABSENT)
    assert report.left_out == ()
    assert report.build.display_name is None
    assert report.build.full_display_name is None
    assert [cause.text for cause in report.build.causes] == ["Started by Ada"]
    assert (report.changes.items[0].id, report.changes.items[0].author) == ("?", "")
    assert report.error is not None
    assert report.error.stage is None
    assert report.tests is not None
    assert report.tests.failures[0].name == "?"
    assert [stage.name for stage in report.stages] == ["?"]
    assert report.log == ["a", "b"]
    assert report.mail == Mail(to=["a@x.org"])


def test_entries_are_left_out_one_by_one() -> None:
    """Each pointer is the entry's in the report that was sent; too long texts and lists are cut, a
    log at its beginning."""
    paths: list[Any] = ["a", None, 5, {}, "b" * 70_000]
    body = changed("/changes", {"total": 3, "items": [7, {"id": "x", "paths": paths}, None, {}]})
    body["log"] = [f"line {number}" for number in range(6000)] + [7]
    body["stages"] = [{"name": "x" * 2000, "status": "SUCCESS"}, {"status": 5}] * 600
    report = parse(body)
    assert [len(path) for path in report.changes.items[0].paths] == [1, 65_536]
    assert [change.id for change in report.changes.items] == ["x", "?"]
    assert (report.log[0], report.log[-1]) == ("line 1001", "line 5999")
    assert [len(stage.name) for stage in report.stages] == [1024] * 500
    pointers = [where for where, _ in report.left_out]
    assert pointers[:3] == ["/changes/items/0", "/stages", "/log"]
    assert "/changes/items/1/paths/2" in pointers
    assert pointers[-1] == ""
    assert len(pointers) == 21


@pytest.mark.parametrize("entries", [[0, ""], [None, ""], [None, {}, ""]])
def test_time_for_repair_is_linear(entries: list[Any]) -> None:
    """Four times as many unusable entries of a list of texts take some four times as long. They
    stand first: each that is taken out alone moves all that stand behind it."""

    def body(count: int) -> bytes:
        log = sorted(entries * count, key=lambda entry: entry == entries[-1])
        return json.dumps({**MINIMAL, "log": log}).encode()

    small, large = body(10_000), body(40_000)
    most = 8 * cpu_seconds(lambda: Report.parse(small))
    assert is_at_most(most, lambda: Report.parse(large))


@pytest.mark.parametrize(
    "change",
    [
        {"build": MINIMAL["build"] | {"display_name": "", "displayname": "x"}},
        {"stages": [{"name": "", "status": "SUCCESS", "state": "x"}]},
        {"mail": {"to": [5]}, "tests": 5},
        {"mail": {"subject": "x" * 5000}},
        {"mail": {"template": 5}},
        {"mail": {"data": {"x": 1e400}}},
        {"build": MINIMAL["build"] | {"job": " "}},
        {"build": None},
        {"schema": None},
    ],
)
def test_a_mistake_is_refused_whatever_else_is_unusable(change: Json) -> None:
    """A misspelt member, a wrong option of the mail, and a build that is none."""
    with pytest.raises((InvalidError, MalformedError)):
        parse(MINIMAL | change)


@pytest.mark.parametrize("wrong", [None, True, -1, "X", [], {}, [5], ["X", 5], {"x": 5}])
def test_pointers_lead_into_the_report(wrong: object) -> None:
    """To a member that was sent or to one that is missing, whatever stands wherever."""
    for path in places(FULL):
        body = json.loads(json.dumps(FULL))
        place = body
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = wrong
        try:
            parse(body)
        except InvalidError as error:
            for pointer, _ in error.errors:
                assert leads_into(body, pointer), (path, pointer)


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The path of each value within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for step, child in inner:
        yield (step,)
        if isinstance(child, dict | list):
            yield from ((step, *path) for path in places(child))


def leads_into(value: Any, pointer: str) -> bool:
    """Whether a JSON pointer names a value, or a member that an object lacks."""
    *path, last = pointer.split("/")[1:]
    for step in path:
        value = value[int(step) if isinstance(value, list) else step]
    return isinstance(value, dict) or (isinstance(value, list) and int(last) < len(value))


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_infinity_in_disguise_is_named(number: str) -> None:
    """A number that no JSON reader could keep is refused where it stands."""
    body = json.dumps(changed("/mail/data/a/b", [0.5, "?"])).replace('"?"', number)
    with pytest.raises(InvalidError) as caught:
        Report.parse(body.encode())
    assert [where for where, _ in caught.value.errors] == ["/mail/data/a/b/1"]


def test_every_wrong_member_is_told_at_once() -> None:
    """An author mends all mistakes in one go."""
    with pytest.raises(InvalidError) as caught:
        parse({"schema": 1, "build": {"number": "x"}})
    assert {where for where, _ in caught.value.errors} == {
        "/build/job",
        "/build/number",
        "/build/result",
        "/build/started_at",
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b"1" * 10_000, b'"\\ud800"', b"{'a': 1}"],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """Malformed, too deep or too long a number: an error that says so."""
    with pytest.raises(MalformedError, match="not JSON"):
        Report.parse(body)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1", b"true"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    """A report is an object."""
    with pytest.raises(InvalidError):
        Report.parse(body)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    """Whatever arrives is a report or a caller's mistake."""
    with suppress(RequestError):
        Report.parse(body)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(json_values, st.sampled_from(["/build/causes", "/changes", "/tests", "/mail", "/mail/data"]))
def test_no_json_raises_anything_else(value: object, pointer: str) -> None:
    """Wherever a strange value stands, it is taken or named."""
    try:
        parse(changed(pointer, value))
    except InvalidError as error:
        assert error.errors  # noqa: PT017 - either outcome is right


def test_too_many_entries_are_cut_wherever_they_stand() -> None:
    """Of a matrix cell with too many axes the first are kept, of a step's log the end."""
    cell = {f"axis {number}": "a" for number in range(21)}
    step = {"log": "begin\n" + "x" * 65_536, "place": ["a", None, 7, "b"]}
    report = parse(
        changed("/stages", [{"name": "Test", "status": "FAILURE", "cell": cell}])
        | {"error": {"message": "broken", "step": step}}
    )
    assert list(report.stages[0].cell) == list(cell)[:20]
    assert report.error
    assert report.error.step
    assert report.error.step.log == "x" * 65_536
    assert report.error.step.place == ["a", "b"]
    assert len(report.left_out) == 3


def test_a_newer_schema_may_know_more() -> None:
    """Unknown members are refused in our schema and passed over in a later one."""
    newer = changed("/build/colour", "red") | {"schema": SCHEMA + 1}
    assert parse(newer).build.job == "shop/checkout"


def test_data_is_limited_in_depth() -> None:
    """`data` nests as deep as the contract says, and no deeper."""
    data: Json = {}
    for _ in range(MAX_DATA_DEPTH - 1):
        data = {"a": data}
    assert parse(changed("/mail/data", data)).mail.data == data
    with pytest.raises(InvalidError, match="not valid"):
        parse(changed("/mail/data", {"a": data}))


def test_one_text_or_a_list() -> None:
    """`to` may be a text or a list of texts, and means the same."""
    one = parse(changed("/mail/to", "ada@example.com"))
    assert one.mail.to == ["ada@example.com"]
    assert one.content_hash() == parse(changed("/mail/to", ["ada@example.com"])).content_hash()


def test_the_digest_leaves_out_the_duration_alone() -> None:
    """A call repeated later is the same report; any other difference makes another one."""
    same = parse(MINIMAL).content_hash()
    assert parse(changed("/build/duration_ms", 5)).content_hash() == same
    assert parse(changed("/build/started_at", 2)).content_hash() != same
    assert parse(changed("/mail/subject", "x")).content_hash() != same


def test_a_report_from_inside_is_known_by_its_build_and_its_mail() -> None:
    """While a Pipeline resumes its log goes on; the call that it repeats makes no second mail."""
    first = parse(MINIMAL | {"complete": True, "log": ["one"]})
    assert parse(MINIMAL | {"complete": True, "log": ["one", "two"]}).content_hash() == (
        first.content_hash()
    )
    others = [
        changed("/build/started_at", 2),
        changed("/build/number", 3),
        changed("/mail/to", "a@x.org"),
    ]
    assert first.content_hash() not in {
        parse(other | {"complete": True}).content_hash() for other in others
    }


def test_a_member_with_its_default_is_none() -> None:
    """A later version's new members leave the digests of earlier reports alone."""
    same = parse(MINIMAL).content_hash()
    assert (
        parse(changed("/mail", {"template": "build", "data": {}, "cc": None})).content_hash()
        == same
    )
    assert parse(changed("/changes", {"total": 0})).content_hash() == same
    assert parse(changed("/changes", {"total": 1})).content_hash() != same


def test_tests_passed_is_never_negative() -> None:
    """Counts that contradict each other do no harm."""
    report = parse(changed("/tests", {"total": 1, "failed": 5}))
    assert report.tests is not None
    assert report.tests.passed == 0
