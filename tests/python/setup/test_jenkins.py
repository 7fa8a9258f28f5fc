"""`notify-email jenkins`, against a stand-in that really runs the scripts that it gets."""

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from pyservice.setup.jenkins.connection import source
from pyservice.setup.jenkins.desired import DesiredJenkins
from tests.builders.command import COMMAND
from tests.builders.patience import TIMEOUT
from tests.builders.ports import free_port
from tests.controller.front import Front
from tests.controller.standin import PASSWORD, READER_TOKEN, TOKEN, StandIn
from tests.python.conftest import PostfixStandIn, ask
from tests.testbed.waiting import until

SECRET = "ne_5d1f0a-the-service's-own-token".replace("'", "")
LIBRARY = "https://git.example.com/notify-email.git"
EVERYTHING = (
    *("--charset", "UTF-8", "--reply-to", "ops@example.com", "--default-suffix", "@example.com"),
    *("--admin-address", "Jenkins <jenkins@example.com>", "--transport", "controller"),
    *("--service-url", "auto", "--library", f"{LIBRARY}@v0.1.0"),
)


Done = subprocess.CompletedProcess[str]


def run(
    controller: StandIn | None,
    *arguments: str,
    plain: Mapping[str, str] = MappingProxyType({}),
    **environment: str,
) -> Done:
    """`notify-email jenkins …` as the administrator, unless the environment says otherwise.

    Args:
        controller: its JENKINS_URL.
        arguments: of the command.
        plain: variables of the environment.
        environment: settings, without their prefix.
    """
    own = {"JENKINS_USER": "admin", "JENKINS_TOKEN": TOKEN}
    if controller is not None:
        own["JENKINS_URL"] = controller.url
    settings = {f"NOTIFY_EMAIL_{name}": value for name, value in (own | environment).items()}
    here = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [COMMAND, "jenkins", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={
            name: value
            for name, value in (here | {"NO_PROXY": "*"} | settings | dict(plain)).items()
            if value
        },
    )
    for secret in (TOKEN, READER_TOKEN, PASSWORD, SECRET):
        assert secret not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def error_of(done: Done) -> str:
    """Return the last line of a failure."""
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.strip().splitlines()[-1].removeprefix("notify-email: ")


@pytest.fixture
def server(postfix: PostfixStandIn) -> tuple[str, ...]:
    """Options that name an SMTP server that greets."""
    return ("--address", "127.0.0.1", "--port", str(postfix.port))


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    """With the service's token."""
    file = tmp_path / "service-token"
    file.write_text(SECRET + "\n")
    return str(file)


def now(controller: StandIn) -> dict[str, Any]:
    """Its settings, as our own script reads them."""
    script = source(
        "address settings service read", DesiredJenkins(address="127.0.0.1", port=1).script_input
    )
    found: dict[str, Any] = json.loads(controller.control(ask, run=script)["output"])["settings"]
    return found


def settings(controller: StandIn) -> dict[str, Any]:
    """As the controller has them after a restart: what was not saved is gone."""
    controller.control(ask, restart=True)
    return now(controller)


