"""`send`: a report for the running service, as an administrator sends it."""

import json
from pathlib import Path

from pyservice.auth import tokens
from pyservice.config.settings import Settings
from tests.builders.command import run
from tests.builders.ports import free_port
from tests.python.conftest import Json, PostfixStandIn, listening


def test_a_sample_to_somebody(settings: Settings, postfix: PostfixStandIn, tmp_path: Path) -> None:
    """Each call makes a mail for --to, with the token; --wait follows it, and --json is the API's
    status."""
    file = tmp_path / "tokens.toml"
    token = tmp_path / "token"
    token.write_text(tokens.new(file, "admin"))
    with listening(settings.model_copy(update={"tokens_file": file})) as (host, port):
        where = (f"--service-url=http://{host}:{port}", f"--service-token-file={token}")
        to = ("--to", "ada@example.com", "--to", "cy[bot]@example.com, bo@example.com")
        sent = run("send", "2-failure", *to, *where)
        assert sent.returncode == 0, sent.stderr
        assert "Recipients  ada@example.com, bo@example.com\n" in sent.stdout
        assert "Missing     /mail/to/1: cy[bot]@example.com is no mail address" in sent.stdout
        again = run("send", "2-failure", *to, *where, "--wait", "4", "--json")
        status: Json = json.loads(again.stdout)
        assert (again.returncode, status["state"]) == (0, "accepted"), again.stderr
        assert status["left_out"] == ["cy[bot]@example.com"]
        refused = run("send", "2-failure", *to, where[0])
        assert refused.returncode == 1
        assert "--service-token-file" in refused.stderr
        report = tmp_path / "report.json"
        report.write_text('{"build": {"job": "shop", "colour": 5}, "mail": {"to": "ada@x.org"}}')
        refused = run("send", str(report), *where)
        assert refused.returncode == 1
        assert "(422)" in refused.stderr
        assert "/build/colour" in refused.stderr
        refused = run("send", "2-failure", *to, *where, "--template", "nowhere")
        assert (refused.returncode, "/mail/template" in refused.stderr) == (1, True)
    assert [mail.recipients for mail in postfix.mails] == [
        ["ada@example.com", "bo@example.com"]
    ] * 2


def test_what_can_not_be_sent(tmp_path: Path, postfix: PostfixStandIn) -> None:
    """Without a service, and for what is no report, the error says what to do."""
    port = free_port()
    away = run("send", "2-failure", NOTIFY_EMAIL_PORT=str(port))
    assert away.returncode == 1
    assert f"No service answers at http://127.0.0.1:{port}. Start it with" in away.stderr
    other = run("send", "2-failure", "--service-url", f"http://127.0.0.1:{postfix.port}")
    assert other.returncode == 1
    assert "--service-url" in other.stderr
    for url in ("127.0.0.1:8525", "http://127.0.0.1:many", "http://[::1"):
        wrong = run("send", "2-failure", "--service-url", url)
        assert wrong.returncode == 2
        assert wrong.stderr.startswith(f"notify-email: '{url}' is no http or https address. Give")
    file = tmp_path / "report.json"
    for text, words in (("{", "is not JSON"), ("[]", "a JSON object"), ("\xff", "in UTF-8")):
        file.write_text(text, encoding="latin-1")
        wrong = run("send", str(file))
        assert (wrong.returncode, words in wrong.stderr) == (2, True), wrong.stderr
    file.unlink()
    assert "2-failure" in run("send", str(file)).stderr
    wrong = run("send", "2-failure", "--data", "version=1")
    assert (wrong.returncode, wrong.stderr) == (2, "notify-email: --data is not JSON.\n")
