"""What can be wrong on the path from a container to the relay host, and what cures it.

The catalogue has each finding once, for the doctor, the scripts for bare pods and docs/doctor.md.
"""

import re
import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "note"]
"""An error keeps mail from going out, or lets strangers send; a note is good to know."""
Place = Literal["node", "anywhere"]
"""Where to run a cure: in a shell of the node, as root, or wherever `notify-email` is."""

COMMAND = "notify-email "
"""The beginning of a cure that `doctor --fix` can run."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with its cure."""

    id: str
    severity: Severity
    sentence: str
    cure: str
    """A command line; capitals in it stand for what only the reader knows."""
    place: Place = "node"

    @property
    def is_error(self) -> bool:
        """Whether mail can't go out, or strangers' mail can."""
        return self.severity == "error"

    @property
    def command(self) -> list[str] | None:
        """The words of a cure that is a command of ours and can be run as it stands, else None."""
        words = shlex.split(self.cure)
        is_whole = not any(re.fullmatch(r"[A-Z]+|\$\(.*", word) for word in words)
        return words[1:] if self.cure.startswith(COMMAND) and is_whole else None

    def as_json(self) -> dict[str, Any]:
        """Return `{id, severity, sentence, cure, place}`."""
        return asdict(self)

    def as_note(self) -> "Finding":
        """Return the same finding as a note, where it does no harm."""
        return replace(self, severity="note")

    def on_instance(self, config_dir: Path | None) -> "Finding":
        """Return the finding with a cure for the Postfix in that folder; None: the usual one."""
        if config_dir is None:
            return self
        folder = shlex.quote(str(config_dir))
        cure = re.sub(r"\b(postconf|postfix|postqueue) ", rf"\1 -c {folder} ", self.cure)
        ours = r"\bnotify-email (relay apply|doctor(?! --print-script))"
        cure = re.sub(ours, rf"\g<0> --config-dir {folder}", cure)
        return replace(
            self, cure=cure.replace("systemctl start postfix", f"postfix -c {folder} start")
        )


@dataclass(frozen=True)
class Known:
    """One entry of the catalogue; sentence and cure have fields for `str.format`."""

    id: str
    severity: Severity
    sentence: str
    cure: str
    place: Place = "node"

    def finding(self, **values: object) -> Finding:
        """Return it with its fields filled in; in the cure each value is one word to a shell."""
        quoted = {name: shlex.quote(str(value)) for name, value in values.items()}
        sentence, cure = self.sentence.format(**values), self.cure.format(**quoted)
        return Finding(self.id, self.severity, sentence, cure, self.place)


