"""The options of `notify-email jenkins`: tokens that are confused, and an inventory's values."""

import re
from pathlib import Path
from typing import Any

import pytest

from pyservice.cli.jenkins_options import ConnectionOptions, desired_jenkins, split_connection
from pyservice.config.settings import Settings
from pyservice.description import updater
from pyservice.errors import ConfigurationError
from tests.builders.command import run
from tests.builders.ports import free_port

API_TOKEN = "11b5c2d4e6f80a1b2c3d4e5f60718293a4"
SERVICE_TOKEN = "ne_9gGvbbFfHU4U4cUDZkHWTAWXrOGfQXJ3Ea6yKkG0mMM"
URL = "http://127.0.0.1:1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for a token."""
    return tmp_path / "token"


def test_an_api_token_is_no_token_of_the_service(file: Path) -> None:
    """The sentence says which option is for it, whether an option or an inventory names it."""
    for text in (API_TOKEN, f"{API_TOKEN}\n", "a-password"):
        file.write_text(text)
        for value in (file, str(file)):
            with pytest.raises(ConfigurationError, match="give it by --jenkins-token-file") as told:
                desired_jenkins({"service_token_file": value})
            assert str(told.value).startswith(f"{file} holds no token of the service")
            assert text.strip() not in str(told.value)
    file.write_text(SERVICE_TOKEN)
    assert desired_jenkins({"service_token_file": file}).token == SERVICE_TOKEN


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_mistake_is_reported_without_waiting(command: str, file: Path) -> None:
    """Jenkins need not be up for it: with these options a minute would pass first."""
    file.write_text(API_TOKEN)
    for options, words in (
        (("--service-token-file", str(file)), f"{file} holds no token of the service"),
        (("--library", "https://git.example.com/x.git"), "--library"),
    ):
        done = run("jenkins", command, "--jenkins-url", URL, *options)
        assert done.returncode != 0
        assert words in done.stderr, done.stderr
        assert "Waited" not in done.stderr


def test_the_services_token_is_no_api_token(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """It is refused before Jenkins gets it, wherever an API token belongs."""
    file.write_text(SERVICE_TOKEN)
    settings: dict[str, Any] = {"jenkins_url": URL, "jenkins_user": "admin"}
    with pytest.raises(ConfigurationError, match=f"^{file} holds a token of the service") as told:
        ConnectionOptions(jenkins_url=URL, jenkins_user="admin", jenkins_token_file=file).connect()
    assert "--service-token-file" in str(told.value)
    with pytest.raises(ConfigurationError, match=f"^{file} holds a token of the service"):
        updater.check(Settings.load(build_description=True, jenkins_token_file=file, **settings))
    monkeypatch.setenv("NOTIFY_EMAIL_JENKINS_TOKEN", SERVICE_TOKEN)
    with pytest.raises(ConfigurationError, match=r"^NOTIFY_EMAIL_JENKINS_TOKEN holds a token"):
        ConnectionOptions(jenkins_url=URL, jenkins_user="admin").connect()


def test_how_long_an_inventory_waits(tmp_path: Path) -> None:
    """Its own time holds, a flag goes before it, and [defaults] are for those without one."""
    inventory = tmp_path / "controllers.toml"
    url = f'jenkins_url = "http://127.0.0.1:{free_port()}"\n'
    inventory.write_text(
        f"[defaults]\nwait = 0\n[controllers.a]\n{url}[controllers.b]\n{url}wait = 0.1\n"
    )
    done = run("jenkins", "plan", "--inventory", str(inventory))
    assert [line.rpartition(" Waited ")[2] for line in done.stdout.splitlines()] == [
        "0 s.",
        "0.1 s.",
    ]
    done = run("jenkins", "plan", "--inventory", str(inventory), "--wait", "0.2")
    assert done.stdout.count("Waited 0.2 s.") == 2


def test_a_wait_that_is_none(tmp_path: Path) -> None:
    """An inventory's time is a number."""
    inventory = tmp_path / "controllers.toml"
    inventory.write_text(f'[controllers.a]\njenkins_url = "{URL}"\nwait = "long"\n')
    done = run("jenkins", "plan", "--inventory", str(inventory))
    assert "`wait` must be a number of seconds, not 'long'." in done.stdout


def test_an_inventorys_settings_file(tmp_path: Path) -> None:
    """It is named as text, and read; what can't be one is said in a sentence."""
    settings = tmp_path / "notify-email.toml"
    settings.write_text('jenkins_user = "admin"\n')
    for value, words in (
        (str(settings), "NOTIFY_EMAIL_JENKINS_USER and its API token go together"),
        (f"{tmp_path}/none", f"There is no settings file {tmp_path}/none"),
        (3, "`config` must be a path, as text, not 3."),
    ):
        connection, _ = split_connection({"jenkins_url": URL, "config": value})
        with pytest.raises(ConfigurationError, match=re.escape(words)):
            connection.connect()
