"""Reports, as a request's body."""

from typing import Any

from pyservice import samples

Json = dict[str, Any]


def build(report: Json, number: int) -> Json:
    """Return the report with another build number."""
    return report | {"build": report["build"] | {"number": number}}


def report_of(name: str, to: str = "ada@example.com", **build: Any) -> Json:
    """Return a recorded build as a request's body."""
    body: Json = samples.load(name).model_dump(mode="json", exclude_none=True)
    return body | {"mail": {"to": [to]}, "build": body["build"] | build}