def test_apply_sets_what_the_options_say(
    controller: StandIn, server: tuple[str, ...], token_file: str
) -> None:
    """Everything is set, saved and read back, a second time there is nothing to do."""
    options = (*server, *EVERYTHING, "--service-token-file", token_file)
    planned = run(controller, "plan", *options, "--check")
    assert planned.returncode == 2, planned.stderr
    assert "smtpHost" in planned.stdout
    assert run(controller, "apply", *options).stdout.endswith(
        "`notify-email jenkins revert` takes it back.\n"
    )
    found = settings(controller)
    port = server[-1]
    account = {"smtpHost": "127.0.0.1", "smtpPort": port, "useSsl": False, "useTls": False}
    assert found["mailer"] == account | {
        "charset": "UTF-8",
        "replyToAddress": "ops@example.com",
        "defaultSuffix": "@example.com",
    }
    assert found["emailExt"] == account
    assert found["location"]["adminAddress"] == "Jenkins <jenkins@example.com>"
    assert found["variables"] == {
        "NOTIFY_EMAIL_URL": "http://127.0.0.1:8525",
        "NOTIFY_EMAIL_TRANSPORT": "controller",
    }
    assert found["library"] == {
        "remote": LIBRARY,
        "credentialsId": None,
        "defaultVersion": "v0.1.0",
        "implicit": False,
        "allowVersionOverride": False,
        "includeInChangesets": False,
        "refreshTimeMinutes": 1440,
    }
    assert found["credential"] == {"isWanted": False}  # the script had no digest to compare with
    controller.control(ask)
    assert run(controller, "apply", *options).stdout.splitlines()[0].endswith("in sync.")
    assert run(controller, "plan", *options, "--check").returncode == 0
    assert controller.control(ask)["saves"] == {}
    assert SECRET not in controller.log()
    assert TOKEN not in controller.log()


def test_an_in_sync_jenkins_costs_three_requests(
    controller: StandIn, server: tuple[str, ...]
) -> None:
    """They are for its version, for a crumb, and for everything else at once."""
    run(controller, "apply", *server)
    controller.control(ask)
    run(controller, "plan", *server)
    asked = controller.control(ask)["requests"]
    assert asked == ["GET /api/json", "GET /crumbIssuer/api/json", "POST /scriptText"]


def test_apply_with_check_changes_nothing(controller: StandIn, server: tuple[str, ...]) -> None:
    """It shows the plan, and ends with 2 where something differs, as `relay apply` does."""
    assert run(controller, "apply", *server, "--check").returncode == 2
    assert controller.control(ask)["saves"] == {}
    run(controller, "apply", *server)
    assert run(controller, "apply", *server, "--check").returncode == 0


def test_status_of_a_new_jenkins(controller: StandIn) -> None:
    """Without a mail server and without a Postfix that greets it is not in order."""
    controller.control(ask, absent=["mailer"])
    done = run(controller, "status", "--check")
    assert done.returncode == 2
    assert "Mailer      not installed\n" in done.stdout


def test_other_settings_stay(controller: StandIn, server: tuple[str, ...], token_file: str) -> None:
    """Other variables, libraries, credentials and options of Mailer are as they were."""
    script = """
        import hudson.slaves.EnvironmentVariablesNodeProperty as Property
        import org.jenkinsci.plugins.workflow.libs.*
        import com.cloudbees.plugins.credentials.*
        hudson.tasks.Mailer.descriptor().replyToAddress = 'old@example.com'
        hudson.tasks.Mailer.descriptor().useTls = true
        Jenkins.get().globalNodeProperties.add(new Property(
            new Property.Entry('OTHER', 'kept'), new Property.Entry('NOTIFY_EMAIL_URL', 'http://old')))
        def source = new jenkins.plugins.git.GitSCMSource('https://git.example.com/other.git')
        def other = new LibraryConfiguration('other', new SCMSourceRetriever(source))
        def source2 = new jenkins.plugins.git.GitSCMSource('https://git.example.com/old.git')
        source2.credentialsId = 'deploy-key'
        def ours = new LibraryConfiguration('notify-email', new SCMSourceRetriever(source2))
        ours.cachingConfiguration = new LibraryCachingConfiguration(5, 'main')
        GlobalLibraries.get().libraries = [ours, other]
        SystemCredentialsProvider.instance.credentials << new impl.UsernamePasswordCredentialsImpl(
            CredentialsScope.GLOBAL, 'notify-email-token', 'mine', 'me', 'old')
        SystemCredentialsProvider.instance.save()
    """
    script = script.replace("new impl.", "new com.cloudbees.plugins.credentials.impl.")
    assert controller.control(ask, run=script)["output"] == ""
    options = (*server, *EVERYTHING[6:], "--service-token-file", token_file)
    done = run(controller, "apply", *options)
    assert done.returncode == 0, done.stderr
    controller.control(ask, restart=True)
    asked = """
        import org.jenkinsci.plugins.workflow.libs.GlobalLibraries
        import com.cloudbees.plugins.credentials.SystemCredentialsProvider
        def mailer = hudson.tasks.Mailer.descriptor()
        def credential = SystemCredentialsProvider.instance.credentials[0]
        print groovy.json.JsonOutput.toJson([
            Jenkins.get().globalNodeProperties[0].envVars,
            GlobalLibraries.get().libraries.collect { [it.name, it.retriever.scm.remote,
                it.retriever.scm.credentialsId, it.cachingConfiguration?.refreshTimeMinutes] },
            [credential.scope.name(), credential.description, credential.username,
                credential.password.plainText],
            mailer.replyToAddress, mailer.useTls])
    """
    variables, libraries, credential, reply_to, tls = json.loads(
        controller.control(ask, run=asked)["output"]
    )
    assert variables["OTHER"] == "kept"
    assert variables["NOTIFY_EMAIL_URL"] == "http://127.0.0.1:8525"
    assert libraries == [
        ["notify-email", LIBRARY, "deploy-key", 5],
        ["other", "https://git.example.com/other.git", None, None],
    ]
    assert credential == ["GLOBAL", "mine", "me", SECRET]
    assert (reply_to, tls) == ("old@example.com", False)


