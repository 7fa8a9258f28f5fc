"""stage_rows.py: a build's stages as rows of a tree."""

from typing import Any

from pyservice.analysis.stage_rows import failing_place, readable_name, stage_rows, stage_with_cell
from tests.builders.parts import report


def stage(name: str, status: str = "SUCCESS", parent: str = "", ms: int = 100) -> dict[str, Any]:
    """Return a stage, whose ID is its name."""
    return {"name": name, "id": name, "status": status, "parent": parent, "duration_ms": ms}


TREE = [
    stage("Build", ms=50),
    stage("Test", "FAILURE", ms=200),
    stage("unit", parent="Test"),
    stage("integration", "FAILURE", "Test"),
    stage("db", parent="integration"),
    stage("api", "FAILURE", "integration"),
    stage("Package", "NOT_BUILT"),
    stage("jar", "NOT_BUILT", "Package"),
    stage("Deploy", "NOT_BUILT"),
]


def test_a_tree() -> None:
    """It shows depth, share and the way to what failed; skipped stages share a row."""
    rows, left_out = stage_rows(report(stages=TREE), ["Test", "integration", "api"])
    assert [(row.depth, row.name, row.share, row.is_on_failing_path) for row in rows] == [
        (0, "Build", 0.25, False),
        (0, "Test", 1.0, True),
        (1, "unit", 0.5, False),
        (1, "integration", 0.5, True),
        (2, "db", 0.5, False),
        (2, "api", 0.5, True),
        (0, "Package, Deploy", 0.0, False),
    ]
    assert rows[-1].is_skipped
    assert rows[-1].count == 2
    assert left_out == 0


def test_the_cells_of_a_matrix() -> None:
    """They are named by their axes; a stage that is only called like one keeps its name."""
    cell = "Matrix - OS = 'windows', JDK = '21'"
    assert readable_name(cell) == "OS windows, JDK 21"
    assert stage_with_cell(["Matrix", cell, "Compile"]) == "Compile (OS windows, JDK 21)"
    assert stage_with_cell(["Matrix", cell]) == "OS windows, JDK 21"
    assert stage_with_cell(["Test", "api"]) == "api"
    assert stage_with_cell([]) == ""
    assert readable_name("Matrix - all") == "Matrix - all"
    rows, _ = stage_rows(report(stages=[stage(cell, "FAILURE")]), [cell])
    assert [(row.name, row.is_on_failing_path) for row in rows] == [("OS windows, JDK 21", True)]


def test_without_a_place() -> None:
    """The stages' own statuses show what failed."""
    rows, _ = stage_rows(report(stages=TREE), ())
    assert [row.name for row in rows if row.is_on_failing_path] == ["Test", "integration", "api"]
    assert failing_place(report(stages=TREE)) == ("Test", "integration", "api")
    assert failing_place(report()) == ()


def test_a_place_that_is_no_stage() -> None:
    """A step outside of all stages leaves the statuses."""
    rows, _ = stage_rows(report(stages=TREE), ["elsewhere"])
    assert [row.name for row in rows if row.is_on_failing_path] == ["Test", "integration", "api"]


def test_a_stage_of_the_same_name_elsewhere() -> None:
    """Only the one at the place is on the way to what failed."""
    stages = [
        *(stage("linux", "FAILURE"), stage("windows", "FAILURE")),
        *(stage("Cell", "FAILURE", "linux") | {"id": str(n), "parent": parent}
          for n, parent in enumerate(("linux", "windows"))),
    ]  # fmt: skip
    rows, _ = stage_rows(report(stages=stages), ["Matrix", "windows", "Cell"])
    assert [row.is_on_failing_path for row in rows] == [False, True, False, True]


def test_a_green_build() -> None:
    """It has no way to what failed."""
    rows, _ = stage_rows(report(build={"result": "SUCCESS"}, stages=TREE), ())
    assert not any(row.is_on_failing_path for row in rows)


def test_many_stages() -> None:
    """What failed is shown, then the first of the others; the rest is counted."""
    stages = [stage(str(n)) for n in range(500)] + [stage("last", "FAILURE")]
    rows, left_out = stage_rows(report(stages=stages), ())
    assert (len(rows), left_out) == (60, 441)
    assert rows[-1].name == "last"
    assert rows[58].name == "58"


def test_a_hostile_tree() -> None:
    """A stage whose parent is missing, later or itself is on the outermost level; depth ends."""
    stages = [
        stage("a", parent="a"),
        stage("b", parent="c"),
        stage("c", parent="nothing"),
        *(stage(f"d{n}", parent=f"d{n - 1}") for n in range(40)),
    ]
    rows, _ = stage_rows(report(stages=stages), ())
    assert [row.depth for row in rows[:3]] == [0, 0, 0]
    assert max(row.depth for row in rows) == 20
