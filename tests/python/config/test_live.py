"""live.py, and SIGHUP: settings that change while the service runs."""

import itertools
import json
import re
import signal
import threading
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from pyservice.config.live import LIVE, LiveSettings
from pyservice.config.settings import Settings
from tests.builders.command import http, is_up, serving
from tests.python.conftest import Json, PostfixStandIn, free_port, wait_for

ROOT = Path(__file__).parents[3]


def test_what_can_change_does() -> None:
    """The others keep their values, and are told."""
    current = LiveSettings(Settings(port=1, sender="a@x.org", default_to="b@x.org"))
    changed, fixed = current.replace(
        Settings(port=2, smtp_port=3, sender="c@x.org", default_to="b@x.org")
    )
    assert (changed, fixed) == (["sender"], ["port", "smtp_port"])
    assert current.settings == Settings(port=1, sender="c@x.org", default_to="b@x.org")


def test_the_docs_tell_which() -> None:
    """docs/settings.md names each that the service can change, and no other."""
    text = (ROOT / "docs" / "settings.md").read_text()
    told = text.partition("SIGHUP")[2].partition("Another one")[0].partition("is sent:")[2]
    assert set(re.findall(r"`([A-Z_]+)`", told)) == {name.upper() for name in LIVE}


class Running:
    """A service as a process, its settings file and its log."""

    def __init__(self, folder: Path, postfix: PostfixStandIn) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.file, self.log = folder / "settings.toml", folder / "log"
        self._smtp_port = postfix.port
        self.write()

    def write(self, **values: Any) -> None:
        """The file: JSON's plain values are TOML's."""
        own = {"port": self.port, "smtp_port": self._smtp_port, "sender": "ci@x.org"}
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in (own | values).items()]
        self.file.write_text("".join(lines))

    def events(self, name: str) -> list[Json]:
        """What the log tells under a name."""
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [event for event in found if event["event"] == name]

    def post(self, report: Json, number: int) -> Any:
        """The answer to a report of its own."""
        body = report | {"build": report["build"] | {"number": number}}
        return http().post(f"{self.base}/v1/reports", json=body, timeout=5)


def test_sighup(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """The next request meets the changed settings; a wrong file changes nothing."""
    one = Running(tmp_path, postfix)
    with serving(one.log, "--config", str(one.file)) as process:
        wait_for(lambda: is_up(one.base))
        assert one.post(report, 1).status_code == 202
        one.write(allowed_domains=["example.org"], smtp_port=2, log_level="warning")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: bool(one.events("settings.restart_needed")))
        [warned] = one.events("settings.restart_needed")
        assert (warned["level"], warned["settings"]) == ("warning", ["smtp_port"])
        refused = one.post(report, 2)
        assert refused.status_code == 403
        assert "example.org" in refused.json()["detail"]
        assert len(one.events("report.accepted")) == 1

        for text, told in (("port = ", "can't be read"), ('sender = "x"', "`sender`")):
            one.file.write_text(text)
            process.send_signal(signal.SIGHUP)
            wait_for(lambda told=told: told in one.log.read_text())  # type: ignore[misc]
        one.write(default_to="a@x.org", allowed_domains=["example.org"])
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "Setting `default_to` can't be used" in one.log.read_text())
        assert len(one.events("settings.kept")) == 3
        assert one.post(report, 2).status_code == 403

        one.write()
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: one.post(report, 3).status_code == 202)

        one.write(rate_limits=["all=1/day"])
        process.send_signal(signal.SIGHUP)
        numbers = itertools.count(4)

        def is_too_many() -> bool:
            answer = one.post(report, next(numbers)).json()
            return "all=1/day" in http().get(one.base + answer["status_url"], timeout=5).text

        wait_for(is_too_many)
        assert process.poll() is None
    assert "Traceback" not in one.log.read_text()


def test_sighup_while_a_mail_is_sent(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """It is finished as it was begun, once; the next one has the new sender."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: SMTP) -> None:
        begun.set()
        go_on.wait(10)

    postfix.data_hook = wait
    one = Running(tmp_path, postfix)
    with serving(one.log, "--config", str(one.file)) as process:
        wait_for(lambda: is_up(one.base))
        one.post(report, 1)
        assert begun.wait(10)
        one.write(sender="new@x.org")
        for _ in range(20):
            process.send_signal(signal.SIGHUP)
        wait_for(lambda: any(event["changed"] for event in one.events("settings.reloaded")))
        go_on.set()
        postfix.data_hook = None
        one.post(report, 2)
        wait_for(lambda: len(postfix.mails) == 2)
    assert sorted(mail.sender for mail in postfix.mails) == ["ci@x.org", "new@x.org"]
    assert b"\r\nFrom: new@x.org\r\n" in b"\r\n" + postfix.mails[-1].content


def test_templates(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """A folder of one's own is used from then on."""
    (tmp_path / "t" / "mine").mkdir(parents=True)
    (tmp_path / "t" / "mine" / "body.html").write_text("<p>mine</p>")
    report["mail"]["template"] = "mine"
    one = Running(tmp_path, postfix)
    with serving(one.log, "--config", str(one.file)) as process:
        wait_for(lambda: is_up(one.base))
        assert one.post(report, 1).status_code == 422
        one.write(templates_dir=str(tmp_path / "t"))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: one.post(report, 1).status_code == 202)
        wait_for(lambda: len(postfix.mails) == 1)
    assert b"<p>mine</p>" in postfix.mails[0].content
