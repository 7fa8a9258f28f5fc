"""All that a mail says of a build beside the report itself."""

from dataclasses import dataclass
from functools import cached_property

from pyservice.analysis.excerpt import Excerpt, excerpt
from pyservice.analysis.failing_tests import FailingTest, failing_tests, old_failures_sentence
from pyservice.analysis.links import Link, links
from pyservice.analysis.reason import Reason, downstream, find_reason, last_output, log_lines
from pyservice.analysis.reproduce import Line, reproduce
from pyservice.analysis.stage_rows import StageRow, readable_name, stage_rows, stage_with_cell
from pyservice.analysis.strip import StripBuild, strip
from pyservice.analysis.suspects import Suspect, suspect_sentence, suspects
from pyservice.report.breakage import FAILING, breakage, ended_at
from pyservice.report.facts import Warned
from pyservice.report.headline import Headline, headline
from pyservice.report.readable import readable
from pyservice.report.schema import Change, Report
from pyservice.terminal import plain

MAX_LAST_OUTPUT = 10
"""Lines that a step printed before it was stopped, since it took too long."""
MAX_SHORT_CHANGES = 3


@dataclass(frozen=True)
class Analysis:
    """What follows from a report, for the people who read its mail. Texts are readable."""

    report: Report
    """The report as people read it."""
    headline: Headline
    why: str
    """Why the build ended as it did, in one sentence; empty: it passed, or that is not known."""
    command: str
    """The command that failed; empty: none did, or it is not known."""
    place: tuple[str, ...]
    """The stages and branches around what failed, the outermost first; empty: not known."""
    stage: str
    """The innermost of them, with the cell of its matrix: "Compile (OS windows, JDK 21)"."""
    excerpt: Excerpt | None
    """The lines of the log around the error, or the last ones of a step that took too long.

    None: there is no log that shows it.
    """
    kind: str
    """What went wrong that no change can have broken, such as "agent lost"; empty: nothing such."""
    suspects: tuple[Suspect, ...]
    """The changes that touch what went wrong, with the proof."""
    suspect_sentence: str
    """The proof against them, else how many changes there are; empty: none, or none can be it."""
    new_failures: tuple[FailingTest, ...]
    """The tests that this build broke."""
    old_failures: tuple[FailingTest, ...]
    """The tests that failed before, the oldest failure first."""
    old_failures_sentence: str
    """How many those are, and since when."""
    short_changes: tuple[Change, ...]
    """All changes, if they are so few and so short that a line each tells them; else none."""
    fixed_by: tuple[Change, ...]
    """The changes of a build that is fixed, one of which mended it; empty: that can't be said."""
    broken_for: int | None
    """For how long the job was broken that is fixed now, in milliseconds; None: not known."""
    broken_builds: int | None
    """How many builds that were; None: not known."""
    reproduce: tuple[Line, ...]
    """What is needed to see the failure again."""
    links: tuple[Link, ...]
    """The build's pages in Jenkins."""
    stages: tuple[StageRow, ...]
    """The rows of the stages' tree."""
    stages_left_out: int
    """How many stages have no row."""
    warnings: tuple[Warned, ...]
    """The warnings of steps, except for those that `why`, the error or the tests tell already."""
    history: tuple[StripBuild, ...]
    """The last ten builds, the oldest first and this one last."""

    @property
    def is_infrastructure(self) -> bool:
        """Return whether machines or networks are to blame, and no change."""
        return bool(self.kind)

    @property
    def are_changes_told(self) -> bool:
        """Return whether suspects, `short_changes` or `fixed_by` already show all changes."""
        if self.fixed_by:
            return self.report.changes.total <= MAX_SHORT_CHANGES
        if self.suspects:
            return bool(self.short_changes) and len(self.suspects) == self.report.changes.total
        return bool(self.short_changes and self.suspect_sentence)

    @property
    def place_text(self) -> str:
        """Return the place as people read it: "Test » integration » api"."""
        return " » ".join(self.place)

    @cached_property
    def pages(self) -> dict[str, str]:
        """Return the URLs of the build's pages by their names, such as `log`."""
        return {link.name: link.url for link in self.links}


def analyse(report: Report) -> Analysis:
    """Return what follows from a report, whatever parts it lacks.

    The time that it takes grows with the report's length only.

    Args:
        report: as it was sent.
    """
    lines, shown = log_lines(report), readable(report)
    build = shown.build
    reason = find_reason(shown, [plain(line) for line in lines])
    around = excerpt(lines, reason.error)
    if not around.lines:
        around = excerpt(last_output(report), None, at_most=MAX_LAST_OUTPUT)
    new, old = failing_tests(shown)
    is_failing = build.result in FAILING
    found = suspects(shown, reason.error.file if reason.error else None, new) if is_failing else ()
    is_unexplained = is_failing and not reason.infrastructure
    rows, stages_left_out = stage_rows(shown, reason.place)
    word = headline(build, shown.error)
    broken = breakage(build) if word.word == "Fixed" else None
    return Analysis(
        report=shown,
        headline=word,
        why=_why(reason, word),
        command=reason.command,
        place=tuple(readable_name(stage) for stage in reason.place),
        stage=stage_with_cell(reason.place),
        excerpt=around if around.lines else None,
        kind=reason.infrastructure,
        suspects=found,
        suspect_sentence=suspect_sentence(shown, found) if found or is_unexplained else "",
        new_failures=new,
        old_failures=old,
        old_failures_sentence=old_failures_sentence(new, old),
        short_changes=_short_changes(shown),
        fixed_by=_fixed_by(shown) if broken else (),
        broken_for=ended_at(build) - ended_at(broken.first) if broken and broken.first else None,
        broken_builds=len(broken.builds) if broken and broken.is_whole else None,
        reproduce=reproduce(shown, reason.command, new or old) if is_failing else (),
        links=links(shown, downstream(shown)),
        stages=rows,
        stages_left_out=stages_left_out,
        warnings=_warnings(shown, reason),
        history=strip(build),
    )


def _why(reason: Reason, word: Headline) -> str:
    """Return the reason's sentence; if the headline is that already, only where it happened."""
    if reason.message.lower() != word.word.lower():
        return reason.sentence
    return f"Stopped in {' » '.join(map(readable_name, reason.place))}" if reason.place else ""


def _short_changes(report: Report) -> tuple[Change, ...]:
    """Return all changes if there are few, and none has more than a line to say."""
    items = report.changes.items
    are_few = report.changes.total == len(items) <= MAX_SHORT_CHANGES
    return tuple(items) if are_few and not any("\n" in one.message.strip() for one in items) else ()


def _warnings(report: Report, reason: Reason) -> tuple[Warned, ...]:
    """Return the warnings that a mail does not show anyway."""
    error = report.error.message.strip() if report.error else ""
    return tuple(
        one
        for one in report.warnings
        if one.function != "junit"
        and (text := one.message.strip())
        and text not in reason.sentence
        and text != error
    )


def _fixed_by(report: Report) -> tuple[Change, ...]:
    """Return the changes of a fixed build; none if a build in between may have had the right one.

    A build that was aborted has changes that the next one does not show. Without a history only
    the older schema names the result of the build right before.
    """
    history = report.build.history
    if history is None:
        return tuple(report.changes.items) if report.version == 1 else ()
    before = next((one for one in history.builds if one.number < report.build.number), None)
    is_next = before is not None and before.result in FAILING
    return tuple(report.changes.items) if is_next else ()
