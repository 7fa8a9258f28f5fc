"""A build's stages as rows of a tree, with bars in proportion to their durations."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pyservice.report.schema import Report, Stage

MAX_ROWS = 60
"""The first number of rows that a mail shows of a list."""
MAX_DEPTH = 20
_SKIPPED = "NOT_BUILT"
_CELL = re.compile(r"Matrix - (?P<axes>\w{1,100} = '.*')")
"""Declarative's name of a matrix' cell: `Matrix - OS = 'windows', JDK = '21'`."""


@dataclass(frozen=True)
class StageRow:
    """One stage, or several skipped ones beside each other."""

    name: str
    """Its name; of several, all their names with commas between them."""
    status: str
    depth: int
    """How many stages are around it."""
    duration_ms: int | None = None
    share: float = 0.0
    """Its duration as a part of the longest one's, from 0 to 1."""
    is_on_failing_path: bool = False
    """Whether it failed, or has the stage that did."""
    count: int = 1
    """How many skipped stages the row stands for."""

    @property
    def is_skipped(self) -> bool:
        """Return whether the stage did not run."""
        return self.status == _SKIPPED


@dataclass(frozen=True)
class _Node:
    stage: Stage
    parent: int
    """Its index among the stages; -1: none."""
    depth: int


def stage_rows(report: Report, place: Sequence[str]) -> tuple[tuple[StageRow, ...], int]:
    """Return the rows of a report's stages, and how many stages no row shows.

    Args:
        report: has the stages, each followed by those inside of it.
        place: the stages around what failed, the outermost first; empty: not known.
    """
    nodes = _tree(report.stages)
    failing = _failing(nodes, place, report.build.result)
    longest = max((node.stage.duration_ms or 0 for node in nodes), default=0)
    rows: list[tuple[StageRow, int]] = []
    skipped: set[int] = set()
    for index, node in enumerate(nodes):
        stage = node.stage
        if stage.status == _SKIPPED:
            skipped.add(index)
            if node.parent in skipped:
                continue  # its parent's row says it all
            if rows and rows[-1][0].is_skipped and rows[-1][1] == node.parent:
                last = rows.pop()[0]
                names = f"{last.name}, {readable_name(stage.name)}"
                row = StageRow(names, _SKIPPED, node.depth, count=last.count + 1)
                rows.append((row, node.parent))
                continue
        row = StageRow(
            name=readable_name(stage.name),
            status=stage.status,
            depth=node.depth,
            duration_ms=stage.duration_ms,
            share=(stage.duration_ms or 0) / longest if longest else 0.0,
            is_on_failing_path=index in failing,
        )
        rows.append((row, node.parent))
    shown = _shown([row for row, _ in rows])
    return shown, sum(row.count for row, _ in rows) - sum(row.count for row in shown)


def readable_name(stage: str) -> str:
    """Return a stage's name as people read it; of a matrix' cell its axes: "OS windows, JDK 21"."""
    cell = _CELL.fullmatch(stage)
    return cell["axes"].replace(" = '", " ").replace("'", "") if cell else stage


def stage_with_cell(place: Sequence[str]) -> str:
    """Return the innermost stage of a place, with the cell of the matrix that it is in.

    Args:
        place: the stages and branches, the outermost first.

    Returns:
        Such as "Compile (OS windows, JDK 21)"; empty: the place is.
    """
    if not place:
        return ""
    *around, name = place
    cells = [readable_name(one) for one in around if _CELL.fullmatch(one)]
    return f"{readable_name(name)} ({', '.join(cells)})" if cells else readable_name(name)


def failing_place(report: Report) -> tuple[str, ...]:
    """Return the stages around the first stage that failed with none inside that did, and itself.

    Returns:
        Their names, the outermost first; empty: no stage failed.
    """
    nodes = _tree(report.stages)
    bad = [index for index, node in enumerate(nodes) if node.stage.status == report.build.result]
    parents = {nodes[index].parent for index in bad}
    for index in bad:
        if index not in parents:
            return tuple(nodes[one].stage.name for one in reversed(_path(nodes, index)))
    return ()


def _tree(stages: Sequence[Stage]) -> list[_Node]:
    """Return the stages with their parents, each of which stands before what is inside of it."""
    nodes: list[_Node] = []
    by_id: dict[str, int] = {}
    for index, stage in enumerate(stages):
        parent = by_id.get(stage.parent, -1) if stage.parent else -1
        depth = 0 if parent < 0 else nodes[parent].depth + 1
        if depth > MAX_DEPTH:
            parent, depth = nodes[parent].parent, MAX_DEPTH
        nodes.append(_Node(stage, parent, depth))
        if stage.id:
            by_id[stage.id] = index
    return nodes


def _path(nodes: Sequence[_Node], index: int) -> list[int]:
    """Return a stage and those around it, the innermost first; MAX_DEPTH bounds their number."""
    path = []
    while index >= 0:
        path.append(index)
        index = nodes[index].parent
    return path


def _failing(nodes: Sequence[_Node], place: Sequence[str], result: str) -> set[int]:
    """Return the stages that failed, or the one at a place, with the stages around them."""
    if result == "SUCCESS":
        return set()
    failing: set[int] = set()
    for index, node in enumerate(nodes):
        if node.stage.status in {"SUCCESS", _SKIPPED} or (place and node.stage.name != place[-1]):
            continue
        path = _path(nodes, index)
        names = [nodes[one].stage.name for one in reversed(path)]
        if (place and _is_within(names, place)) or (not place and node.stage.status == result):
            failing.update(path)
    return failing if failing or not place else _failing(nodes, (), result)


def _is_within(names: Sequence[str], place: Sequence[str]) -> bool:
    """Return whether all names are in a place, in the same order."""
    rest = iter(place)
    return all(name in rest for name in names)


def _shown(rows: Sequence[StageRow]) -> tuple[StageRow, ...]:
    """Return at most MAX_ROWS rows: what failed comes first, then what is before the others."""
    if len(rows) <= MAX_ROWS:
        return tuple(rows)
    order = sorted(range(len(rows)), key=lambda index: (not rows[index].is_on_failing_path, index))
    return tuple(rows[index] for index in sorted(order[:MAX_ROWS]))