def test_a_failure_undoes_what_was_written(
    controller: StandIn, server: tuple[str, ...], token_file: str
) -> None:
    """A full disk at any step, which most of Jenkins only logs, leaves all as it was."""
    run(controller, "apply", *server, "--library", f"{LIBRARY}@v0.0.9")
    before = settings(controller)
    options = ("--address", "127.0.0.2", *EVERYTHING, "--service-token-file", token_file)
    for file in (
        "hudson.tasks.Mailer",
        "jenkins.model.JenkinsLocationConfiguration",
        "hudson.plugins.emailext.ExtendedEmailPublisher",
        "config",
        "org.jenkinsci.plugins.workflow.libs.GlobalLibraries",
        "credentials",
    ):
        controller.control(ask, failing=file)
        assert error_of(run(controller, "apply", *options)) == (
            f"{controller.url}: IOException: No space left on device; what was written before is "
            "undone."
        )
        controller.control(ask, failing=None)
        assert now(controller) == before
        assert settings(controller) == before


def test_what_can_not_be_undone_is_in_the_error(
    controller: StandIn, server: tuple[str, ...]
) -> None:
    """Where Jenkins can't write the old settings back, the error sends a person to them."""
    fills = """
        hudson.tasks.Mailer.descriptor().metaClass.save = {
            if (delegate.smtpHost == null) { throw new IOException("still full") }
        }
    """
    controller.control(ask, run=fills, failing="config")
    assert error_of(run(controller, "apply", *server, "--transport", "shell")) == (
        f"{controller.url}: IOException: No space left on device, and undoing what was written "
        "before failed, too (IOException: still full): look at its mail settings."
    )


def test_what_is_not_kept_is_undone(controller: StandIn, server: tuple[str, ...]) -> None:
    """A setter that ignores its value is noticed, and the settings before it are undone."""
    run(controller, "apply", *server)
    passed_over = (
        "jenkins.model.JenkinsLocationConfiguration.get().metaClass.setAdminAddress = { it }"
    )
    controller.control(ask, run=passed_over)
    options = ("--charset", "UTF-16", "--admin-address", "jenkins@example.com")
    message = error_of(run(controller, "apply", *server, *options))
    assert message == (
        f"{controller.url}: Jenkins did not keep adminAddress (location); what was written before "
        "is undone."
    )
    assert settings(controller)["mailer"]["charset"] == "UTF-8"


