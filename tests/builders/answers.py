"""The service's answers."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from pyservice.metrics import CONTENT_TYPE
from tests.python.conftest import Json, wait_for


def problem(response: Any, status: int) -> Json:
    """Return the problem+json that an answer must be."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: Json = response.json()
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    assert body["title"]
    assert body["detail"].endswith(".")
    assert "Traceback" not in response.text
    return body


class Scrape:
    """The figures of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """Return a figure, by its name without the prefix."""
        [value] = [
            sample.value
            for sample in self.samples
            if sample.name == f"notify_email_{name}" and sample.labels == labels
        ]
        return float(value)

    def counts(self, name: str) -> dict[str, float]:
        """Return the figures of a name that aren't 0, by their label."""
        return {
            "".join(sample.labels.values()): sample.value
            for sample in self.samples
            if sample.name == f"notify_email_{name}" and sample.value
        }


def scrape(client: TestClient) -> Scrape:
    """Scrape a service."""
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == CONTENT_TYPE
    return Scrape(response.text)


def scrape_when(client: TestClient, name: str, **expected: float) -> Scrape:
    """Scrape a service until these are the figures of a name."""
    wait_for(lambda: scrape(client).counts(name) == expected, lambda: client.get("/metrics").text)
    return scrape(client)
