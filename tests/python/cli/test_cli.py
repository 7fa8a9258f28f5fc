"""cli and demo.py: the command as a process."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import trustme
import typer
from typer.testing import CliRunner

from pyservice import samples
from pyservice.analysis.analysis import analyse
from pyservice.cli import app
from pyservice.cli.service import listen_addresses
from pyservice.config.settings import Settings
from pyservice.demo import SAMPLE
from pyservice.outbox.database import Database
from pyservice.setup.node.detect import Bridge
from tests.builders.command import COMMAND, command, http, is_up, run, serving
from tests.builders.patience import PATIENCE, TIMEOUT
from tests.builders.ports import free_port
from tests.python.conftest import Json, PostfixStandIn, wait_for


def test_help() -> None:
    """Every command explains itself; the first page has examples."""
    assert "Examples" in run("--help").stdout
    assert run().stderr.startswith("Usage: notify-email")
    shown = run("serve", "--help")
    assert shown.returncode == 0
    assert "Usage: notify-email" in shown.stdout
    assert run("--version").stdout.startswith("notify-email ")


def typed(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with these words and no others."""
    return subprocess.run(
        [COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=os.environ | environment,
    )


def test_the_help_in_other_words() -> None:
    """`-h` after a command, and `help` before it, show the command's help."""
    shown = typed("relay", "--help").stdout
    assert "Usage: notify-email relay" in shown
    assert typed("relay", "-h").stdout == shown
    assert typed("help", "relay").stdout == shown
    ended = typed("help", "nonsense")
    assert ended.returncode == 2
    assert "nonsense" in ended.stderr


def test_shell_completion() -> None:
    """The shell completes commands and options."""
    for words, expected in (
        ("notify-email rel", "relay"),
        ("notify-email relay apply --relayh", "--relayhost"),
    ):
        line = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        shown = typed(_NOTIFY_EMAIL_COMPLETE="complete_bash", **line).stdout
        assert shown.split() == [expected]


def test_summaries_are_whole() -> None:
    """On a terminal with 120 columns no command's summary is cut off."""
    for words in [(), *((name,) for name in ("config", "token", "outbox", "relay", "jenkins"))]:
        shown = typed(*words, "--help", COLUMNS="120").stdout.partition("Commands:")[2]
        assert shown
        assert "..." not in shown.partition("Examples:")[0]


def commands(command: Any, *words: str) -> Iterator[tuple[str, str]]:
    """Yield every command below one, with its help."""
    if not hasattr(command, "commands"):
        yield " ".join(words), command.help or ""
        return
    for word, below in command.commands.items():
        yield from commands(below, *words, word)


def test_options_have_no_types_of_python() -> None:
    """The help says what an option's value is in an administrator's words: `<seconds>`."""
    for words, _ in commands(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*words.split(), "--help"]).output
        assert not re.search(r"  --.*<(list\[|\w+ range>|FileText>)", shown), shown


def test_every_command_has_an_example() -> None:
    """The help of each command has an example of that command."""
    every = dict(commands(typer.main.get_command(app)))
    assert len(every) > 15
    for words, text in every.items():
        assert re.search(rf"Examples:\n.*notify-email {words}\b", text, re.S), words


def test_an_output_that_cannot_be_written() -> None:
    """A full disk is reported in a sentence; a reader that stops gets no message."""
    for end, message in ((">/dev/full", "the output: no space left on device"), ("| true", "")):
        script = f"set -o pipefail; {COMMAND} node --json {end}"
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        assert "Traceback" not in done.stderr
        assert message in done.stderr
        assert "Exception ignored" not in done.stderr


