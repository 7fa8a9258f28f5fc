"""template_faults.py: an administrator learns of a template that fails, and readers get a mail."""

from pathlib import Path

from structlog.testing import capture_logs

from pyservice.config.settings import Settings
from tests.builders.answers import scrape
from tests.python.conftest import Json, PostfixStandIn, post, serve, settled


def test_log_status_and_metric(
    settings: Settings, postfix: PostfixStandIn, tmp_path: Path, report: Json
) -> None:
    """A report with a broken template is accepted and mailed; three places say what is wrong."""
    templates = tmp_path / "templates"
    for name, body in (("broken", b"{{ data.nothing }}"), ("latin", "grün".encode("latin-1"))):
        (templates / name).mkdir(parents=True)
        (templates / name / "body.html").write_bytes(body)
    report["mail"]["template"] = "latin"
    with capture_logs() as logs:
        own = settings.model_copy(update={"templates_dir": templates})
        with serve(own) as client:
            assert scrape(client)("template_failures_total") == 0
            status = settled(client, post(client, report).json())
            report["mail"]["template"] = "broken"
            settled(client, post(client, report).json())
            figures = scrape(client)
            page = client.get("/preview").text
            shown = client.get("/preview/latin/2-failure?part=text&fallback=true").text
    reason = "Template latin/body.html, line 1: it is not in UTF-8: save it as that."
    assert [entry["note"] for entry in status["history"]][1:3] == [
        f"the built-in template was used: {reason}",
        f"{len(postfix.mails[0].content)} bytes",
    ]
    assert status["error"] is None
    assert b"This is the built-in template." in postfix.mails[0].content
    assert figures("template_failures_total") == 2
    failures = [entry for entry in logs if entry["event"] == "template.failed"]
    assert [(entry["template"], entry["log_level"]) for entry in failures] == [
        ("latin", "warning"),
        ("broken", "warning"),
    ]
    assert (failures[0]["id"], failures[0]["reason"]) == (status["id"], reason)
    assert page.count(reason) == 1, "it is marked, whatever page of the gallery its mails are on"
    assert "This is the built-in template." in shown
