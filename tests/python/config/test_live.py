"""live.py, and SIGHUP: settings that change while the service runs."""

import itertools
import json
import re
import signal
import threading
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from pyservice.config.live import LiveSettings, is_live
from pyservice.config.settings import Settings
from tests.builders.command import http, is_up, serving
from tests.builders.patience import PATIENCE
from tests.builders.ports import free_port
from tests.python.conftest import Json, PostfixStandIn, wait_for

ROOT = Path(__file__).parents[3]


def test_live_settings_change() -> None:
    """The others keep their values, and are named."""
    current = LiveSettings(Settings(port=1, sender="a@x.org", default_to="b@x.org"))
    changed, fixed = current.replace(
        Settings(port=2, smtp_port=3, sender="c@x.org", default_to="b@x.org")
    )
    assert (changed, fixed) == (["sender"], ["port", "smtp_port"])
    assert current.settings == Settings(port=1, sender="c@x.org", default_to="b@x.org")


def test_the_docs_name_the_live_settings() -> None:
    """docs/settings.md names each setting that SIGHUP applies, and no other."""
    page = (ROOT / "docs" / "settings.md").read_text()
    section = page.partition("SIGHUP")[2].partition("Any other")[0].partition("is sent:")[2]
    live = {name.upper() for name in Settings.model_fields if is_live(name)}
    assert set(re.findall(r"`([A-Z_]+)`", section)) == live
    assert live


class Running:
    """A service as a process, its settings file and its log."""

    def __init__(self, folder: Path, postfix: PostfixStandIn) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.file, self.log = folder / "settings.toml", folder / "log"
        self._smtp_port = postfix.port
        self.write()

    def write(self, **values: Any) -> None:
        """Write the settings file, in JSON's notation of values, which TOML shares."""
        always = {"port": self.port, "smtp_port": self._smtp_port, "sender": "ci@x.org"}
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in (always | values).items()]
        self.file.write_text("".join(lines))

    def events(self, name: str) -> list[Json]:
        """Return the log's events of a name."""
        events = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [event for event in events if event["event"] == name]

    def post(self, report: Json, number: int) -> Any:
        """Post a report of a build with this number, and return the answer."""
        body = report | {"build": report["build"] | {"number": number}}
        return http().post(f"{self.base}/v1/reports", json=body, timeout=PATIENCE)


def test_sighup(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """Changed settings hold for the next request; a wrong file changes nothing."""
    service = Running(tmp_path, postfix)
    with serving(service.log, "--config", str(service.file)) as process:
        wait_for(lambda: is_up(service.base))
        assert service.post(report, 1).status_code == 202
        service.write(allowed_domains=["example.org"], smtp_port=2, log_level="warning")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: bool(service.events("settings.restart_needed")))
        [warned] = service.events("settings.restart_needed")
        assert (warned["level"], warned["settings"]) == ("warning", ["smtp_port"])
        refused = service.post(report, 2)
        assert refused.status_code == 403
        assert "example.org" in refused.json()["detail"]
        assert len(service.events("report.accepted")) == 1

        for text, message in (("port = ", "can't be read"), ('sender = "x"', "`sender`")):
            service.file.write_text(text)
            process.send_signal(signal.SIGHUP)
            wait_for(lambda message=message: message in service.log.read_text())  # type: ignore[misc]
        service.write(default_to="a@x.org", allowed_domains=["example.org"])
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "Setting `default_to` can't be used" in service.log.read_text())
        assert len(service.events("settings.reload_failed")) == 3
        assert service.post(report, 2).status_code == 403
        figure = "notify_email_settings_last_reload_successful"
        assert f"{figure} 0.0" in http().get(f"{service.base}/metrics", timeout=PATIENCE).text

        service.write()
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: service.post(report, 3).status_code == 202)
        assert f"{figure} 1.0" in http().get(f"{service.base}/metrics", timeout=PATIENCE).text

        service.write(rate_limits=["all=1/day"])
        process.send_signal(signal.SIGHUP)
        numbers = itertools.count(4)

        def is_too_many() -> bool:
            answer = service.post(report, next(numbers)).json()
            return (
                "all=1/day"
                in http().get(service.base + answer["status_url"], timeout=PATIENCE).text
            )

        wait_for(is_too_many)
        assert process.poll() is None
    assert "Traceback" not in service.log.read_text()


def test_sighup_while_a_mail_is_sent(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """This mail is sent once and with the old sender; the next one has the new sender."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: SMTP) -> None:
        begun.set()
        go_on.wait(60)

    postfix.data_hook = wait
    service = Running(tmp_path, postfix)
    with serving(service.log, "--config", str(service.file)) as process:
        wait_for(lambda: is_up(service.base))
        service.post(report, 1)
        assert begun.wait(60)
        service.write(sender="new@x.org")
        for _ in range(20):
            process.send_signal(signal.SIGHUP)
        wait_for(lambda: any(event["changed"] for event in service.events("settings.reloaded")))
        go_on.set()
        postfix.data_hook = None
        service.post(report, 2)
        wait_for(lambda: len(postfix.mails) == 2)
    assert sorted(mail.sender for mail in postfix.mails) == ["ci@x.org", "new@x.org"]
    assert b"\r\nFrom: new@x.org\r\n" in b"\r\n" + postfix.mails[-1].content


def test_templates(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """A folder of templates is used as soon as SIGHUP sets it."""
    (tmp_path / "t" / "mine").mkdir(parents=True)
    (tmp_path / "t" / "mine" / "body.html").write_text("<p>mine</p>")
    report["mail"]["template"] = "mine"
    service = Running(tmp_path, postfix)
    with serving(service.log, "--config", str(service.file)) as process:
        wait_for(lambda: is_up(service.base))
        assert service.post(report, 1).status_code == 422
        service.write(templates_dir=str(tmp_path / "t"))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: service.post(report, 1).status_code == 202)
        wait_for(lambda: len(postfix.mails) == 1)
    assert b"<p>mine</p>" in postfix.mails[0].content