def test_streams_that_are_closed(tmp_path: Path) -> None:
    """A command works without them, and no file of its own takes the place of the output."""
    outbox = f"sqlite:///{tmp_path}/outbox.db"
    Database(outbox).close()
    for words, closed, code in (
        ("node --address 192.0.2.1", ">&-", 0),
        ("node --address 192.0.2.1", "<&- >&- 2>&-", 0),
        ("nonsense", "2>&-", 2),
        ("outbox list", ">&-", 0),
    ):
        done = subprocess.run(
            ["bash", "-c", f"{COMMAND} {words} {closed}"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env=os.environ | {"NOTIFY_EMAIL_DATABASE_URL": outbox},
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code, words


def test_a_locale_without_our_characters(tmp_path: Path) -> None:
    """Text for a person has `?` in their place; a document for a program is UTF-8 all the same."""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    settings = tmp_path / "settings.toml"
    settings.write_text('sender = "Zoë <zoe@example.com>"', encoding="utf-8")
    shown = typed("config", "show", "--config", str(settings), **ascii_only)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Zo? <zoe@example.com>" in shown.stdout
    script = ("jenkins", "emit", "init-groovy", "--address", "192.0.2.1")
    assert not typed(*script).stdout.isascii()
    assert typed(*script, **ascii_only).stdout == typed(*script).stdout


def test_files_that_share_log_cannot_use(tmp_path: Path) -> None:
    """It names the file or the folder, and the option for another one."""
    out = str(tmp_path / "none" / "ours.log")
    folder = typed("share-log", "--once", "--log", "/proc", "--to", out)
    assert (folder.returncode, folder.stdout) == (2, "")
    assert "'--log': file '/proc' is a directory." in folder.stderr
    missing = typed("share-log", "--once", "--to", out)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert f"There is no folder {tmp_path}/none. Make it" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--port", "99999"], "`port` (from --port)"),
        (["serve", "--port", "x"], "--port"),
        (["serve", "--listen", "0.0.0.0"], "Without tokens everybody could send through 0.0.0.0"),
        (
            ["serve", "--listen", "192.0.2.7", "--tokens-file", "TOKENS"],
            "Can't listen on 192.0.2.7",
        ),
        (["serve", "--config", "/nowhere.toml"], "There is no settings file /nowhere.toml"),
        (["serve", "--tokens-file", "/nowhere"], "/nowhere can't be read"),
        (["serve", "--smtp-host", "mail..example.com"], "`smtp_host` (from --smtp-host)"),
        (["serve", "--database-url", "sqlite:////proc/x/outbox.db"], "can't be used"),
        (["token", "new", "--name", "a b"], "There is no tokens file"),
        (["token", "new", "--name", "a b", "--file", "TOKENS"], "letters"),
        (["token", "new", "--name", "a", "--file", "/proc/x"], "can't be written"),
        (["token", "new", "--file", "TOKENS"], "token new NAME"),
        (["token", "new", "a", "--name", "b", "--file", "TOKENS"], "token new NAME"),
        (["token", "new", "local", "--file", "TOKENS"], "a token can't be named 'local'"),
        (["token", "new", "a", "--rate", "often", "--file", "TOKENS"], "--rate: 'often' is no"),
        (["token", "new", "a", "--may", "x", "--file", "TOKENS"], "--may: it must be 'send'"),
        (["token", "new", "a", "--jobs", ",", "--file", "TOKENS"], "--jobs: an empty list"),
        (["token", "remove", "a", "--file", "TOKENS"], "no token named 'a'. It has: none"),
        (["token", "list"], "There is no tokens file"),
        (["token", "list", "--file", "/nowhere"], "token new NAME --file /nowhere"),
        (["template", "render", "build", "--part", "x"], "'source', 'eml'.\n"),
        (["serve", "--tls-cert", "/nowhere"], "only one of NOTIFY_EMAIL_TLS_CERT and"),
        (["serve", "--tls-cert", "/nowhere", "--tls-key", "/x"], "TLS_CERT /nowhere can't be read"),
        (["serve", "--trusted-networks", "0.0.0.0/0"], "lets nearly everybody send"),
        (["serve", "--trusted-networks", "172.17.0.1/16"], "has host bits set"),
        (["outbox", "list", "--limit", "x"], "'--limit': it must be a whole number."),
        (["outbox", "list", "--limit", "0"], "'--limit': it must be at least 1."),
        (["drain", "--timeout", "soon"], "'--timeout': it must be a number."),
        (["nonsense"], "nonsense"),
    ],
)
def test_mistakes(tmp_path: Path, arguments: list[str], words: str) -> None:
    """A mistake gives exit code 2 and one clear line, never a traceback."""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text("")
    arguments = [str(tokens) if word == "TOKENS" else word for word in arguments]
    ended = run(*arguments, NOTIFY_EMAIL_PORT=str(free_port()))
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_token(tmp_path: Path) -> None:
    """A token is printed once; a file that only its owner may read keeps its hash."""
    file = tmp_path / "deep" / "tokens.toml"
    made = run("token", "new", "--name", "ci", NOTIFY_EMAIL_TOKENS_FILE=str(file))
    assert made.returncode == 0
    token = made.stdout.strip()
    assert re.fullmatch(r"ne_[\w-]{43}", token)
    assert token not in file.read_text()
    assert token not in made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = run("token", "new", "--name", "ci", "--file", str(file))
    assert again.returncode == 2
    assert "has a token named 'ci'" in again.stderr


