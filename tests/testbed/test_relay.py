"""notify-email relay on a node with a real Postfix: what it changes, and what it undoes."""

import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import NoneType

import pytest
from typer.testing import CliRunner

from pyservice.cli import app
from pyservice.errors import SetupError
from tests.builders.patience import PATIENCE
from tests.testbed.machine import FOLDER
from tests.testbed.machine import Machine as SystemdMachine
from tests.testbed.namespaces import Completed, ip
from tests.testbed.network import BRIDGE, ROOT
from tests.testbed.node import BRIDGE_DEVICE
from tests.testbed.relay_machine import RELAY, Machine, aged, as_default, boot
from tests.testbed.waiting import until


@pytest.fixture
def copy(_machine: Machine, tmp_path: Path) -> tuple[Machine, Path]:
    """Return a configuration that no Postfix runs with."""
    for name in ("main.cf", "master.cf", "dynamicmaps.cf"):
        shutil.copy(_machine.config / name, tmp_path)
    (tmp_path / "main.cf").write_text(_machine.blog)
    aged(tmp_path / "main.cf")
    return _machine, tmp_path


def test_the_blogs_file_gains_two_values(machine: Machine) -> None:
    """apply adds docker0's address and the network only, and Postfix serves containers then."""
    before = machine.main.read_text()
    machine.main.chmod(0o640)
    assert machine.relay("plan").returncode == 0
    assert machine.relay("plan", "--check").returncode == 2
    assert machine.relay("apply", "--check").returncode == 2
    assert (machine.main.read_text(), machine.last_reply("pod")) == (before, "")

    done = machine.applied()
    assert machine.main.read_text() == before.replace(
        "= localhost\n", f"= localhost, {BRIDGE}\n"
    ).replace("[::1]/128\n", "[::1]/128 172.22.0.0/16\n")
    assert machine.main.stat().st_mode & 0o777 == 0o640
    assert "Strangers   refused (proved): 198.51.100." in done.stdout
    assert "Waiting for 220 at 172.22.91.1:25 …" in done.stderr
    assert machine.last_reply("pod").startswith("250 2.0.0 Ok: queued as ")
    assert machine.last_reply("outsider").startswith(("454", "554"))

    written, pid = machine.main.stat().st_mtime_ns, machine.master_pid()
    assert ": in sync." in machine.applied().stdout
    assert (machine.main.stat().st_mtime_ns, machine.master_pid()) == (written, pid)
    assert machine.relay("plan", "--check").returncode == 0

    status = machine.relay("status")
    assert "Containers  172.22.91.1:25 greets\n" in status.stdout
    assert "Settings    in sync\n" in status.stdout
    answer = json.loads(machine.relay("status", "--json").stdout)
    assert (answer["running"], answer["greets"], answer["in_sync"]) == (True, True, True)
    assert answer["strangers"]["state"] == "proved"

    reverted = machine.relay("revert")
    assert reverted.returncode == 0, reverted.stderr
    assert (machine.main.read_text(), machine.leftovers()) == (before, [])
    assert machine.last_reply("pod") == ""
    assert machine.last_reply("node").startswith("250")
    assert "There is no apply to take back." in machine.relay("revert").stdout


