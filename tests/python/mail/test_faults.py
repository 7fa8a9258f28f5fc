"""faults.py: where a template is wrong, and what may be meant."""

from pathlib import Path

import pytest

from pyservice import samples
from pyservice.errors import RenderError, TemplateFault
from pyservice.mail.renderer import Renderer
from pyservice.report.schema import Mail, Report


def report(**data: object) -> Report:
    mail = Mail.model_validate({"template": "mine", "to": ["ada@example.com"], "data": data})
    return samples.load("2-failure").model_copy(update={"mail": mail})


def faults(folder: Path, shown: Report, **parts: str) -> tuple[TemplateFault, ...]:
    """What is wrong with a template of these parts, by their names with `_` for the dot."""
    (folder / "mine").mkdir(exist_ok=True)
    for name, source in ({"body_html": "<p>"} | parts).items():
        (folder / "mine" / name.replace("_", ".")).write_text(source)
    with pytest.raises(RenderError) as raised:
        Renderer(folder).render(shown)
    assert str(raised.value) == str(raised.value.faults[0])
    return raised.value.faults


@pytest.mark.parametrize(
    ("source", "suggestion"),
    [
        ("{{ biuld.job }}", "build"),
        ("{{ build.reslut }}", "result"),
        ("{{ report.tests.falied }}", "failed"),
        ("{{ analysis.suspekts }}", "suspects"),
        ("{{ data.verison }}", "version"),
        ("{{ data['verison'] }}", "version"),
        ("{{ build.job | shorten_(3) }}", "shorten"),
        ("{{ build.job is numbr }}", "number"),
        ("{% blok head %}{% endblock %}", "block"),
        ("{% set stages = [] %}{{ stagse }}", "stages"),
        ("{% macro row(name) %}{{ nmae }}{% endmacro %}{{ row(1) }}", "name"),
        ("{% include 'mine/futer.html' %}", "mine/footer.html"),
        ("{{ data.quite_something_else }}", ""),
        ("{{ build.job.nowhere }}", ""),
    ],
)
def test_a_misspelt_name(tmp_path: Path, source: str, suggestion: str) -> None:
    """The fault has the line, its text, and the name that is like the misspelt one."""
    shown = report(version="1.4.2")
    [fault] = faults(tmp_path, shown, body_html=f"<p>\n  {source}\n", footer_html="<hr>")
    assert (fault.file, fault.line, fault.source) == ("mine/body.html", 2, source)
    assert fault.suggestion == suggestion
    assert str(fault).endswith(f"; is {suggestion!r} meant?" if suggestion else ".")


def test_a_reason_has_no_module_of_python(tmp_path: Path) -> None:
    """A template's author knows what a build is, and not where its class is."""
    [fault] = faults(tmp_path, report(), body_html="{{ build.jobb }}")
    assert fault.reason == "'Build object' has no attribute 'jobb'"


@pytest.mark.parametrize("broken", ["{{ biuld }}", "{% if %}"])
def test_a_fault_in_an_included_file(tmp_path: Path, broken: str) -> None:
    """It is that file's, with the line there."""
    body = "<p>\n{% include 'shared/head.html' %}"
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "head.html").write_text(f"<h1>\n\n{broken}")
    [fault] = faults(tmp_path, report(), body_html=body)
    assert (fault.file, fault.line, fault.source) == ("shared/head.html", 3, broken)


def test_faults_of_all_parts(tmp_path: Path) -> None:
    """An author sees at once what is wrong in each part."""
    found = faults(
        tmp_path,
        report(),
        subject_txt="{{ biuld.job }}",
        body_html="<p>{{ headlien.word }}",
        body_txt="{{ subject }}\n{{ data.x }}",
    )
    assert [(fault.file, fault.line) for fault in found] == [
        ("mine/subject.txt", 1),
        ("mine/body.html", 1),
        ("mine/body.txt", 2),
    ]
    assert [fault.suggestion for fault in found] == ["build", "headline", ""]