def test_a_credential_keeps_its_kind(
    controller: StandIn, server: tuple[str, ...], token_file: str
) -> None:
    """A secret text stays one, for the Pipelines that use it; what holds no token is left alone."""
    script = """
        import com.cloudbees.plugins.credentials.*
        import org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl
        def secret = hudson.util.Secret.fromString('old')
        SystemCredentialsProvider.instance.credentials << new StringCredentialsImpl(
            CredentialsScope.GLOBAL, 'notify-email-token', 'mine', secret)
        SystemCredentialsProvider.instance.save()
    """
    assert controller.control(ask, run=script)["output"] == ""
    options = (*server, "--service-token-file", token_file)
    assert run(controller, "apply", *options).returncode == 0
    controller.control(ask, restart=True)
    asked = """
        import com.cloudbees.plugins.credentials.SystemCredentialsProvider
        SystemCredentialsProvider.instance.credentials[0].with { one ->
            print groovy.json.JsonOutput.toJson([scope.name(), description, secret.plainText])
        }
    """
    kept = json.loads(controller.control(ask, run=asked)["output"])
    assert kept == ["GLOBAL", "mine", SECRET]
    controller.renew(ask)
    other = """
        class Certificate implements com.cloudbees.plugins.credentials.common.StandardCredentials {
            final String id = 'notify-email-token'
        }
        com.cloudbees.plugins.credentials.SystemCredentialsProvider.instance.credentials <<
            new Certificate()
    """
    controller.control(ask, run=other)
    message = error_of(run(controller, "apply", *options))
    assert "the credential notify-email-token is of another kind: change it in Jenkins" in message


def test_email_ext_is_left_alone_with_the_option(
    controller: StandIn, server: tuple[str, ...]
) -> None:
    """With --no-email-ext its server stays, and a Jenkins without the plugin needs no option."""
    assert run(controller, "apply", *server, "--no-email-ext").returncode == 0
    assert settings(controller)["emailExt"]["smtpHost"] is None
    controller.control(ask, absent=["email-ext"])
    assert "in sync" in run(controller, "plan", *server).stdout


@pytest.mark.parametrize(
    ("plugin", "named"),
    [("mailer", "mailer"), ("pipeline-groovy-lib", "pipeline-groovy-lib")],
)
def test_a_missing_plugin(
    controller: StandIn, server: tuple[str, ...], plugin: str, named: str
) -> None:
    """It is named, and nothing is written."""
    controller.control(ask, absent=[plugin])
    controller.control(ask)
    message = error_of(run(controller, "apply", *server, *EVERYTHING))
    assert message.startswith("Jenkins lacks a plugin: install ")
    assert named in message
    assert controller.control(ask)["saves"] == {}


def test_values_are_only_values(controller: StandIn, server: tuple[str, ...]) -> None:
    """Quotation marks, backslashes, Groovy's escapes and placeholders arrive as they are."""
    url = "http://x/'\"\\u0027${1+1}${System.exit(1)}'''\\"
    done = run(controller, "apply", *server, "--service-url", url)
    assert done.returncode == 0, done.stderr
    assert settings(controller)["variables"]["NOTIFY_EMAIL_URL"] == url


def test_a_password_needs_a_crumb(controller: StandIn, server: tuple[str, ...]) -> None:
    """With a password, and without security, the crumb and its session are used, where it is."""
    assert run(controller, "plan", *server, JENKINS_TOKEN=PASSWORD).returncode == 0
    controller.control(ask, crumbs=False)
    assert run(controller, "plan", *server, JENKINS_TOKEN=PASSWORD).returncode == 0
    controller.control(ask, security=False, crumbs=True)
    nobody = run(controller, "plan", *server, JENKINS_TOKEN="", JENKINS_USER="")
    assert nobody.returncode == 0


