"""build_page.py: which page of Jenkins is a report's build."""

import pytest

from pyservice import samples
from pyservice.jenkins.build_page import page
from pyservice.report.schema import Build

ROOT = "https://ci.example.com/jenkins"


def build(url: str | None, job: str = "shop/checkout", number: int = 2) -> Build:
    return samples.load("2-failure").build.model_copy(
        update={"url": url, "job": job, "number": number}
    )


@pytest.mark.parametrize(
    ("url", "job", "path"),
    [
        ("/job/shop/job/checkout/2/", "shop/checkout", "/job/shop/job/checkout/2"),
        ("/job/shop/job/checkout/2", "shop/checkout", "/job/shop/job/checkout/2"),
        ("/job/a%20b/2/", "a b", "/job/a%20b/2"),
        ("/job/m/job/feature%252Fx/2/", "m/feature%2Fx", "/job/m/job/feature%252Fx/2"),
        ("/job/%C3%A9t%C3%A9/2/", "été", "/job/%C3%A9t%C3%A9/2"),
    ],
)
def test_the_build_of_the_report(url: str, job: str, path: str) -> None:
    """A build's page is made of the job's name and the number."""
    assert page(build(ROOT + url, job), ROOT) == ROOT + path


@pytest.mark.parametrize(
    "url",
    [
        None,
        "http://ci.example.com/jenkins/job/shop/job/checkout/2/",
        "https://ci.example.com:8443/jenkins/job/shop/job/checkout/2/",
        "https://ci.example.com.evil.org/jenkins/job/shop/job/checkout/2/",
        "https://ci.example.com@evil.org/jenkins/job/shop/job/checkout/2/",
        "https://ada@ci.example.com/jenkins/job/shop/job/checkout/2/",
        "https://ci.example.com/job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins-2/job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins/../job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins/x/%2e%2e/job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins\\job/shop/job/checkout/2/",
        "https://ci.example.com/jenkins/job/shop/job/checkout/3/",
        "https://ci.example.com/jenkins/job/shop/job/checkout/02/",
        "https://ci.example.com/jenkins/job/shop/job/secret/2/",
        "https://ci.example.com/jenkins/job/shop/job/checkout/2/stop",
        "https://ci.example.com/jenkins/job/shop/job/checkout/2/?delay=1",
        "https://ci.example.com/jenkins/job/shop/job/checkout/2/#x",
        "https://ci.example.com/jenkins/job/shop%2Fjob%2Fcheckout/2/",
        "https://ci.example.com/jenkins/",
        "https://ci.example.com/jenkins//job/shop/job/checkout/2/",
        "http://[",
    ],
)
def test_no_other(url: str | None) -> None:
    """The token is used for no other host, port, scheme, prefix, job, number or page."""
    assert page(build(url), ROOT) is None


@pytest.mark.parametrize("job", ["..", "shop/../x", "shop//x", ".", ""])
def test_no_job(job: str) -> None:
    """A job's name with `..` has no page, even if the address is the same."""
    path = "/".join(f"job/{name}" for name in job.split("/"))
    assert page(build(f"{ROOT}/{path}/2/", job), ROOT) is None
