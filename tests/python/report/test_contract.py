"""tests/contract: what the Groovy step sends is accepted, rendered and mailed."""

import email
import email.policy
import json
from email.message import EmailMessage
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pyservice.analysis.analysis import analyse
from pyservice.report.schema import Report
from tests.python.conftest import Json, PostfixStandIn, post, settled

FOLDER = Path(__file__).parents[2] / "contract"
FILES = sorted(FOLDER.glob("*.json"))
QUIET = [file for file in FILES if "quiet" in file.name]
"""Those that nobody gets a mail of."""
VALID = [file for file in FILES if "invalid" not in file.name and file not in QUIET]
INVALID = {
    "invalid-number": "/build/number",
    "invalid-result": "/build/result",
    "invalid-template": "/mail/template",
    "invalid-unknown-member": "/colour",
}
"""Each file that must be refused, and the member that is wrong in it."""


def test_there_are_some() -> None:
    """The folder is where it should be, and each file in it is tested."""
    assert len(VALID) >= 14
    assert {file.stem for file in FILES} - {f.stem for f in (*VALID, *QUIET)} == INVALID.keys()


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_accepted_and_mailed(client: TestClient, postfix: PostfixStandIn, file: Path) -> None:
    """Each report becomes one mail that says what the report says."""
    report: Json = json.loads(file.read_text())
    response = post(client, file.read_bytes())
    assert response.status_code == 202, response.text
    settled(client, response.json())
    [caught] = postfix.mails
    mail = email.message_from_bytes(caught.content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert mail["X-Jenkins-Job"] == " ".join(report["build"]["job"].split())
    assert mail["X-Jenkins-Result"] == report["build"]["result"]
    assert "Bcc" not in mail
    html, text = (mail.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert text is not None
    for change in report["changes"]["items"]:
        assert change["message"].splitlines()[0] in text.get_content()
    for cause in report["build"]["causes"]:
        # A replay has a line of its own, with the build's number.
        said = cause["text"].removeprefix("Replayed ")
        assert said in text.get_content()
    why = analyse(Report.parse(file.read_bytes())).why
    assert why in text.get_content()
    if "error" in report:
        assert why
        # A step's own log says why better than Jenkins does.
        assert "step" in report["error"] or report["error"]["message"] in text.get_content()
    missing = {member["pointer"] for member in response.json()["missing"]}
    assert ("/build/url" in missing) == (file.stem == "javascript-link")
    if "url" in report["build"].keys() - {pointer.rpartition("/")[2] for pointer in missing}:
        assert report["build"]["url"] in html.get_content()
    else:
        assert "href" not in html.get_content()
    if report["mail"].get("subject"):
        assert str(mail["Subject"]) == " ".join(report["mail"]["subject"].split())


@pytest.mark.parametrize("file", QUIET, ids=lambda file: file.stem)
def test_accepted_and_not_mailed(client: TestClient, postfix: PostfixStandIn, file: Path) -> None:
    """Each report's mail is made and shown, and nobody gets it."""
    answer = post(client, file.read_bytes()).json()
    status = settled(client, answer, state="skipped")
    assert status["history"][-1]["note"] == "its Pipeline wants a dry run: the mail was not sent"
    assert "shop » checkout #2" in client.get(f"{answer['preview_url']}?part=text").text
    assert (status["attempts"], postfix.sessions) == (0, 0)


@pytest.mark.parametrize(("name", "pointer"), INVALID.items())
def test_refused(client: TestClient, postfix: PostfixStandIn, name: str, pointer: str) -> None:
    """422, with the member that is wrong and no other; nothing is sent."""
    response = post(client, (FOLDER / f"{name}.json").read_bytes())
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert postfix.mails == []