def test_who_may_not(controller: StandIn) -> None:
    """A wrong token, none and one without the permission have an error each, with the cure."""
    wrong = error_of(run(controller, "plan", JENKINS_TOKEN="wrong"))
    assert wrong.endswith(
        "does not know the user admin with this API token: make a new one at "
        f"{controller.url}/user/admin/security."
    )
    assert "give NOTIFY_EMAIL_JENKINS_USER" in error_of(
        run(controller, "plan", JENKINS_TOKEN="", JENKINS_USER="")
    )
    reader = run(controller, "plan", JENKINS_TOKEN=READER_TOKEN, JENKINS_USER="reader")
    assert "The user reader lacks the permission Overall/Administer" in error_of(reader)


def test_a_slow_start_is_waited_for(controller: StandIn, server: tuple[str, ...]) -> None:
    """It says what it waits for, and goes on when Jenkins is up; or gives up in time."""
    controller.control(ask, busy=600)
    with ThreadPoolExecutor(1) as background:
        running = background.submit(run, controller, "plan", *server, "--wait", "90")
        until(lambda: bool(controller.control(ask)["requests"]), "it asks whether Jenkins is up")
        controller.control(ask, busy=0)
        done = running.result()
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    waits = f"Jenkins at {controller.url} is getting ready to work. Waiting for up to "
    assert re.fullmatch(rf"{re.escape(waits)}\d+ s\.", line)
    controller.control(ask, busy=600)
    message = error_of(run(controller, "plan", *server, "--wait", "1"))
    assert "getting ready to work. Waited 1 s." in message


def test_what_is_no_jenkins(controller: StandIn, postfix: PostfixStandIn) -> None:
    """Nothing listening, no such host, another server and an old Jenkins have an error each."""
    free = f"http://127.0.0.1:{free_port()}"
    assert "Nothing listens at" in error_of(run(None, "plan", "--url", free, "--wait", "0"))
    message = error_of(run(None, "plan", "--url", "http://no-such-host.invalid", "--wait", "9"))
    assert message == "There is no host no-such-host.invalid: is the URL right?"
    other = run(None, "plan", "--url", f"{controller.url}/nothing", "--wait", "0")
    assert "There is no Jenkins at" in error_of(other)
    smtp = run(None, "plan", "--url", f"http://127.0.0.1:{postfix.port}", "--wait", "0")
    assert smtp.returncode == 1
    controller.control(ask, version="2.204.6")
    message = error_of(run(controller, "plan"))
    assert message == f"{controller.url} is Jenkins 2.204.6; this needs 2.266 or later: update it."


def test_what_stands_before_jenkins(
    controller: StandIn, server: tuple[str, ...], tmp_path: Path
) -> None:
    """A prefix, a proxy that is away for a moment or cuts an answer off, warnings: all the same."""
    with Front(controller.url, away=1, cut=1, noise=b"WARNING: old API\n{}\n") as front:
        done = run(None, "apply", "--url", front.url, *server)
        assert done.returncode == 0, done.stderr
        elsewhere = front.url.removesuffix("/ci")
        with Front(controller.url, redirect=elsewhere) as first:
            message = error_of(run(None, "plan", "--url", first.url, *server))
        assert message == (
            f"{first.url} leads to {front.url}, which is not followed: set "
            "NOTIFY_EMAIL_JENKINS_URL to the address that Jenkins itself answers at."
        )
    pem = tmp_path / "front.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(pem), "-out", f"{pem}.crt"),
        ],
        capture_output=True,
        check=True,
    )
    pem.write_text(pem.read_text() + Path(f"{pem}.crt").read_text())
    with Front(controller.url, certificate=pem) as front:
        message = error_of(run(None, "plan", "--url", front.url, *server))
        assert message == (
            f"The certificate of {front.url} can't be verified: set REQUESTS_CA_BUNDLE to the file "
            "with your authority's."
        )
        bundle = {"REQUESTS_CA_BUNDLE": f"{pem}.crt"}
        assert run(None, "plan", "--url", front.url, *server, plain=bundle).returncode == 0


def test_a_proxy_of_the_environment(controller: StandIn, server: tuple[str, ...]) -> None:
    """One that is not there is named, and how to go without."""
    proxy = {"http_proxy": f"http://127.0.0.1:{free_port()}", "NO_PROXY": ""}
    message = error_of(run(controller, "plan", *server, "--wait", "0", plain=proxy))
    assert "by the proxy that the environment names: NO_PROXY=127.0.0.1 goes without." in message


