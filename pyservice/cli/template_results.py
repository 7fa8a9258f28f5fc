"""What the checks of templates find in all samples, for people, programs and Jenkins."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from pyservice.cli import show
from pyservice.text import counted

if TYPE_CHECKING:
    from pyservice.mail_checks.finding import Finding
    from pyservice.preview.previews import Previews

SHORT = 10
"""Characters of an excerpt that says no more than the finding, such as `<img`."""
RENDERS = "renders"
"""The name of the check that a template makes a mail at all."""


@dataclass(frozen=True)
class SampleResult:
    """What the checks found in one mail: a sample in a template."""

    sample: str
    findings: "tuple[Finding, ...]"
    seconds: float


@dataclass(frozen=True)
class TemplateResult:
    """What the checks found in a template's mails."""

    template: str
    samples: tuple[SampleResult, ...]

    def count(self, level: str) -> int:
        """Return how many different findings of a level there are."""
        return sum(finding.level == level for finding, _ in self.gathered())

    def gathered(self) -> "list[tuple[Finding, list[str]]]":
        """Return each finding once, the worst first, with the samples whose mails have it."""
        kept: dict[tuple[str, str, str, str | None, int | None], _Gathered] = {}
        for result in self.samples:
            for one in result.findings:
                what = one.cure if one.file else one.what
                key = (one.check, one.level, what, one.file, one.file_line)
                kept.setdefault(key, _Gathered(one)).samples.append(result.sample)
        from pyservice.mail_checks.finding import LEVELS

        order = sorted(kept.values(), key=lambda each: LEVELS.index(each.finding.level))
        return [(each.finding, list(dict.fromkeys(each.samples))) for each in order]

    def as_json(self) -> dict[str, Any]:
        """Return `{template, samples, findings}`; a finding has the samples that have it."""
        return {
            "template": self.template,
            "samples": [result.sample for result in self.samples],
            "findings": [
                finding.as_json() | {"samples": samples} for finding, samples in self.gathered()
            ],
        }


@dataclass(frozen=True)
class _Gathered:
    finding: "Finding"
    samples: list[str] = field(default_factory=list)


def check_template(
    previews: "Previews", folder: Path | None, template: str, on_sample: Callable[[], object]
) -> TemplateResult:
    """Make the mail of each sample with a template, and check it.

    Args:
        previews: make the mails.
        folder: has the template's files.
        template: its name.
        on_sample: is called after each sample.

    Raises:
        RequestError: its data.json can't be used.
    """
    from pyservice.preview.template_source import source_files

    own = [file for file in source_files(folder, template) if file.is_own]
    sources = {file.path: "\n".join(file.lines) for file in own}
    results = []
    for sample in sample_names(template):
        results.append(_check_sample(previews, template, sample, sources))
        on_sample()
    return TemplateResult(template, tuple(results))


def sample_names(template: str) -> tuple[str, ...]:
    """Return the names of the samples that a template can show."""
    from pyservice.mail.renderer import DIGEST
    from pyservice.samples import stories

    return stories.names(digests=template == DIGEST)


def _check_sample(
    previews: "Previews", template: str, sample: str, sources: dict[str, str]
) -> SampleResult:
    import asyncio
    import time

    from pyservice.mail_checks.catalogue import check
    from pyservice.mail_checks.finding import Finding

    began = time.monotonic()
    preview = asyncio.run(previews.make(template, sample, None))
    if preview.faults:
        findings = [
            Finding(
                "error",
                f"{fault.reason[:1].upper()}{fault.reason[1:]}.",
                f"Is {fault.suggestion!r} meant?" if fault.suggestion else "Correct this line.",
                excerpt=fault.source,
                file=fault.file,
                file_line=fault.line,
                check=RENDERS,
            )
            for fault in preview.faults
        ]
    else:
        findings = check(preview.mail, sources)
    return SampleResult(sample, tuple(findings), time.monotonic() - began)


def print_result(result: TemplateResult, *, with_notes: bool) -> None:
    """Print what was found in a template's mails, for people."""
    counts = ", ".join(
        counted(result.count(level), level) for level in ("error", "warning", "note")
    )
    show.line(f"{result.template}: {counts} in {counted(len(result.samples), 'sample')}")
    for finding, samples in result.gathered():
        if finding.level == "note" and not with_notes:
            continue
        where = samples[0] if len(samples) == 1 else f"{samples[0]} and {len(samples) - 1} more"
        show.line(f"\n  {finding.level}: {finding.sentence}")
        show.line(f"    at    {finding.place}, in {where} ({finding.check})")
        if finding.file and len(finding.excerpt) > SHORT:
            show.line(f"    line  {finding.excerpt[:100]}")
        show.line(f"    cure  {finding.cure}")


def write_junit(results: list[TemplateResult], file: Path) -> None:
    """Write the results as JUnit XML: a test case for each check of each sample in each template.

    Errors are failures; warnings and notes stand in the test case's output.

    Raises:
        OSError: the file can't be written.
    """
    root = ElementTree.Element("testsuites", name="notify-email template check")
    for result in results:
        cases = [case for sample in result.samples for case in _cases(result.template, sample)]
        ElementTree.SubElement(
            root,
            "testsuite",
            name=result.template,
            tests=str(len(cases)),
            failures=str(sum(case.find("failure") is not None for case in cases)),
            errors="0",
            skipped=str(sum(case.find("skipped") is not None for case in cases)),
            time=f"{sum(sample.seconds for sample in result.samples):.3f}",
        ).extend(cases)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _cases(template: str, result: SampleResult) -> Iterator[ElementTree.Element]:
    from pyservice.mail_checks.catalogue import CHECKS

    checks = [(RENDERS, "the template makes a mail"), *((one.name, one.about) for one in CHECKS)]
    is_rendered = all(finding.check != RENDERS for finding in result.findings)
    for number, (name, about) in enumerate(checks):
        case = ElementTree.Element(
            "testcase",
            classname=f"{template}.{result.sample}",
            name=f"{name}: {about}",
            time=f"{result.seconds if number == 0 else 0:.3f}",
        )
        found = [finding for finding in result.findings if finding.check == name]
        errors = [finding for finding in found if finding.level == "error"]
        if errors:
            failure = ElementTree.SubElement(case, "failure", message=_xml(errors[0].what))
            failure.text = _xml("\n".join(map(_described, errors)))
        elif not is_rendered:
            ElementTree.SubElement(case, "skipped", message="There is no mail to check.")
        if others := [finding for finding in found if finding.level != "error"]:
            ElementTree.SubElement(case, "system-out").text = _xml(
                "\n".join(map(_described, others))
            )
        yield case


def _described(finding: "Finding") -> str:
    return f"{finding.level}: {finding.sentence} [{finding.place}] {finding.cure}"


def _xml(text: str) -> str:
    """Return a text without what XML can't have."""
    return "".join(char if char in "\n\t" or char.isprintable() else "?" for char in text)
