"""cli/config.py: what is set, from where, and whether the service could start with it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.builders.command import COMMAND
from tests.builders.patience import TIMEOUT
from tests.python.conftest import Json


def config(*words: str, file: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `notify-email config`."""
    return subprocess.run(
        [COMMAND, "config", words[0], "--config", str(file), *words[1:]],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=environment,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file that sets one setting."""
    file = tmp_path / "settings.toml"
    file.write_text('default_to = "team@example.com"\n')
    return file


def test_show(file: Path) -> None:
    """Each setting has its value and where it comes from; a password is not shown."""
    secret = "postgresql+psycopg://me:hunter2@db/mail"
    environment = {"NOTIFY_EMAIL_PORT": "8600", "NOTIFY_EMAIL_DATABASE_URL": secret}
    shown = config("show", "--json", file=file, **environment)
    values: Json = json.loads(shown.stdout)
    assert values["default_to"] == {"value": "team@example.com", "from": str(file)}
    assert values["port"] == {"value": 8600, "from": "NOTIFY_EMAIL_PORT"}
    assert values["smtp_port"] == {"value": 25, "from": "default"}
    lines = config("show", file=file, **environment).stdout.splitlines()
    assert lines[0].split() == ["SETTING", "FROM", "VALUE"]
    assert "port NOTIFY_EMAIL_PORT 8600" in [" ".join(line.split()) for line in lines]
    assert len(lines) == len(values) + 1
    assert "hunter2" not in shown.stdout + "".join(lines)


def test_check(file: Path) -> None:
    """What the service can use is valid."""
    done = config("check", file=file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "The settings are valid.\n", "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("prot = 1", "Did you mean `port`?"),
        ("port = 'many'", "it must be a whole number"),
        ("tokens_file = '/nowhere'", "/nowhere can't be read: no such file or directory"),
        ("tls_cert = '/nowhere'\ntls_key = '/nowhere'", "TLS_CERT /nowhere can't be read"),
        ("listen = '192.0.2.1'", "Without tokens everybody could send through 192.0.2.1"),
        ("allowed_domains = 'example.org'", "`default_to` can't be used"),
        (
            "build_description = true\njenkins_url = 'http://ci'\njenkins_user = 'me'\n"
            "jenkins_token_file = '/nowhere'",
            "/nowhere can't be read: no such file or directory",
        ),
    ],
)
def test_check_finds_what_would_keep_the_service_from_starting(
    file: Path, line: str, words: str
) -> None:
    """Exit code 2, the mistake, and in JSON, too."""
    file.write_text(f"{file.read_text()}{line}\n")
    done = config("check", file=file)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    done = config("check", "--json", file=file)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["valid"], done.stderr) == (2, False, "")
    assert words in answer["errors"][0]