def test_jcasc_is_seen(controller: StandIn, server: tuple[str, ...]) -> None:
    """A Jenkins that JCasC configures gets the note, and YAML that keeps what was set."""
    controller.casc({"unclassified": {"mailer": {"smtpHost": "smtp.example.com"}}})
    controller.control(ask, restart=True)
    options = (*server, *EVERYTHING)
    applied = run(controller, "apply", *options)
    assert "its next reload undoes what is set here" in applied.stdout
    before = settings(controller)
    assert before["mailer"]["smtpHost"] == "smtp.example.com"
    controller.casc(yaml.safe_load(applied.stdout.partition("into your own lists:\n")[2]))
    controller.control(ask, reload=True)
    assert "in sync" in run(controller, "plan", *options).stdout
    controller.control(ask, absent=["email-ext"])
    assert "email-ext" not in run(controller, "plan", *options).stdout


def test_the_test_mail(
    controller: StandIn, server: tuple[str, ...], postfix: PostfixStandIn
) -> None:
    """Jenkins sends it by its own settings; a failure is a sentence with the cure."""
    run(controller, "apply", *server)
    assert "has no admin address" in error_of(
        run(controller, "test-mail", "--to", "ada@example.com")
    )
    run(controller, "apply", *server, "--admin-address", "jenkins@example.com")
    done = run(controller, "test-mail", "--to", "ada@example.com")
    assert done.stdout == (
        f"Jenkins sent its test mail for ada@example.com to 127.0.0.1:{postfix.port}.\n"
    )
    run(controller, "apply", "--address", "127.0.0.1", "--port", str(free_port()))
    message = error_of(run(controller, "test-mail", "--to", "ada@example.com"))
    assert "ConnectException: Connection refused" in message
    assert message.endswith("on the node, or `notify-email jenkins apply`.")


def test_the_init_script(controller: StandIn) -> None:
    """At the start it sets both plugins, logs one line, and with a watch it sets them again."""
    script = run(
        None, "emit", "init-groovy", "--address", "192.0.2.9", "--port", "2525", "--watch", "1"
    ).stdout
    controller.casc({"unclassified": {"mailer": {"smtpHost": "smtp.example.com"}}})
    controller.init_script(script)
    logged = controller.log().count("mail goes to 192.0.2.9:2525")
    controller.control(ask, restart=True)
    found = json.loads(run(controller, "status", "--json").stdout)["settings"]
    assert found["mailer"]["smtpHost"] == found["emailExt"]["smtpHost"] == "192.0.2.9"
    assert controller.log().count("mail goes to 192.0.2.9:2525") == logged + 1
    controller.control(ask, reload=True)
    host = "print hudson.tasks.Mailer.descriptor().smtpHost"
    until(lambda: controller.control(ask, run=host)["output"] == "192.0.2.9", "the watch sets it")
    assert "192.0.2.9:2525, before to smtp.example.com" in controller.log()


def test_the_init_script_at_bad_days(controller: StandIn) -> None:
    """A missing plugin ends no start: it is logged once, and the other ones are set."""
    words = ("--address", "192.0.2.9", "--watch", "1")
    controller.init_script(run(None, "emit", "init-groovy", *words).stdout)
    controller.control(ask, absent=["mailer", "email-ext"])
    logged = len(controller.log())
    controller.control(ask, restart=True)
    time.sleep(2.5)
    [line] = [one for one in controller.log()[logged:].splitlines() if "notify-email" in one]
    assert line.endswith("Jenkins' mail is left as it is: the Mailer plugin is not installed")
    controller.control(ask, absent=["email-ext"])
    for ending in ("before to localhost", "as before"):
        logged = len(controller.log())
        controller.control(ask, restart=True)
        assert controller.log()[logged:].count(f"192.0.2.9:25, {ending}") == 1
    assert now(controller)["mailer"]["smtpHost"] == "192.0.2.9"