FAILURES = {
    "read-only file": (
        'mount --bind "$MAIN" "$MAIN"; mount -o remount,ro,bind "$MAIN"',
        (),
        r"postconf failed: fatal: .*Device or resource busy",
    ),
    "read-only directory": (
        'mount --bind "$DIR" "$DIR"; mount -o remount,ro,bind "$DIR"',
        (),
        r"No backup can be kept \(.*read-only file system\), so nothing was changed: make room",
    ),
    "disk full at the backup": (
        'mkdir "$DIR.full"; mount -t tmpfs -o size=40k tmpfs "$DIR.full"; cp -a "$DIR/." '
        '"$DIR.full"; dd if=/dev/zero of="$DIR.full/filler" bs=4k 2>/dev/null || true; '
        'mount --bind "$DIR.full" "$DIR"',
        (),
        r"No backup can be kept \(.*no space left on device\)",
    ),
    "disk full while writing": (
        # main.cf, master.cf, both backups and the record take ten pages: there is no eleventh.
        'mkdir "$DIR.full"; mount -t tmpfs -o size=40k tmpfs "$DIR.full"; cp -a "$DIR/." '
        '"$DIR.full"; mount --bind "$DIR.full" "$DIR"',
        (),
        r"postconf failed: fatal: .*No space left on device",
    ),
    "no Postfix": (
        'for file in /usr/sbin/postconf; do mount --bind /dev/null "$file"; done',
        (),
        r"There is no `postconf` on this machine: install Postfix",
    ),
    "check fails": (
        "",
        ("--myhostname", "-bad-"),
        r"`postfix check` failed: fatal: .*myhostname",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_it_cannot_be_written(machine: Machine, case: str) -> None:
    """One sentence says what failed; the old configuration is in place, and Postfix serves on."""
    before, pid = machine.main.read_bytes(), machine.master_pid()
    setup, options, message = FAILURES[case]
    setup = setup and f"DIR={machine.config}; MAIN=$DIR/main.cf; {setup}"
    done = machine.relay("apply", *options, setup=setup)
    last_line = done.stderr.splitlines()[-1]
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.match(f"notify-email: {message}", last_line), done.stderr
    assert (machine.main.read_bytes(), machine.master_pid()) == (before, pid)
    assert machine.leftovers() == []
    assert machine.last_reply("node").startswith("250")
    machine.run("rm", "-rf", f"{machine.config}.full")


def test_an_immutable_file(machine: Machine) -> None:
    """With chattr +i the error says so, and nothing is changed."""
    before = machine.main.read_bytes()
    assert machine.run("chattr", "+i", str(machine.main)).returncode == 0
    try:
        done = machine.relay("apply")
    finally:
        machine.run("chattr", "-i", str(machine.main))
    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr
    assert "The old configuration is in place, and Postfix was not touched." in done.stderr
    assert (machine.main.read_bytes(), machine.leftovers()) == (before, [])


def test_a_broken_file(copy: tuple[Machine, Path]) -> None:
    """The error has postconf's message."""
    machine, folder = copy  # a running Postfix would stop its daemons for a minute
    with (folder / "main.cf").open("a") as file:
        file.write("broken line\n")
    aged(folder / "main.cf")
    done = machine.run(*RELAY, "apply", "--config-dir", str(folder), *machine.network)
    assert done.returncode == 1
    assert "notify-email: postconf failed: fatal: " in done.stderr
    assert "missing '=' after attribute name" in done.stderr
    assert not (folder / "notify-email").exists()


OCCUPIER = f"""
import socket
with socket.create_server(("{BRIDGE}", 25)) as server:
    print("listening", flush=True)
    while True:
        server.accept()[0].close()
"""


def test_postfix_does_not_come_back(machine: Machine) -> None:
    """Where it can't start with the new configuration, it serves again with the old one."""
    before = machine.main.read_bytes()
    log = machine.config.parent / "occupier.log"
    occupier = machine.node.start(sys.executable, "-c", OCCUPIER, log=log)
    try:
        until(lambda: "listening" in log.read_text(), log.read_text)
        done = machine.relay("apply")
    finally:
        occupier.kill()
        occupier.wait()
    assert done.returncode == 1
    last_line = done.stderr.splitlines()[-1]
    assert "`postfix start` failed: fatal: mail system startup failed" in last_line
    assert last_line.endswith("The old configuration is back in service.")
    assert (machine.main.read_bytes(), machine.leftovers()) == (before, [])
    assert machine.last_reply("node").startswith("250")


def test_no_greeting(machine: Machine) -> None:
    """Where docker0's address doesn't greet with 220, the old configuration is back in service."""
    machine.reset(
        "smtpd_delay_reject = no\n"
        f"smtpd_client_restrictions = check_client_access inline:{{{BRIDGE}=REJECT}}\n"
    )
    before = machine.main.read_bytes()
    done = machine.relay("apply")
    assert done.returncode == 1
    assert "There is no 220 from the relay: 172.22.91.1:25 greets with '554" in done.stderr
    assert done.stderr.endswith("The old configuration is back in service.\n")
    assert (machine.main.read_bytes(), machine.leftovers()) == (before, [])
    assert machine.last_reply("node").startswith("250")


def test_an_open_relay_is_not_left_behind(machine: Machine) -> None:
    """Where a stranger's RCPT is taken, the error says so, and the apply is undone."""
    machine.reset(
        "smtpd_relay_restrictions = check_client_access static:OK, reject_unauth_destination\n"
    )
    before = machine.main.read_bytes()
    done = machine.relay("apply")
    assert done.returncode == 1
    assert "This would be an open relay: 198.51.100." in done.stderr
    assert machine.main.read_bytes() == before


RULES: tuple[tuple[dict[str, str], str, str, str, str], ...] = (
    ({}, "proved", "250", "proved", "454"),
    (
        {"mynetworks": f"!{BRIDGE} 172.22.0.0/16 0.0.0.0/0"},
        *("not proved", "250", "open relay", "250"),
    ),
    (
        {"mynetworks": "172.22.0.0/16 198.51.100.0/24 203.0.113.0/24"},
        *("proved", "250", "not proved", "250"),
    ),
    (
        {"smtp/inet/smtpd_client_restrictions": "permit_sasl_authenticated,reject"},
        *("refused", "554", "proved", "554"),
    ),
    ({"smtpd_data_restrictions": "reject"}, "refused", "554", "proved", "454"),
    (
        {
            "smtpd_restriction_classes": "lan",
            "lan": "permit_mynetworks, reject_unauth_destination",
            "smtpd_relay_restrictions": "lan",
        },
        *("proved", "250", "proved", "554"),
    ),
    ({"relay_domains": "com"}, "proved", "250", "open relay", "250"),
    (
        {
            "smtpd_relay_restrictions": "permit_mynetworks, check_client_access "
            "cidr:{{198.51.100.0/24 REJECT}, {0.0.0.0/0 OK}}, reject_unauth_destination"
        },
        *("proved", "250", "open relay", "250"),
    ),
)
"""Settings; what status says of containers, and what a pod gets; the same of strangers."""


def test_who_may_send(machine: Machine) -> None:
    """What status says of containers and of strangers is what they meet."""
    machine.applied()
    main, master = machine.main.read_text(), machine.master.read_text()
    for settings, containers, pod, strangers, outsider in RULES:
        machine.write(main)
        machine.master.write_text(master)
        for name, value in settings.items():
            option = "-P" if "/" in name else "-e"
            machine.run("postconf", "-c", str(machine.config), option, f"{name}={value}")
        aged(machine.main)
        machine.node.postfix.reload()
        status = machine.relay("status", "--json")
        found = json.loads(status.stdout)
        assert (found["containers"]["state"], found["strangers"]["state"]) == (
            containers,
            strangers,
        ), (settings, found)
        is_safe = containers != "refused" and strangers != "open relay"
        assert status.returncode == (0 if is_safe else 1)
        assert machine.last_reply("pod").startswith(pod), settings
        assert machine.last_reply("outsider").startswith(outsider), settings
    assert found["in_sync"]


def test_faults_are_not_applied(machine: Machine) -> None:
    """A fault of the configuration is named with its cure, and nothing is changed until then."""
    wide = ("-e", "mynetworks=127.0.0.0/8, !172.22.91.1, 0.0.0.0/0")
    list_ = ("-P", "smtp/inet/smtpd_client_restrictions=permit_sasl_authenticated,reject")
    for option, setting in (wide, list_):
        machine.run("postconf", "-c", str(machine.config), option, setting)
    aged(machine.main)
    before = machine.main.read_text()
    done = machine.relay("apply")
    assert (done.returncode, machine.main.read_text()) == (1, before)
    assert (
        "smtpd_client_restrictions (master.cf, smtp/inet) refuses containers' mail" in done.stdout
    )
    assert "Nothing was changed. mynetworks lets in the Internet (0.0.0.0/0)" in done.stderr
    for line in done.stdout.splitlines():
        if cure := line.partition(" Cure: ")[2]:
            assert machine.run("sh", "-c", cure).returncode == 0, cure
    aged(machine.main)
    machine.applied()
    assert machine.last_reply("pod").startswith("250")


def test_it_is_stopped_halfway(machine: Machine) -> None:
    """SIGTERM undoes what was begun."""
    before = machine.main.read_bytes()
    log = machine.config.parent / "stopped.log"
    command = (*RELAY, "apply", "--config-dir", str(machine.config), *machine.network)
    process = machine.node.start(*command, log=log)
    until(lambda: "Checking" in log.read_text(), log.read_text)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 128 + signal.SIGTERM, log.read_text()
    assert "The old configuration is in place" in log.read_text()
    assert (machine.main.read_bytes(), machine.leftovers()) == (before, [])


def on_a_terminal(machine: Machine, *options: str) -> tuple[int, int]:
    """Start an apply on a terminal; return its process ID and the terminal."""
    command = (*RELAY, "apply", "--config-dir", str(machine.config), *machine.network, *options)
    pid, terminal = os.forkpty()
    if pid == 0:
        os.execvp("ip", ["ip", "netns", "exec", machine.node.name, *command])
    return pid, terminal


def read_until(terminal: int, sign: str) -> str:
    """Return what a terminal shows until some text appears, or until it is closed."""
    output = ""
    with suppress(OSError):  # closed
        while sign not in output:
            output += os.read(terminal, 1000).decode()
    return output


def test_a_person_is_asked_before_a_restart(machine: Machine) -> None:
    """On a terminal Enter and Ctrl-C change nothing, and `y` applies; a reload is not asked for."""
    before, question = machine.main.read_bytes(), "Restart Postfix now? [y/N] "
    for answer, end in ((b"\n", 1), (b"\x03", 130), (b"y\n", 0)):
        assert machine.main.read_bytes() == before
        pid, terminal = on_a_terminal(machine)
        assert ": 2 changes to make." in read_until(terminal, question)
        os.write(terminal, answer)
        output = read_until(terminal, "never ends")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == end, output
        os.close(terminal)
    assert machine.last_reply("pod").startswith("250")
    pid, terminal = on_a_terminal(machine, "--relayhost", "[198.51.100.1]:25")
    assert "[y/N]" not in read_until(terminal, "never ends")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)

    written = machine.main.read_bytes()
    plan = machine.relay("revert", "--plan")
    assert f"    - localhost, {BRIDGE}\n    + localhost\n" in plan.stdout
    assert machine.main.read_bytes() == written
    assert machine.relay("revert").returncode == 0
    assert machine.main.read_bytes() == before
    status = machine.relay("status")
    assert (status.returncode, "does not greet" in status.stdout) == (1, True)
    machine.node.postfix.stop()
    stopped = machine.relay("status", "--check", "--json")
    assert (stopped.returncode, json.loads(stopped.stdout)["running"]) == (1, False)
    assert json.loads(machine.relay("revert", "--plan", "--json").stdout)["in_sync"]


def test_ctrl_c_twice(machine: Machine) -> None:
    """A second Ctrl-C does not stop the undoing."""
    before = machine.main.read_bytes()
    pid, terminal = on_a_terminal(machine, "--yes")
    for sign, later in (("Restarting", 0), ("bringing the old configuration back", 0.1)):
        assert sign in read_until(terminal, sign)
        time.sleep(later)  # into a command of Postfix'
        os.write(terminal, b"\x03")
    assert "The old configuration is back in service." in read_until(terminal, "service.")
    os.waitpid(pid, 0)
    os.close(terminal)
    assert (machine.main.read_bytes(), machine.leftovers()) == (before, [])
    assert machine.last_reply("node").startswith("250")


def test_a_terminal_that_is_gone(machine: Machine) -> None:
    """Where the connection to the node breaks, the apply is undone, too."""
    before = machine.main.read_bytes()
    pid, terminal = on_a_terminal(machine, "--yes")
    read_until(terminal, "Restarting")
    os.close(terminal)
    os.waitpid(pid, 0)
    assert (machine.main.read_bytes(), machine.leftovers()) == (before, [])
    assert machine.last_reply("node").startswith("250")


def test_a_check_with_much_to_say(machine: Machine) -> None:
    """Very many warnings don't block it."""
    data = machine.config.parent / "data"
    for number in range(300):
        (data / f"{'a-file-not-of-postfix-':x<200}{number}").touch()
    try:
        machine.applied("--no-restart")
    finally:
        for file in data.glob("a-file-*"):
            file.unlink()


def test_applies_do_not_mix(machine: Machine) -> None:
    """Two at once come one after the other, and both are in force."""
    results: list[Completed] = []

    def apply(network: str) -> None:
        results.append(machine.applied("--network", network))

    threads = [
        threading.Thread(target=apply, args=(network,))
        for network in ("172.22.91.0/24", "10.9.8.0/24")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert {"172.22.91.0/24", "10.9.8.0/24"} <= set(machine.parameter("mynetworks").split())
    assert any("Waiting for another notify-email relay" in done.stderr for done in results)


def test_what_others_changed_stays(machine: Machine) -> None:
    """After another person's change revert undoes its own parameters only, and says so."""
    machine.applied("--myhostname", "one.example.com")
    main = machine.main.read_text().replace("one.example.com", "two.example.com")
    machine.write(main + "# mine\n")
    done = machine.relay("revert")
    assert done.returncode == 0, done.stderr
    assert "myhostname was changed since the last apply, to 'two.example.com'" in done.stdout
    [hostname] = re.findall("^myhostname = .*$", machine.blog, re.MULTILINE)
    assert machine.main.read_text() == (
        machine.blog.replace(hostname, "myhostname = two.example.com") + "# mine\n"
    )
    assert machine.leftovers() == []


def test_written_without_a_restart(machine: Machine) -> None:
    """With --no-restart the running Postfix stays; the next apply puts in force what is written."""
    pid = machine.master_pid()
    assert "restart Postfix; it does not use this yet" in machine.applied("--no-restart").stdout
    assert machine.master_pid() == pid
    assert machine.relay("plan", "--check").returncode == 2
    answer = json.loads(machine.applied("--json").stdout)
    assert [change["why"] for change in answer["changes"]] == [
        "What is written is not in force until a restart."
    ]
    assert answer["greeting"].startswith("220 ")
    assert answer["strangers"]["state"] == "proved"
    assert machine.last_reply("pod").startswith("250")


def test_the_password_stays_secret(machine: Machine, tmp_path: Path) -> None:
    """It goes from a file into a map that only root may read, and into no output."""
    file = tmp_path / "password"
    file.write_text("ci:s3cret!\n")
    options = ("--relayhost", "[198.51.100.1]:587", "--sasl-password-file", str(file))
    output = machine.relay("plan", *options, "--json").stdout + machine.applied(*options).stdout
    again = machine.relay("plan", *options)
    assert ": in sync." in again.stdout
    file.write_text("ci:an0ther\n")
    output += machine.relay("plan", *options).stdout
    assert "    - another one\n    + a password, which is not shown\n" in output
    table = machine.config / "notify-email.sasl_passwd"
    for secret in ("s3cret", "an0ther"):
        assert secret not in output + (machine.config / "notify-email" / "record.json").read_text()
    assert table.stat().st_mode & 0o777 == 0o600
    assert Path(f"{table}.db").stat().st_mode & 0o777 == 0o600
    password = machine.run(
        "postmap", "-c", str(machine.config), "-q", "[198.51.100.1]:587", f"hash:{table}"
    )
    assert password.stdout == "ci:s3cret!\n"
    assert machine.parameter("smtp_tls_security_level") == "encrypt"
    machine.relay("revert")
    assert machine.leftovers() == []
    assert machine.main.read_text() == machine.blog


GREEDY = f"""
import smtplib, socket
with smtplib.SMTP("{BRIDGE}", 25, "pod", 10) as smtp:
    print(smtp.verify("root")[0])
    smtp.ehlo()
    smtp.mail("boss@example.com")
    print(smtp.rcpt("ada@example.com")[0])
kept = []
for _ in range(22):
    kept.append(socket.create_connection(("{BRIDGE}", 25), 10))
    print(kept[-1].recv(200).decode().split()[0])
"""


def test_hardening(machine: Machine) -> None:
    """--harden refuses VRFY and other senders, and bounds a container's connections."""
    done = machine.applied("--harden", "--allow-sender", "ci.example.com")
    assert "A container may not write in anybody's name." in done.stdout
    assert machine.last_reply("pod").startswith("250")
    assert machine.last_reply("node").startswith("250")
    assert machine.parameter("smtpd_forbid_bare_newline") == "normalize"
    codes = machine.pod.run(sys.executable, "-c", GREEDY).stdout.split()
    assert codes == ["502", "554", *["220"] * 20, "421", "421"]


def test_boot_without_docker0(machine: Machine) -> None:
    """A drop-in repeats a failed start; with --boot-safe Postfix starts before the address."""
    setup, master = as_default(machine), machine.master.read_bytes()
    done = machine.run(*RELAY, "apply", *machine.network, setup=setup)
    assert done.returncode == 0, done.stdout + done.stderr
    units = machine.config.parent / "units"
    [drop_in] = units.glob("*/*")
    assert drop_in.relative_to(units) == Path("postfix@-.service.d/notify-email.conf")
    assert "After=docker.service\nWants=docker.service\n" in drop_in.read_text()
    assert "Restart=on-failure\n" in drop_in.read_text()

    aged(machine.main)
    assert boot(machine, address_first=False).returncode == 1
    refused = machine.run(*RELAY, "plan", "--address", BRIDGE, *machine.network, setup=setup)
    assert "No interface of this machine has 172.22.91.1" in refused.stderr
    assert boot(machine, address_first=True).returncode == 0  # what Restart=on-failure does

    machine.applied("--boot-safe", setup=setup)
    assert machine.parameter("inet_interfaces") == "loopback-only"
    settings = machine.config.parent / "sysctl.d" / "60-notify-email.conf"
    assert settings.read_text() == "net.ipv4.ip_nonlocal_bind = 1\n"
    assert ": in sync." in machine.applied(setup=setup).stdout
    assert boot(machine, address_first=False).returncode == 0
    assert machine.last_reply("node").startswith("250")
    machine.node.address(BRIDGE_DEVICE, f"{BRIDGE}/24")
    assert machine.last_reply("pod").startswith("250")
    assert machine.last_reply("outsider").startswith(("454", "554"))

    reverted = machine.run(*RELAY, "revert", setup=setup)
    assert reverted.returncode == 0, reverted.stderr
    assert (machine.main.read_text(), machine.master.read_bytes()) == (machine.blog, master)
    assert list(units.iterdir()) == []
    assert not settings.exists()
    assert machine.run("sysctl", "-n", "net.ipv4.ip_nonlocal_bind").stdout == "0\n"


UNDER_SYSTEMD = """
cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
: >/etc/postfix/main.cf
mkdir /var/spool/tried
postconf -e compatibility_level=3.6 queue_directory=/var/spool/tried maillog_file=/var/log/tried \
  inet_interfaces=loopback-only inet_protocols=ipv4 mynetworks=127.0.0.0/8 smtpd_peername_lookup=no
postconf -F '*/*/chroot = n'
touch -d '1 minute ago' /etc/postfix/main.cf
units=/etc/systemd/system
cp /usr/lib/systemd/system/postfix.service /usr/lib/systemd/system/postfix@.service $units
mkdir $units/postfix.service.wants # as Debian's generator does
ln -s ../postfix@.service $units/postfix.service.wants/postfix@-.service
systemctl daemon-reload
systemctl start postfix
"""


def test_the_drop_in_under_systemd(tmp_path: Path) -> None:
    """Debian's own unit fails without docker0's address, as at a boot, and serves when it comes."""
    shutil.copytree(ROOT / "pyservice", tmp_path / "pyservice")
    command = f"PYTHONPATH={FOLDER}:/usr/local/packages python3 -m pyservice.cli relay"
    machine = SystemdMachine(tmp_path, bridge=BRIDGE)

    def wait_until(state: str) -> None:
        until(
            lambda: machine.systemctl("is-active", "postfix@-.service") == state,
            lambda: machine.systemctl("status", "postfix@-.service"),
        )

    try:
        done = machine.script(f"{UNDER_SYSTEMD}\n{command} apply --network 172.22.0.0/16")
        assert done.returncode == 0, done.stdout + done.stderr
        ip("-n", machine.name, "address", "flush", "dev", BRIDGE_DEVICE)
        machine.systemctl("restart", "postfix@-.service")
        wait_until("activating")
        machine.address(BRIDGE_DEVICE, f"{BRIDGE}/24")
        wait_until("active")
        machine.wait_for_port(25, listening=True)

        done = machine.script(f"{command} revert && ls /etc/systemd/system")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "service.d" not in done.stdout.partition("Reverted")[2]
        assert machine.systemctl("is-active", "postfix@-.service") == "active"
    finally:
        machine.remove()


def test_in_a_container(machine: Machine) -> None:
    """The error says that it belongs on the node."""
    done = machine.pod.run(*RELAY, "plan", "--config-dir", str(machine.config))
    assert done.returncode == 1
    assert "This is a container" in done.stderr


@pytest.mark.parametrize(
    ("lines", "name", "value"),
    [
        (
            "mynetworks = 127.0.0.0/8,\n  # a remark\n\t10.1.0.0/24\n",
            "mynetworks",
            "127.0.0.0/8, 10.1.0.0/24, 172.22.0.0/16",
        ),
        (
            "lan = 10.1.0.0/24\nmynetworks = $lan 127.0.0.0/8\n",
            "mynetworks",
            "$lan 127.0.0.0/8 172.22.0.0/16",
        ),
        (
            "mynetworks = cidr:/etc/networks.cidr\n",
            "mynetworks",
            "cidr:/etc/networks.cidr, 172.22.0.0/16",
        ),
        ("lan = 172.16.0.0/12\nmynetworks = $lan\n", "mynetworks", "$lan"),
        ("inet_interfaces = loopback-only\n", "inet_interfaces", f"localhost, {BRIDGE}"),
        ("own = localhost\ninet_interfaces = $own\n", "inet_interfaces", f"$own, {BRIDGE}"),
        ("inet_interfaces = all\n", "inet_interfaces", "all"),
    ],
    ids=["lines", "reference", "table", "held", "loopback-only", "own", "all"],
)
def test_other_ways_to_write_it(
    copy: tuple[Machine, Path], lines: str, name: str, value: str
) -> None:
    """A list in several lines, by `$name`, with a table, or set twice keeps its way of writing."""
    machine, folder = copy
    with (folder / "main.cf").open("a") as file:
        file.write(lines)
    plan = json.loads(planned(folder, "--json"))
    changes = {change["what"]: change["after"] for change in plan["changes"]}
    now = machine.run("postconf", "-c", str(folder), "-h", name).stdout.strip()
    assert changes.get(name, now) == value


def test_networks_by_style(copy: tuple[Machine, Path]) -> None:
    """Where mynetworks is not set, what mynetworks_style gives is kept."""
    machine, folder = copy
    main = machine.blog.replace("mynetworks =", "nothing =") + "mynetworks_style = subnet\n"
    (folder / "main.cf").write_text(main)
    plan = planned(folder)
    assert "What mynetworks_style = subnet gave so far is written out." in plan
    assert "    + 127.0.0.0/8, 172.22.0.0/16\n" in plan


def test_a_link_is_no_file(copy: tuple[Machine, Path]) -> None:
    """A main.cf that is a symbolic link is refused, since postconf would replace it."""
    _, folder = copy
    (folder / "main.cf").rename(folder / "real.cf")
    (folder / "main.cf").symlink_to("real.cf")
    error = planned(folder, code=1)
    assert f"main.cf in {folder} is a symbolic link" in error


def test_a_service_with_networks_of_its_own(copy: tuple[Machine, Path]) -> None:
    """Where master.cf overrides mynetworks, an error says so, since main.cf would not count."""
    machine, folder = copy
    machine.run("postconf", "-c", str(folder), "-P", "smtp/inet/mynetworks=127.0.0.0/8")
    assert "postconf -PX smtp/inet/mynetworks" in planned(folder, code=1)


def test_nothing_listens(copy: tuple[Machine, Path]) -> None:
    """Where master.cf has no listener at port 25, the error names the cure."""
    machine, folder = copy
    machine.run("postconf", "-c", str(folder), "-MX", "smtp/inet")
    assert "nothing listens at port 25" in planned(folder, code=1)


def test_an_old_postfix(copy: tuple[Machine, Path]) -> None:
    """2.10 has a plan, and errors say what it lacks."""
    _, folder = copy
    with (folder / "main.cf").open("a") as file:
        file.write("mail_version = 2.10.1\n")
    assert "Postfix 2.10.1 in " in planned(folder)
    error = planned(folder, "--boot-safe", code=1)
    assert "Postfix 2.10.1 can't edit master.cf by postconf" in error
    error = planned(folder, "--allow-sender", "a@b.example.com", code=1)
    assert "Postfix 2.10.1 has no inline tables" in error


def planned(folder: Path, *options: str, code: int = 0) -> str:
    """Run `relay plan` in this process, which saves its start; return its output or error."""
    aged(folder / "main.cf")
    where = ("--config-dir", str(folder), "--address", BRIDGE, *Machine.network, "--no-restart")
    done = CliRunner().invoke(app, ["relay", "plan", *where, *options])
    assert isinstance(done.exception, SetupError if code else NoneType), done.output
    return str(done.exception) if code else done.stdout