def test_tokens_with_bounds(tmp_path: Path) -> None:
    """Tokens are made, listed without their hashes, and removed by their names."""
    file = tmp_path / "tokens.toml"
    where = {"NOTIFY_EMAIL_TOKENS_FILE": str(file)}
    flags = ("--jobs", "team-a,lib/x", "--recipient-domains", "example.com", "--rate", "100/hour")
    assert run("token", "new", "team-a", *flags, "--may", "send", **where).returncode == 0
    assert run("token", "new", "all", **where).returncode == 0
    listed = run("token", "list", **where).stdout
    assert re.search(r"team-a +20\d\d-\d\d-\d\d +jobs: team-a, lib/x; recipient_", listed)
    assert re.search(r"all +20\d\d-\d\d-\d\d +none\n", listed)
    as_json = json.loads(run("token", "list", "--json", **where).stdout)
    assert as_json[0]["rate"] == "100/hour"
    assert as_json[0]["may"] == ["send"]
    assert as_json[1].keys() == {"name", "created"}
    removed = run("token", "remove", "team-a", **where)
    assert removed.returncode == 0
    assert [one["name"] for one in json.loads(run("token", "list", "--json", **where).stdout)] == [
        "all"
    ]


def test_serve(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """SIGTERM ends it; its log has a line of JSON for each event, without addresses."""
    port, log = free_port(), tmp_path / "log"
    base = f"http://127.0.0.1:{port}"
    postfix.data = ["550 5.7.1 <ada@example.com>: no"]
    with serving(log, "--port", str(port), NOTIFY_EMAIL_SMTP_PORT=str(postfix.port)) as process:
        wait_for(lambda: is_up(base))
        answer = http().post(f"{base}/v1/reports", json=report, timeout=PATIENCE)
        assert answer.status_code == 202
        status = base + answer.json()["status_url"]
        wait_for(lambda: http().get(status, timeout=PATIENCE).json()["state"] == "failed")
        assert "server" not in answer.headers
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
    text = log.read_text()
    events = [json.loads(line) for line in text.splitlines()]
    names = [event["event"] for event in events]
    assert names == ["service.started", "report.accepted", "mail.failed", "service.stopped"]
    assert events[0]["tokens"] == "none: loopback only"
    assert "ada@example.com" not in text
    assert "…@example.com" in text


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ({}, ("127.0.0.1",)),
        ({"tokens_file": Path("/t")}, ("127.0.0.1", "172.22.91.1")),
        ({"trusted_networks": "172.22.91.0/24"}, ("127.0.0.1", "172.22.91.1")),
        ({"trusted_networks": "172.22.91.0/24", "listen": "172.22.91.1"}, ("172.22.91.1",)),
    ],
)
def test_where_it_listens(given: Json, addresses: tuple[str, ...]) -> None:
    """It listens on the bridge only if not every caller there may do everything."""
    bridge = Bridge("docker0", "172.22.91.1", "172.22.91.0/24", is_up=True)
    assert listen_addresses(Settings.load(**given), lambda: bridge) == addresses


