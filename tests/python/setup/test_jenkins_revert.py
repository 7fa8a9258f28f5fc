"""`notify-email jenkins revert`: what apply has changed is taken back, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from pyservice.setup.jenkins.connection import source
from pyservice.setup.jenkins.desired import DesiredJenkins
from tests.builders.command import run
from tests.controller.standin import TOKEN, StandIn
from tests.python.conftest import ask

SECRET = "ne_5d1f0a-the-services-own-token"
LIBRARY = "https://git.example.com/notify-email.git"
SERVER = ("--address", "127.0.0.1", "--port", "2525")
EVERYTHING = (
    *SERVER,
    *("--charset", "UTF-16", "--admin-address", "Jenkins <jenkins@example.com>"),
    *("--service-url", "http://127.0.0.1:1", "--library", f"{LIBRARY}@v0.1.0"),
)
OLD = """
    import hudson.slaves.EnvironmentVariablesNodeProperty as Property
    import org.jenkinsci.plugins.workflow.libs.*
    import com.cloudbees.plugins.credentials.*
    hudson.tasks.Mailer.descriptor().smtpHost = 'smtp.example.com'
    Jenkins.get().globalNodeProperties.add(new Property(
        new Property.Entry('OTHER', 'kept'), new Property.Entry('NOTIFY_EMAIL_URL', 'http://127.0.0.1:2')))
    def source = new jenkins.plugins.git.GitSCMSource('https://git.example.com/old.git')
    source.credentialsId = 'deploy-key'
    def ours = new LibraryConfiguration('notify-email', new SCMSourceRetriever(source))
    ours.defaultVersion = 'v0.0.9'
    GlobalLibraries.get().libraries = [ours]
    def pair = com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl
    SystemCredentialsProvider.instance.credentials << pair.newInstance(
        CredentialsScope.GLOBAL, 'notify-email-token', 'mine', 'me', 'the old secret')
    SystemCredentialsProvider.instance.save()
"""
CREDENTIALS = """
    print groovy.json.JsonOutput.toJson(
        com.cloudbees.plugins.credentials.SystemCredentialsProvider.instance.credentials.collect {
            [it.scope.name(), it.id, it.description, it.username, it.password.plainText] })
