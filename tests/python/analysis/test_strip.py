"""strip.py: the last builds of a job."""

from pyservice.analysis.strip import strip
from tests.builders.parts import history, past, report


def test_ten_builds() -> None:
    """The oldest comes first, this one last; each links to its page."""
    builds = [past(n, "SUCCESS", duration_ms=100 * n) for n in range(43, 20, -1)]
    url = "https://ci.example.com/job/shop/44/"
    build = report(build={"history": history(*builds), "url": url, "duration_ms": 8600}).build
    shown = strip(build)
    assert [one.number for one in shown] == list(range(35, 45))
    assert shown[0].url == "https://ci.example.com/job/shop/35/"
    assert shown[-1].url == url
    assert [one.is_this for one in shown] == [False] * 9 + [True]
    assert (shown[-2].share, shown[-1].share) == (0.5, 1.0)


def test_the_first_build() -> None:
    """One build is no strip."""
    assert strip(report().build) == ()
    assert strip(report(build={"history": history()}).build) == ()


def test_durations_that_are_not_known() -> None:
    """They have no share."""
    build = report(build={"history": history(past(43, None, duration_ms=None))}).build
    assert [(one.result, one.share, one.url) for one in strip(build)] == [
        (None, 0.0, None),
        ("FAILURE", 0.0, None),
    ]
