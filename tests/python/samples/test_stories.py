"""stories.py and derived.py: what each sample tells."""

import pytest

from pyservice import samples
from pyservice.mail.renderer import HTML_BUDGET, Renderer
from pyservice.report.schema import Report
from pyservice.samples import derived, stories, storms


def test_every_sample_has_a_story() -> None:
    """Each recorded, derived and digest sample has one, with a state that there is."""
    assert sorted(stories.names()) == sorted([*samples.names(), *derived.names()])
    assert stories.names(digests=True) == storms.names()
    assert {story.state for story in stories.STORIES} == set(stories.STATES)


@pytest.mark.parametrize("story", stories.STORIES, ids=lambda story: story.sample)
def test_a_story_is_true(story: stories.Story) -> None:
    """The mail's subject begins as the story does."""
    if story.is_digest:
        assert storms.load_digest(story.sample).total > 1
        return
    subject = Renderer().render(stories.load(story.sample)).subject
    begins = {
        "failed": ("Failed", "Still failing", "Jenkinsfile error"),
        "unstable": ("Unstable",),
        "infrastructure": ("Agent lost", "Failed"),
        "aborted": ("Aborted", "Timed out", "Superseded", "Rejected"),
        "passed": ("Passed", "Fixed"),
    }
    assert subject.startswith(begins[story.state])
    if story.state == "infrastructure":
        assert "Agent lost" in subject or "infrastructure" in subject


@pytest.mark.parametrize("name", derived.names())
def test_a_derived_sample_says_so(name: str) -> None:
    """It is a whole report, and its story names the recorded build that it is made of."""
    report = stories.load(name)
    assert Report.parse(report.model_dump_json().encode()) == report
    [story] = [one for one in stories.STORIES if one.sample == name]
    assert f"Derived from the recorded build {derived.base(name)}." in story.about
    assert derived.base(name) in samples.names()


def test_flaky_huge_and_right_to_left() -> None:
    """The flaky job passed in between; the huge mail is cut; the other one is in Hebrew."""
    flaky = stories.load("flaky").build
    assert flaky.history is not None
    assert {build.result for build in flaky.history.builds} == {"SUCCESS", "UNSTABLE"}
    huge = stories.load("huge")
    assert len(huge.model_dump_json()) > 2 * HTML_BUDGET
    assert len(Renderer().render(huge).html.encode()) <= HTML_BUDGET
    body = Renderer().render(stories.load("right-to-left"))
    assert "חנות" in body.subject
    assert "סכום ההזמנה" in body.html
    with pytest.raises(KeyError):
        stories.load("nowhere")