"""


def jenkins(controller: StandIn, *arguments: str, code: int = 0) -> str:
    """Run `notify-email jenkins …` as the administrator, and return what it prints."""
    own = {"URL": controller.url, "USER": "admin", "TOKEN": TOKEN}
    environment = {f"NOTIFY_EMAIL_JENKINS_{name}": value for name, value in own.items()}
    done = run("jenkins", *arguments, **environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done.stdout + done.stderr


def state(controller: StandIn) -> tuple[Any, Any]:
    """Return its settings and its credentials, as they are after a restart."""
    values = DesiredJenkins(address="127.0.0.1", port=1).script_input
    script = source("address settings service read", values)
    answer = json.loads(controller.control(ask, restart=True, run=script)["output"])
    return answer["settings"], json.loads(controller.control(ask, run=CREDENTIALS)["output"])


def record(controller: StandIn) -> Path:
    """Where the controller keeps what to take back."""
    return controller.home / "notify-email.json"


@pytest.fixture
def everything(tmp_path: Path) -> tuple[str, ...]:
    """All options of apply, with a token."""
    file = tmp_path / "token"
    file.write_text(SECRET)
    return (*EVERYTHING, "--service-token-file", str(file))


def test_a_new_jenkins_is_as_new_again(controller: StandIn, everything: tuple[str, ...]) -> None:
    """Everything that applies have set is unset, the library and the credential included."""
    before = state(controller)
    assert "nothing to revert" in jenkins(controller, "revert")
    jenkins(controller, "apply", *SERVER, "--transport", "shell")
    assert "jenkins revert" in jenkins(controller, "apply", *everything)
    applied = state(controller)
    assert SECRET not in record(controller).read_text()
    planned = jenkins(controller, "revert", "--plan")
    assert "  Mailer: smtpHost\n" in planned
    assert "    - 127.0.0.1\n" in planned
    assert "    - the token of the last apply\n" in planned
    assert state(controller) == applied
    controller.control(ask, failing="org.jenkinsci.plugins.workflow.libs.GlobalLibraries")
    assert "written before is undone" in jenkins(controller, "revert", code=1)
    controller.control(ask, failing=None)
    assert state(controller) == applied
    done = json.loads(jenkins(controller, "revert", "--json"))
    assert done["reverted"]
    assert done["notes"] == []
    assert state(controller) == before
    assert not record(controller).exists()
    assert not json.loads(jenkins(controller, "revert", "--json"))["reverted"]


def test_what_was_there_before(controller: StandIn, everything: tuple[str, ...]) -> None:
    """Two applies later Jenkins has its own values again: its secret, its library, its server."""
    assert controller.control(ask, run=OLD)["output"] == ""
    before = state(controller)
    jenkins(controller, "apply", *SERVER, "--library", f"{LIBRARY}@v0.0.5")
    jenkins(controller, "apply", *everything)
    assert "the old secret" not in record(controller).read_text()
    assert state(controller)[1][0][4] == SECRET
    jenkins(controller, "revert")
    assert state(controller) == before
    # Where the answer is lost, the same is sent again.
    again = {"settings": {"credential": {"isRestored": True}}, "record": None}
    script = source("settings write", DesiredJenkins().script_input | again)
    assert json.loads(controller.control(ask, run=script)["output"]) == {"done": True}
    assert state(controller) == before
    assert before[1] == [["GLOBAL", "notify-email-token", "mine", "me", "the old secret"]]


def test_what_others_changed_since_stays(controller: StandIn, everything: tuple[str, ...]) -> None:
    """It is named in a note; a changed library stays whole, with its token."""
    jenkins(controller, "apply", *everything)
    changes = """
        import com.cloudbees.plugins.credentials.*
        hudson.tasks.Mailer.descriptor().charset = 'ISO-8859-1'
        def libraries = org.jenkinsci.plugins.workflow.libs.GlobalLibraries.get()
        libraries.libraries[0].defaultVersion = 'v0.2.0'
        libraries.libraries = libraries.libraries
        SystemCredentialsProvider.instance.credentials.clear()
        def pair = com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl
        SystemCredentialsProvider.instance.credentials << pair.newInstance(
            CredentialsScope.GLOBAL, 'notify-email-token', 'mine', 'me', 'a newer token')
        SystemCredentialsProvider.instance.save()
    """
    assert controller.control(ask, run=changes)["output"] == ""
    output = jenkins(controller, "revert")
    assert "Note: Mailer: charset was changed since, and stays.\n" in output
    assert (
        "Note: The library notify-email was changed since (defaultVersion), and stays.\n" in output
    )
    assert "Note: The token of notify-email-token was changed since, and stays.\n" in output
    settings, credentials = state(controller)
    assert settings["mailer"]["charset"] == "ISO-8859-1"
    assert settings["mailer"]["smtpHost"] is None
    assert settings["library"]["defaultVersion"] == "v0.2.0"
    assert settings["variables"] == {}
    assert credentials[0][4] == "a newer token"


def test_nothing_is_applied_without_a_record(
    controller: StandIn, everything: tuple[str, ...]
) -> None:
    """Where the controller can't keep what to take back, apply changes nothing."""
    before = state(controller)
    blocked = controller.home / "notify-email.json.new"
    blocked.mkdir()
    try:
        assert "written before is undone" in jenkins(controller, "apply", *everything, code=1)
    finally:
        blocked.rmdir()
    record(controller).write_text('{"settings": ')
    try:
        assert "notify-email.json is damaged. Move it away" in jenkins(
            controller, "apply", *everything, code=1
        )
    finally:
        record(controller).unlink()
    assert state(controller) == before