def test_emitted_yaml_is_what_jcasc_knows(controller: StandIn) -> None:
    """JCasC takes it, with the address from a file that it reads again at each reload."""
    address = controller.home / "smtp-host"
    address.write_text("192.0.2.1")
    options = [*EVERYTHING, "--email-ext", "--token-from", "NOTIFY_EMAIL_TOKEN"]
    emitted = run(None, "emit", "jcasc", "--read-file", str(address), *options)
    assert emitted.returncode == 0, emitted.stderr
    controller.casc(yaml.safe_load(emitted.stdout))
    found = settings(controller)
    assert found["mailer"]["smtpHost"] == found["emailExt"]["smtpHost"] == "192.0.2.1"
    assert found["variables"]["NOTIFY_EMAIL_URL"] == "http://192.0.2.1:8525"
    assert found["library"]["refreshTimeMinutes"] == 1440
    assert found["credential"] == {"isWanted": False}  # it is there
    address.write_text("192.0.2.2")
    controller.control(ask, reload=True)
    status = json.loads(run(controller, "status", "--json").stdout)
    assert status["settings"]["mailer"]["smtpHost"] == "192.0.2.2"


def as_helm_has_it(emitted: Done) -> tuple[Any, Any]:
    """Values, and their JCasC as the chart's templates leave it."""
    assert emitted.returncode == 0, emitted.stderr
    values = yaml.safe_load(emitted.stdout)
    controller = values["controller"]
    template = controller.get("JCasC", {"configScripts": {}})["configScripts"].get("notify-email")
    text = re.sub(r'{{ "{{" }}|{{', lambda one: "{{" if one[0] != "{{" else "!", template or "{}")
    casc = yaml.safe_load(text)
    if "jenkinsAdminEmail" in controller:
        location = yaml.safe_load(f"adminAddress: {controller['jenkinsAdminEmail']}\n")
        casc.setdefault("unclassified", {})["location"] = location
    return values, casc


def test_helm_values_with_the_init_script(controller: StandIn) -> None:
    """The script has the mail server, JCasC all else; no setting is in both, nor a token."""
    options = (*EVERYTHING, "--node", "node-1", "--token-from", "notify-email/token")
    emitted = run(None, "emit", "helm-values", "--watch", "60", *options)
    values, casc = as_helm_has_it(emitted)
    own = values["controller"]
    assert own["nodeSelector"] == {"kubernetes.io/hostname": "node-1"}
    assert own["additionalExistingSecrets"] == [{"name": "notify-email", "keyName": "token"}]
    assert own["containerEnv"][0]["valueFrom"]["fieldRef"]["fieldPath"] == "status.hostIP"
    script = run(None, "emit", "init-groovy", "--watch", "60").stdout
    assert own["initScripts"]["notify-email"] == script
    [[domain]] = [casc["credentials"]["system"]["domainCredentials"]]
    assert domain["credentials"][0]["usernamePassword"]["password"] == "${notify-email-token}"
    controller.control(ask, absent=["email-ext"])
    controller.casc(casc)
    found = settings(controller)
    assert found["mailer"] | {"charset": "UTF-8", "smtpHost": None} == found["mailer"]
    assert found["mailer"]["replyToAddress"] == "ops@example.com"
    assert found["location"]["adminAddress"] == "Jenkins <jenkins@example.com>"
    assert found["library"]["remote"] == LIBRARY


def test_helm_values_with_a_file() -> None:
    """An init container writes the node's address, and JCasC reads it."""
    values, casc = as_helm_has_it(run(None, "emit", "helm-values", "--read-file"))
    file = "${readFile:/run/notify-email/smtp-host}"
    assert casc["unclassified"]["mailer"]["smtpHost"] == file
    assert "email-ext" not in casc["unclassified"]
    assert "initScripts" not in values["controller"]
    assert values["persistence"]["mounts"][0]["mountPath"] == "/run/notify-email"
    [container] = values["controller"]["customInitContainers"]
    assert container["command"][2] == 'printf %s "$NODE_IP" > /run/notify-email/smtp-host'