CATALOGUE = (
    Known(
        "no-bridge",
        "error",
        "This machine has no container bridge (docker0, cni0, cbr0, podman0, br-…).",
        "systemctl start docker",
    ),
    Known(
        "bridge-without-address",
        "error",
        "{interface} has no address: it gets one from its container engine.",
        "systemctl restart {engine}",
    ),
    Known(
        "no-address",
        "error",
        "This container can't know the node's address: it has neither NODE_IP nor a default "
        "gateway that is the node.",
        "notify-email doctor --print-script --address "
        "\"$(kubectl get pod POD -o jsonpath='{{.status.hostIP}}')\" | kubectl exec -i POD -- bash",
        "anywhere",
    ),
    Known(
        "postfix-missing",
        "error",
        "There is no Postfix: nothing listens on port {port}, at {address} or at localhost.",
        "apt-get install postfix || dnf install postfix",
    ),
    Known(
        "postfix-down",
        "error",
        "Postfix is not running: nothing listens on port {port}, at {address} or at localhost.",
        "systemctl start postfix",
    ),
    Known(
        "refused",
        "error",
        "Nothing listens at {address}:{port}: Postfix does not serve that address "
        "(inet_interfaces), or is not running, or a firewall rejects the connection.",
        "notify-email relay apply",
    ),
    Known(
        "filtered",
        "error",
        "Packets to {address}:{port} do not get through ({text}): a firewall drops them, or a "
        "route leads elsewhere.",
        "{iptables} -I INPUT -s {network} -p tcp --dport {port} -j ACCEPT",
    ),
    Known(
        "not-postfix",
        "error",
        "The server at {address}:{port} is not Postfix: {text}",
        "ss -ltnp sport = :{port}",
    ),
    Known(
        "greeting-slow",
        "error",
        "Postfix' greeting took {seconds} s: it looks up the client's name first, or has no "
        "process free.",
        "postconf -e smtpd_peername_lookup=no && postfix reload",
    ),
    Known(
        "sender-refused",
        "error",
        "Postfix refuses the sender {sender}: {text}",
        "notify-email doctor --from SENDER",
        "anywhere",
    ),
    Known(
        "relay-denied",
        "error",
        "Postfix relays nothing for {seen}, which is not in mynetworks: {text}",
        "notify-email relay apply --network {network}",
    ),
    Known(
        "disk-full",
        "error",
        "Postfix has too little space for its queue: {text}",
        'df -h "$(postconf -h queue_directory)"',
    ),
    Known(
        "rejected",
        "error",
        "Postfix refuses the mail at {command}: {text}",
        "postconf -n | grep -e restrictions -e milters",
    ),
    Known(
        "deferred",
        "error",
        "The relay {relay} does not take {queue_id} yet: {text}",
        "postqueue -f",
    ),
    Known(
        "bounced",
        "error",
        "The relay {relay} refused {queue_id} for good: {text}",
        "notify-email doctor --from SENDER --send-to ADDRESS",
        "anywhere",
    ),
    Known(
        "unanswered",
        "note",
        "Postfix has {queue_id}; after {seconds} s its log has no answer of the relay.",
        "postqueue -p",
    ),
    Known(
        "log-missing",
        "note",
        "Postfix has {queue_id}; whether the relay takes it is not known here, since Postfix' log "
        "is not at hand. {text}",
        "journalctl -u 'postfix*' | grep {queue_id}",
    ),
    Known(
        "open-relay",
        "error",
        "Strangers reach port {port} ({how}), and {gateway} is in mynetworks: they may relay if "
        "their source is rewritten to it, as docker-proxy does.",
        "postconf -e mynetworks={networks} && postfix reload",
    ),
    Known(
        "gateway-trusted",
        "note",
        "{gateway} itself is in mynetworks: if port {port} is ever published, or sources are "
        "rewritten, strangers seem to come from there, and may relay.",
        "postconf -e mynetworks={networks} && postfix reload",
    ),
    Known(
        "bare-newline",
        "note",
        "Postfix takes a bare newline for the end of a line, so a second mail can be smuggled in "
        "(CVE-2023-51764).",
        "notify-email relay apply --harden",
    ),
    Known(
        "jenkins-silent",
        "error",
        "Jenkins' settings can't be read. {text}",
        "notify-email jenkins status --jenkins-url URL",
        "anywhere",
    ),
    Known(
        "controller-cut-off",
        "error",
        "No Postfix greets Jenkins' controller. It tried {tried}",
        "notify-email doctor --print-script | kubectl exec -i POD -- bash",
        "anywhere",
    ),
    Known(
        "mailer-elsewhere",
        "error",
        "Jenkins' Mailer sends to {host}, and this node's Postfix is at {address}:{port}.",
        "notify-email jenkins apply",
        "anywhere",
    ),
    Known(
        "address-drifted",
        "error",
        "Jenkins' Mailer sends to {host}, an earlier address of the bridge or another node's; now "
        "it is {address}.",
        "notify-email jenkins apply",
        "anywhere",
    ),
    Known(
        "email-ext-elsewhere",
        "error",
        "The plugin email-ext has an SMTP server of its own, {host}, and this node's Postfix is at "
        "{address}:{port}.",
        "notify-email jenkins apply",
        "anywhere",
    ),
    Known(
        "jenkins-url-missing",
        "error",
        "Jenkins does not know its own URL, so no mail can have a link to a build.",
        "echo \"jenkins.model.JenkinsLocationConfiguration.get().url = 'URL'\" "
        "| java -jar jenkins-cli.jar -s URL groovy =",
        "anywhere",
    ),
    Known(
        "admin-address-missing",
        "error",
        "Jenkins has no admin address, which is the sender of its mails.",
        "notify-email jenkins apply --admin-address ADDRESS",
        "anywhere",
    ),
    Known(
        "controller-not-pinned",
        "note",
        "{workload} may move to another node, whose bridge may have another address.",
        "kubectl patch {workload} --namespace {namespace} --type merge -p "
        """'{{"spec":{{"template":{{"spec":{{"nodeSelector":"""
        """{{"kubernetes.io/hostname":"{node}"}}}}}}}}}}'""",
        "anywhere",
    ),
)

KNOWN = {known.id: known for known in CATALOGUE}