def test_serve_over_tls(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """With a certificate it takes reports by HTTPS, and logs until when it is valid."""
    port, log = free_port(), tmp_path / "log"
    pair = (tmp_path / "tls.crt", tmp_path / "tls.key")
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    pair[0].write_bytes(made.cert_chain_pems[0].bytes())
    pair[1].write_bytes(made.private_key_pem.bytes())
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    flags = ("--port", str(port), "--tls-cert", str(pair[0]), "--tls-key", str(pair[1]))
    with serving(log, *flags, NOTIFY_EMAIL_SMTP_PORT=str(postfix.port)), http() as session:
        session.verify = str(tmp_path / "ca.pem")
        wait_for(lambda: "service.started" in log.read_text())
        base = f"https://127.0.0.1:{port}"
        assert session.post(f"{base}/v1/reports", json=report, timeout=PATIENCE).status_code == 202
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event"] for event in events][:2] == ["tls.loaded", "service.started"]
    assert "GMT" in events[0]["until"]
    assert events[1]["tls"] is True


def test_one_service_an_outbox(tmp_path: Path, postfix: PostfixStandIn) -> None:
    """A second one on the same outbox says which setting to change."""
    port = free_port()
    environment = {"NOTIFY_EMAIL_SMTP_PORT": str(postfix.port)}
    with serving(tmp_path / "log", "--port", str(port), **environment):
        wait_for(lambda: is_up(f"http://127.0.0.1:{port}"))
        second = run("serve", "--port", str(free_port()), **environment)
        assert second.returncode == 2
        assert "DATABASE_URL" in second.stderr
        third = run("serve", "--port", str(port), **environment)
        assert third.returncode == 2
        assert "address already in use" in third.stderr


def test_killed_after_the_202(tmp_path: Path, postfix: PostfixStandIn, report: Json) -> None:
    """Every report that was answered 202 is mailed after a SIGKILL, none twice."""
    port, log = free_port(), tmp_path / "log"
    base = f"http://127.0.0.1:{port}"
    away = {"NOTIFY_EMAIL_SMTP_PORT": str(free_port())}
    with serving(log, "--port", str(port), **away) as process:
        wait_for(lambda: is_up(base))
        for number in range(1, 21):
            report["build"]["number"] = number
            assert (
                http().post(f"{base}/v1/reports", json=report, timeout=PATIENCE).status_code == 202
            )
        process.kill()
        process.wait(TIMEOUT)
    with serving(log, "--port", str(port), NOTIFY_EMAIL_SMTP_PORT=str(postfix.port)):
        wait_for(lambda: len(postfix.mails) == 20)
    assert len({mail.content for mail in postfix.mails}) == 20


def test_a_slow_or_broken_caller_hurts_nobody(tmp_path: Path, postfix: PostfixStandIn) -> None:
    """Bytes that are no HTTP get a 400, and others are served meanwhile."""
    port = free_port()
    environment = {"NOTIFY_EMAIL_SMTP_PORT": str(postfix.port)}
    with serving(tmp_path / "log", "--port", str(port), **environment):
        wait_for(lambda: is_up(f"http://127.0.0.1:{port}"))
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"\x16\x03\x01\x00 not http\r\n\r\n")
            assert peer.recv(100).startswith(b"HTTP/1.1 400")
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(
                b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
            )
            wait_for(lambda: is_up(f"http://127.0.0.1:{port}"))


def test_demo_once(tmp_path: Path) -> None:
    """It says where the mail goes and why, the queue ID, where the mail lies, and ends with 0."""
    ended = run("demo", "--once", TMPDIR=str(tmp_path))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for wanted in (
        "Postfix",
        "catcher",
        "make demo TO=",
        "202",
        "250 2.0.0 Ok: queued as DEMO1",
        "Queue ID    DEMO1",
        "/preview",
    ):
        assert wanted in ended.stdout
    [file] = re.findall(r"Mail +(/\S+\.eml)", ended.stdout)
    mail = Path(file).read_bytes()
    text = message_from_bytes(mail, policy=policy.default).get_body(("plain",))
    assert text is not None
    assert analyse(samples.load(SAMPLE)).why in text.get_content()
    assert b"X-Jenkins-Job: shop/checkout\r\n" in mail


def test_the_demo_and_the_machines_settings(tmp_path: Path) -> None:
    """Of a service's settings the demo takes how its mails look, and none that would stop it."""
    ended = run(
        "demo",
        "--once",
        TMPDIR=str(tmp_path),
        NOTIFY_EMAIL_SENDER="CI <ci@ci.example.com>",
        NOTIFY_EMAIL_TEMPLATES_DIR=str(tmp_path),
        NOTIFY_EMAIL_PUBLIC_URL="https://mail.example.com",
        NOTIFY_EMAIL_TOKENS_FILE="/nowhere",
        NOTIFY_EMAIL_ALLOWED_DOMAINS="example.org",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [file] = re.findall(r"Mail +(/\S+\.eml)", ended.stdout)
    assert b"\r\nFrom: CI <ci@ci.example.com>\r\n" in b"\r\n" + Path(file).read_bytes()


def test_the_demo_without_its_extra() -> None:
    """The error says what to install, and nothing else."""
    without = "import sys; sys.modules['aiosmtpd'] = None; from pyservice.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", without, "demo"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert re.fullmatch(r"notify-email: .*pip install aiosmtpd\n", ended.stderr)


def test_demo_stays_until_interrupted(tmp_path: Path) -> None:
    """Its links work in the meantime."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command("demo"), stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Stop"):
            break
    links = re.findall(r"(?:Look at it|Preview|Previews|API|Status) +(http://\S+)", "".join(lines))
    assert len(links) == 5
    for link in links:
        assert http().get(link, timeout=PATIENCE).status_code == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT) == 0
    process.stdout.close()