def test_values_in_yaml_are_only_values(controller: StandIn) -> None:
    """Whatever YAML, JCasC or Helm would read in them, Jenkins has the very values."""
    odd = "'\"\\u0027 ${HOME} ^${x} $y {{ .Values }} {{{ #: - é 漢 |"
    asked = {
        "--admin-address": f'"{odd[3:]}" <a@example.com>',
        "--reply-to": '"#: ${HOME} {{ x }}" <b@example.com>',
        "--service-url": f"http://x/{odd.replace(' ', '')}",
        "--library": f"https://git.example.com/{odd}.git@v1",
        "--library-credentials": odd,
    }
    options = ("--address", "192.0.2.1", *(word for pair in asked.items() for word in pair))
    emitted = run(None, "emit", "jcasc", *options)
    assert emitted.returncode == 0, emitted.stderr
    _, casc = as_helm_has_it(run(None, "emit", "helm-values", *options))
    for configuration in (yaml.safe_load(emitted.stdout), casc):
        controller.renew(ask)
        controller.casc(configuration)
        found = settings(controller)
        assert found["location"]["adminAddress"] == asked["--admin-address"]
        assert found["mailer"]["replyToAddress"] == asked["--reply-to"]
        assert found["variables"]["NOTIFY_EMAIL_URL"] == asked["--service-url"]
        assert found["library"]["remote"] + "@v1" == asked["--library"]
        assert found["library"]["credentialsId"] == odd


def test_whose_token_an_inventory_uses(
    controller: StandIn, server: tuple[str, ...], tmp_path: Path
) -> None:
    """A controller's own token file goes before the environment's token, a flag before both."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(TOKEN)
    wrong.write_text("wrong")
    file = tmp_path / "controllers.toml"
    one = f'[controllers.ci]\njenkins_url = "{controller.url}"\njenkins_token_file = '
    command = ("plan", *server, "--inventory", str(file))
    file.write_text(f'{one}"{right}"\n')
    assert run(None, *command, JENKINS_TOKEN="wrong").returncode == 0
    file.write_text(f'{one}"{wrong}"\n')
    assert "does not know the user admin" in run(None, *command).stdout
    assert run(None, *command, "--jenkins-token-file", str(right)).returncode == 0


def test_an_inventory(controller: StandIn, server: tuple[str, ...], tmp_path: Path) -> None:
    """The first controller goes first; where it fails, the others are left as they are."""
    file = tmp_path / "controllers.toml"
    one = f'jenkins_url = "{controller.url}"\naddress = "127.0.0.1"\nport = {server[-1]}\n'
    away = f'jenkins_url = "http://127.0.0.1:{free_port()}"\n'
    file.write_text(f"[controllers.away]\n{away}[controllers.ci]\n{one}")
    controller.control(ask)
    done = run(None, "apply", "--inventory", str(file), "--wait", "0")
    assert done.returncode == 1
    assert "ci                  failed: away failed, so this one was left as it is" in done.stdout
    assert controller.control(ask)["requests"] == []
    file.write_text(f"[controllers.ci]\n{one}[controllers.away]\n{away}")
    drift = run(None, "plan", "--inventory", str(file), "--wait", "0").stdout.splitlines()
    assert drift[0].startswith("ci                  drifted: Mailer: smtpHost, ")
    assert drift[1].startswith("away                failed: Nothing listens at ")
    assert run(None, "apply", "--inventory", str(file), "--wait", "0").returncode == 1
    file.write_text(f"[controllers.ci]\n{one}")
    checked = run(None, "plan", "--inventory", str(file), "--check", "--json")
    assert checked.returncode == 0
    assert json.loads(checked.stdout)[0]["plan"]["in_sync"] is True
